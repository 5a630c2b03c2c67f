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
from numpy.typing import NDArray
from scipy.special import stdtrit

from metrics import Measurement, Metric, UnscorableError, clip_weight

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


def without_each(
    metric: Metric, scored: Sequence[Scored], people: Sequence[str]
) -> NDArray[np.float64]:
    """The metric's number with one speaker left out after the other.

    Args:
        metric: The card.
        scored: Its clips.
        people: Distinct speakers of them, at least two.

    Returns:
        float64 [S], in the order of ``people``.

    Raises:
        UnscorableError: Without one of them there is no number.
    """
    weight = clip_weight(metric)
    if weight is None:
        return np.array([_aggregate(metric, scored, [p for p in people if p != q]) for q in people])
    place = {person: i for i, person in enumerate(people)}
    shares = sorted(
        (place[s.speaker], s.measurement.value, weight(s.measurement))
        for s in scored
        if s.speaker in place and s.measurement.value is not None
    )
    whose = np.array([i for i, _, _ in shares], dtype=np.intp)
    values, weights = (np.array([share[n] for share in shares], np.float64) for n in (1, 2))
    mass = np.bincount(whose, weights, len(people))
    total = np.bincount(whose, weights * values, len(people))
    others = mass.sum() - mass
    if not (others > 0).all():
        raise UnscorableError("no clip has a value")
    without: NDArray[np.float64] = (total.sum() - total) / others
    return without


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
    return _interval(
        statistic(everyone),
        everyone,
        lambda: np.array([statistic([s for s in everyone if s != left]) for left in everyone]),
        bounds,
    )


def _interval(
    value: float,
    everyone: Sequence[str],
    leave_out: Callable[[], NDArray[np.float64]],
    bounds: tuple[float, float],
) -> Interval:
    count = len(everyone)
    if count < 2 or not math.isfinite(value):
        return Interval(value, None, None, count)
    try:
        without = leave_out()
    except UnscorableError:  # one speaker alone carries the number: no interval
        return Interval(value, None, None, count)
    error = math.sqrt((count - 1) / count * float(((without - without.mean()) ** 2).sum()))
    half = float(stdtrit(count - 1, 0.5 + LEVEL / 2)) * error
    lo, hi = max(value - half, bounds[0]), min(value + half, bounds[1])
    return Interval(value, lo, hi, count)


def estimate(metric: Metric, scored: Sequence[Scored]) -> Interval:
    """The metric's number over clips, with its interval."""
    everyone = sorted({s.speaker for s in scored})
    return _interval(
        _aggregate(metric, scored, everyone),
        everyone,
        lambda: without_each(metric, scored, everyone),
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
    everyone = sorted({s.speaker for s in a})
    found = _interval(
        _aggregate(metric, a, everyone) - _aggregate(metric, b, everyone),
        everyone,
        lambda: without_each(metric, a, everyone) - without_each(metric, b, everyone),
        (-math.inf, math.inf),
    )
    return found, len(common)


def _aggregate(metric: Metric, scored: Sequence[Scored], speakers: Sequence[str]) -> float:
    chosen = set(speakers)
    return metric.aggregate([s.measurement for s in scored if s.speaker in chosen])
