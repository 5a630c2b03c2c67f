"""All pairs at once: differences between systems whose intervals hold together.

With k systems there are k (k-1) / 2 differences, and of many true zeros some 95 % interval misses
one. Here the intervals are simultaneous: under the usual assumptions all of them cover at once
with 95 % probability, so the chance of *any* false separation in a table column is 5 %.

A difference d and its error e come from the same delete-one-speaker jackknife as everywhere
(``evaluation.stats``); its interval is ``d ± c · e``. The one number c takes the place of
Student's ``t(S-1)``:

- More speakers than systems: the 95 % point of the largest ``|d / e|`` of all pairs where no two
  systems differ, by simulation: means and covariances of S Gaussian speakers under the jackknife's
  own covariance of the systems. Numerator and denominator are both drawn. The common shortcut (a
  multivariate t with one denominator for all pairs: Hothorn, Bretz and Westfall, Biometrical
  Journal 50, 2008) supposes one pooled error; here every pair has its own, and it separates too
  much: 20 % instead of 5 % with eight systems on five speakers.
- Else: Bonferroni, ``t(S-1)`` at ``1 - 0.05 / (2 · pairs)``, as Maxwell (Journal of Educational
  Statistics 5, 1980) advises for repeated measures. The covariance is singular then, and what is
  simulated from it would be too narrow.

Simulated with equal systems of unequal spread, 5 to 20 speakers and 3 to 8 systems, some pair was
called apart in 2.5 % to 7 % of columns; pair by pair, in 10 % to 55 %. What is supposed is that
the mean over speakers is nearly Gaussian, and that speakers are a fair sample of those one speaks
about.

c is never below ``t(S-1)`` and never above Bonferroni's. Decisions and intervals are one: a pair
is apart where its interval leaves zero out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from evaluation.stats import LEVEL

Method = Literal["t", "max-t", "bonferroni"]

DRAWS = 10_000
"""Of the simulation: its 95 % point is a point between 94.6 % and 95.4 %."""

_SEED = 20_260_101
_PIECE = 2_000_000  # numbers in memory at once
_SAME = 1e-12  # of the values themselves: nearer is rounding


@dataclass(frozen=True)
class Apart:
    """One pair.

    Attributes:
        one: Index of a system.
        other: Index of another.
        value: Number of ``one`` minus number of ``other``.
        lo: Lower end of the simultaneous interval.
        hi: Upper end.
        p: Adjusted for all pairs: the least level at which the pair is apart.
        separated: The interval leaves zero out.
    """

    one: int
    other: int
    value: float
    lo: float
    hi: float
    p: float
    separated: bool


@dataclass(frozen=True)
class AllPairs:
    """All pairs of systems.

    Attributes:
        pairs: ``one`` < ``other``, in order.
        critical: The number c of the module's text.
        method: How it was found; ``t`` where there is one pair.
        speakers: S.
    """

    pairs: tuple[Apart, ...]
    critical: float
    method: Method
    speakers: int


def bonferroni(speakers: int, systems: int, level: float = LEVEL) -> float:
    """The critical value that is safe for all pairs of systems, whatever their covariance.

    Args:
        speakers: 2 or more.
        systems: 2 or more; with 2 this is Student's t.
        level: Of all intervals together.
    """
    pairs = systems * (systems - 1) // 2
    return float(stdtrit(speakers - 1, 1 - (1 - level) / (2 * pairs)))


def all_pairs(values: Sequence[float], without: NDArray[np.float64]) -> AllPairs:
    """Simultaneous intervals of all differences.

    Args:
        values: [k] number of each system over all speakers.
        without: float64 [S, k], the same with one speaker left out after the other.

    Raises:
        ValueError: Fewer than two systems or speakers, shapes that do not fit, or a number that is
            not finite.
    """
    speakers, systems = without.shape
    if systems != len(values) or systems < 2 or speakers < 2:
        raise ValueError(
            f"expected two systems and two speakers or more, got {len(values)} values and "
            f"{list(without.shape)} with one speaker left out"
        )
    if not (np.isfinite(without).all() and np.isfinite(values).all()):
        raise ValueError("a number is not finite")
    index = list(combinations(range(systems), 2))
    contrasts = np.zeros((len(index), systems))
    for row, (i, j) in enumerate(index):
        contrasts[row, i], contrasts[row, j] = 1, -1
    centred = without - without.mean(axis=0)
    # Of the jackknife, so that errors are those of evaluation.stats.jackknife.
    factor = math.sqrt((speakers - 1) / speakers) * centred
    differences = contrasts @ np.asarray(values, np.float64)
    errors = np.sqrt(((factor @ contrasts.T) ** 2).sum(axis=0))
    rounding = _SAME * max(1e-300, float(np.abs(values).max()))
    ratios = _ratios(differences, errors, rounding)
    method: Method
    if systems == 2:
        critical, method = bonferroni(speakers, 2), "t"
        tails = 2 * stdtr(speakers - 1, -np.abs(ratios))
    elif speakers <= systems or not (errors > rounding).any():
        critical, method = bonferroni(speakers, systems), "bonferroni"
        tails = np.minimum(1.0, len(index) * 2 * stdtr(speakers - 1, -np.abs(ratios)))
    else:
        method = "max-t"
        largest = _largest(factor, contrasts[errors > rounding], speakers)
        critical = float(np.quantile(largest, LEVEL))
        least, most = bonferroni(speakers, 2), bonferroni(speakers, systems)
        critical = min(max(critical, least), most)
        above = len(largest) - np.searchsorted(np.sort(largest), np.abs(ratios))
        tails = (1 + above) / (1 + len(largest))
    rows = zip(index, differences, errors, tails, ratios, strict=True)
    return AllPairs(
        pairs=tuple(
            Apart(
                i,
                j,
                float(d),
                float(d - critical * e),
                float(d + critical * e),
                float(p),
                bool(abs(ratio) > critical),
            )
            for (i, j), d, e, p, ratio in rows
        ),
        critical=critical,
        method=method,
        speakers=speakers,
    )


def _ratios(
    differences: NDArray[np.float64], errors: NDArray[np.float64], rounding: float
) -> NDArray[np.float64]:
    """Differences in errors: 0 where both are rounding, infinite where the error alone is."""
    ratios = np.zeros_like(differences)
    real = np.abs(differences) > rounding
    sure = errors <= rounding
    ratios[real & sure] = np.copysign(np.inf, differences[real & sure])
    both = real & ~sure
    ratios[both] = differences[both] / errors[both]
    return ratios


def _largest(
    factor: NDArray[np.float64], contrasts: NDArray[np.float64], speakers: int
) -> NDArray[np.float64]:
    """[DRAWS] of the largest |mean difference / its error| of Gaussian speakers without any.

    Args:
        factor: [S, k], ``factor.T @ factor`` is the covariance of the systems' numbers.
        contrasts: [pairs, k].
        speakers: S.
    """
    common = factor - factor.mean(axis=1, keepdims=True)  # what all systems share leaves no trace
    _, scale, axes = np.linalg.svd(common, full_matrices=False)
    rank = int((scale > 1e-9 * scale[0]).sum())
    loads = contrasts @ (axes[:rank].T * scale[:rank])  # [pairs, rank]
    random, freedom = np.random.default_rng(_SEED), speakers - 1
    below = np.tril_indices(rank, -1)
    piece = max(1, _PIECE // (len(contrasts) * rank))
    found = []
    for start in range(0, DRAWS, piece):
        count = min(piece, DRAWS - start)
        means = random.standard_normal((count, rank)) @ loads.T
        # Bartlett: A with A @ A.T a Wishart matrix of S-1 degrees of freedom.
        root = np.zeros((count, rank, rank))
        root[:, below[0], below[1]] = random.standard_normal((count, len(below[0])))
        diagonal = random.chisquare(freedom - np.arange(rank), (count, rank))
        root[:, np.arange(rank), np.arange(rank)] = np.sqrt(diagonal)
        errors = np.sqrt(((loads @ root) ** 2).sum(axis=2) / freedom)
        found.append(np.abs(means / errors).max(axis=1))
    return np.concatenate(found)
