"""What is read off a sound: speech and loudness, against the packages they follow."""

from __future__ import annotations

import numpy as np
import pytest

from evaluation.sound import read_sound
from metrics.backbones import speech
from metrics.backbones.loudness import LOUDNESS, VOICE_BAND
from metrics.backbones.speech import SPEECH

# silero-vad 5.1.2's get_speech_timestamps, its TorchScript network.
STRETCHES = {
    "clips/syncnet_example.avi": [[0, 28640], [40480, 74720], [92192, 105440], [109600, 202880]],
    "clips/grid_brbk7n.mpg": [[8224, 34272]],
    "clips/vretalk_5.mp4": [[0, 44000], [58912, 78019]],
}


def networks(test):
    """Runs the real weights."""
    return pytest.mark.assets(pytest.mark.usefixtures("weights")(test))


@pytest.fixture(scope="module")
def weights(asset):
    asset("silero-vad")


@pytest.fixture(scope="module")
def noise():
    """2.4 s that get louder and quieter."""
    random = np.random.default_rng(0)
    level = np.interp(np.arange(38400), np.arange(61) * 640, random.uniform(0, 9000, 61))
    return np.round(level * random.normal(size=38400)).clip(-32768, 32767).astype(np.int16)


@networks
@pytest.mark.data
@pytest.mark.parametrize("file", STRETCHES)
def test_speech_is_where_the_package_hears_it(data, file):
    sound = read_sound(data / file)
    assert SPEECH.listen(sound)["stretches"].tolist() == STRETCHES[file]


@networks
def test_silence_and_nothing_have_no_speech():
    for sound in (np.zeros(16000, np.int16), np.zeros(0, np.int16)):
        assert SPEECH.listen(sound)["stretches"].shape == (0, 2)


@pytest.mark.parametrize(
    ("runs", "samples", "expected"),
    [
        # A dip of 96 ms parts nothing, one of 160 ms does; 224 ms of speech are too few.
        (
            [
                *((0.6, 10), (0.1, 3), (0.6, 10), (0.1, 5), (0.6, 7)),
                *((0.1, 9), (0.6, 9), (0.4, 20), (0.34, 6), (0.9, 4)),
            ],
            42396,
            [[0, 12256], [22048, 37856]],
        ),
        ([(0.1, 3), (0.5, 9), (0.35, 4), (0.3499, 4), (0.2, 3)], 11676, [[1056, 6624]]),
        ([(0.9, 8), (0.1, 4)], 6044, [[0, 6044]]),
        ([(0.9, 9)], 4400, [[0, 4400]]),
        ([(0.9, 8)], 4000, []),
    ],
)
def test_stretches_are_the_packages(runs, samples, expected):
    probabilities = np.array([p for p, n in runs for _ in range(n)], np.float32)
    assert speech.stretches(probabilities, samples).tolist() == expected


@pytest.mark.reference
def test_loudness_is_librosas(official, noise):
    librosa = official("librosa")
    theirs = librosa.feature.rms(
        y=noise.astype(np.float32) / 32768, frame_length=800, hop_length=800
    )[0]
    ours = LOUDNESS.listen(noise)["loudness"]
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)  # librosa squares in float32


def test_loudness_in_the_voices_band():
    time = np.arange(16000) / 16000
    for hertz, share in ((2000, 1), (300, 0), (6000, 0)):
        tone = np.round(16384 * np.sin(2 * np.pi * hertz * time)).astype(np.int16)
        rows = VOICE_BAND.listen(tone)["loudness"]
        assert rows.shape == (26,)
        np.testing.assert_allclose(rows[1:-1], share * 0.5 / np.sqrt(2), atol=2e-4)
        plain = LOUDNESS.listen(tone)["loudness"]
        assert plain.shape == (21,)
        np.testing.assert_allclose(plain[1:-1], 0.5 / np.sqrt(2), atol=2e-4)
    assert VOICE_BAND.listen(np.zeros(0, np.int16))["loudness"].tolist() == [0]


def test_blocks_of_a_long_sound_do_not_show(monkeypatch, noise):
    whole = VOICE_BAND.listen(noise)["loudness"]
    monkeypatch.setattr("metrics.backbones.loudness._BLOCK", 7)
    np.testing.assert_allclose(VOICE_BAND.listen(noise)["loudness"], whole, rtol=1e-12)
