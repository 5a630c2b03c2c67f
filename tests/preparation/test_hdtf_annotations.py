"""The authors' files: what they say, and what is odd in them."""

import pytest

from evaluation.dataset import DatasetError
from evaluation.datasets.hdtf import NamedList, read_lists
from evaluation.datasets.hdtf_annotations import Crop, read_annotations


@pytest.fixture(scope="module")
def real(data):
    return read_annotations(data / "splits" / "hdtf_annotations")


@pytest.mark.data
def test_the_real_files_hold_what_is_known_of_them(real, data):
    cropped = [c for c in real.clips if c.crop is not None]
    assert (len(real.urls), len(real.clips), len(cropped)) == (370, 436, 421)
    assert sum(c.seconds for c in cropped) / 3600 == pytest.approx(16.35, abs=0.005)
    derived = (data / "splits" / "hdtf_clip_names_derived.tsv").read_text().splitlines()
    rows = [line.split("\t") for line in derived if not line.startswith("#")]
    assert [c.id for c in cropped] == [row[0] for row in rows]
    assert [f"{c.video}_{c.number}.mp4" for c in cropped] == [row[1] for row in rows]
    assert [c.seconds for c in cropped] == [int(row[3]) for row in rows]
    radio = next(c for c in cropped if c.id == "RD_Radio14_000")
    assert (radio.begin, radio.end, radio.resolution) == (25, 75, 720)
    assert radio.crop == Crop(x=390, y=12, width=356, height=356)


@pytest.mark.data
def test_every_oddity_of_the_real_files_is_found(real):
    said = [f"{o.file}:{o.line} {o.what}" for o in real.oddities]
    assert len([s for s in said if s.endswith("has an interval and no crop")]) == 436 - 421
    rest = [s for s in said if not s.endswith("has an interval and no crop")]
    assert rest == [
        "RD_video_url.txt:24 Radio24 has no intervals",
        "WDA_video_url.txt:1 begins with a byte order mark, which is no part of the name",
        "WDA_crop_wh.txt:135 MazieHirono1_0: the crop ends at 1134 px of a video 720 px high",
        "WDA_crop_wh.txt:126 MaggieHassan_0: the crop ends at 776 px of a video 720 px high",
        "WRA_annotion_time.txt:96 MittRomney: 00:33-08:53 overlaps with an earlier interval of "
        "its line",
        "WRA_resolution.txt:76 KevinMcCarthy1: 0 is no height in px",
        "WRA_crop_wh.txt:138 PeterKing_0: the crop ends at 872 px of a video 720 px high",
    ]


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "file", "count"),
    [
        ("musetalk20", "hdtf_musetalk_val20.txt", 20),
        ("lia20", "hdtf_test_persons20.txt", 20),
        ("dawn41", "hdtf_dawn_test41.txt", 41),
        ("edtalk77", "hdtf_edtalk_test_videos.txt", 77),
        ("unnamed42", "hdtf_unnamed_eval42.txt", 42),
        ("xdub10", "hdtf_jinhyukj_xdub_bench10.txt", 10),
    ],
)
def test_the_lists_are_those_of_the_literature_and_can_be_made(real, data, name, file, count):
    found: NamedList = read_lists()[name]
    lines = [line.strip() for line in (data / "splits" / file).read_text().splitlines()]
    assert list(found.clips) == [line for line in lines if line and not line.startswith("#")]
    assert len(set(found.clips)) == count
    assert found.source
    assert set(found.clips) <= {c.id for c in real.clips if c.crop is not None}


def write(folder, **changes):
    """The four files of RD with two videos, and what a test changes about them."""
    texts = {
        "video_url": "A https://v/1\nB https://v/2\n",
        "annotion_time": "A.mp4 00:01-00:02 01:00-02:00\nB.mp4 00:00-1:00:00\n",
        "crop_wh": "A_0.mp4 1 10 2 10\nA_1.mp4 1 10 2 10\nB_0.mp4 1 10 2 10\n",
        "resolution": "A.mp4 720\nB.mp4 1080\n",
    } | changes
    for kind, text in texts.items():
        raw = text if isinstance(text, bytes) else text.encode()
        (folder / f"RD_{kind}.txt").write_bytes(raw)
    return read_annotations(folder)


def test_what_is_as_it_should_be_is_not_odd(tmp_path):
    read = write(tmp_path)
    assert [c.id for c in read.clips] == ["RD_A_000", "RD_A_001", "RD_B_000"]
    assert [c.seconds for c in read.clips] == [1, 60, 3600]
    assert [f"{o.file} {o.what}" for o in read.oddities] == [
        "WDA_*.txt not there",
        "WRA_*.txt not there",
    ]


