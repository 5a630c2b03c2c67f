"""ContextDubBench in our layout, and its caution in every report."""

import io
import re

import pytest
from rich.console import Console

from evaluation.cli.run import plan_of
from evaluation.dataset import DatasetError
from evaluation.datasets.contextdub import CONTEXTDUB, OURS
from evaluation.report import print_table, write_report
from evaluation.results import build
from evaluation.run import execute


@pytest.fixture
def bench(tmp_path, real_clip):
    """Two dubbed clips, one of them with a hostile name."""
    real_clip(tmp_path / "bench" / "videos" / "说 話 & 100%.mp4", "vretalk_3.mp4")
    real_clip(tmp_path / "bench" / "videos" / "b.mp4", "grid_bbaf2n.mpg")
    real_clip(tmp_path / "bench" / "speech" / "other.mp4", "vretalk_1.mp4", frames=12)
    (tmp_path / "bench" / "contextdub.csv").write_text(
        "id,speaker,video,audio,context\n"
        '说 話 & 100%,anna,videos/说 話 & 100%.mp4,speech/other.mp4,"a, b"\n'
        "b,bert,videos/b.mp4,speech/other.mp4,\n"
    )
    return tmp_path / "bench"


def test_the_manifest_says_who_gets_whose_speech(bench):
    first, second = CONTEXTDUB.samples(bench)
    assert (first.id, first.speaker) == ("说 話 & 100%", "anna")
    assert first.video == first.likeness == bench / "videos" / "说 話 & 100%.mp4"
    assert second.audio == bench / "speech" / "other.mp4"
    assert second.reference is None


def test_the_caution_is_in_every_report_and_list(bench, tmp_path, talkbench):
    run, out = tmp_path / "run", tmp_path / "out"
    plan = plan_of("contextdubbench", ("still",), ("psnr", "sharpness"), bench)
    execute(plan, run)
    results = build(run)
    terminal = io.StringIO()
    print_table(results, Console(file=terminal, width=100))
    write_report(run, results, out, ["md", "html", "tex", "json"])
    texts = {f: (out / f).read_text() for f in ("results.md", "index.html", "results.tex")}
    texts["terminal"] = terminal.getvalue()
    texts["list"] = talkbench("list", "suites").stdout
    texts["form"] = talkbench("list", "suites", "contextdubbench").stdout
    for where, text in texts.items():
        plain = re.sub(r"[^a-zA-Z]+", " ", text.replace("&#39;", "'"))
        wanted = "neither the videos of ContextDubBench also called X DubBench nor its split"
        if where == "list":  # a narrow column folds between words
            plain, wanted = plain.replace(" ", ""), wanted.replace(" ", "")
        assert wanted in plain, where
    for where in ("results.md", "index.html", "results.tex", "terminal", "form"):
        assert "turned upright" in " ".join(texts[where].split()), where
    assert OURS in results.manifest["suite"]["notes"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id,speaker,video\nb,bert,videos/b.mp4\n", "lacks the column audio"),
        ("id,speaker,video,audio\n", "has no rows"),
        ("id,speaker,video,audio\nb,,videos/b.mp4,videos/b.mp4\n", "line 2: speaker is empty"),
        ("id,speaker,video,audio\nb,bert\n", "line 2: video and audio is empty"),
        ("id,speaker,video,audio\nb,bert,../x.mp4,videos/b.mp4\n", "no name inside"),
        (
            "id,speaker,video,audio\n" + "b,bert,videos/b.mp4,videos/b.mp4\n" * 2,
            "line 3: 'b' is on line 2 already",
        ),
        (
            "id,speaker,video,audio\nb,bert,videos/b.mp4,speech/gone.mp4\n",
            "1 of the 2 files .* speech/gone.mp4",
        ),
    ],
)
def test_a_spoilt_manifest_is_named_with_its_line(bench, text, words):
    (bench / "contextdub.csv").write_text(text)
    with pytest.raises(DatasetError, match=words):
        CONTEXTDUB.samples(bench)


def test_without_the_manifest_the_layout_is_said(bench):
    (bench / "contextdub.csv").unlink()
    with pytest.raises(DatasetError, match=r"no contextdub\.csv in it\. Expected: a folder"):
        CONTEXTDUB.samples(bench)
    with pytest.raises(DatasetError, match="needs your own copy"):
        CONTEXTDUB.samples(None)
