"""Mean opinion scores: means with intervals for raters and clips that are both a sample.

Answers of one rater belong together, and so do answers about one clip. The variance of a mean is
clustered both ways: that of raters plus that of clips minus that of their common cells (Cameron,
Gelbach and Miller, Journal of Business & Economic Statistics 29, 2011), each with the factor
G/(G-1), and never less than either alone; t with one degree of freedom less than there are clusters
of the scarcer kind.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from evaluation.stats import LEVEL, Interval


def mean(
    values: Sequence[float],
    raters: Sequence[Hashable],
    clips: Sequence[Hashable],
    bounds: tuple[float, float] = (1.0, 5.0),
) -> Interval:
    """A mean with its interval.

    Args:
        values: [n] answers.
        raters: [n] whose.
        clips: [n] about which sample.
        bounds: The interval is cut here.

    Returns:
        No bounds where there are fewer than two raters. With one clip alone, raters make the
        interval, and it speaks for that clip.

    Raises:
        ValueError: There is no value.
    """
    x = np.asarray(values, dtype=np.float64)
    if not x.size:
        raise ValueError("no answers")
    value = float(x.mean())
    scores = ((x - value) / len(x))[:, None]
    covariance, df = two_way(scores, raters, clips)
    if df is None:
        return Interval(value, None, None, len(set(raters)))
    half = t_factor(df) * math.sqrt(float(covariance[0, 0]))
    lo, hi = max(value - half, bounds[0]), min(value + half, bounds[1])
    return Interval(value, lo, hi, len(set(raters)))


def two_way(
    scores: NDArray[np.float64], raters: Sequence[Hashable], clips: Sequence[Hashable]
) -> tuple[NDArray[np.float64], int | None]:
    """Covariance of sums of scores that are clustered by rater and by clip.

    Args:
        scores: [n, P] influence of each answer on each parameter.
        raters: [n].
        clips: [n].

    Returns:
        [P, P], of which no diagonal entry is below that of one kind alone; degrees of freedom, None
        with fewer than two raters.
    """
    cells = list(zip(raters, clips, strict=True))
    by_rater, r = _clustered(scores, raters)
    by_clip, c = _clustered(scores, clips)
    by_cell, _ = _clustered(scores, cells)
    if r < 2:
        return by_rater, None
    if c < 2:
        return by_rater, r - 1
    both = by_rater + by_clip - by_cell
    floor = np.maximum(np.diag(by_rater), np.diag(by_clip))
    short = np.maximum(floor - np.diag(both), 0)
    return both + np.diag(short), min(r, c) - 1


def t_factor(df: int) -> float:
    """Half-width of an interval in standard errors."""
    return float(stdtrit(df, 0.5 + LEVEL / 2))


def _clustered(
    scores: NDArray[np.float64], clusters: Sequence[Hashable]
) -> tuple[NDArray[np.float64], int]:
    place = {name: i for i, name in enumerate(dict.fromkeys(clusters))}
    sums = np.zeros((len(place), scores.shape[1]))
    np.add.at(sums, [place[name] for name in clusters], scores)
    count = len(place)
    factor = count / (count - 1) if count > 1 else 1.0
    return factor * sums.T @ sums, count
