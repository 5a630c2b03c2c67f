"""``talkbench certify`` as a user meets it, on real clips."""

import json

import cv2
import numpy as np
import pytest

from evaluation.certificate import BASE, INVISIBLE, TRUTH, VISIBLE
from evaluation.events import read_events
from evaluation.registry import load_suite
from evaluation.video import FrameReader, read_audio
from evaluation.video_writer import Encoding, VideoWriter

CHEAP = ("-m", "psnr", "-m", "ssim")
ROWS = len((TRUTH, *INVISIBLE, *VISIBLE)) + len(INVISIBLE)


def cut(source, target, frames=16, side=128):
    """The beginning of a real clip, small, as MP4s are: H.264 with AAC."""
    target.parent.mkdir(parents=True, exist_ok=True)
    reader = FrameReader(source, piece=frames)
    audio = read_audio(source)
    audio = type(audio)(audio.samples[: audio.rate * frames // 25], audio.rate)
    small = [cv2.resize(f, (side, side), interpolation=cv2.INTER_AREA) for f in next(iter(reader))]
    with VideoWriter(
        target, width=side, height=side, fps=reader.info.fps, encoding=Encoding(12), audio=audio
    ) as writer:
        writer.add(np.stack(small))


@pytest.fixture
def clips(tmp_path, data):
    """Two speakers in ``gt``, and a system's videos of them in ``out``."""
    for name in ("RD_Radio8_000", "WRA_PeterRoskam0_000"):
        for folder, source in (("gt", "gt"), ("out", "diffdub"), ("old", "wav2lip")):
            cut(data / "hdtf_mini" / source / f"{name}.mp4", tmp_path / folder / f"{name}.mp4")
    return tmp_path


@pytest.mark.data
@pytest.mark.assets
def test_a_folder_is_certified_and_its_tables_grey_what_is_noise(
    talkbench, clips, records_of, asset
):
    asset("yunet")
    command = ("certify", "--suite", "folder", "--data", "gt", *CHEAP, "-o", "run", "--limit", "1")
    done = talkbench(*command, COLUMNS="100")
    assert done.returncode == 0, done.stdout + done.stderr
    assert max(map(len, done.stdout.split("Floor:")[0].splitlines())) <= 100
    suite = load_suite("folder").id
    assert f"{suite}  1 clip of 1 speaker, every frame, a part of the suite" in done.stdout
    assert len(records_of(clips / "run")) == 2 * ROWS
    certificate = json.loads((clips / "run" / "certificate.json").read_text())
    assert list(certificate["clips"]) == ["RD_Radio8_000"]
    facts = {card["name"]: card for card in certificate["cards"]}
    for card in facts.values():
        changes = {c["perturbation"]: c for c in (*card["invisible"], *card["visible"])}
        assert len(changes) == ROWS - 1
        assert not [c for c in changes.values() if c["reason"]]
        # Neither card listens, and neither container nor sound touches a pixel.
        for name in ("invisible-aac", "invisible-remux", "swapped-audio"):
            assert changes[name]["change"] == 0
        assert changes["swapped-audio"]["sees"] == "no"
        assert changes["identity-swap"]["sees"] == "yes"
        assert card["floor"]["by"] == "invisible-crop1"
        assert card["gap_floor"]["by"] == f"{BASE}+invisible-crop1"
        assert 0 < card["gap_floor"]["value"] < card["floor"]["value"]
    assert f"{facts['psnr']['gap_floor']['value']:.2f}" in done.stdout
    assert "| psnr ↑ | 100.00 dB |" in (clips / "run" / "certificate.md").read_text()
    assert (clips / "run" / "report" / "index.html").stat().st_size > 5000

    # Again, nothing is computed; what is left of the videos is what the generators return.
    again = talkbench(*command)
    assert f"0 records computed, {2 * ROWS} were there already" in again.stdout
    videos = clips / "run" / "videos"
    assert not [p for p in videos.rglob("*") if p.name.startswith(".")]
    assert (videos / "invisible-remux" / "RD_Radio8_000.mkv").exists()

    # The same clips scored for systems: their gap is far below what a crop by one pixel does.
    scored = ("score", "--reference", "gt", "--generated", "new=out", "--generated", "old=old")
    assert talkbench(*scored, *CHEAP, "-o", "table").returncode == 0
    assert "≈" not in talkbench("report", "table").stdout
    told = talkbench("report", "table", "--certificate", "run/certificate.json")
    assert told.returncode == 0, told.stderr
    assert "noise floor (PSNR" in told.stdout
    marks = {
        (e["generator"], e["metric"]): (e["mark"], e["near_best"])
        for e in json.loads((clips / "table" / "results.json").read_text())["estimates"]
    }
    assert marks["new", "psnr"] == ("best", False)
    assert marks["old", "psnr"] == ("second", True)
    other = talkbench("report", "table", "--certificate", "run/results.json")
    assert other.returncode == 2
    assert "results.json is no certificate, or a damaged one: dataset is not there" in other.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["certify", "-o", "r"], "--suite"),
        (["certify", "--suite", "foldr", "-o", "r"], "Did you mean folder"),
        (["certify", "--suite", "folder", "-o", "r"], "--data DIR"),
        (["certify", "--suite", "folder", "--data", "gt", "-o", "gt"], "holds the data"),
        (["report", "r", "--certificate", "none.json"], "none.json"),
    ],
)
def test_unusable_input_is_exit_code_two_and_writes_nothing(
    talkbench, tmp_path, write_clip, arguments, words
):
    write_clip(tmp_path / "gt" / "a.mp4")
    done = talkbench(*arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert words in " ".join(done.stderr.split())
    assert not (tmp_path / "r").exists()
    assert [p.name for p in (tmp_path / "gt").iterdir()] == ["a.mp4"]


def test_a_damage_that_cannot_be_made_is_a_reason_and_not_the_end(talkbench, tmp_path, write_clip):
    """One mute clip without a face and without another speaker: three damages have no clip."""
    write_clip(tmp_path / "gt" / "a.mp4", audio=False)
    words = ["certify", "--suite", "folder", "--data", "gt", "-m", "psnr", "-o", "run"]
    done = talkbench(*words, "--log-json", "log")
    assert done.returncode == 1, done.stdout + done.stderr
    told = read_events(tmp_path / "log")
    assert told[0]["event"] == "run started"
    assert {"unit finished", "failed", "run ended"} <= {e["event"] for e in told}
    assert [told[-1][name] for name in ("event", "step", "how")] == ["step ended", "report", "done"]
    text = " ".join(done.stdout.split())
    assert "generation failed: this clip has no sound to encode: psnr on invisible-aac" in text
    assert "no clip of another speaker in this split has audio: psnr on identity-swap" in text
    (card,) = json.loads((tmp_path / "run" / "certificate.json").read_text())["cards"]
    assert card["floor"]["by"] == "invisible-crop1"
    assert card["ladders"]["shift"]["ordered"] is not None
    assert card["ladders"]["mouth blur"]["ordered"] is None
