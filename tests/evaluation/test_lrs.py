"""LRS2, LRS3, LRW and ReSyncED out of copies laid out as the true ones, whole and spoilt."""

import shutil

import pytest

from evaluation.cli.run import plan_of
from evaluation.dataset import DatasetError
from evaluation.datasets.lrs import LRS2, LRS3
from evaluation.datasets.resynced import RANDOM, TTS
from evaluation.datasets.wav2lip_pairs import LRS2_UNPAIRED, LRS3_UNPAIRED, LRW_UNPAIRED
from evaluation.report import write_report
from evaluation.results import build
from evaluation.run import execute

WOMAN, MAN = "vretalk_3.mp4", "grid_bbaf2n.mpg"


@pytest.fixture
def lrs2(tmp_path, real_clip):
    """Three clips of two programmes, with the official list's form and Wav2Lip's."""
    root = tmp_path / "mvlrs_v1"
    real_clip(root / "main" / "6330311066473698535" / "00011.mp4", WOMAN)
    real_clip(root / "main" / "6330311066473698535" / "00018.mp4", WOMAN, start=20)
    real_clip(root / "main" / "6331559613336179781" / "00002.mp4", MAN)
    (root / "main" / "6330311066473698535" / "00011.txt").write_text("Text:  SAID\n")
    (root / "test.txt").write_text(
        "6330311066473698535/00018 NF\n6330311066473698535/00011 MV\n6331559613336179781/00002 NF\n"
    )
    (root / "lrs2.txt").write_text(
        "6331559613336179781/00002 6330311066473698535/00018\n"
        "6330311066473698535/00011 6331559613336179781/00002\n"
    )
    return root


def test_the_official_list_is_read_in_its_order(lrs2):
    samples = LRS2.samples(lrs2)
    assert [s.id for s in samples] == [
        "6330311066473698535/00018",
        "6330311066473698535/00011",
        "6331559613336179781/00002",
    ]
    first = samples[0]
    assert first.video == lrs2 / "main" / "6330311066473698535" / "00018.mp4"
    assert first.audio == first.reference == first.video
    assert [s.speaker for s in samples] == ["6330311066473698535"] * 2 + ["6331559613336179781"]
    assert first.other_audio == samples[2].video


def test_unpaired_lines_are_sound_then_face_and_are_called_by_their_number_from_zero(lrs2):
    first, second = LRS2_UNPAIRED.samples(lrs2)
    assert (first.id, second.id) == ("0", "1")
    assert first.audio == lrs2 / "main" / "6331559613336179781" / "00002.mp4"
    assert first.video == lrs2 / "main" / "6330311066473698535" / "00018.mp4"
    assert first.speaker == "6330311066473698535"
    assert (first.reference, first.likeness) == (None, first.video)


def test_resynced_lines_are_face_then_sound(tmp_path, real_clip, data):
    real_clip(tmp_path / "sachin.mp4", MAN)
    real_clip(tmp_path / "emma_cropped.mp4", WOMAN)
    shutil.copy(data / "wav" / "jfk.wav", tmp_path / "adam_1.wav")
    (tmp_path / "random_pairs.txt").write_text("sachin.mp4 emma_cropped.mp4\n")
    (tmp_path / "tts_pairs.txt").write_text("sachin.mp4 adam_1.wav\n")
    sample = RANDOM.samples(tmp_path)[0]
    assert (sample.id, sample.speaker) == ("0", "sachin")
    assert (sample.video.name, sample.audio.name) == ("sachin.mp4", "emma_cropped.mp4")
    assert TTS.samples(tmp_path)[0].audio.name == "adam_1.wav"


def test_lrs3_is_every_clip_of_its_test_folder(tmp_path, real_clip):
    for name in ("test/0Fi83BHQsMA/00002", "test/0Fi83BHQsMA/00004", "trainval/x/00001"):
        real_clip(tmp_path / f"{name}.mp4", WOMAN, frames=2)
    (tmp_path / "lrs3.txt").write_text("0Fi83BHQsMA/00004 0Fi83BHQsMA/00002\n")
    assert [s.id for s in LRS3.samples(tmp_path)] == ["0Fi83BHQsMA/00002", "0Fi83BHQsMA/00004"]
    pair = LRS3_UNPAIRED.samples(tmp_path)[0]
    assert (pair.audio.stem, pair.video.stem) == ("00004", "00002")


