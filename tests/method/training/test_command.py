"""``talkbench train`` as a user types it, up to a table with the trained method in it."""

import csv
import json
import re
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from evaluation.cli import main
from evaluation.plan import UnusableInputError
from evaluation.video import FrameReader, read_audio
from evaluation.video_writer import VideoWriter
from method.training.cli import changed
from method.training.settings import LANDMARKS, RENDERER

pytestmark = [pytest.mark.assets, pytest.mark.data]

LITTLE = {
    "iplap-landmarks": ("layers=1", "hidden=64", "batch=4", "every=3", "validated=4"),
    "iplap-renderer": (
        "judge_width=4",
        "taps=1",
        "warm_up_epochs=1",
        "batch=2",
        "every=3",
        "validated=2",
    ),
}


@pytest.fixture
def talkbench(monkeypatch):
    """Run a command in this process."""
    monkeypatch.setenv("TALKBENCH_DEVICE", "cpu")

    def call(*words, code=0):
        done = CliRunner().invoke(main, [str(w) for w in words])
        assert done.exit_code == code, done.output
        return re.sub(r"\s+", " ", done.output)

    return call


def test_from_videos_to_a_table(videos, asset, talkbench, monkeypatch, tmp_path):
    asset("lpips-vgg")
    prepared, trained = tmp_path / "prepared", tmp_path / "trained"
    said = talkbench("train", "prepare", videos, "-o", prepared, "--name", "grid", "--margin", 15)
    assert "2 of 2 clips prepared, 150 faces" in said
    for stage, changes in LITTLE.items():
        said = talkbench(
            *("train", stage, "--data", prepared, "-o", trained, "--preset", "tiny"),
            *("--steps", 3, *(f"--set={x}" for x in changes)),
        )
        assert "3 steps done, 3 in all" in said
        about = json.loads((trained / stage / "training.json").read_text())
        assert about["settings"]["batch"] == int(re.search(r"batch=(\d)", str(changes))[1])
        assert about["training clips"] == 2
        assert about["held out"] == "ends of clips"
    clips = tmp_path / "clips"
    clips.mkdir()
    whole = videos / "s1" / "bbaf2n.mpg"
    frames = np.concatenate(list(FrameReader(whole)))[:8]
    sound = read_audio(whole)
    with VideoWriter(
        clips / "short.mp4",
        width=360,
        height=288,
        fps=25,
        audio=type(sound)(sound.samples[: sound.rate * 8 // 25], sound.rate),
    ) as writer:
        writer.add(frames)
    monkeypatch.setenv("TALKBENCH_ASSETS", str(trained))
    run = tmp_path / "run"
    said = talkbench(
        *("run", "folder", "--data", clips, "-g", "ground-truth", "-g", "iplap"),
        *("-m", "psnr", "-m", "ssim", "-o", run),
    )
    assert "4 records computed" in said
    records = [json.loads(line) for line in (run / "records.jsonl").read_text().splitlines()]
    scores = {(r["generator"], r["metric"].split("@")[0]): r["value"] for r in records}
    assert scores["ground-truth", "psnr"] == 100
    assert 15 < scores["iplap", "psnr"] < 60
    assert 0.5 < scores["iplap", "ssim"] < 1
    with (run / "report" / "results.csv").open() as file:
        assert {row["generator"] for row in csv.DictReader(file)} == {"ground-truth", "iplap"}


def test_a_clip_that_fails_is_said_and_the_exit_code_tells(data, talkbench, tmp_path):
    folder = tmp_path / "videos"
    folder.mkdir()
    (folder / "text.mp4").write_text("not a video")
    said = talkbench("train", "prepare", folder, "-o", tmp_path / "out", "--name", "x", code=1)
    assert "text.mp4: not a readable video" in said
    assert "0 of 1 clips prepared" in said
    said = talkbench("train", "iplap-landmarks", "--data", tmp_path / "out", "-o", tmp_path, code=2)
    assert "no clip in it could be prepared; see report.csv there" in said


def test_without_the_loss_networks_weights(prepared, talkbench, monkeypatch, tmp_path):
    monkeypatch.setenv("TALKBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TALKBENCH_ASSETS", raising=False)
    said = talkbench("train", "iplap-renderer", "--data", prepared, "-o", tmp_path, code=2)
    assert "vgg19-dcbb9e9d.pth" in said
    assert not (tmp_path / "iplap-renderer").exists()


class TestSettings:
    def test_changed_ones(self):
        official = RENDERER["official"]
        new = changed(official, ("batch=32", "learning_rate=3e-5", "judge_hears_painter=true"))
        assert (new.batch, new.learning_rate, new.judge_hears_painter) == (32, 3e-5, True)
        assert new.channels == official.channels
        assert changed(LANDMARKS["tiny"], ()) == LANDMARKS["tiny"]

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ("size=3", "no setting is called 'size'; there are layers, heads"),
            ("batch=many", "batch=many: 'many' is not int"),
            ("batch", "batch: '' is not int"),
        ],
    )
    def test_those_that_are_none(self, change, said):
        with pytest.raises(UnusableInputError, match=said):
            changed(LANDMARKS["official"], (change,))

    def test_official_numbers_are_those_of_the_authors(self):
        landmarks, renderer = LANDMARKS["official"], RENDERER["official"]
        assert (landmarks.batch, landmarks.references, landmarks.learning_rate) == (128, 15, 1e-4)
        assert (renderer.batch, renderer.references, renderer.warm_up_epochs) == (96, 3, 26)
        assert (renderer.warp, renderer.painted, renderer.style) == (2.5, 4.0, 250.0)
        assert (renderer.adversarial, renderer.matching) == (0.25, 2.5)
        assert renderer.judge_betas == (0.5, 0.999)


def test_help_teaches():
    done = subprocess.run(
        [sys.executable, "-m", "evaluation.cli", "train", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    for word in ("prepare", "iplap-landmarks", "iplap-renderer", "torchrun", "TALKBENCH_ASSETS"):
        assert word in done.stdout
