"""Fingerprints: the same footage in another encoding, and other footage, told apart."""

from fractions import Fraction

import numpy as np
import pytest

from evaluation.data_doctor import SAME_PICTURES, SAME_SOUND
from evaluation.fingerprints import (
    HOP,
    RATE,
    audible,
    picture_bits,
    picture_distance,
    sound_bits,
    sound_distance,
)
from evaluation.video import FrameReader, read_audio
from evaluation.video_writer import Encoding, VideoWriter

CLIPS = (
    "clips/hdtf_WDA_AlexandriaOcasioCortez_000.mp4",
    "clips/person_May_5s.mp4",
    "hdtf_mini/gt/RD_Radio8_000.mp4",
    "hdtf_mini/gt/RD_Radio42_000.mp4",
)
SECONDS, FRAMES = 5, 30
"""Of sound, which is found by its course, and of pictures, each of which speaks for itself."""


def frames_of(path):
    return next(iter(FrameReader(path, piece=FRAMES)))


def sound_of(path):
    return read_audio(path, RATE, mono=True).samples[: SECONDS * RATE, 0]


@pytest.fixture(scope="module")
def real(data):
    """Hashes of pictures and sound of real clips."""
    return {
        name: (picture_bits(frames_of(data / name)), sound_bits(sound_of(data / name)))
        for name in CLIPS
    }


@pytest.mark.data
@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize(("crf", "bits"), [(23, 1.0), (35, 2.0)])
def test_another_encoding_stays_within_few_bits(data, real, tmp_path, name, crf, bits):
    frames, audio = frames_of(data / name), read_audio(data / name)
    path = tmp_path / "a.mp4"
    height, width = frames.shape[1:3]
    with VideoWriter(
        path, width=width, height=height, fps=Fraction(25), encoding=Encoding(crf), audio=audio
    ) as writer:
        writer.add(frames)
    pictures, sound = real[name]
    assert picture_distance(picture_bits(frames_of(path)), pictures) < bits < SAME_PICTURES
    heard = sound_of(path)
    share, place = sound_distance(sound_bits(heard), sound, audible(heard))
    assert place == 0
    assert share < 0.1 < SAME_SOUND


@pytest.mark.data
def test_half_the_size_is_the_same_picture(data, real):
    frames = frames_of(data / CLIPS[1])
    small = frames.reshape(len(frames), 256, 2, 256, 2, 3).mean(axis=(2, 4)).astype(np.uint8)
    assert picture_distance(picture_bits(small), real[CLIPS[1]][0]) < 0.5


@pytest.mark.data
def test_another_clip_is_far_away(real):
    for name in CLIPS:
        for other in CLIPS:
            if name != other:
                assert picture_distance(real[name][0], real[other][0]) > 4 * SAME_PICTURES
                assert sound_distance(real[name][1], real[other][1])[0] > 1.3 * SAME_SOUND


def noise(seconds, seed=0):
    rng = np.random.default_rng(seed)
    loud = np.repeat(rng.random(int(seconds * 10) + 1), HOP)[: int(seconds * RATE)]
    return 0.3 * loud * rng.standard_normal(len(loud))


@pytest.mark.parametrize("start", [0, 7, 23])
def test_a_part_of_a_sound_is_found_in_its_place(start):
    whole = noise(6)
    part = whole[start * HOP : start * HOP + 3 * RATE]
    share, place = sound_distance(sound_bits(part), sound_bits(whole))
    assert place == start
    assert share < 0.1
    share, place = sound_distance(sound_bits(whole), sound_bits(part))
    assert place == -start


def test_loudness_does_not_matter_and_silence_is_not_compared():
    whole = noise(4)
    assert np.array_equal(sound_bits(whole), sound_bits(0.1 * whole))
    whole[RATE : 3 * RATE] = 0
    hissing = whole + 1e-5 * np.random.default_rng(1).standard_normal(len(whole))
    counts = audible(hissing)
    assert 14 <= counts.sum() <= 26
    known = sound_bits(whole)
    assert sound_distance(sound_bits(hissing), known, counts)[0] < 0.02
    assert sound_distance(sound_bits(hissing), known)[0] > 0.1


def test_the_same_bits_are_written_on_every_machine():
    """The hashes are in published files: they may not change."""
    y, x = np.mgrid[0:48, 0:64]
    frame = ((x * 5 + y * 3 + x * y // 7) % 256).astype(np.uint8)
    assert f"{int(picture_bits(np.stack([frame] * 3, -1)[None])[0]):016x}" == "f9f3e7cedd9bb336"
    assert [f"{int(b):04x}" for b in sound_bits(noise(0.5, seed=5))] == [
        "0000",
        "fae2",
        "da9c",
        "365d",
        "4a2a",
    ]


def test_a_sound_shorter_than_a_moment_has_one():
    assert len(sound_bits(noise(0.05))) == 1
    assert len(sound_bits(noise(0.1))) == 1
    assert len(sound_bits(np.zeros(0))) == 0
