"""Portraits: the last eleventh is cut exactly, and May is driven by others."""

import shutil
from fractions import Fraction

import numpy as np
import pytest

from evaluation.cli.run import plan_of
from evaluation.dataset import DatasetError
from evaluation.datasets.portraits import (
    MAY_LIEU,
    MAY_SHAHEEN,
    PORTRAITS,
    cut_tests,
    first_of_test,
)
from evaluation.run import execute
from evaluation.video import FrameReader, read_audio


def pixels(path):
    return np.concatenate(list(FrameReader(path)))


@pytest.fixture
def portraits(tmp_path, real_clip):
    """Two people, 26 and 22 frames long."""
    root = tmp_path / "portraits"
    real_clip(root / "May" / "May.mp4", "person_May_5s.mp4", frames=26)
    real_clip(root / "Shaheen" / "Shaheen.mp4", "vretalk_5.mp4", frames=22)
    return root


@pytest.mark.parametrize(("frames", "first"), [(11, 10), (26, 23), (22, 20), (8843, 8039)])
def test_the_last_eleventh_begins_where_the_official_script_says(frames, first):
    assert first_of_test(frames) == int(frames * 10 / 11) == first


def test_the_test_part_is_cut_without_loss_and_its_sound_with_it(portraits):
    assert len(cut_tests(portraits)) == 2
    source, cut = portraits / "May" / "May.mp4", portraits / "May" / "May_test.mp4"
    assert np.array_equal(pixels(cut), pixels(source)[23:])
    before, after = read_audio(source), read_audio(cut)
    start = round(Fraction(23, 25) * before.rate)
    assert np.abs(after.samples - before.samples[start:]).max() <= 1 / 32768
    written = cut.read_bytes()
    assert cut_tests(portraits) == []
    assert cut.read_bytes() == written


def test_portraits_are_scored_on_their_test_parts(portraits, tmp_path):
    cut_tests(portraits)
    may, shaheen = PORTRAITS.samples(portraits)
    assert may.video == may.audio == may.reference == portraits / "May" / "May_test.mp4"
    assert may.other_audio == shaheen.video
    plan = plan_of("portraits-reconstruction", ("ground-truth",), ("psnr",), portraits)
    records = execute(plan, tmp_path / "run")
    assert {(r.sample, r.frames, r.status) for r in records} == {
        ("May", 3, "ok"),
        ("Shaheen", 2, "ok"),
    }


def test_may_speaks_with_anothers_voice_and_nobody_knows_the_right_answer(portraits, tmp_path):
    cut_tests(portraits)
    sample = MAY_SHAHEEN.samples(portraits)[0]
    assert sample.video == sample.likeness == portraits / "May" / "May_test.mp4"
    assert sample.audio == portraits / "Shaheen" / "Shaheen_test.mp4"
    assert sample.reference is None
    plan = plan_of("may-shaheen", ("still",), ("sharpness", "psnr"), portraits)
    found = {r.metric: (r.status, r.reason) for r in execute(plan, tmp_path / "run")}
    assert found["sharpness@laplacian"] == ("ok", "")
    assert found["psnr"][0] == "not-applicable"
    assert "no reference video to be held against frame by frame" in found["psnr"][1]
    with pytest.raises(DatasetError, match=r"Lieu.Lieu\.mp4 is missing"):
        MAY_LIEU.samples(portraits)


def test_a_whole_video_without_its_test_part_says_what_to_do(portraits, talkbench):
    with pytest.raises(DatasetError, match=f"cut it: talkbench portraits {portraits}"):
        PORTRAITS.samples(portraits)
    done = talkbench("portraits", portraits)
    assert done.returncode == 0, done.stderr
    assert "May: frames 23 to 25 of 26, 3 in all" in done.stdout
    assert len(PORTRAITS.samples(portraits)) == 2


def test_the_test_part_of_another_video_is_found_out(portraits):
    cut_tests(portraits)
    shutil.copy(portraits / "Shaheen" / "Shaheen_test.mp4", portraits / "May" / "May_test.mp4")
    with pytest.raises(DatasetError, match=r"has 2 frames, the last eleventh .* has 3"):
        PORTRAITS.samples(portraits)


def test_another_rate_is_refused_before_anything_is_cut(portraits, write_clip):
    write_clip(portraits / "Lieu" / "Lieu.mp4", fps=Fraction(30))
    with pytest.raises(DatasetError, match="runs at 30 frames a second, portraits at 25"):
        cut_tests(portraits)
    assert not (portraits / "May" / "May_test.mp4").exists()


def test_another_folder_is_refused(portraits, tmp_path):
    with pytest.raises(DatasetError, match=f"did you mean --data {portraits}"):
        PORTRAITS.samples(portraits / "May")
    with pytest.raises(DatasetError, match="holds no portraits; expected: <Name>/<Name>"):
        PORTRAITS.samples(portraits.parent)
    with pytest.raises(DatasetError, match="holds no portraits"):
        cut_tests(tmp_path)
    with pytest.raises(DatasetError, match="is not a folder"):
        PORTRAITS.samples(tmp_path / "no")
