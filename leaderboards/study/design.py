"""Who rates what in which order: cyclic incomplete blocks, and Williams' Latin squares for order.

All cells (a sample by a system) stand in a ring of diagonals, in which neighbours are of different
samples and of different systems. A rater takes a window of the ring, the next rater goes on where
it ended. So over all raters no cell is rated more than once more often than another, and within one
rater samples and systems are as even as the numbers allow. The order in which a rater meets the
systems is a row of a Williams square: every system stands equally often at every place and after
every other (Williams, Australian Journal of Scientific Research A2, 1949).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeVar

_T = TypeVar("_T")

Cell = tuple[str, str]
"""(sample, system)."""


@dataclass(frozen=True)
class Pair:
    """Two systems on one sample, as they stand on the screen."""

    sample: str
    left: str
    right: str


def ring(samples: Sequence[str], systems: Sequence[str]) -> list[Cell]:
    """All cells, diagonal by diagonal."""
    count = len(systems)
    return [
        (sample, systems[(place + diagonal) % count])
        for diagonal in range(count)
        for place, sample in enumerate(samples)
    ]


def williams(count: int) -> list[list[int]]:
    """Orders of ``count`` things, balanced for place and for what comes before.

    Returns:
        ``count`` rows where it is even, twice as many where it is odd.
    """
    first = [0]
    low, high = 1, count - 1
    while len(first) < count:
        first.append(low)
        low += 1
        if len(first) < count:
            first.append(high)
            high -= 1
    rows = [[(x + shift) % count for x in first] for shift in range(count)]
    return rows if count % 2 == 0 else rows + [row[::-1] for row in rows]


def ratings(
    samples: Sequence[str], systems: Sequence[str], raters: int, each: int, seed: int
) -> list[list[Cell]]:
    """What every rater rates, in order.

    Args:
        samples: Ids.
        systems: Names.
        raters: How many there may be.
        each: Cells a rater rates; at most all.
        seed: Of the shuffles.
    """
    cells = ring(_shuffled(samples, seed, "samples"), _shuffled(systems, seed, "systems"))
    each = min(each, len(cells))
    rows = williams(len(systems))
    found = []
    for rater in range(raters):
        window = [cells[(rater * each + i) % len(cells)] for i in range(each)]
        rng = _rng(seed, f"order {rater}")
        row = [systems[i] for i in rows[rater % len(rows)]]
        found.append(_ordered(window, row, rng))
    return found


def _ordered(window: list[Cell], row: Sequence[str], rng: random.Random) -> list[Cell]:
    """By turns over the systems, no sample twice in a row where that can be avoided."""
    left = {system: [c for c in window if c[1] == system] for system in row}
    for cells in left.values():
        rng.shuffle(cells)
    order: list[Cell] = []
    while len(order) < len(window):
        for system in row:
            if left[system]:
                before = order[-1][0] if order else None
                other = next((c for c in left[system] if c[0] != before), left[system][0])
                left[system].remove(other)
                order.append(other)
    return order


def pairs(
    samples: Sequence[str], systems: Sequence[str], raters: int, each: int, seed: int
) -> list[list[Pair]]:
    """Which pairs every rater compares; each system of a pair stands equally often on the left.

    Args:
        samples: Ids.
        systems: Names.
        raters: How many there may be.
        each: Pairs a rater compares; at most all.
        seed: Of the shuffles.
    """
    both = _shuffled(list(combinations(systems, 2)), seed, "pairs")
    order = _shuffled(samples, seed, "pair samples")
    cells = [
        (sample, both[(place + diagonal) % len(both)])
        for diagonal in range(len(both))
        for place, sample in enumerate(order)
    ]
    each = min(each, len(cells))
    first: Counter[tuple[str, str]] = Counter()
    found = []
    for rater in range(raters):
        rng = _rng(seed, f"sides {rater}")
        made = []
        for i in range(each):
            sample, (a, b) = cells[(rater * each + i) % len(cells)]
            lead = first[a, b] - first[b, a]
            swap = lead > 0 or (lead == 0 and rng.random() < 0.5)
            left, right = (b, a) if swap else (a, b)
            first[left, right] += 1
            made.append(Pair(sample, left, right))
        rng.shuffle(made)
        found.append(made)
    return found


def _rng(seed: int, purpose: str) -> random.Random:
    return random.Random(f"{seed} {purpose}")  # noqa: S311 - a design, no secret


def _shuffled(items: Sequence[_T], seed: int, purpose: str) -> list[_T]:
    shuffled = list(items)
    _rng(seed, purpose).shuffle(shuffled)
    return shuffled
