"""How far raters agree: Krippendorff's alpha, and intraclass correlations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Level = Literal["interval", "ordinal", "nominal"]


def krippendorff(data: NDArray[np.float64], level: Level) -> float | None:
    """Krippendorff's alpha (Content Analysis, 4th edition, chapter 12).

    Args:
        data: [raters, units], NaN where nobody answered.
        level: Of measurement: how far apart two answers are.

    Returns:
        1 for perfect agreement, 0 for that of chance; None where no unit has two answers, or all
        answers are the same.
    """
    units = [u[~np.isnan(u)] for u in np.asarray(data, dtype=np.float64).T]
    units = [u for u in units if len(u) > 1]
    if not units:
        return None
    values = np.unique(np.concatenate(units))
    if len(values) < 2:
        return None
    coincidences = np.zeros((len(values), len(values)))
    for unit in units:
        counts = (unit[:, None] == values).sum(axis=0).astype(np.float64)
        coincidences += (np.outer(counts, counts) - np.diag(counts)) / (len(unit) - 1)
    totals = coincidences.sum(axis=1)
    distance = _distance(values, totals, level)
    expected = (np.outer(totals, totals) - np.diag(totals)) / (totals.sum() - 1)
    return float(1 - (coincidences * distance).sum() / (expected * distance).sum())


def _distance(
    values: NDArray[np.float64], totals: NDArray[np.float64], level: Level
) -> NDArray[np.float64]:
    if level == "interval":
        return np.asarray((values[:, None] - values) ** 2)
    if level == "nominal":
        return np.asarray(values[:, None] != values, dtype=np.float64)
    middle = np.cumsum(totals) - totals / 2  # ranks; their gaps are Krippendorff's sums
    return np.asarray((middle[:, None] - middle) ** 2)


@dataclass(frozen=True)
class Icc:
    """Intraclass correlations (Shrout and Fleiss, Psychological Bulletin 86, 1979).

    Attributes:
        one: ICC(1,1): one rater's answer, raters differ from clip to clip.
        one_mean: ICC(1,k): the mean of ``k`` raters.
        two: ICC(2,1): raters are a sample who all rated every clip; None where they did not.
        two_mean: ICC(2,k).
        k: Raters a clip, on average as the analysis of variance takes it.
    """

    one: float
    one_mean: float
    two: float | None
    two_mean: float | None
    k: float


def icc(data: NDArray[np.float64]) -> Icc | None:
    """One-way with gaps, two-way without.

    Args:
        data: [raters, units], NaN where nobody answered.

    Returns:
        None with fewer than two units that two raters answered.
    """
    x = np.asarray(data, dtype=np.float64)
    x = x[:, (~np.isnan(x)).sum(axis=0) > 1]
    counts = (~np.isnan(x)).sum(axis=0)
    if x.shape[1] < 2:
        return None
    total, units = int(counts.sum()), x.shape[1]
    means = np.nanmean(x, axis=0)
    grand = float(np.nanmean(x))
    between = float((counts * (means - grand) ** 2).sum()) / (units - 1)
    within = float(np.nansum((x - means) ** 2)) / (total - units)
    k = (total - float((counts**2).sum()) / total) / (units - 1)
    if between == within == 0:
        return None
    one = (between - within) / (between + (k - 1) * within)
    one_mean = (between - within) / between if between else float("-inf")
    two = two_mean = None
    rated = x[~np.isnan(x).all(axis=1)]
    if not np.isnan(rated).any():
        raters = len(rated)
        of_raters = units * float(((rated.mean(axis=1) - grand) ** 2).sum()) / (raters - 1)
        rest = (total - units) * within - (raters - 1) * of_raters
        error = rest / ((raters - 1) * (units - 1))
        spread = (of_raters - error) / units
        two = (between - error) / (between + (raters - 1) * error + raters * spread)
        two_mean = (between - error) / (between + spread)
    return Icc(one, one_mean, two, two_mean, k)


def matrix(ratings: Mapping[tuple[str, str], float]) -> NDArray[np.float64]:
    """(rater, unit) -> answer as [raters, units] with NaN."""
    raters = sorted({r for r, _ in ratings})
    units = sorted({u for _, u in ratings})
    data = np.full((len(raters), len(units)), np.nan)
    row, column = ({name: i for i, name in enumerate(x)} for x in (raters, units))
    for (rater, unit), value in ratings.items():
        data[row[rater], column[unit]] = value
    return data
