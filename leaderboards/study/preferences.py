"""Bradley-Terry strengths of pairs, with ties as Davidson counts them.

``P(i over j) = p_i / (p_i + p_j + v sqrt(p_i p_j))`` and the tie has the last term (Davidson,
Journal of the American Statistical Association 65, 1970); with v = 0 it is Bradley and Terry's.
Strengths are logarithms with the sum 0. Intervals are sandwich intervals clustered by rater and by
clip, as for means.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components
from scipy.special import logsumexp

from leaderboards.study.opinions import t_factor, two_way

_STEPS = 200
_ENOUGH = 1e-10


class NoStrengthsError(ValueError):
    """The maximum is not finite, and says why."""


@dataclass(frozen=True)
class Duel:
    """One answer: 1 for the first, 0 for the second, 0.5 for no preference."""

    first: str
    second: str
    won: float
    rater: Hashable
    clip: Hashable


@dataclass(frozen=True)
class Strength:
    """A system's logarithmic strength, 0 on average; ``lo`` and ``hi`` with two raters or more."""

    system: str
    value: float
    lo: float | None
    hi: float | None
    won: int
    lost: int
    tied: int


def strengths(duels: Sequence[Duel]) -> tuple[list[Strength], float]:
    """Maximum likelihood.

    Args:
        duels: Answers.

    Returns:
        Strongest first; Davidson's v, 0 where nobody had no preference.

    Raises:
        NoStrengthsError: No answers, or some systems never lost to the others (or were never
            compared with them): their strength has no finite maximum.
    """
    names = sorted({d.first for d in duels} | {d.second for d in duels})
    if len(names) < 2:
        raise NoStrengthsError("nobody compared two systems")
    _check_connected(duels, names)
    place = {name: i for i, name in enumerate(names)}
    ties = any(d.won == 0.5 for d in duels)
    features, chosen = _features(duels, place, ties=ties)
    theta = np.zeros(features.shape[2])
    theta[-1] = -1.0 if ties else 0.0
    for _ in range(_STEPS):
        scores, information = _score(features, chosen, theta)
        step = np.linalg.pinv(information) @ scores.sum(axis=0)
        before = _likelihood(features, chosen, theta)
        while _likelihood(features, chosen, theta + step) < before - 1e-12:
            step = step / 2
        theta = theta + step
        if np.abs(step).max() < _ENOUGH:
            break
    theta[: len(names)] -= theta[: len(names)].mean()
    scores, information = _score(features, chosen, theta)
    influence = scores @ np.linalg.pinv(information)
    covariance, df = two_way(influence, [d.rater for d in duels], [d.clip for d in duels])
    found = []
    for i, name in enumerate(names):
        half = None if df is None else t_factor(df) * float(np.sqrt(covariance[i, i]))
        value = float(theta[i])
        points = [
            d.won if d.first == name else 1 - d.won for d in duels if name in (d.first, d.second)
        ]
        found.append(
            Strength(
                name,
                value,
                None if half is None else value - half,
                None if half is None else value + half,
                *(points.count(p) for p in (1, 0, 0.5)),
            )
        )
    v = float(np.exp(theta[-1])) if ties else 0.0
    return sorted(found, key=lambda s: (-s.value, s.system)), v


def _features(
    duels: Sequence[Duel], place: dict[str, int], *, ties: bool
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """[n, outcomes, P] of the log weights, and which outcome came."""
    count = len(place)
    x = np.zeros((len(duels), 3 if ties else 2, count + ties))
    chosen = np.zeros(len(duels), dtype=np.intp)
    for n, d in enumerate(duels):
        i, j = place[d.first], place[d.second]
        x[n, 0, i] = 1
        x[n, 1, j] = 1
        if ties:
            x[n, 2, [i, j]] = 0.5
            x[n, 2, count] = 1
        chosen[n] = {1: 0, 0: 1, 0.5: 2}[d.won]
    return x, chosen


def _likelihood(
    x: NDArray[np.float64],
    chosen: NDArray[np.intp],
    theta: NDArray[np.float64],
) -> float:
    weights = x @ theta
    mine = weights[np.arange(len(chosen)), chosen]
    return float((mine - logsumexp(weights, axis=1)).sum())


def _score(
    x: NDArray[np.float64],
    chosen: NDArray[np.intp],
    theta: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gradient of each answer [n, P], and the information [P, P]."""
    weights = x @ theta
    p = np.exp(weights - logsumexp(weights, axis=1, keepdims=True))
    expected = np.einsum("no,nop->np", p, x)
    scores = x[np.arange(len(chosen)), chosen] - expected
    information = np.einsum("no,nop,noq->pq", p, x, x) - expected.T @ expected
    return scores, information


def _check_connected(duels: Sequence[Duel], names: Sequence[str]) -> None:
    """Ford's condition: however systems are split in two, each part lost to the other once."""
    place = {name: i for i, name in enumerate(names)}
    edges = set()
    for d in duels:
        if d.won < 1:
            edges.add((place[d.first], place[d.second]))
        if d.won > 0:
            edges.add((place[d.second], place[d.first]))
    rows, columns = zip(*sorted(edges), strict=True)
    graph = csr_matrix((np.ones(len(edges)), (rows, columns)), shape=(len(names), len(names)))
    count, part = connected_components(graph, connection="strong")
    if count > 1:
        parts = [
            ", ".join(n for n, p in zip(names, part, strict=True) if p == number)
            for number in range(count)
        ]
        raise NoStrengthsError(
            f"no finite strengths: {' / '.join(parts)} never lost to each other both ways; more "
            "comparisons are needed"
        )
