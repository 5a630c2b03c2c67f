"""What happens in a run, as it happens: one JSON object a line (docs/RECORDS.md)."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from evaluation.limits import lines_of, parsed_json

EVENTS = "events.jsonl"

Told = Callable[[int, int, str], None]
"""Hears of progress: (done, of how many, what was just done or is being done)."""

Sink = Callable[[str], None]
"""Takes a line with its newline."""


class Events:
    """Tells events to everyone who listens.

    Nothing of a run depends on them: a disk that is full is met where records are written.
    """

    def __init__(self, *sinks: Sink) -> None:
        self._sinks = sinks

    def tell(self, event: str, **facts: Any) -> None:  # noqa: ANN401
        """An event with what is known about it; what is None or empty is left out."""
        row = {"at": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event}
        row |= {name: value for name, value in facts.items() if value not in (None, "", [], {})}
        line = json.dumps(row) + "\n"
        for sink in self._sinks:
            with suppress(OSError):
                sink(line)


@contextmanager
def told_to_the_end(events: Events, event: str, **facts: Any) -> Iterator[None]:  # noqa: ANN401
    """Tell how a block ended (done, interrupted, stopped and why), unless it is killed."""
    start, how, reason = time.perf_counter(), "stopped", ""
    try:
        yield
        how = "done"
    except KeyboardInterrupt:
        how = "interrupted"
        raise
    except BaseException as error:
        reason = f"{type(error).__name__}: {error}"
        raise
    finally:
        seconds = round(time.perf_counter() - start, 3)
        events.tell(event, **facts, how=how, reason=reason, seconds=seconds)


class Pace:
    """Progress as events: the first, the last, and one a second between them.

    Args:
        events: Who hears them.
        step: What is going on.
        clock: Seconds.
    """

    EVERY_S = 1.0

    def __init__(
        self, events: Events, step: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._events, self._step, self._clock = events, step, clock
        self._last = -math.inf

    def __call__(self, done: int, total: int, what: str) -> None:
        """So many are done, of so many; the last of them was this."""
        now = self._clock()
        if now - self._last < self.EVERY_S and done < total:
            return
        self._last = now
        self._events.tell("progress", step=self._step, done=done, total=total, what=what)


@contextmanager
def appended(path: Path) -> Iterator[Sink]:
    """A file that events go to; a line that a crash has torn there is ended first."""
    with path.open("ab+") as file:
        if file.seek(0, 2) and _last(file) != b"\n":
            file.write(b"\n")

        def write(line: str) -> None:
            file.write(line.encode())
            file.flush()

        yield write


def to_stderr(line: str) -> None:
    """Standard error as a log."""
    sys.stderr.write(line)
    sys.stderr.flush()


def _last(file: IO[bytes]) -> bytes:
    file.seek(-1, 2)
    return file.read(1)


def read_events(path: Path) -> list[dict[str, Any]]:
    """Events of a file, oldest first; lines that are none are passed over, they tell no number."""
    found: list[dict[str, Any]] = []
    with suppress(FileNotFoundError, NotADirectoryError), path.open("rb") as file:
        for line in lines_of(file):
            with suppress(ValueError, TypeError, KeyError):
                row = parsed_json(line)
                if isinstance(row["event"], str) and datetime.fromisoformat(row["at"]).tzinfo:
                    found.append(row)
    return found
