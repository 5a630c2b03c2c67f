"""Small drawings in numbers: where an interval lies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Scale:
    """Maps values to 0..1."""

    lo: float
    hi: float

    @classmethod
    def over(cls, values: Iterable[float], margin: float = 0.0) -> Scale | None:
        """The range of some values, None without two that differ."""
        known = [v for v in values if np.isfinite(v)]
        if not known or min(known) == max(known):
            return None
        lo, hi = min(known), max(known)
        return cls(lo - margin * (hi - lo), hi + margin * (hi - lo))

    def at(self, value: float) -> float:
        """0 at the low end, 1 at the high end; cut there."""
        return min(max((value - self.lo) / (self.hi - self.lo), 0.0), 1.0)

    def holds(self, value: float) -> bool:
        """Whether the value lies on the scale."""
        return self.lo <= value <= self.hi


@dataclass(frozen=True)
class Bar:
    """An interval and its value, in percent of the width; ``zero`` where differences have it."""

    value: float
    lo: float
    hi: float
    zero: float | None = None


def bar(
    scale: Scale | None, value: float, lo: float | None, hi: float | None, *, zero: bool = False
) -> Bar | None:
    """A bar on that scale; None where the value lies beyond it."""
    if scale is None or not scale.holds(value):
        return None
    ends = (value if lo is None else lo, value if hi is None else hi)
    return Bar(
        value=round(100 * scale.at(value), 1),
        lo=round(100 * scale.at(ends[0]), 1),
        hi=round(100 * scale.at(ends[1]), 1),
        zero=round(100 * scale.at(0.0), 1) if zero else None,
    )
