"""A perturbation changes what it says and nothing else, and grades are graded."""

import pickle
from dataclasses import replace
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from baselines.anchors import MouthBlur, Reencoded, Shifted
from baselines.perturbations import (
    MOUTH_BLUR_STRONG,
    MOUTH_BLUR_WEAK,
    REENCODED_CRF28,
    REENCODED_CRF42,
    SHIFTED_1,
    SHIFTED_9,
    Aac,
    Crop,
    FineCodec,
    IdentitySwap,
    MouthFrozen,
    Remux,
    _similarity,
)
from baselines.rewriting import follow_face
from evaluation.certificate import BASE, INVISIBLE, LADDERS, TRUTH, VISIBLE
from evaluation.generator import GenerationError, Generator
from evaluation.registry import load_generator
from evaluation.sample import Sample
from evaluation.video import FrameReader, probe, read_audio
from evaluation.video_writer import VideoWriter

FRAMES = 24


def read(path) -> np.ndarray:
    return np.concatenate(list(FrameReader(path)))


def sound(path) -> np.ndarray:
    return read_audio(path).samples


def packets(path, kind) -> list[bytes]:
    with av.open(str(path)) as container:
        stream = next(s for s in container.streams if s.type == kind)
        return [bytes(p) for p in container.demux(stream) if p.size]


