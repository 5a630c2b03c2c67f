"""VFHQ and MEAD out of copies laid out as the true ones."""

import shutil

import pytest

from evaluation.cli.run import plan_of
from evaluation.dataset import DatasetError
from evaluation.datasets.mead import MEAD
from evaluation.datasets.vfhq import VFHQ
from evaluation.run import execute

NAME = "Clip+-1eKufUP5XQ+P{}+C{}+F2193-2350"


@pytest.fixture
def vfhq(tmp_path, real_clip):
    for person, clip, source in ((0, 0, "vretalk_3.mp4"), (1, 1, "vretalk_1.mp4")):
        real_clip(tmp_path / "vfhq" / "test" / f"{NAME.format(person, clip)}.mp4", source)
    return tmp_path / "vfhq"


@pytest.fixture
def mead(tmp_path, real_clip, data):
    """One actor: seven happy sentences and eleven neutral ones; sound in files of its own."""
    root = tmp_path / "mead"
    clip = real_clip(tmp_path / "clip.mp4", "grid_bbaf2n.mpg", frames=3, size=(96, 96))
    for emotion, level, count in (("happy", 1, 7), ("neutral", 1, 11), ("happy", 3, 2)):
        for number in range(1, count + 1):
            place = f"{emotion}/level_{level}/{number:03}"
            for path in (f"W009/video/front/{place}.mp4", f"W009/audio/{place}.m4a"):
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(clip, root / path)
    shutil.copytree(root / "W009" / "video" / "front", root / "W009" / "video" / "left_30")
    return root


def test_names_of_vfhq_say_video_and_person(vfhq, tmp_path):
    first, second = VFHQ.samples(vfhq)
    assert (first.id, first.speaker) == (NAME.format(0, 0), "-1eKufUP5XQ+P0")
    assert second.speaker == "-1eKufUP5XQ+P1"
    plan = plan_of("vfhq-reconstruction", ("ground-truth",), ("psnr",), vfhq)
    assert {r.status for r in execute(plan, tmp_path / "run")} == {"ok"}


def test_a_clip_of_another_name_and_one_that_is_there_twice(vfhq, write_clip):
    copy = vfhq / "train" / f"{NAME.format(0, 0)}.mp4"
    write_clip(copy)
    with pytest.raises(DatasetError, match="are one clip; keep one of them"):
        VFHQ.samples(vfhq)
    copy.rename(vfhq / "mine.mp4")
    with pytest.raises(DatasetError, match=r"mine\.mp4 is not named as a clip of VFHQ"):
        VFHQ.samples(vfhq)


def test_the_last_sentences_of_mead_are_tested_with_their_own_sound_files(mead, tmp_path):
    samples = MEAD.samples(mead)
    ids = [s.id for s in samples]
    assert ids[:2] == ["W009/happy/level_1/002", "W009/happy/level_1/003"]
    assert next(i for i in ids if "neutral" in i) == "W009/neutral/level_1/002"
    assert len(ids) == 6 + 10 + 2
    assert samples[0].audio == mead / "W009/audio/happy/level_1/002.m4a"
    assert samples[0].reference == mead / "W009/video/front/happy/level_1/002.mp4"
    plan = plan_of("mead-reconstruction", ("ground-truth",), ("psnr",), mead)
    assert {r.status for r in execute(plan, tmp_path / "run")} == {"ok"}


def test_mead_with_gaps_or_from_another_folder(mead):
    with pytest.raises(DatasetError, match=f"one actor's folder; did you mean --data {mead}"):
        MEAD.samples(mead / "W009")
    with pytest.raises(DatasetError, match="holds no clips of MEAD; expected"):
        MEAD.samples(mead / "W009" / "video")
    (mead / "W009/audio/happy/level_1/004.m4a").unlink()
    with pytest.raises(DatasetError, match=r"1 of the 18 files .*happy/level_1/004\.m4a"):
        MEAD.samples(mead)
    (mead / "W009/video/front/happy").rename(mead / "W009/video/front/joy")
    with pytest.raises(DatasetError, match="joy: expected one of angry"):
        MEAD.samples(mead)
