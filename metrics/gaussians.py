"""Gaussians fitted to sets of rows, and how far two of them are apart."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.floating]
Doubles = NDArray[np.float64]

LEAST_PIVOT = 1e-7
"""A covariance nearer to singular than this (a pivot over its variance) is not read off moments."""

_ROWS_AT_ONCE = 4096


@dataclass(frozen=True)
class Moments:
    """What adds up over parts of a set.

    Attributes:
        count: Rows.
        mean: float64 [D].
        scatter: float64 [D, D], the sum of outer products of the rows less their mean.
    """

    count: int
    mean: Doubles
    scatter: Doubles

    @classmethod
    def of(cls, parts: Sequence[Rows]) -> Moments:
        """Of all rows of all parts, each [n, D], together at least one row."""
        whole: Moments | None = None
        for rows in _by_the_thousand(parts):
            mean = rows.mean(axis=0)
            centred = rows - mean
            share = cls(len(rows), mean, centred.T @ centred)
            whole = share if whole is None else whole.plus(share)
        if whole is None:
            raise ValueError("no rows have no moments")
        return whole

    def plus(self, other: Moments) -> Moments:
        """Of both sets together (Chan, Golub and LeVeque 1979)."""
        count = self.count + other.count
        gap = other.mean - self.mean
        between = np.outer(gap, gap * (self.count * other.count / count))
        mean = self.mean + gap * (other.count / count)
        return Moments(count, mean, self.scatter + other.scatter + between)

    def minus(self, other: Moments) -> Moments:
        """Of what is left without ``other``, a part of this set."""
        count = self.count - other.count
        mean = self.mean + (self.mean - other.mean) * (other.count / count)
        gap = other.mean - mean
        between = np.outer(gap, gap * (count * other.count / self.count))
        return Moments(count, mean, self.scatter - other.scatter - between)


@dataclass(frozen=True)
class Gaussian:
    """A mean and a covariance, the latter as a root of it.

    A root keeps twice the digits that the covariance has, and is exact at any rank.

    Attributes:
        count: Rows it was fitted to.
        mean: float64 [D].
        root: float64 [k, D], k <= D; ``root.T @ root`` is the sample covariance.
    """

    count: int
    mean: Doubles
    root: Doubles

    @classmethod
    def of_rows(cls, parts: Sequence[Rows]) -> Gaussian:
        """Of all rows of all parts, each [n, D], together at least two rows."""
        count = sum(len(p) for p in parts)
        width = parts[0].shape[1]
        mean = np.sum([p.sum(axis=0, dtype=np.float64) for p in parts], axis=0) / count
        kept: list[Doubles] = []
        for part in parts:
            distinct, times = _distinct(part)
            kept.append((distinct - mean) * np.sqrt(times)[:, None])
            if sum(map(len, kept)) > 2 * width + _ROWS_AT_ONCE:
                kept = [_triangle(kept)]
        root = _triangle(kept) if sum(map(len, kept)) > width else np.concatenate(kept)
        return cls(count, mean, root / math.sqrt(count - 1))

    @classmethod
    def of_moments(cls, moments: Moments) -> Gaussian | None:
        """The same at a fraction of the cost; None where rounding would show."""
        covariance = moments.scatter / (moments.count - 1)
        try:
            factor = np.linalg.cholesky(covariance)
        except np.linalg.LinAlgError:
            return None
        # Not ``diagonal() / variances < LEAST_PIVOT``: NaN must not pass.
        if not (np.square(factor.diagonal()) > LEAST_PIVOT * covariance.diagonal()).all():
            return None
        return cls(moments.count, moments.mean, np.asarray(factor.T, dtype=np.float64))

    def of_population(self) -> Gaussian:
        """With the covariance divided by n instead of n - 1."""
        shrink = math.sqrt((self.count - 1) / self.count)
        return Gaussian(self.count, self.mean, shrink * self.root)


def squared_gap(a: Gaussian, b: Gaussian) -> float:
    """``|m1 - m2|^2``."""
    return float(np.square(a.mean - b.mean).sum())


def total_variance(a: Gaussian) -> float:
    """The trace of the covariance."""
    return float(np.square(a.root).sum())


def frechet(a: Gaussian, b: Gaussian) -> float:
    """``|m1 - m2|^2 + tr S1 + tr S2 - 2 tr sqrt(S1 S2)``.

    No matrix square root is taken: with ``S = R^T R`` the last trace is the sum of the singular
    values of ``R1 R2^T``. That is exact at any rank, where scipy's sqrtm of the rank-deficient
    product is off by 2e-5 or fails.

    Returns:
        Never negative; 0 for equal Gaussians.
    """
    trace_of_root = float(np.linalg.svd(a.root @ b.root.T, compute_uv=False).sum())
    squared = squared_gap(a, b) + total_variance(a) + total_variance(b) - 2 * trace_of_root
    return max(0.0, squared)


def frechet_distance(a: Rows, b: Rows) -> float:
    """Fréchet distance of the Gaussians fitted to two sets of rows, sample covariances.

    Args:
        a: Rows [n1, D], n1 > 1.
        b: Rows [n2, D], n2 > 1.

    Returns:
        Never negative; 0 for equal sets, in any order.
    """
    return frechet(Gaussian.of_rows([a]), Gaussian.of_rows([b]))


def _triangle(parts: Sequence[Doubles]) -> Doubles:
    """R [D, D] with R^T R = X^T X for the rows X of all parts."""
    # An orthogonal factor from the left changes no singular value: it is dropped.
    return np.asarray(np.linalg.qr(np.concatenate(parts), mode="r"), dtype=np.float64)


def _distinct(rows: Rows) -> tuple[Doubles, Doubles]:
    """Rows without the repeats that follow on each other, and how often each stands for itself.

    A still video of any length is one row then.
    """
    new = np.ones(len(rows), dtype=np.bool_)
    new[1:] = (rows[1:] != rows[:-1]).any(axis=1)
    starts = np.flatnonzero(new)
    times = np.diff(np.append(starts, len(rows)))
    return rows[starts].astype(np.float64), times.astype(np.float64)


def _by_the_thousand(parts: Iterable[Rows]) -> Iterator[Doubles]:
    """The same rows in order, some thousand at a time: a product of few is slow."""
    waiting: list[Rows] = []
    for part in parts:
        waiting.append(part)
        if sum(map(len, waiting)) >= _ROWS_AT_ONCE:
            yield np.concatenate(waiting, dtype=np.float64)
            waiting = []
    if sum(map(len, waiting)):
        yield np.concatenate(waiting, dtype=np.float64)
