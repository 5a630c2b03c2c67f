"""A steady rate out of a file's own clock, held against ffmpeg's choices."""

from fractions import Fraction

import numpy as np
import pytest

from evaluation.steady import SteadyRate
from evaluation.video import FrameReader, runs_at


def sources(times, durations, fps=25):
    """For each frame that comes out, the number of the frame that it shows."""
    rate, shown = SteadyRate(fps), []
    for i, (time, duration) in enumerate(zip(times, durations, strict=True)):
        before, again = rate.of_frame(Fraction(time), Fraction(duration))
        shown += [max(i - 1, 0)] * before + [i] * again
    return shown + [len(times) - 1] * rate.at_end()


def even(fps, frames):
    step = 1 / Fraction(fps)
    return [i * step for i in range(frames)], [step] * frames


# How often ffmpeg 5.1 (-r 25) showed each of the first frames, and how many came out in all.
RECORDED = {
    12: (104, [2, 2, 2, 2, 2, 2, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3], 217),
    25: (40, [1] * 19, 40),
    30: (270, [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 0], 227),
}


@pytest.mark.parametrize("fps", RECORDED)
def test_repeats_and_drops_as_ffmpeg(fps):
    frames, first, total = RECORDED[fps]
    shown = sources(*even(fps, frames))
    assert np.bincount(shown)[: len(first)].tolist() == first
    assert abs(len(shown) - total) <= 1  # the last frame's repeats hang on the container


@pytest.mark.parametrize("fps", [10, 15, "24000/1001", 24, 29.97, 50, 60])
def test_keeps_time(fps):
    """No frame is shown more than two frames of the slower rate off its time."""
    fps = Fraction(fps).limit_denominator(1001)
    times, durations = even(fps, 120)
    shown = sources(times, durations)
    slack = 2.1 * max(1 / 25, float(1 / fps))
    for number, source in enumerate(shown):
        assert abs(number / 25 - float(times[source])) <= slack
    assert sorted(shown) == shown


def test_a_late_start_is_filled_with_the_first_frame():
    times, durations = even(25, 10)
    shown = sources([t + Fraction(8, 25) for t in times], durations)
    assert shown[:9] == [0] * 9
    assert shown[9:] == list(range(1, 10))


def test_reader_at_its_own_rate_is_the_file(tmp_path, write_clip):
    path = tmp_path / "a.mp4"
    write_clip(path)
    own, steady = (np.concatenate(list(FrameReader(path, fps=f))) for f in (None, 25))
    assert np.array_equal(own, steady)
    assert runs_at(path, 25)


# ffmpeg 5.1 makes 8 of 12 frames at 50 fps, too.
@pytest.mark.parametrize(("fps", "expected"), [(50, 8), (10, 29)])
def test_reader_at_another_rate(tmp_path, write_clip, fps, expected):
    path = tmp_path / "a.mp4"
    write_clip(path, fps=Fraction(fps))
    reader = FrameReader(path, fps=25)
    shown = np.concatenate(list(reader))
    assert abs(len(shown) - expected) <= 1
    assert reader.frames == 12
    assert not runs_at(path, 25)
    own = np.concatenate(list(FrameReader(path)))
    assert all((frame == own).all((1, 2, 3)).any() for frame in shown)


def test_a_steady_rate_is_not_thinned(tmp_path, write_clip):
    path = tmp_path / "a.mp4"
    write_clip(path)
    with pytest.raises(ValueError, match="every frame"):
        FrameReader(path, every=2, fps=25)