@pytest.mark.parametrize(
    ("change", "file", "line", "what", "usable"),
    [
        ({"video_url": "\ufeffA u1\nB u2\n"}, "video_url", 1, "byte order mark", 3),
        ({"video_url": "A u1\nB u1\n"}, "video_url", 2, "B has the address of A", 3),
        ({"video_url": "A u1\nB\n"}, "video_url", 2, "B: expected one address", 3),
        ({"video_url": "A u1\n"}, "annotion_time", 2, "B has intervals and no address", 3),
        ({"video_url": "A u1\nB u2\nC u3\n"}, "video_url", 3, "C has no intervals", 3),
        ({"annotion_time": "A.mp4\nB.mp4 0:00-0:05\n"}, "annotion_time", 1, "no interval on", 1),
        (
            {"annotion_time": "A.mp4 x 1:00-2:00\nB.mp4 0:00-0:05\n"},
            "annotion_time",
            1,
            "'x' is no interval",
            2,
        ),
        (
            {"annotion_time": "A.mp4 0:09-0:02 1:00-2:00\nB.mp4 0:00-0:05\n"},
            "annotion_time",
            1,
            "ends before it begins",
            2,
        ),
        (
            {"annotion_time": "A.mp4 0:00-2:00 1:00-3:00\nB.mp4 0:00-0:05\n"},
            "annotion_time",
            1,
            "overlaps",
            3,
        ),
        (
            {"annotion_time": "A.mp4 0:00-0:01 0:05-0:06\nB 0:00-0:05\n"},
            "annotion_time",
            2,
            "B does not end in .mp4",
            3,
        ),
        (
            {"annotion_time": "A.mp4 0:00-0:01 0:05-0:06\nB.mp4 0:00-0:05\nA.mp4 0:09-0:10\n"},
            "annotion_time",
            3,
            "A is there twice; line 1 counts",
            3,
        ),
        ({"crop_wh": "A_0.mp4 1 10 2 10\nB_0.mp4 1 10 2 10\n"}, "annotion_time", 1, "no crop", 2),
        (
            {"crop_wh": "A_0.mp4 1 10 2\nA_1.mp4 1 9 2 9\nB_0.mp4 1 9 2 9\n"},
            "crop_wh",
            1,
            "'1 10 2' is not x width y height",
            2,
        ),
        (
            {"crop_wh": "A_0.mp4 1 10 2 11\nA_1.mp4 1 9 2 9\nB_0.mp4 1 9 2 9\n"},
            "crop_wh",
            1,
            "10x11 px is no square",
            2,
        ),
        (
            {"crop_wh": "A_0.mp4 1 9 2 9\nA_1.mp4 1 9 2 9\nB_0.mp4 1 9 2 9\nB_1.mp4 1 9 2 9\n"},
            "crop_wh",
            4,
            "B_1 has a crop and no interval",
            3,
        ),
        ({"resolution": "A.mp4 720\n"}, "annotion_time", 2, "B has no resolution", 3),
        ({"resolution": "A.mp4 hd\nB.mp4 720\n"}, "resolution", 1, "hd is no height in px", 3),
        ({"resolution": "A.mp4 720\nB.mp4 9\n"}, "crop_wh", 3, "ends at 12 px of a video 9", 3),
        (
            {"resolution": "A.mp4 720\nB.mp4 720\nC.mp4 9\n"},
            "resolution",
            3,
            "C is no video of RD",
            3,
        ),
        ({"resolution": b"A.mp4 720\nB.mp4 \xff720\n"}, "resolution", 2, "is not UTF-8", 3),
    ],
)
def test_every_oddity_is_a_finding_and_the_rest_is_read(tmp_path, change, file, line, what, usable):
    read = write(tmp_path, **change)
    found = [o for o in read.oddities if o.file == f"RD_{file}.txt" and o.line == line]
    assert any(what in o.what for o in found), read.oddities
    assert sum(c.crop is not None for c in read.clips) == usable


def test_a_number_is_the_intervals_place_whatever_stands_before_it(tmp_path):
    read = write(tmp_path, annotion_time="A.mp4 x 1:00-2:00\nB.mp4 0:00-0:05\n")
    assert [c.id for c in read.clips] == ["RD_A_001", "RD_B_000"]


def test_a_folder_without_the_files_says_what_it_lacks(tmp_path):
    with pytest.raises(DatasetError, match=r"RD_annotion_time\.txt.*MRzzm"):
        read_annotations(tmp_path)
    with pytest.raises(DatasetError, match="no annotations"):
        read_annotations(tmp_path / "nowhere")
    (tmp_path / "RD_video_url.txt").write_text("A u\n")
    with pytest.raises(DatasetError, match=r"lacks RD_annotion_time\.txt, RD_crop_wh\.txt"):
        read_annotations(tmp_path)


def test_a_clone_of_the_authors_repository_will_do(tmp_path):
    (tmp_path / "HDTF_dataset").mkdir()
    write(tmp_path / "HDTF_dataset")
    assert len(read_annotations(tmp_path).clips) == 3
