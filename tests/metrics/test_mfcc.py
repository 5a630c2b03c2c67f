"""MFCC against python_speech_features, recorded and run."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.sound import read_sound
from metrics.backbones import mfcc as room
from metrics.backbones.mfcc import COEFFICIENTS, MFCC, columns_of, mfcc
from metrics.base import AudioExtractor

# Logs of sums of squares of up to 1e9: the order of the sums moves the thirteenth digit.
CLOSE = 1e-10


def speech(samples, seed=0):
    """Louder and softer noise with silence in it: int16 [samples]."""
    random = np.random.default_rng(seed)
    loud = 3000 * np.sin(np.arange(samples) / 900) * random.normal(size=samples)
    loud[samples // 3 : samples // 2] = 0
    return loud.astype(np.int16)


@pytest.fixture(scope="module")
def example(data):
    """The sound of the official example, int16 [202880]."""
    return read_sound(data / "clips" / "syncnet_example.avi")


@pytest.fixture(scope="module")
def recorded(data):
    return dict(np.load(data / "golden" / "syncnet_mfcc.npz"))


@pytest.mark.data
def test_hears_what_the_official_code_heard(example, recorded):
    """The sound must be the same before its coefficients can be."""
    assert len(example) == recorded["audio_len"]
    assert np.array_equal(example[:4000], recorded["audio_int16_head"])
    assert example.astype(np.int64).sum() == recorded["audio_sum"]
    assert np.abs(example.astype(np.int64)).sum() == recorded["audio_abs_sum"]


@pytest.mark.data
def test_equals_what_the_official_code_computed(example, recorded):
    ours = mfcc(example)
    assert ours.shape == (1267, COEFFICIENTS)
    assert ours.dtype == np.float64
    np.testing.assert_allclose(ours, recorded["mfcc"], rtol=0, atol=CLOSE)


@pytest.mark.reference
@pytest.mark.parametrize("samples", [1, 2, 160, 399, 400, 401, 560, 561, 16_000, 16_001])
def test_equals_the_official_package_at_every_length(official, samples):
    package = official("python_speech_features")
    sound = speech(samples, seed=samples)
    theirs = package.mfcc(sound, 16_000)
    assert columns_of(samples) == len(theirs)
    np.testing.assert_allclose(mfcc(sound), theirs, rtol=0, atol=CLOSE)


@pytest.mark.reference
@pytest.mark.parametrize(
    "sound",
    [
        np.zeros(2000, np.int16),
        np.full(2000, -32768, np.int16),
        np.tile(np.array([32767, -32768], np.int16), 1000),
    ],
    ids=["silence", "constant", "clipping"],
)
def test_equals_the_official_package_at_the_limits(official, sound):
    theirs = official("python_speech_features").mfcc(sound, 16_000)
    assert np.isfinite(theirs).all()
    np.testing.assert_allclose(mfcc(sound), theirs, rtol=0, atol=CLOSE)


@pytest.mark.reference
def test_long_sounds_are_done_in_blocks_without_a_seam(official, monkeypatch):
    monkeypatch.setattr(room, "_BLOCK", 64)
    sound = speech(48_000)
    theirs = official("python_speech_features").mfcc(sound, 16_000)
    assert len(theirs) > 4 * 64
    np.testing.assert_allclose(mfcc(sound), theirs, rtol=0, atol=CLOSE)


def test_no_sound_has_no_columns():
    assert mfcc(np.empty(0, np.int16)).shape == (0, COEFFICIENTS)


@settings(max_examples=30, deadline=None)
@given(first=st.integers(1, 60), columns=st.integers(1, 40))
def test_a_cut_changes_its_first_column_only(first, columns):
    whole = mfcc(speech(16_000))
    begin = room.STEP * first
    cut = mfcc(speech(16_000)[begin : begin + room.STEP * (columns - 1) + room.WINDOW])
    after = whole[first : first + columns]
    assert len(cut) == columns
    np.testing.assert_allclose(cut[1:], after[1:], rtol=0, atol=CLOSE)


def test_a_cut_does_change_its_first_column():
    """Its first sample is not pre-emphasised: whoever cuts the coefficients is not exact."""
    sound = speech(16_000)
    assert np.abs(mfcc(sound[room.STEP :])[0] - mfcc(sound)[1]).max() > 1e-3


def test_the_extractor_keeps_doubles_at_100_a_second():
    assert isinstance(MFCC, AudioExtractor)
    assert MFCC.id == "mfcc/1"
    rows = MFCC.listen(speech(16_000))["mfcc"]
    assert rows.shape == (99, COEFFICIENTS)
    assert rows.dtype == np.float64
