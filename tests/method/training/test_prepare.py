"""From videos to prepared clips: what is kept, what is refused, what a second call does."""

import csv
import shutil
from fractions import Fraction

import cv2
import numpy as np
import pytest

from evaluation.plan import UnusableInputError
from evaluation.video import Audio, FrameReader
from evaluation.video_writer import LOSSLESS, VideoWriter
from method import driving, mel
from method.training import prepared as prepared_clips
from method.training.prepare import prepare
from method.training.prepared import read_clip

pytestmark = [pytest.mark.assets, pytest.mark.data]

CLIP = "s1/bbaf2n"


@pytest.fixture(scope="module")
def clip(prepared):
    return read_clip(prepared, CLIP)


class TestClip:
    def test_every_frame_is_there_with_its_face(self, clip, videos):
        frames = np.concatenate(list(FrameReader(videos / f"{CLIP}.mpg", fps=25)))
        assert (len(clip), clip.found.all()) == (len(frames), True)
        face = driving.read_driving(videos / f"{CLIP}.mpg")
        lost = driving.MARGIN - 15  # prepared with less of a margin
        top, bottom, left, right = face.boxes[40] + [lost, -lost, lost, -lost]
        assert clip.sizes[40].tolist() == [bottom - top, right - left]
        cut = cv2.resize(np.ascontiguousarray(frames[40, top:bottom, left:right, ::-1]), (128, 128))
        np.testing.assert_allclose(clip.pictures([40])[0].transpose(1, 2, 0), cut / 255, atol=1e-6)

    def test_landmarks_are_over_the_box(self, clip, videos):
        face = driving.read_driving(videos / f"{CLIP}.mpg")
        height, width = (face.boxes[:, [1, 3]] - face.boxes[:, [0, 2]]).T
        again = clip.landmarks * clip.sizes[:, ::-1, None]
        px = face.landmarks * np.stack([width, height], axis=1)[:, :, None]
        np.testing.assert_allclose(again, px - (driving.MARGIN - 15), atol=1e-3)
        assert 0 < clip.landmarks.min() < clip.landmarks.max() < 1

    def test_sound_begins_two_frames_early(self, clip):
        assert clip.mel.shape == (80, 239)  # 2.98 s of sound
        np.testing.assert_array_equal(clip.sound(10), clip.mel[:, 25 : 25 + mel.COLUMNS])
        assert not clip.heard[:2].any()
        assert clip.heard[2:70].all()
        assert not clip.heard[-1]  # its window would end after the sound

    def test_sketches_are_whole_grey_levels(self, clip):
        drawn = clip.sketches([3, 4])
        assert drawn.shape == (2, 3, 128, 128)
        assert drawn.dtype == np.float32
        np.testing.assert_allclose(drawn * 255, np.round(drawn * 255), atol=1e-4)
        assert 200 < drawn.max() * 255 <= 224
        assert (drawn[:, 0] == drawn[:, 2]).all()

    def test_a_damaged_picture_is_named(self, clip, prepared, tmp_path):
        shutil.copytree(prepared, tmp_path / "prepared")
        damaged = prepared_clips.clip_file(tmp_path / "prepared", CLIP, ".faces")
        damaged.write_bytes(b"x" * damaged.stat().st_size)
        other = read_clip(tmp_path / "prepared", CLIP)
        with pytest.raises(UnusableInputError, match=r"bbaf2n\.faces: frame 7 is no picture"):
            other.pictures([7])


def write_video(path, frames, seconds=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    tone = np.sin(np.arange(int((seconds or 0) * 16000)) / 9).astype(np.float32)[:, None]
    with VideoWriter(
        path,
        width=frames.shape[2],
        height=frames.shape[1],
        fps=Fraction(25),
        encoding=LOSSLESS,
        audio=Audio(tone, 16000) if seconds else None,
    ) as writer:
        writer.add(frames)


@pytest.fixture(scope="module")
def mixed(videos, tmp_path_factory):
    """One good clip among bad ones."""
    folder = tmp_path_factory.mktemp("mixed")
    good = np.concatenate(list(FrameReader(videos / f"{CLIP}.mpg", fps=25)))
    write_video(folder / "good.mp4", good[:30], 1.2)
    write_video(folder / "mute.mp4", good[:30])
    write_video(folder / "short.mp4", good[:20], 0.8)
    write_video(folder / "nobody.mp4", np.zeros_like(good[:30]), 1.2)
    (folder / "text.mp4").write_text("not a video")
    (folder / "cut.mp4").write_bytes((folder / "good.mp4").read_bytes()[:5000])
    return folder


class TestBadClips:
    @pytest.mark.parametrize("workers", [1, 2])
    def test_each_is_a_line_of_the_report(self, mixed, tmp_path, workers):
        told = []
        prepare(mixed, tmp_path, name="mixed", workers=workers, told=lambda *at: told.append(at))
        assert [at[:2] for at in told] == [(i, 6) for i in range(1, 7)]
        with (tmp_path / "report.csv").open() as file:
            rows = {row["clip"]: row for row in csv.DictReader(file)}
        assert {k for k, row in rows.items() if row["status"] == "ok"} == {"good"}
        assert rows["good"] | {"reason": ""} == rows["good"]
        assert rows["good"]["seen"] == "30"
        for name, reason in {
            "mute": "mute.mp4: no sound",
            "short": "a face in 20 of 20 frames; training needs 25",
            "nobody": "a face in 0 of 30 frames",
            "text": "text.mp4: not a readable video",
            "cut": "cut.mp4:",
        }.items():
            assert reason in rows[name]["reason"], rows[name]["reason"]

    def test_what_is_prepared_is_not_prepared_again(self, mixed, tmp_path):
        before = prepare(mixed, tmp_path, name="mixed")
        kept = prepared_clips.clip_file(tmp_path, "good", ".npz")
        written = kept.stat().st_mtime_ns
        told = []
        assert prepare(mixed, tmp_path, name="mixed", told=lambda *at: told.append(at)) == before
        assert told == []
        assert kept.stat().st_mtime_ns == written
        prepared_clips.clip_file(tmp_path, "good", ".npz").unlink()
        prepare(mixed, tmp_path, name="mixed", retry_failed=True, told=lambda *at: told.append(at))
        assert len(told) == 6
        assert kept.is_file()

    def test_one_folder_is_of_one_kind(self, mixed, tmp_path):
        prepare(mixed, tmp_path, name="mixed")
        with pytest.raises(UnusableInputError, match="margin_px 5 and not 25"):
            prepare(mixed, tmp_path, name="mixed", margin=25)
        with pytest.raises(UnusableInputError, match="does not exist"):
            prepare(mixed / "absent", tmp_path, name="mixed")

    def test_a_missing_face_is_not_invented(self, videos, tmp_path):
        frames = np.concatenate(list(FrameReader(videos / f"{CLIP}.mpg", fps=25)))[:40]
        frames[12:15] = 0
        write_video(tmp_path / "videos" / "gap.mp4", frames, 1.6)
        (line,) = prepare(tmp_path / "videos", tmp_path / "out", name="gap")
        assert (line.frames, line.seen) == (40, 37)
        clip = read_clip(tmp_path / "out", "gap")
        assert np.flatnonzero(~clip.found).tolist() == [12, 13, 14]
        starts = clip.windows(heard=slice(0, 5)).tolist()
        assert {7, 15} <= {*starts}
        assert not {*range(8, 15)} & {*starts}
        assert starts[0] == 2
        with pytest.raises(UnusableInputError, match="frame 12 is no picture"):
            clip.pictures([12])
