"""Small pictures: where numbers lie on a line, in per cent of its width."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from leaderboards.boards import Reading
from leaderboards.ledger import Published
from leaderboards.printed import number

_MARGIN = 4.0  # per cent, so that a dot at the end is whole


@dataclass(frozen=True)
class Dot:
    """One number: its place, as printed, and who says it."""

    at: float
    shown: str
    said: str


@dataclass(frozen=True)
class Strip:
    """What one system is said to reach: dots, and their span from ``lo`` to ``hi``."""

    system: str
    metric: str
    dots: Sequence[Dot]
    lo: float
    hi: float
    least: str
    most: str


def strips(readings: Iterable[Reading], least: int = 2) -> list[Strip]:
    """A strip for every system that at least so many sources report; a metric has one scale.

    Returns:
        By metric, those with most strips first; then the widest first.
    """
    by_metric: dict[str, list[Reading]] = {}
    for reading in readings:
        if len(reading.numbers) >= least:
            by_metric.setdefault(reading.metric, []).append(reading)
    found: list[Strip] = []
    for _, group in sorted(by_metric.items(), key=lambda item: (-len(item[1]), item[0])):
        values = [row.value for reading in group for row in reading.numbers]
        made = [_strip(reading, min(values), max(values)) for reading in group]
        found += sorted(made, key=lambda s: (-(s.hi - s.lo), s.system))
    return found


def _strip(reading: Reading, least: float, most: float) -> Strip:
    rows = sorted(reading.numbers, key=lambda r: (r.value, source(r)))
    dots = [Dot(place(r.value, least, most), number(r), source(r)) for r in rows]
    return Strip(
        reading.system, reading.metric, dots, dots[0].at, dots[-1].at, dots[0].shown, dots[-1].shown
    )


def place(value: float, least: float, most: float) -> float:
    """Where a value lies between two, in per cent; the middle where they are one."""
    if most <= least:
        return 50.0
    return round(_MARGIN + (value - least) / (most - least) * (100 - 2 * _MARGIN), 2)


def source(row: Published) -> str:
    """``OmniSync, Table 2``: whose measurement, briefly."""
    name = row.paper or {"board": "a pooled board", "talkbench": "measured here"}.get(
        row.measured_by, "paper not named"
    )
    return f"{name}, {row.table}" if row.table else name
