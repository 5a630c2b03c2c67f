"""How fast something goes and when it will be done, in words; lines of it for a log file."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.console import Console
from rich.progress import ProgressColumn, Task
from rich.text import Text


def size_text(size: int) -> str:
    """``87.3 MB``."""
    return f"{size / 1e6:.1f} MB"


def rate_text(per_second: float) -> str:
    """``12.3/s``; below one, seconds for each: ``4.1 s each``."""
    return f"{per_second:.1f}/s" if per_second >= 1 else f"{1 / per_second:.1f} s each"


def duration(seconds: float) -> str:
    """``42 s``, ``12 min``, ``3 h 20 min``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


class RateColumn(ProgressColumn):
    """How many a second; below one, seconds for each."""

    def render(self, task: Task) -> Text:
        """``12.3/s``, ``4.1 s each``, or nothing yet."""
        speed = task.finished_speed or task.speed
        if not speed:
            return Text("")
        return Text(rate_text(speed))


class Lines:
    """Progress for a log file: a line at most every ``EVERY_S``."""

    EVERY_S = 30.0

    def __init__(self, to: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._to, self._clock = to, clock
        self._begun = self._last = clock()
        self._before: int | None = None

    def __call__(self, done: int, total: int, what: str) -> None:
        """So many are done, of so many."""
        now = self._clock()
        if self._before is None:  # training goes on in the middle
            self._before = max(0, done - 1)
        if now - self._last < self.EVERY_S or done <= self._before:
            return
        self._last = now
        rate = (done - self._before) / (now - self._begun)
        self._to.print(
            f"{done} of {total}, {rate_text(rate)}, {duration((total - done) / rate)} left: {what}",
            soft_wrap=True,
            highlight=False,
            markup=False,
        )


class Bytes:
    """A download for a log file: a line at most every ``EVERY_S``."""

    EVERY_S = 30.0

    def __init__(self, to: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._to, self._clock = to, clock
        self._last = clock()
        self._begun: dict[str, tuple[float, int]] = {}

    def __call__(self, what: str, done: int, total: int | None) -> None:
        """So many bytes of a file are here, of so many."""
        now = self._clock()
        since, before = self._begun.setdefault(what, (now, done))
        if now - self._last < self.EVERY_S or done <= before:
            return
        self._last = now
        rate = (done - before) / (now - since)
        left = f" of {size_text(total)}" if total else ""
        time_left = f", {duration((total - done) / rate)} left" if total else ""
        self._to.print(
            f"{what}: {size_text(done)}{left}, {size_text(round(rate))}/s{time_left}",
            soft_wrap=True,
            highlight=False,
            markup=False,
        )