def speech(path, frames=FRAMES):
    audio = read_audio(path)
    return replace(audio, samples=audio.samples[: audio.rate * frames // 25])


def write(path, frames, audio=None, fps=Fraction(25)):
    height, width = frames.shape[1:3]
    with VideoWriter(path, width=width, height=height, fps=fps, audio=audio) as writer:
        writer.add(frames)
    return path


def fidelity(a, b) -> float:
    """Mean PSNR of the frames, dB."""
    return float(np.mean([cv2.PSNR(x, y) for x, y in zip(a, b, strict=True)]))


@pytest.fixture(scope="module")
def originals(data):
    """Two HDTF clips as they are: H.264 with AAC at 16 kHz in MP4, 10 s, 256x256."""
    return data / "hdtf_mini" / "gt" / "RD_Radio8_000.mp4", (
        data / "hdtf_mini" / "gt" / "WRA_PeterRoskam0_000.mp4"
    )


@pytest.fixture(scope="module")
def sample(originals, tmp_path_factory) -> Sample:
    """The first second of one of them, lossless, beside the other."""
    folder = tmp_path_factory.mktemp("real")
    clip, other = (
        write(folder / name, next(iter(FrameReader(path, piece=FRAMES))), speech(path))
        for name, path in zip(("a.mp4", "b.mp4"), originals, strict=True)
    )
    return Sample(id="a", speaker="a", video=clip, audio=clip, reference=clip, other_audio=other)


def of(sample, video, audio=True) -> Sample:
    return replace(sample, video=video, audio=video if audio else None, reference=video)


# What is not to be seen or heard.


@pytest.mark.data
def test_aac_leaves_every_pixel_and_changes_the_sound_a_little(sample, tmp_path):
    path = Aac().generate(sample, tmp_path / "out.mp4", 0)
    assert np.array_equal(read(path), read(sample.video))
    with av.open(str(path)) as container:
        assert container.streams.audio[0].codec_context.name == "aac"
    before = sound(sample.video)
    error = sound(path)[: len(before)] - before
    assert 0 < error.std() < 0.1 * before.std()


def test_a_mute_clip_has_no_sound_to_encode(tmp_path, write_clip):
    write_clip(tmp_path / "a.mp4", audio=False)
    clip = Sample(id="a", speaker="a", video=tmp_path / "a.mp4", audio=None, reference=None)
    with pytest.raises(GenerationError, match="no sound"):
        Aac().generate(clip, tmp_path / "out.mp4", 0)


@pytest.mark.data
def test_the_fine_codec_leaves_the_sound_and_changes_the_picture_a_little(sample, tmp_path):
    path = FineCodec().generate(sample, tmp_path / "out.mp4", 0)
    assert np.array_equal(sound(path), sound(sample.video))
    before, after = read(sample.video), read(path)
    assert after.shape == before.shape
    assert 36 < fidelity(after, before) < 50


@pytest.mark.data
def test_the_crop_moves_every_pixel_by_one(sample, tmp_path):
    path = Crop().generate(sample, tmp_path / "out.mp4", 0)
    before, after = read(sample.video), read(path)
    assert np.array_equal(after[:, :-1, :-1], before[:, 1:, 1:])
    assert np.array_equal(after[:, -1], after[:, -2])
    assert np.array_equal(after[:, :, -1], after[:, :, -2])
    assert np.array_equal(sound(path), sound(sample.video))


@pytest.mark.data
@pytest.mark.parametrize(
    "name",
    [
        "hdtf_mini/gt/RD_Radio8_000.mp4",
        "clips/grid_bbaf2n.mpg",
        "clips/merkel_19.avi",
        "clips/hamilton_short.mp4",  # its streams start late, and not together
    ],
)
def test_the_other_container_holds_the_same_packets(sample, data, tmp_path, name):
    source = data / name
    path = Remux().generate(of(sample, source), tmp_path / "out.mp4", 0)
    assert path == tmp_path / "out.mkv"
    with av.open(str(path)) as container:
        assert "matroska" in container.format.name
    for kind in ("video", "audio"):
        assert packets(path, kind) == packets(source, kind)
    assert np.array_equal(read(path), read(source))
    assert probe(path).fps == probe(source).fps
    # Sound against picture: Matroska's clock ticks in milliseconds, so up to one of them late.
    before, after = read_audio(source), read_audio(path)
    tick = before.rate // 1000 + 1
    inside = slice(tick, len(before.samples) - 2 * tick)
    late = [
        n
        for n in range(-tick, tick + 1)
        if np.array_equal(np.roll(before.samples, n, axis=0)[inside], after.samples[inside])
    ]
    assert late


@pytest.mark.data
def test_remuxing_is_repeatable_and_goes_both_ways(sample, originals, tmp_path):
    there = Remux().generate(of(sample, originals[0]), tmp_path / "a.mp4", 0)
    again = Remux().generate(of(sample, originals[0]), tmp_path / "b.mp4", 0)
    assert there.read_bytes() == again.read_bytes()
    back = Remux().generate(of(sample, there), tmp_path / "c.mp4", 0)
    assert back == tmp_path / "c.mp4"
    for kind in ("video", "audio"):
        assert packets(back, kind) == packets(originals[0], kind)


@pytest.mark.data
def test_remuxing_keeps_a_mute_clip_mute(sample, originals, tmp_path):
    path = Remux().generate(of(sample, originals[0], audio=False), tmp_path / "a.mp4", 0)
    assert not probe(path).has_audio
    assert packets(path, "video") == packets(originals[0], "video")


@pytest.mark.data
def test_what_another_container_would_show_is_not_remuxed(sample, data, tmp_path):
    hidden = data / "clips" / "hdtf_RD_Radio10_0_clip0.mp4"  # an edit list hides its last frame
    with pytest.raises(GenerationError, match="edit list hides frames"):
        Remux().generate(of(sample, hidden), tmp_path / "out.mp4", 0)
    elsewhere = replace(sample, audio=sample.other_audio)
    with pytest.raises(GenerationError, match="another file"):
        Remux().generate(elsewhere, tmp_path / "out.mp4", 0)
    assert not list(tmp_path.iterdir())


# What everybody sees, in grades.


@pytest.mark.data
@pytest.mark.assets
@pytest.mark.parametrize(
    "grades",
    [
        (SHIFTED_1, Shifted(), SHIFTED_9),
        (MOUTH_BLUR_WEAK, MouthBlur(), MOUTH_BLUR_STRONG),
        (REENCODED_CRF28, Reencoded(), REENCODED_CRF42),
    ],
    ids=("shift", "blur", "codec"),
)
def test_each_grade_is_worse_than_the_one_before(sample, tmp_path, asset, grades):
    asset("yunet")
    original = read(sample.video)
    clips = [read(g.generate(sample, tmp_path / "out.mp4", 0)) for g in grades]
    first, second, third = (fidelity(clip, original) for clip in clips)
    assert first > second + 1 > third + 2


@pytest.mark.data
@pytest.mark.assets
def test_the_stronger_blur_is_stronger_on_the_smallest_face(sample, tmp_path, asset):
    """12 px of face: the sigma does not fall below that of a face of 33 px."""
    asset("yunet")
    frames = read(sample.video)[:2]
    canvas = np.full((2, 96, 96, 3), 128, np.uint8)
    canvas[:, 20:52, 20:52] = frames[:, 4::8, 4::8]
    box = np.array([30, 24, 12, 16], np.float32)
    damaged = []
    for blur in (MOUTH_BLUR_WEAK, MouthBlur(), MOUTH_BLUR_STRONG):
        piece = next(blur._blurred([canvas], np.stack([box, box])))
        damaged.append(np.abs(piece.astype(int) - canvas).mean())
    assert 0 < damaged[0] < damaged[1] < damaged[2]


@pytest.mark.data
@pytest.mark.assets
def test_the_mouth_is_frozen_and_the_head_goes_on(sample, originals, tmp_path, asset):
    asset("yunet")
    grey = np.full((3, 256, 256, 3), 90, np.uint8)
    moving = next(iter(FrameReader(originals[0], piece=80)))[::4]  # the head moves, the mouth opens
    clip = write(tmp_path / "clip.mp4", np.concatenate([grey, moving]), speech(originals[0]))
    before = read(clip)
    path = MouthFrozen().generate(of(sample, clip), tmp_path / "out.mp4", 0)
    after = read(path)
    assert np.array_equal(sound(path), sound(clip))
    face = follow_face(FrameReader(clip))
    assert face.first == 3
    assert np.array_equal(after[:4], before[:4])  # no face yet, and the frame that is held
    changed = np.abs(after.astype(int) - before).max(axis=-1) > 0
    assert changed[4:].any(axis=(1, 2)).all()
    eyes = face.points[:, :2, 1].max(axis=1)
    for now, eye in zip(changed, eyes, strict=True):
        assert not now[: int(eye)].any()

    def mouths(frames):
        """24x12 px around each frame's mouth, where the original has it."""
        x, y = np.rint(face.points[:, 3:5].mean(axis=1)).astype(int).T
        windows = [f[b - 6 : b + 6, a - 12 : a + 12] for f, a, b in zip(frames, x, y, strict=True)]
        return np.stack(windows)[3:].astype(float)

    motion = [np.abs(m - m[0]).mean() for m in (mouths(before), mouths(after))]
    assert motion[1] < 0.6 * motion[0]
    assert np.abs(mouths(after) - mouths(before)).mean() > 5


def test_the_patch_is_shifted_turned_and_scaled_with_the_head():
    """Points turned by 30 degrees, twice as large and moved are met exactly."""
    points = np.array([(30, 40), (60, 42), (45, 60), (44, 80)], dtype=float)
    angle = np.deg2rad(30)
    turn = 2 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = points @ turn.T + (7, -3)
    way = _similarity(points, moved)
    assert np.allclose(points @ way[:, :2].T + way[:, 2], moved)


@pytest.mark.data
@pytest.mark.assets
def test_nothing_to_freeze_is_said(sample, tmp_path, write_clip, asset):
    asset("yunet")
    write_clip(tmp_path / "a.mp4")
    with pytest.raises(GenerationError, match="no face in any of 12 frames"):
        MouthFrozen().generate(of(sample, tmp_path / "a.mp4"), tmp_path / "out.mp4", 0)


@pytest.mark.data
def test_another_speakers_pictures_with_this_clips_sound(sample, tmp_path):
    path = IdentitySwap().generate(sample, tmp_path / "out.mp4", 0)
    assert np.array_equal(read(path), read(sample.other_audio))
    assert np.array_equal(sound(path), sound(sample.video))


def test_the_other_clip_is_shown_by_the_clock_and_from_its_beginning_again(tmp_path):
    """5 frames at 12 fps for 1 s at 25 fps: each shade says which frame is shown."""
    shades = np.repeat(np.arange(0, 250, 50, np.uint8), 48 * 64 * 3).reshape(5, 48, 64, 3)
    other = write(tmp_path / "other.mp4", shades, fps=Fraction(12))
    clip = write(tmp_path / "clip.mp4", np.zeros((25, 48, 64, 3), np.uint8))
    sample = Sample(id="a", speaker="a", video=clip, audio=None, reference=clip, other_audio=other)
    path = IdentitySwap().generate(sample, tmp_path / "out.mp4", 0)
    assert probe(path).fps == 25
    shown = read(path)[:, 0, 0, 0] // 50
    assert shown.tolist() == [i * 12 // 25 % 5 for i in range(25)]


@pytest.mark.parametrize(("width", "height"), [(64, 32), (32, 64), (16, 16), (300, 100)])
def test_the_other_clip_fills_the_frame_and_keeps_its_shape(tmp_path, width, height):
    """A centred square stays a centred square."""
    picture = np.zeros((1, 80, 120, 3), np.uint8)
    picture[:, 30:50, 50:70] = 255
    other = write(tmp_path / "other.mp4", picture)
    clip = write(tmp_path / "clip.mp4", np.full((1, height, width, 3), 77, np.uint8))
    sample = Sample(id="a", speaker="a", video=clip, audio=None, reference=clip, other_audio=other)
    shown = read(IdentitySwap().generate(sample, tmp_path / "out.mp4", 0))[0, :, :, 0]
    assert shown.shape == (height, width)
    rows, columns = (np.flatnonzero((shown > 127).any(axis=a)) for a in (1, 0))
    side = 20 * max(width / 120, height / 80)
    assert abs(len(rows) - side) <= 1
    assert abs(len(columns) - side) <= 1
    assert abs(rows.mean() - (height - 1) / 2) <= 1
    assert abs(columns.mean() - (width - 1) / 2) <= 1


@pytest.mark.data
def test_a_voice_without_a_face_cannot_take_its_place(sample, data, tmp_path):
    voice = replace(sample, other_audio=data / "wav" / "jfk.wav")
    with pytest.raises(GenerationError, match="no video stream"):
        IdentitySwap().generate(voice, tmp_path / "out.mp4", 0)
    with pytest.raises(GenerationError, match="no clip of another speaker"):
        IdentitySwap().generate(replace(sample, other_audio=None), tmp_path / "out.mp4", 0)


def test_the_certificate_finds_all_of_them_by_name():
    assert BASE in VISIBLE
    assert {rung for rungs in LADDERS.values() for rung in rungs} <= set(VISIBLE)
    for name in (TRUTH, *INVISIBLE, *VISIBLE):
        generator = load_generator(name)
        assert isinstance(generator, Generator)
        assert generator.spec.name == name
        assert generator.spec.kind == ("reference" if name == TRUTH else "anchor")
        assert pickle.loads(pickle.dumps(generator)).spec == generator.spec  # noqa: S301 - workers


def test_versions_tell_grades_apart():
    for rungs in LADDERS.values():
        assert len({load_generator(name).spec.version for name in rungs}) == len(rungs)
