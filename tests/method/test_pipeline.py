"""IP-LAP from a video and a sound to a video; the networks have untrained weights."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from evaluation.generator import GenerationError
from evaluation.sample import Sample
from evaluation.video import Audio, FrameReader, probe, read_audio
from evaluation.video_writer import LOSSLESS, VideoWriter
from method import choices, driving, generator, mel, pipeline
from method.driving import UndrivableError
from method.landmark_generator import LandmarkGenerator
from method.pasting import paste
from method.renderer import Renderer


@pytest.fixture(scope="module")
def models():
    torch.manual_seed(0)
    return pipeline.Models(LandmarkGenerator().eval(), Renderer().eval())


@pytest.fixture(scope="module")
def talker(asset, decode, tmp_path_factory):
    """Four frames of the man in the car, with a tone."""
    for name in ("yunet", "face-mesh"):
        asset(name)
    path = tmp_path_factory.mktemp("talker") / "talker.mp4"
    write(path, decode(asset("clip-carphone"), limit=4), tone(4 / 25))
    return path


def tone(seconds):
    return np.sin(np.arange(round(seconds * 16000)) / 9).astype(np.float32)[:, None] * 0.3


def write(path, frames, samples=None):
    height, width = frames.shape[1:3]
    audio = None if samples is None else Audio(samples, 16000)
    with VideoWriter(
        path, width=width, height=height, fps=Fraction(25), encoding=LOSSLESS, audio=audio
    ) as writer:
        writer.add(frames)


def frames_of(path):
    return np.concatenate(list(FrameReader(path)))


@pytest.fixture(autouse=True)
def few_references(monkeypatch):
    monkeypatch.setattr(pipeline, "RENDERED", 1)


@pytest.mark.assets
class TestGenerate:
    def test_a_video_that_drives_itself_keeps_its_frames(self, models, talker, tmp_path):
        told = []
        pipeline.generate(models, talker, talker, tmp_path / "out.mp4", lambda *at: told.append(at))
        made, given = frames_of(tmp_path / "out.mp4"), frames_of(talker)
        assert made.shape == given.shape
        assert probe(tmp_path / "out.mp4").fps == 25
        assert told == [(i, 4) for i in range(1, 5)]
        heard = read_audio(tmp_path / "out.mp4", 16000, mono=True)
        assert len(heard.samples) == pytest.approx(0.16 * 16000, abs=1100)  # AAC's frames
        face = driving.read_driving(talker)
        top, bottom, left, right = face.boxes[3]
        outside = np.ones(made.shape[1:3], bool)
        outside[max(0, top - 12) : bottom + 12, max(0, left - 12) : right + 12] = False
        change = np.abs(made.astype(int) - given).mean(axis=3)[3]
        assert change[outside].mean() < 3  # the codec's alone
        assert change[(top + bottom) // 2 : bottom - 25, left + 25 : right - 25].mean() > 10

    def test_longer_sound_plays_the_video_there_and_back(self, models, talker, tmp_path):
        write(tmp_path / "long.mp4", np.zeros((1, 16, 16, 3), np.uint8), tone(6 / 25))
        pipeline.generate(models, talker, tmp_path / "long.mp4", tmp_path / "out.mp4")
        made, given = frames_of(tmp_path / "out.mp4"), frames_of(talker)
        assert len(made) == 6
        corner = np.abs(made[:, :20, :20].astype(int) - given[choices.driven(4, 6)][:, :20, :20])
        assert corner.mean() < 4

    def test_without_sound_or_face_there_is_no_video(self, models, talker, tmp_path, write_clip):
        write(tmp_path / "mute.mp4", frames_of(talker))
        with pytest.raises(UndrivableError, match=r"mute\.mp4: no sound"):
            pipeline.generate(models, talker, tmp_path / "mute.mp4", tmp_path / "out.mp4")
        write_clip(tmp_path / "empty.mp4")
        with pytest.raises(UndrivableError, match=r"empty\.mp4: no face in any of 12 frames"):
            pipeline.generate(models, tmp_path / "empty.mp4", talker, tmp_path / "out.mp4")
        assert not (tmp_path / "out.mp4").exists()


@pytest.mark.assets
class TestDriving:
    def test_a_face_that_is_away_borrows_the_one_before(self, talker, tmp_path):
        frames = np.concatenate([frames_of(talker)] * 3)
        frames[4] = 0
        write(tmp_path / "gap.mp4", frames)
        face = driving.read_driving(tmp_path / "gap.mp4")
        assert (len(face), face.lost) == (12, 1)
        np.testing.assert_array_equal(face.landmarks[4], face.landmarks[3])
        np.testing.assert_array_equal(face.boxes[4], face.boxes[3])

    def test_a_face_that_is_away_too_often_is_no_driver(self, talker, tmp_path):
        frames = np.concatenate([frames_of(talker)] * 3)
        frames[[2, 7]] = 0
        write(tmp_path / "gaps.mp4", frames)
        with pytest.raises(UndrivableError, match="no face in 2 of 12 frames; at most 10%"):
            driving.read_driving(tmp_path / "gaps.mp4")

    def test_landmarks_lie_in_the_box_and_the_box_in_the_frame(self, talker):
        face = driving.read_driving(talker)
        height, width = frames_of(talker).shape[1:3]
        assert (face.boxes >= 0).all()
        assert (face.boxes[:, 1] <= height).all()
        assert (face.boxes[:, 3] <= width).all()
        assert face.landmarks.min() > 0
        assert face.landmarks.max() < 1
        assert (face.pose.shape, face.content.shape) == ((4, 2, 74), (4, 2, 57))


def test_boxes_are_the_landmarks_and_25_px():
    points = np.zeros((3, 131, 2))
    points[0] = [100, 80]
    points[0, 0], points[0, 1] = [60.9, 50.2], [150.3, 190.8]
    points[1] = [10, 100]  # cut at the left edge
    points[2] = np.nan
    boxes, usable = driving.face_boxes(points, 200, 200)
    assert boxes[0].tolist() == [25, 200, 35, 175]
    assert boxes[1].tolist() == [75, 125, 0, 35]
    assert usable.tolist() == [True, True, False]
    placed = driving.over_boxes(points[:2], boxes[:2])
    assert placed.shape == (2, 2, 131)
    np.testing.assert_allclose(placed[1, :, 0], [10 / 35, 25 / 50])


def test_frames_play_as_they_are_driven(tmp_path, write_clip, monkeypatch):
    frames = write_clip(tmp_path / "a.mp4", frames=7)
    monkeypatch.setattr(driving, "frames_per_piece", lambda _: 3)
    shown = np.stack(list(driving.played(tmp_path / "a.mp4", 7, 24)))
    np.testing.assert_array_equal(shown, frames[choices.driven(7, 24)])
    chosen = driving.chosen_frames(tmp_path / "a.mp4", [5, 0, 5])
    np.testing.assert_array_equal(np.stack(chosen), frames[[5, 0, 5]])


def test_windows_begin_two_frames_early_and_end_in_silence():
    sound = Audio(tone(1.0), 16000)
    windows = pipeline.sound_windows(sound, 25)
    spectrogram = mel.mel_spectrogram(sound.samples[:, 0])
    assert windows.shape == (25, 80, 16)
    for frame in (0, 1, 2):
        np.testing.assert_allclose(windows[frame], spectrogram[:, :16], atol=1e-6)
    np.testing.assert_allclose(windows[12], spectrogram[:, 32:48], atol=1e-6)
    assert spectrogram.shape[1] == 81
    np.testing.assert_allclose(windows[24][:, :11], spectrogram[:, 70:], atol=1e-6)
    assert (windows[24][:, 11:] == mel.SILENCE).all()
    assert mel.mel_spectrogram(np.zeros(1600)).max() == mel.SILENCE


def test_paste_blends_inside_the_contour_alone():
    frame = np.full((120, 160, 3), 100, np.uint8)
    face = np.full((128, 128, 3), 220, np.uint8)
    contour = np.array([[60, 40], [100, 40], [100, 80], [60, 80]], np.float32)
    made = paste(frame, face, np.array([20, 110, 30, 130]), contour)
    assert (made[60, 80] == 219).all() or (made[60, 80] == 220).all()
    assert (made[:28] == 100).all()
    assert (made[:, :48] == 100).all()
    assert 110 < made[60, 60, 0] < 210  # the soft edge
    assert (frame == 100).all()


class TestGenerator:
    def test_weights_that_are_not_here_are_asked_for(self, monkeypatch, tmp_path):
        monkeypatch.setenv("TALKBENCH_CACHE", str(tmp_path))
        monkeypatch.delenv("TALKBENCH_ASSETS", raising=False)
        spec = generator.IpLap().spec
        assert spec.weights_sha256 == ""
        assert {"iplap-landmark-generator", "iplap-renderer"} < set(spec.assets)

    def test_other_files_are_another_generator(self, monkeypatch, tmp_path):
        monkeypatch.setenv("TALKBENCH_ASSETS", str(tmp_path))
        seen = set()
        for content in (b"1", b"22"):
            (tmp_path / "renderer_checkpoint.pth").write_bytes(content)
            seen.add(generator.IpLap().spec.weights_sha256)
        assert len(seen) == 2
        assert "" not in seen

    @pytest.mark.assets
    def test_a_wrong_checkpoint_is_the_clips_failure(self, monkeypatch, tmp_path, talker):
        monkeypatch.setenv("TALKBENCH_ASSETS", str(tmp_path))
        for name in ("landmarkgenerator_checkpoint.pth", "renderer_checkpoint.pth"):
            torch.save({"state_dict": {"a": torch.zeros(1)}}, tmp_path / name)
        sample = Sample(id="a", speaker="a", video=talker, audio=talker, reference=talker)
        with pytest.raises(GenerationError, match="not a checkpoint of IP-LAP's LandmarkGen"):
            generator.IpLap().generate(sample, tmp_path / "out.mp4", 0)
        mute = Sample(id="a", speaker="a", video=talker, audio=None, reference=talker)
        with pytest.raises(GenerationError, match="no driving sound"):
            generator.IpLap().generate(mute, tmp_path / "out.mp4", 0)
