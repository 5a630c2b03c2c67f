"""HDTF as a dataset: every clip at hand, or a list of the literature, whole or an error."""

import pytest

from evaluation.dataset import DatasetError
from evaluation.datasets.hdtf import HDTF, XDUB10, Hdtf, read_lists, speaker_of
from evaluation.registry import load_dataset


@pytest.mark.parametrize(
    ("clip", "speaker"),
    [
        ("WDA_NancyPelosi0_000", "WDA_NancyPelosi"),
        ("WDA_NancyPelosi3_002", "WDA_NancyPelosi"),
        ("WDA_BarackObama_001", "WDA_BarackObama"),
        ("WRA_CoryGardner_000", "WRA_CoryGardner"),
        ("RD_Radio34_009", "RD_Radio34"),
        ("RD_Radio3_000", "RD_Radio3"),
        ("somebody", "somebody"),
    ],
)
def test_a_politicians_videos_are_one_speaker_and_a_radio_address_is_another(clip, speaker):
    assert speaker_of(clip) == speaker


@pytest.fixture
def clips(tmp_path, write_clip):
    for number, name in enumerate(read_lists()["xdub10"].clips):
        write_clip(tmp_path / f"{name}.mp4", frames=3, seed=number)
    write_clip(tmp_path / "WDA_BarackObama_001.mp4", frames=3, audio=False)
    write_clip(tmp_path / "holiday.mp4", frames=3)
    return tmp_path


def test_a_list_is_its_own_clips_in_its_own_order(clips):
    samples = XDUB10.samples(clips)
    assert tuple(s.id for s in samples) == read_lists()["xdub10"].clips
    assert samples[1].video == samples[1].reference == clips / "WDA_BarackObama_000.mp4"
    assert samples[1].speaker == "WDA_BarackObama"
    assert samples[1].audio == samples[1].video
    assert samples[1].other_audio == clips / "WDA_DonnaShalala1_000.mp4"


def test_all_of_hdtf_is_what_is_there(clips):
    samples = HDTF.samples(clips)
    assert len(samples) == 11
    assert {s.id: s.audio for s in samples}["WDA_BarackObama_001"] is None
    assert "holiday" not in {s.id for s in samples}


def test_missing_clips_are_counted_and_named_with_the_reason(clips):
    (clips / "WDA_TedLieu_000.mp4").unlink()
    (clips / "RD_Radio18_000.mp4").unlink()
    (clips / "report.csv").write_text("clip,status\nWDA_TedLieu_000,missing\n")
    with pytest.raises(DatasetError) as error:
        XDUB10.samples(clips)
    text = str(error.value)
    assert "lacks 2 of the 10 clips of hdtf-xdub10" in text
    assert "RD_Radio18_000, WDA_TedLieu_000 (missing)" in text
    assert "on the 8 clips that are there, the suite folder" in text


def test_many_missing_clips_are_counted_and_some_named(clips):
    with pytest.raises(DatasetError, match=r"lacks 7\d of the 77 .* and 6\d more"):
        Hdtf("edtalk77").samples(clips)


def test_two_clips_of_one_name_are_told(clips, write_clip):
    write_clip(clips / "more" / "WDA_TedLieu_000.mp4", frames=3)
    with pytest.raises(DatasetError, match="two clips called WDA_TedLieu_000"):
        XDUB10.samples(clips)


def test_no_folder_and_a_folder_of_others_are_told(tmp_path, write_clip):
    with pytest.raises(DatasetError, match="needs a folder: --data DIR"):
        XDUB10.samples(None)
    write_clip(tmp_path / "holiday.mp4", frames=3)
    with pytest.raises(DatasetError, match=r"holds no clips of HDTF.*talkbench data prepare hdtf"):
        HDTF.samples(tmp_path)


@pytest.mark.parametrize("name", ["hdtf", *(f"hdtf-{name}" for name in read_lists())])
def test_each_list_is_a_dataset_by_name(name):
    spec = load_dataset(name).spec
    assert spec.name == name
    assert "CVPR 2021" in spec.source
    assert spec.clips == (421 if name == "hdtf" else len(read_lists()[name[5:]].clips))
    assert "CC BY 4.0" in spec.licence
