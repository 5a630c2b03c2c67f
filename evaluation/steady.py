"""A steady frame rate out of a file's own clock: which frames are repeated, which are left out."""

from __future__ import annotations

import math
from collections import deque
from fractions import Fraction

_OFF_MIDPOINTS = 2.0**-17  # so that halves round away from zero, as there


class SteadyRate:
    """FFmpeg's rule for ``-r FPS`` (constant rate, versions 2 to 5), frame by frame.

    A frame that comes more than 1.1 frames late is preceded by copies of the one before it or
    repeated itself; one more than 1.1 frames early is left out. Held against ffmpeg 5.1.

    Args:
        fps: Frames per second to come out.
    """

    def __init__(self, fps: int) -> None:
        self.fps = fps
        self._next = 0  # number of the frame that comes out next
        self._before: deque[int] = deque([0, 0, 0], maxlen=3)

    def of_frame(self, time: Fraction, duration: Fraction) -> tuple[int, int]:
        """What the arrival of a frame brings out.

        Args:
            time: Seconds since the file's earliest stream began.
            duration: Seconds it is to be seen, 0 where the file does not say.

        Returns:
            How often the frame before it comes out again, and how often this one comes out.
        """
        at = float(time * self.fps)
        early = at + math.copysign(_OFF_MIDPOINTS, at) * (at != 0) - self._next
        length = float(round(duration * self.fps)) or min(1.0, float(duration * self.fps)) or 1.0
        late = early + length
        if early < 0 < late:
            early = 0.0
        before, times = 0, 1
        if late < -1.1:
            times = 0
        elif late > 1.1:
            times = round(late)
            if early > 1.1:
                before = round(early - 0.6)
        self._before.append(before)
        self._next += times
        return before, times - before

    def at_end(self) -> int:
        """How often the last frame comes out once more."""
        return sorted(self._before)[1]
