"""Generators with arguments: read, refused with what is possible, and named by."""

from pathlib import Path
from typing import Literal

import pytest

from baselines.anchors import Shifted
from evaluation.arguments import ArgumentError, Configured, arguments_of, make, split
from evaluation.generate import video_path
from evaluation.registry import BrokenPluginError, generator_arguments, load_generator


class Painter:
    def __init__(
        self,
        compat: bool = False,
        sharp: bool = True,
        steps: int = 20,
        scale: float = 1.5,
        style: str = "oil",
        mode: Literal["fast", "exact"] = "exact",
        name: str = "painter",
        told=None,
    ) -> None:
        self.given = (compat, sharp, steps, scale, style, mode)
        self.name = name


DEFAULTS = (False, True, 20, 1.5, "oil", "exact")


@pytest.mark.parametrize(
    ("text", "given", "written"),
    [
        ("p", DEFAULTS, ""),
        ("p:compat", (True, *DEFAULTS[1:]), "compat"),
        ("p:compat=true", (True, *DEFAULTS[1:]), "compat"),
        ("p:compat=false,steps=20,scale=1.50", DEFAULTS, ""),
        ("p:style=a=b, steps=3", (False, True, 3, 1.5, "a=b", "exact"), "steps=3,style=a=b"),
        (
            "p:sharp=false,mode=fast",
            (False, False, 20, 1.5, "oil", "fast"),
            "mode=fast,sharp=false",
        ),
        ("p:scale=2", (False, True, 20, 2.0, "oil", "exact"), "scale=2.0"),
    ],
)
def test_arguments_reach_the_class_and_name_what_is_not_the_default(text, given, written):
    name, arguments = split(text)
    painter, canonical = make(name, Painter, arguments)
    assert painter.given == given
    assert canonical == written
    again, same = make(name, Painter, split(f"p:{canonical}" if canonical else "p")[1])
    assert (again.given, same) == (given, canonical)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "p:stesp=3",
            r"no argument 'stesp'\. Did you mean steps\? It takes compat=false \(or true\)",
        ),
        ("p:told=3", "no argument 'told'"),
        ("p:name=x", "no argument 'name'"),
        ("p:steps=2.5", "'steps=2.5' is not understood; expected a whole number"),
        ("p:scale=nan", "expected a number"),
        ("p:scale", "expected a value: scale="),
        ("p:compat=1", "expected true or false"),
        ("p:mode=slow", r"expected fast or exact\. It takes .*mode=exact \(or fast\)"),
        ("p:", "argument '' has no name"),
        ("p:steps=3,steps=4", "'steps=4' is given twice"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_can(text, words):
    with pytest.raises(ArgumentError, match=words):
        make("p", Painter, split(text)[1])


def test_two_settings_are_two_rows_and_two_files():
    plain, nine = load_generator("shifted"), load_generator("shifted:by=9")
    assert isinstance(plain, Shifted)
    assert isinstance(nine, Configured)
    assert nine.generator.by == 9
    assert (plain.spec.name, nine.spec.name) == ("shifted", "shifted:by=9")
    assert load_generator("shifted:by=3").spec.name == "shifted"
    paths = {video_path(Path("v"), n, "a") for n in ("shifted", "shifted:by=9", "shifted:by=1")}
    assert len(paths) == 3
    assert all(p.parts[:1] == ("v",) and len(p.parts) == 3 for p in paths)


def test_a_finished_generator_and_a_class_without_any_take_no_arguments():
    for name in ("shifted-9", "still"):
        with pytest.raises(ArgumentError, match=r"has no argument 'by'\. It takes none"):
            load_generator(f"{name}:by=3")
        assert generator_arguments(name) == ""
    assert generator_arguments("shifted") == "by=3"
    assert arguments_of(Painter)["compat"].allowed == (True, False)


def test_a_generator_that_fails_under_its_arguments_is_broken(monkeypatch):
    monkeypatch.setattr(Shifted, "__init__", _failing)
    with pytest.raises(BrokenPluginError, match="ValueError: too early"):
        load_generator("shifted:by=3")


def _failing(self, by: int = 3) -> None:
    raise ValueError("too early")


def test_the_command_line_says_what_is_possible(talkbench, write_clip, tmp_path):
    write_clip(tmp_path / "a.mp4")
    wrong = talkbench("generate", "shifted:bye=1", "--video", "a.mp4", "-o", "out.mp4")
    assert wrong.returncode == 2
    said = "Error: generator shifted has no argument 'bye'. Did you mean by? It takes by=3\n"
    assert wrong.stderr == said
    assert not (tmp_path / "out.mp4").exists()
    right = talkbench("generate", "shifted:by=1", "--video", "a.mp4", "-o", "out.mp4")
    assert right.returncode == 0, right.stderr
    listed = talkbench("list", "generators")
    assert "takes by=3" in listed.stdout


def test_a_run_keeps_settings_apart(talkbench, write_clip, records_of, tmp_path):
    write_clip(tmp_path / "data" / "a.mp4")
    asked = ("-g", "shifted", "-g", "shifted:by=5", "-m", "psnr", "-o", "run")
    done = talkbench("run", "folder", "--data", "data", *asked, "--workers", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    records = records_of(tmp_path / "run")
    assert sorted(r["generator"] for r in records) == ["shifted", "shifted:by=5"]
    assert len({r["generated_sha256"] for r in records}) == 2
