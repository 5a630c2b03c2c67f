"""The folder of a run that somebody sent: its notes may say anything, and show nothing private."""

import json
import shutil

import pytest

from evaluation.folder_lock import writing
from evaluation.generate import costs, video_of
from evaluation.report.page.proxy import Proxy, _remembered
from leaderboards.study.key import Key


@pytest.fixture(scope="module")
def sent(tmp_path_factory, write_clip):
    """Two clips, a system, and a video of ours that is none of theirs."""
    folder = tmp_path_factory.mktemp("sent")
    for number in range(2):
        write_clip(folder / "gt" / f"{number}.mp4", seed=number, frames=6)
        write_clip(folder / "mine" / f"{number}.mp4", seed=number + 5, frames=6)
    write_clip(folder / "private.mp4", seed=99, frames=6)
    return folder


@pytest.fixture
def run(sent, tmp_path, talkbench):
    line = ("score", "--reference", sent / "gt", "--generated", f"mine={sent / 'mine'}")
    done = talkbench(*line, "-m", "psnr", "-o", "run")
    assert done.returncode == 0, done.stdout + done.stderr
    shutil.rmtree(tmp_path / "run" / "report")
    return tmp_path / "run"


def shown(run, clip):
    """What the page has of a clip's videos."""
    text = (run / "report" / "clips" / f"{clip}.js").read_text()
    return json.loads(text.partition(",")[2].rpartition(")")[0])["tiles"]


def test_a_page_shows_the_videos_that_were_scored_and_no_others(talkbench, run, sent):
    """Whoever sends a run names files of this machine, and gets the report back."""
    note = run / "videos" / "mine" / "0.json"
    content = json.loads(note.read_text())
    note.write_text(json.dumps(content | {"path": str(sent / "private.mp4")}))
    manifest = json.loads((run / "run.json").read_text())
    manifest["samples"]["1"]["reference"] = str(sent / "private.mp4")
    (run / "run.json").write_text(json.dumps(manifest))
    done = talkbench("report", run)
    assert done.returncode == 0, done.stdout + done.stderr
    problems = [[tile["problem"] for tile in shown(run, clip)] for clip in (0, 1)]
    other = "the video is another than was scored"
    assert problems == [["", other], [other, ""]]


@pytest.mark.parametrize(
    "odd",
    [
        '{"path": 5}',
        '{"path": "a\\u0000b"}',
        '{"path": "/dev/zero"}',
        '{"path": "' + "x" * 5000 + '"}',
        '{"seconds": "x", "device": "cpu", "frames": 3}',
        '{"seconds": 1, "device": ["cpu"], "frames": 3}',
        '{"seconds": 1, "device": "cpu", "frames": -3, "peak_mb": true}',
        '{"seconds": 1' + "0" * 400 + ', "device": "cpu", "frames": 3}',
        "[" * 100_000,
        "[]",
    ],
)
def test_a_note_of_another_form_is_none(tmp_path, odd):
    note = tmp_path / "videos" / "mine" / "a.json"
    note.parent.mkdir(parents=True)
    note.write_text(odd)
    assert video_of(tmp_path, "mine", "a") is None
    assert costs(tmp_path, ["mine"], ["a"]) == {}


def test_events_that_are_none_are_passed_over(talkbench, run):
    events = run / "events.jsonl"
    sound = events.read_text()
    rows = [
        '{"event": "run started", "at": "yesterday"}',
        '{"event": "unit started", "at": "yesterday"}',
        '{"event": "unit finished", "records": 3, "at": "2026-01-01T00:00:00+00:00"}',
        "[" * 100_000,
        '{"event": "run ended", "at": 5}',
        '{"event": "run ended", "at": "yesterday"}',
        '{"event": "run ended", "at": "2026-01-01T00:00:00"}',
        '{"event": ["run ended"], "at": "2026-01-01T00:00:00+00:00"}',
        '{"event": "unit finished", "records": "many", "at": "2026-01-01T00:00:00+00:00"}',
        '{"event": "failed", "reason": "\\u001b[2J", "at": "2026-01-01T00:00:00+00:00"}',
    ]
    events.write_text(sound + "\n".join(rows) + "\n")
    done = talkbench("status", run)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "done" in done.stdout
    assert "failed: None · None: " in done.stdout
    assert "\x1b" not in done.stdout
    with writing(run):
        done = talkbench("status", run)
    assert done.returncode == 0, done.stderr
    assert "running" in done.stdout
    (run / ".lock-holder.json").write_text("[" * 100_000)
    assert talkbench("status", run).returncode == 0


def test_the_note_of_a_player_names_files_beside_it_alone(talkbench, run, tmp_path):
    assert talkbench("report", run).returncode == 0
    (note, *_) = sorted((run / "report" / "clips").glob("*.json"))
    assert isinstance(_remembered(note, note.parent), Proxy)
    content = json.loads(note.read_text())
    (tmp_path / "private.mp4").touch()
    odd = [{"files": ["../../../private.mp4"]}, {"fps": "x"}, {"tiles": [{}]}, {"frames": None}]
    for change in odd:
        note.write_text(json.dumps(content | change))
        assert _remembered(note, note.parent) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": "x"}, "seed is a str"),
        ({"assignments": [[{"kind": "rate", "clips": ["gone"], "role": ""}]]}, "not name: gone"),
        ({"clips": {"c": {"generator": True}}}, "clips.c.generator is a bool"),
    ],
)
def test_a_key_of_another_form_is_refused_in_words(tmp_path, change, words):
    whole = {
        **dict.fromkeys(("study", "title", "suite", "pair_question"), "x"),
        "schema": 1,
        "systems": [],
        "questions": [],
        "ties": True,
        "clips": {},
        "assignments": [],
        "left_out": {},
        "seed": 1,
    }
    path = tmp_path / "key.json"
    path.write_text(json.dumps(whole))
    assert Key.read(path).seed == 1
    path.write_text(json.dumps(whole | change))
    with pytest.raises(ValueError, match=words):
        Key.read(path)
    path.write_text("[" * 100_000)
    with pytest.raises(ValueError, match="nested too deeply"):
        Key.read(path)
