"""Clips worth a look: where a system is worst, where systems disagree most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import nsmallest

from evaluation.records import Record
from evaluation.report.layout import Column, Layout, Row
from evaluation.report.page.choice import ALL, LISTED, NONE
from evaluation.report.words import printable
from evaluation.results import Results

WORST = 3
FIRST = 6
MOST_LISTED = 24
"""Players are made for so many listed clips by default: seconds each."""


@dataclass(frozen=True)
class Worst:
    """One clip of one row, ``value`` as the card gives it."""

    clip: int
    row: Row
    value: float


@dataclass(frozen=True)
class Apart:
    """A clip on which the best and the worst row are far from each other."""

    clip: int
    best: Row
    worst: Row
    best_value: float
    worst_value: float


@dataclass(frozen=True)
class Look:
    """What is worth a look under one metric."""

    column: Column
    worst: tuple[Worst, ...]
    apart: tuple[Apart, ...]


def judged(layout: Layout) -> tuple[Row, ...]:
    """Rows that lists speak of: systems; where there are none, anchors; else all."""
    for kinds in (("system",), ("anchor",)):
        found = tuple(r for r in layout.rows if r.kind in kinds)
        if found:
            return found
    return layout.rows


def worth_a_look(results: Results, layout: Layout) -> tuple[Look, ...]:
    """Lists of every metric that has a value per clip and any value."""
    index = {sample: i for i, sample in enumerate(results.manifest["samples"])}
    rows = {r.key: r for r in judged(layout)}
    by_metric: dict[str, list[Record]] = {}
    for record in results.records:
        if record.value is not None and record.generator in rows:
            by_metric.setdefault(record.metric, []).append(record)
    looks = []
    for column in layout.columns:
        found = by_metric.get(column.spec.name, [])
        if found and column.spec.per_clip:
            looks.append(_look(column, found, rows, index))
    return tuple(looks)


def _look(
    column: Column, records: Sequence[Record], rows: Mapping[str, Row], index: Mapping[str, int]
) -> Look:
    sign = 1.0 if column.spec.direction == "higher" else -1.0
    scored: dict[int, list[tuple[float, float, Row]]] = {}
    for r in records:
        value = float(r.value or 0.0)
        scored.setdefault(index[r.sample], []).append((sign * value, value, rows[r.generator]))
    flat = ((key, clip, value, r.key) for clip, c in scored.items() for key, value, r in c)
    worst = tuple(Worst(clip, rows[row], value) for _, clip, value, row in nsmallest(WORST, flat))
    apart: list[tuple[float, int]] = []
    for clip, cells in scored.items():
        keys = [key for key, _, _ in cells]
        low, high = min(keys), max(keys)
        if high > low:
            apart.append((low - high, clip))
    widest = nsmallest(WORST, apart)
    return Look(column, worst, tuple(_apart(clip, scored[clip]) for _, clip in widest))


def _apart(clip: int, cells: Sequence[tuple[float, float, Row]]) -> Apart:
    low, high = min(cells, key=lambda c: c[0]), max(cells, key=lambda c: c[0])
    return Apart(clip, high[2], low[2], high[1], low[1])


def failed_clips(results: Results, layout: Layout) -> list[int]:
    """Clips on which some judged row has no value that it should have, in the split's order."""
    names = {r.key for r in judged(layout)}
    bad = {r.sample for r in results.failures if r.generator in names}
    return [i for i, sample in enumerate(results.manifest["samples"]) if sample in bad]


def chosen(
    choice: str, looks: Sequence[Look], failed: Sequence[int], clips: int
) -> tuple[int, ...]:
    """Clips that get values per frame (and players), in the order in which they matter.

    The first few of the split come first, so that one sees what is usual; then one that failed;
    then clips by how many lists they stand in.
    """
    listed = Counter(w.clip for look in looks for w in look.worst)
    listed.update(a.clip for look in looks for a in look.apart)
    ranked = sorted(listed, key=lambda clip: (-listed[clip], clip))
    order = list(dict.fromkeys([*range(min(FIRST, clips)), *failed[:1], *ranked]))
    if choice in (LISTED, NONE):
        return tuple(order[:MOST_LISTED])
    every = tuple(dict.fromkeys([*order, *range(clips)]))
    return every if choice == ALL else every[: int(choice)]


def clip_names(results: Results) -> tuple[str, ...]:
    """Ids fit to print, in the split's order."""
    return tuple(map(printable, results.manifest["samples"]))
