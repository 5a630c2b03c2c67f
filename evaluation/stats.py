"""Numbers fit to print: values with intervals and coverage, and paired differences.

Intervals are delete-one-speaker jackknife intervals of the very ``aggregate`` that gives the
value: clips of one speaker are not independent, and a bootstrap of a Fréchet distance never
contains its own estimate. One speaker: a value without an interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from metrics import Measurement, Metric, UnscorableError

LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A value and where the truth is believed to lie; no bounds where there is one speaker."""

    value: float
    lo: float | None
    hi: float | None
    n_speakers: int


@dataclass(frozen=True)
class Scored:
    """One clip's measurement and whose clip it is."""

    speaker: str
    measurement: Measurement


def jackknife(
    statistic: Callable[[Sequence[str]], float],
    speakers: Sequence[str],
    bounds: tuple[float, float] = (-math.inf, math.inf),
) -> Interval:
    """Delete-one-speaker jackknife of any statistic.

    Args:
        statistic: The number over the clips of the given speakers.
        speakers: Distinct speakers.
        bounds: The interval is cut here.

    Returns:
        The statistic over all speakers, with the interval ``value ± t(S-1) · error``, where
        ``error² = (S-1)/S · Σ (θ₋ₛ - mean θ₋)²``.
    """
    everyone = sorted(set(speakers))
    count = len(everyone)
    value = statistic(everyone)
    if count < 2 or not math.isfinite(value):
        return Interval(value, None, None, count)
    try:
        without = np.array([statistic([s for s in everyone if s != left]) for left in everyone])
    except UnscorableError:  # one speaker alone carries the number: no interval
        return Interval(value, None, None, count)
    error = math.sqrt((count - 1) / count * float(((without - without.mean()) ** 2).sum()))
    half = float(stdtrit(count - 1, 0.5 + LEVEL / 2)) * error
    lo, hi = max(value - half, bounds[0]), min(value + half, bounds[1])
    return Interval(value, lo, hi, count)


def estimate(metric: Metric, scored: Sequence[Scored]) -> Interval:
    """The metric's number over clips, with its interval."""
    return jackknife(
        lambda speakers: _aggregate(metric, scored, speakers),
        [s.speaker for s in scored],
        metric.spec.bounds,
    )


def paired_difference(
    metric: Metric, ours: Mapping[str, Scored], theirs: Mapping[str, Scored]
) -> tuple[Interval, int] | None:
    """Difference of the metric's numbers on the clips that both have, ours minus theirs.

    Args:
        metric: The card.
        ours: Sample id -> clip.
        theirs: Sample id -> clip.

    Returns:
        The difference with its interval, and the number of common clips; None without any.
    """
    common = sorted(ours.keys() & theirs.keys())
    if not common:
        return None
    a, b = [ours[i] for i in common], [theirs[i] for i in common]

    def difference(speakers: Sequence[str]) -> float:
        return _aggregate(metric, a, speakers) - _aggregate(metric, b, speakers)

    return jackknife(difference, [s.speaker for s in a]), len(common)


def _aggregate(metric: Metric, scored: Sequence[Scored], speakers: Sequence[str]) -> float:
    chosen = set(speakers)
    return metric.aggregate([s.measurement for s in scored if s.speaker in chosen])
