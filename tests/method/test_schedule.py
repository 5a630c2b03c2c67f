"""What is driven and heard when; the official script's loop restated as lists, entry by entry."""

import numpy as np
import pytest

from evaluation.video import Audio
from method import mel, schedule
from method.schedule import ScheduleError


@pytest.fixture
def sound(tone):
    """So many columns of spectrogram, of noise: every window another."""

    def make(columns):
        noise = np.random.default_rng(columns).normal(0, 0.1, ((columns - 1) * 200, 1))
        return Audio(noise.astype(np.float32), 16000)

    return make


def test_windows_begin_two_frames_early_and_end_in_silence(tone):
    sound = Audio(tone(1.0), 16000)
    plan = schedule.every_frame(sound, 40, 25)
    spectrogram = mel.mel_spectrogram(sound.samples[:, 0])
    assert plan.windows.shape == (25, 80, 16)
    for place in (0, 1, 2):
        np.testing.assert_allclose(plan.windows[place], spectrogram[:, :16], atol=1e-6)
    np.testing.assert_allclose(plan.windows[12], spectrogram[:, 32:48], atol=1e-6)
    assert spectrogram.shape[1] == 81
    np.testing.assert_allclose(plan.windows[24][:, :11], spectrogram[:, 70:], atol=1e-6)
    assert (plan.windows[24][:, 11:] == mel.SILENCE).all()
    assert mel.mel_spectrogram(np.zeros(1600)).max() == mel.SILENCE


def test_every_frame_is_made_once_there_and_back(tone):
    plan = schedule.every_frame(Audio(tone(0.4), 16000), 3, 10)
    assert plan.frames == [0, 1, 2, 2, 1, 0, 0, 1, 2, 2]
    assert list(plan.rendered) == list(range(10))
    assert (len(plan), plan.first) == (10, 1)
    around = plan.around(np.array([0, 4, 9]))
    assert around.tolist() == [[0, 0, 0, 1, 2], [2, 3, 4, 5, 6], [7, 8, 9, 9, 9]]


def official_loop(frames, spectrogram):
    """What the script writes: (frame of the video, window's first column) and its surroundings."""
    starts = []
    while int(len(starts) * 3.2) + 16 <= spectrogram.shape[1]:
        starts.append(int(len(starts) * 3.2))
    forth = list(range(frames))
    sequence = (forth + forth[::-1]) * ((len(starts) // frames + 1 + 1) // 2)
    written = []
    for begin in range(len(starts) - 2):
        seen = [sequence[begin + i] for i in range(5)]
        heard = [starts[max(0, begin + i - 2)] for i in range(5)]
        written += [(seen, heard)] * (3 if begin == 0 else 1)
    return written


@pytest.mark.parametrize("frames", [1, 2, 3, 7, 40])
@pytest.mark.parametrize("columns", [17, 20, 22, 25, 28, 32, 35, 60, 81])
def test_compat_is_the_official_loop(frames, columns, sound):
    given = sound(columns)
    spectrogram = mel.mel_spectrogram(given.samples[:, 0]).astype(np.float32)
    assert spectrogram.shape[1] == columns
    try:
        expected = official_loop(frames, spectrogram)
    except IndexError:
        with pytest.raises(ScheduleError, match=f"IndexError on {frames} frames of video"):
            schedule.official(given, frames)
        return
    if not expected:
        with pytest.raises(ScheduleError, match="of fewer than 3"):
            schedule.official(given, frames)
        return
    plan = schedule.official(given, frames)
    around = plan.around(np.asarray(plan.rendered))
    made = [plan.rendered[0]] * (plan.first - 1) + list(plan.rendered)
    assert len(made) == len(plan) == len(expected)
    for place, (seen, heard) in zip(made, expected, strict=True):
        row = around[list(plan.rendered).index(place)]
        assert [plan.frames[i] for i in row] == seen
        for i, start in zip(row, heard, strict=True):
            np.testing.assert_array_equal(plan.windows[i], spectrogram[:, start : start + 16])
        # The sound of the face itself is that of its middle place.
        assert (row[2], plan.frames[place]) == (place, seen[2])


def test_some_of_these_end_with_an_index_error(sound):
    """So that the comparison above has seen both kinds of end."""
    for frames, columns in ((1, 22), (3, 29)):
        with pytest.raises(ScheduleError, match="IndexError"):
            schedule.official(sound(columns), frames)
    assert len(schedule.official(sound(81), 40)) == 21