def test_words_of_lrw_lie_in_their_folders(tmp_path, real_clip):
    for word in ("BRING", "WESTERN"):
        real_clip(tmp_path / "lipread_mp4" / word / "test" / f"{word}_00005.mp4", MAN, frames=2)
    (tmp_path / "lrw.txt").write_text("BRING_00005 WESTERN_00005\n")
    sample = LRW_UNPAIRED.samples(tmp_path)[0]
    assert sample.audio == tmp_path / "lipread_mp4" / "BRING" / "test" / "BRING_00005.mp4"
    assert sample.speaker == "WESTERN_00005"
    (tmp_path / "lrw.txt").write_text("BRING WESTERN_00005\n")
    with pytest.raises(DatasetError, match="line 1: expected WORD_NNNNN, found 'BRING'"):
        LRW_UNPAIRED.samples(tmp_path)


def test_another_folder_is_refused_and_the_right_one_named(lrs2):
    for wrong in (lrs2 / "main", lrs2.parent):
        with pytest.raises(DatasetError, match=f"Did you mean --data {lrs2}"):
            LRS2.samples(wrong)
    with pytest.raises(DatasetError, match=r"no main in it\. Expected: mvlrs_v1"):
        LRS2.samples(lrs2 / "main" / "6331559613336179781")
    with pytest.raises(DatasetError, match="does not exist"):
        LRS2.samples(lrs2 / "no")
    with pytest.raises(DatasetError, match="needs your own copy"):
        LRS2.samples(None)


def test_half_a_copy_says_which_and_how_many_are_missing(lrs2):
    shutil.rmtree(lrs2 / "main" / "6330311066473698535")
    with pytest.raises(DatasetError) as caught:
        LRS2.samples(lrs2)
    text = str(caught.value)
    assert "2 of the 3 files" in text
    assert "main/6330311066473698535/00018.mp4, main/6330311066473698535/00011.mp4" in text
    with pytest.raises(DatasetError, match="2 of the 3 files"):
        LRS2_UNPAIRED.samples(lrs2)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "the list .*test.txt is missing; it comes with the data set"),
        ("", "is empty"),
        ("6331559613336179781/00002 NF\n6331559613336179781/00002 MV\n", "line 2: .* on line 1"),
        ("6331559613336179781/00002 XX\n", "line 1: expected NF or MV, found 'XX'"),
        ("a b c\n", "line 1: expected ID/NNNNN or ID/NNNNN NF|MV, found 'a b c'"),
        ("6331559613336179781\n", "line 1: expected ID/NNNNN, found '6331559613336179781'"),
        ("../../etc/passwd\n", "no name inside the data folder"),
        ("/etc/passwd\n", "no name inside the data folder"),
        (b"\xff\xfe\x00", "cannot be read"),
    ],
)
def test_a_spoilt_list_is_named_with_its_line(lrs2, text, words):
    path = lrs2 / "test.txt"
    path.unlink()
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DatasetError, match=words):
        LRS2.samples(lrs2)


def test_a_list_of_windows_is_the_same_list(lrs2):
    text = (lrs2 / "test.txt").read_text()
    before = [s.id for s in LRS2.samples(lrs2)]
    (lrs2 / "test.txt").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert [s.id for s in LRS2.samples(lrs2)] == before


def test_reconstruction_runs_and_says_that_three_clips_are_not_the_split(lrs2, tmp_path):
    plan = plan_of("lrs2-reconstruction", ("ground-truth", "still"), ("psnr", "ssim"), lrs2)
    assert {r.status for r in execute(plan, tmp_path / "run")} == {"ok"}
    write_report(tmp_path / "run", build(tmp_path / "run"), tmp_path / "out", ["md"])
    text = (tmp_path / "out" / "results.md").read_text()
    assert "Another split: 3 clips where the split as published has 1,243" in text
    assert "does not say which LPIPS network" in text


@pytest.mark.assets
def test_unpaired_clips_are_held_against_their_faces_as_a_set_alone(lrs2, tmp_path, asset):
    asset("inception-fid")
    plan = plan_of("lrs2-unpaired", ("still",), ("psnr", "fid@pytorch-fid-64", "sharpness"), lrs2)
    found = {(r.metric, r.status) for r in execute(plan, tmp_path / "run")}
    assert found == {
        ("psnr", "not-applicable"),
        ("fid@pytorch-fid-64", "ok"),
        ("sharpness@laplacian", "ok"),
    }
    assert build(tmp_path / "run").estimates["still", "fid@pytorch-fid-64"].value > 0
