"""Runner files: everything wrong is said at once; where things are may be said elsewhere."""

import os
import re
import tomllib
from pathlib import Path

import pytest

from baselines.placeholders import ALL, fill, names_in
from baselines.places import places_of, variable
from baselines.runner_file import read_runner_file
from baselines.runners import FOLDER
from baselines.steps import MEANINGS, read_step
from evaluation.generator import GeneratorFileError
from evaluation.registry import listing, load_generator, names

ROOT = Path(__file__).parents[3]
SHIPPED = sorted(FOLDER.glob("*.toml"))


def test_all_problems_are_in_one_message(write_runner):
    path = write_runner(
        name='"No Name"',
        about=None,
        trained_on='"lrs2"',
        comand='["x"]',
        command='["python", "{vidoe}", "{}", 3]',
        output='{ fps = "fast", size = "big", frames = "some", file = "../x.mp4" }',
        steps='["upper half"]',
        time_limit="{ seconds = true }",
        repository='"https://example.org"',
        gpu='"yes"',
        licence='{ code = "MIT" }',
    )
    with pytest.raises(GeneratorFileError) as caught:
        read_runner_file(path)
    text = str(caught.value)
    assert text.startswith(f"{path} is no runner file")
    for words in (
        "name: is 'No Name'; expected small letters",
        "about: is missing; expected a text",
        "trained_on: is 'lrs2', a text; expected a list of texts",
        "comand: no such key; did you mean command?",
        "command: is ['python', '{vidoe}', '{}', 3]; expected a list of words",
        "output.fps: is 'fast'; expected 'same', a number",
        "output.size: is 'big'; expected 'same', 'any' or WIDTHxHEIGHT",
        "output.frames: is 'some'; expected 'as video' or 'as audio' or",
        "output.file: is '../x.mp4'; expected a path below the work folder",
        "steps: 'upper half' is no step; known",
        "time_limit.seconds: is True, true or false; expected a number",
        "commit: repository and commit go together",
        "gpu: is 'yes', a text; expected true or false",
        "licence.weights: is missing",
    ):
        assert words in text, words


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"command": '["{vidoe}"]'}, "no placeholder is called vidoe; known: {video}"),
        ({"command": '["{"]'}, "command"),
        ({"command": '["{video.x}"]'}, "no plain name"),
        ({"command": '["{0}"]'}, "no plain name"),
        ({"command": '["{video!r}"]'}, "no plain name"),
        ({"command": "[]"}, "expected a list of words"),
        ({"command": '[["a"], "b"]'}, "expected a list of words"),
        ({"environment": '{ venv = "a", image = "b" }'}, "venv and image; expected exactly one"),
        ({"files": '{ "../x" = "" }'}, "'../x' is no path below"),
        ({"files": '{ "/etc/x" = "" }'}, "'/etc/x' is no path below"),
        ({"weights": '[{ path = "/x", from = "a" }]'}, "weights[0].path: is '/x'; expected a path"),
        ({"weights": '[{ path = "a/../../x", from = "a" }]'}, "expected a path below"),
        ({"weights": '[{ path = "x", sha256 = "12", from = "a" }]'}, "expected 64 hexadecimal"),
        ({"steps": '["right half", "rate 25"]'}, "'rate R' can only be the first"),
        ({"steps": '["right half", "right half"]'}, "is there twice"),
        ({"steps": '["drop first 0 frames"]'}, "is no step"),
        ({"inherit": '["A B"]'}, "'A B' is no name of a variable"),
        ({"variables": '{ A = "{video}" }'}, "no placeholder is called video"),
        ({"time_limit": "{ seconds = 0 }"}, "no time at all"),
        ({"time_limit": "{ seconds = inf }"}, "expected a number, 0 or more"),
        ({"commit": '"abc"', "repository": '"x"'}, "expected 40 hexadecimal digits"),
        ({"kind": '"anchor"'}, "expected 'system'"),
        ({"output": "5"}, "output: is 5, a whole number; expected a table"),
    ],
)
def test_each_slip_has_its_words(write_runner, changes, words):
    with pytest.raises(GeneratorFileError, match=re.escape(words)):
        read_runner_file(write_runner(**changes))


@pytest.mark.parametrize("content", [b"name = ", b"\xff\xfe"])
def test_what_is_no_toml_says_so(tmp_path, content):
    (tmp_path / "a.toml").write_bytes(content)
    with pytest.raises(GeneratorFileError, match="is not TOML"):
        read_runner_file(tmp_path / "a.toml")
    with pytest.raises(GeneratorFileError, match="No such file"):
        read_runner_file(tmp_path / "b.toml")


def test_a_brace_is_written_twice():
    assert names_in("{{video}} {audio}") == {"audio"}
    assert fill("{{video}} {audio}{audio}", {"audio": "{video}"}) == "{video} {video}{video}"


@pytest.mark.parametrize("text", MEANINGS)
def test_every_step_reads_as_it_is_written(text):
    written = re.sub(r"\b[NR]\b", "12", text)
    assert str(read_step(written)) == written


