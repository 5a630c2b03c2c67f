"""The sound that lip-sync metrics hear."""

from fractions import Fraction

import numpy as np
import pytest

from evaluation.sound import RATE, read_sound
from evaluation.video import Audio, VideoError
from evaluation.video_writer import LOSSLESS, VideoWriter


@pytest.mark.data
def test_is_what_ffmpeg_hands_to_syncnet(data):
    """Golden: the 16 kHz mono int16 sound that ffmpeg 5.1 extracted for the official code."""
    golden = np.load(data / "golden" / "syncnet_mfcc.npz")
    sound = read_sound(data / "clips" / "syncnet_example.avi")
    assert sound.dtype == np.int16
    assert len(sound) == int(golden["audio_len"])
    assert np.array_equal(sound[: len(golden["audio_int16_head"])], golden["audio_int16_head"])
    assert int(sound.astype(np.int64).sum()) == int(golden["audio_sum"])
    assert int(np.abs(sound.astype(np.int64)).sum()) == int(golden["audio_abs_sum"])


@pytest.mark.data
@pytest.mark.parametrize(
    ("clip", "samples"),
    [("pliers_obama_speech.mp4", 139947), ("hamilton_short.mp4", 160125)],
)
def test_length_on_the_files_clock(data, clip, samples):
    """Recorded with ffmpeg 5.1: -async 1 -ac 1 -ar 16000."""
    assert len(read_sound(data / "clips" / clip)) == samples


def test_channels_are_mixed_and_resampled(tmp_path):
    rate = 48_000
    t = np.arange(rate) / rate
    left = 0.4 * np.sin(2 * np.pi * 440 * t)
    samples = np.stack([left, np.zeros_like(left)], axis=1).astype(np.float32)
    form = {"width": 32, "height": 32, "fps": Fraction(25), "encoding": LOSSLESS}
    with VideoWriter(tmp_path / "a.mkv", **form, audio=Audio(samples, rate)) as writer:
        writer.add(np.zeros((25, 32, 32, 3), np.uint8))
    sound = read_sound(tmp_path / "a.mkv").astype(np.float64) / 32768
    assert abs(len(sound) - RATE) < 0.05 * RATE
    spectrum = np.abs(np.fft.rfft(sound[: RATE // 2]))
    assert np.argmax(spectrum) * 2 == 440
    assert 0.1 < np.abs(sound).max() < 0.35


def test_no_sound_is_none(tmp_path, write_clip):
    write_clip(tmp_path / "mute.mp4", audio=False)
    assert read_sound(tmp_path / "mute.mp4") is None


def test_no_file_is_an_error(tmp_path):
    with pytest.raises(VideoError, match="absent"):
        read_sound(tmp_path / "absent.mp4")
