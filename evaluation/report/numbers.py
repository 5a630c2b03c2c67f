"""How a number reads: digits by the column it stands in, intervals to the same digit."""

from __future__ import annotations

import math
from collections.abc import Iterable

NOTHING = "\N{EN DASH}"

_SIGNIFICANT = 4
_LEAST, _MOST = 2, 4  # as the field prints them: 31.42 dB, 0.9123
_TINY = 1e-3


def decimals(values: Iterable[float]) -> int:
    """Digits behind the point for a column, so that its largest number has about four in all.

    31.4 dB gets 2, a similarity up to 1 gets 4, and 100 dB beside 31 dB still 2.
    """
    largest = max((abs(v) for v in values if math.isfinite(v)), default=0.0)
    if 1e-9 < largest < _TINY:
        return _SIGNIFICANT - 2 - math.floor(math.log10(largest))
    before = math.floor(math.log10(largest)) + 1 if largest > 1 else 0
    return min(max(_SIGNIFICANT - before, _LEAST), _MOST)


def number(value: float, digits: int, *, sign: bool = False) -> str:
    """``31.42``; with ``sign`` ``+1.20``. Zero has no sign, minus is a minus."""
    text = f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("+-")
    return text.replace("-", "\N{MINUS SIGN}")


def interval(value: float, lo: float | None, hi: float | None, digits: int) -> str:
    """``±0.53``, or ``[0.00, 1.20]`` where a bound cut it; empty where there is none."""
    if lo is None or hi is None:
        return ""
    step = 10.0**-digits
    if abs((hi - value) - (value - lo)) >= step:
        return f"[{number(lo, digits)}, {number(hi, digits)}]"
    half = (hi - lo) / 2
    if 0 < half < step / 2:
        return f"±<{step:.{digits}f}"
    return f"±{number(half, digits)}"