def test_texts_and_places_are_no_new_version_and_a_flag_is(write_runner):
    digest = read_runner_file(write_runner()).digest
    same = {"about": '"better said"', "verified": '["x @ y"]', "time_limit": "{ seconds = 9 }"}
    same |= {"folder": '"elsewhere"', "environment": '{ python = "p" }'}
    assert read_runner_file(write_runner(**same)).digest == digest
    assert read_runner_file(write_runner("look")).digest != digest
    assert read_runner_file(write_runner(steps='["left half"]')).digest != digest


def test_a_place_is_taken_from_the_nearest_that_says_it(
    write_runner, tmp_path, monkeypatch, foreign_venv
):
    runner = read_runner_file(write_runner(name='"my-net.v2"'))
    assert variable("my-net.v2", "folder") == "TALKBENCH_RUNNER_MY_NET_V2_FOLDER"
    assert places_of(runner).environment == str(foreign_venv)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    user = tmp_path / "config/talkbench/runners.toml"
    user.parent.mkdir(parents=True)
    user.write_text('["my-net.v2"]\nconda = "envs/a"\nfolder = "/code"\n[other]\nx = 1\n')
    places = places_of(runner)
    assert (places.kind, places.environment) == ("conda", str(user.parent / "envs/a"))
    assert str(places.folder) == str(places.weights) == "/code"
    monkeypatch.setenv("TALKBENCH_RUNNER_MY_NET_V2_IMAGE", "a/b:1")
    monkeypatch.setenv("TALKBENCH_RUNNER_MY_NET_V2_WEIGHTS_FOLDER", "/weights")
    places = places_of(runner)
    assert (places.kind, places.environment, str(places.weights)) == ("image", "a/b:1", "/weights")
    monkeypatch.setenv("TALKBENCH_RUNNER_MY_NET_V2_VENV", "/v")
    with pytest.raises(GeneratorFileError, match="says venv and image for my-net"):
        places_of(runner)
    user.write_text('["my-net.v2"]\nfodler = 1\n')
    with pytest.raises(GeneratorFileError, match="fodler: no such key; did you mean folder"):
        places_of(runner)


def test_what_is_relative_starts_at_the_file(write_runner, tmp_path):
    runner = read_runner_file(write_runner(folder='"code"', environment='{ venv = "../v" }'))
    places = places_of(runner)
    assert places.folder == tmp_path / "code"
    assert places.python == str(tmp_path / "../v/bin/python")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_a_shipped_file_is_whole_and_owns_to_what_nobody_checked(path):
    runner = read_runner_file(path)
    assert runner.name == path.stem
    assert runner.commit
    assert not runner.any_commit
    assert not runner.places
    assert runner.paper
    assert runner.not_verified
    assert any("never run" in text for text in runner.not_verified)
    assert all(f"@ {runner.commit[:7]}" in text for text in runner.verified), "file @ commit"
    assert len(runner.verified) >= 3
    assert tomllib.loads(path.read_text())["trained_on"] == list(runner.trained_on)
    assert path.stem in names("generators")
    generator = load_generator(path.stem)
    assert generator.spec.name == path.stem
    lacks = generator.lacking()
    assert any(runner.repository in text for text in lacks)


def test_shipped_files_are_listed_with_who_brings_them():
    rows = {row.name: row for row in listing("generators")}
    for path in SHIPPED:
        assert rows[path.stem].error == ""
        assert rows[path.stem].origin.startswith("talkbench ")


@pytest.mark.parametrize("page", ["docs/RUNNERS.md", "README.md"])
def test_the_smallest_file_of_the_pages_is_one(tmp_path, page):
    blocks = re.findall(r"```toml\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    (tmp_path / "a.toml").write_text(next(text for text in blocks if "time_limit" in text))
    runner = read_runner_file(tmp_path / "a.toml")
    assert runner.name == "mine"
    assert places_of(runner).kind == "venv"


def test_every_key_step_and_placeholder_is_documented(tmp_path, write_runner):
    page = (ROOT / "docs/RUNNERS.md").read_text()
    with pytest.raises(GeneratorFileError) as caught:
        read_runner_file(write_runner(zzz="1"))
    known = str(caught.value).rpartition("Known: ")[2].split(", ")
    assert len(known) > 20
    for key in set(known) - {"kind"}:
        assert re.search(rf"`\[*{key}[\].`]", page), key
    for text in (*MEANINGS, *(f"{{{name}}}" for name in ALL)):
        assert text in page, text
    for path in SHIPPED:
        assert f"`{path.stem}`" in page


def test_a_file_without_end_is_not_read(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe.toml")
    with pytest.raises(GeneratorFileError, match="is no plain file"):
        read_runner_file(tmp_path / "pipe.toml")
    monkeypatch.setenv("TALKBENCH_MAX_TEXT", "9")
    (tmp_path / "long.toml").write_text('name = "foreign"\n')
    with pytest.raises(GeneratorFileError, match="17 bytes in a list or manifest"):
        read_runner_file(tmp_path / "long.toml")
