"""What a number means, and that it is the official one."""

import json

import pytest

from evaluation.calibration import compare
from evaluation.calibration.known import KNOWN_ANSWERS, applies
from evaluation.calibration.official import BY_CARD, Official
from evaluation.registry import cards_of, load_metrics, names
from evaluation.video_writer import Encoding
from metrics.base import STATED


def test_a_card_says_every_choice(talkbench):
    done = talkbench("card", "fid@vico")
    assert done.returncode == 0, done.stderr
    for key in (*STATED, "range", "source", "a perfect video", "held against"):
        assert key in done.stdout
    assert "Other cards" not in done.stdout


def test_a_family_means_its_default_and_names_the_others(talkbench):
    done = talkbench("card", "ssim")
    assert done.stdout.startswith("ssim@skimage-wang")
    assert "ssim@torchmetrics@mouth" in done.stdout


def test_a_card_as_json_is_the_card(talkbench):
    done = talkbench("card", "psnr", "lse-d", "--format", "json")
    psnr, lse = json.loads(done.stdout)
    assert psnr["name"] == "psnr"
    assert lse["fps"] == 25
    assert set(STATED) <= set(lse["protocol"])


def test_an_unknown_card_names_the_nearest(talkbench):
    done = talkbench("card", "ssim@piqq")
    assert done.returncode == 2
    assert "Did you mean ssim@piq" in done.stderr


def test_missing_weights_are_listed_once_with_one_command(talkbench, tmp_path):
    done = talkbench("list", "metrics", TALKBENCH_CACHE=str(tmp_path / "empty"))
    assert done.stdout.count("talkbench assets get") == 1
    assert "needs syncnet, s3fd" in done.stdout


def test_every_entry_is_a_card():
    known = {card.spec.name for family in names("metrics") for card in cards_of(family)}
    assert set(BY_CARD) <= known
    for answer in KNOWN_ANSWERS:
        assert f"lse-d@{answer.protocol}" in known
        assert applies(f"lse-c@{answer.protocol}")
    assert not applies("psnr")


@pytest.fixture
def clips(tmp_path, write_clip):
    write_clip(tmp_path / "a.mp4", width=200, height=180, frames=4)
    form = {"width": 200, "height": 180, "frames": 4, "encoding": Encoding(crf=40)}
    write_clip(tmp_path / "b.mp4", **form)
    return tmp_path / "b.mp4", tmp_path / "a.mp4"


@pytest.mark.reference
def test_pixel_cards_equal_their_packages(talkbench, clips, tmp_path):
    cards = ["psnr", "psnr@vico", "ssim@skimage-uniform", "ssim@torchmetrics", "ms-ssim@piq"]
    wanted = [part for card in cards for part in ("-m", card)]
    out = tmp_path / "calibration.json"
    sides = ["--generated", clips[0], "--reference", clips[1], "--every", 1]
    done = talkbench("calibrate", *wanted, *sides, "-o", out)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 of 5 compared cards equal" in done.stdout
    rows = json.loads(out.read_text())["rows"]
    assert [r["verdict"] for r in rows] == ["equal"] * 5
    assert all(r["theirs"] > 0 and r["difference"] <= r["tolerance"] for r in rows)


def test_another_number_is_a_difference_and_a_broken_package_a_note(clips, tmp_path, monkeypatch):
    def official(compute):
        return Official("psnr", "scikit-image", "a test's", 1e-9, "", compute)

    def broken(a, b):
        raise RuntimeError("cannot")

    metrics = load_metrics(["psnr", "lmd"])
    for compute, verdict in ((lambda a, b: 12.0, "different"), (broken, "not compared")):
        monkeypatch.setitem(BY_CARD, "psnr", official(compute))
        psnr, lmd = compare.compare(metrics, *clips, 1, tmp_path / verdict)
        assert psnr.verdict == verdict
        assert lmd.note == "no official package computes it"
    assert psnr.note == "the package failed: RuntimeError: cannot"


def test_one_side_alone_is_refused(talkbench, clips):
    done = talkbench("calibrate", "-m", "psnr", "--generated", clips[0])
    assert done.returncode == 2
    assert "--reference" in done.stderr
