"""Values per clip as the page shows them: one table a metric, clips down, generators across."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evaluation.records import Record
from evaluation.report.layout import Column, Layout, Row
from evaluation.report.numbers import NOTHING, number
from evaluation.report.strips import Scale, strip
from evaluation.report.words import count, plain, printable
from evaluation.results import Results
from evaluation.store import ValueStore

STRIPS = 24
"""Values per frame are drawn for so many clips; a page of thousands would not open."""

_Key = tuple[str, str, str]


@dataclass(frozen=True, kw_only=True)
class ClipCell:
    """One clip of one generator.

    Attributes:
        value: ``31.42`` or a dash.
        sort: The number behind it, None without.
        quality: 0 for the worst of the table, 1 for the best; None where it is not coloured.
        status: As in the record, ``missing`` where there is none.
        reason: Why there is no value.
        hint: Frames and what was counted on the way.
        path: Of the line through the values per frame, may be empty.
    """

    value: str = NOTHING
    sort: float | None = None
    quality: float | None = None
    status: str = "missing"
    reason: str = "not computed yet"
    hint: str = ""
    path: str = ""


@dataclass(frozen=True, kw_only=True)
class ClipRow:
    """One clip."""

    sample: str
    speaker: str
    cells: tuple[ClipCell, ...]


@dataclass(frozen=True, kw_only=True)
class ClipTable:
    """All clips under one metric."""

    column: Column
    rows: tuple[ClipRow, ...]
    has_strips: bool
    strips_cut: bool


def clip_tables(root: Path, results: Results, layout: Layout) -> list[ClipTable]:
    """Tables of the metrics that have a value per clip."""
    records: dict[_Key, Record] = {r.cell: r for r in results.records}
    store = ValueStore(root)
    return [_table(c, results, layout, records, store) for c in layout.columns if c.spec.per_clip]


def _table(
    column: Column,
    results: Results,
    layout: Layout,
    records: Mapping[_Key, Record],
    store: ValueStore,
) -> ClipTable:
    metric = column.spec.name
    judged = {r.key for r in layout.rows if r.kind != "reference"} or {r.key for r in layout.rows}
    scale = Scale.over(
        r.value
        for r in records.values()
        if r.metric == metric and r.value is not None and r.generator in judged
    )
    rows = []
    for index, (sample, about) in enumerate(results.manifest["samples"].items()):
        here = {r.key: records.get((r.key, sample, metric)) for r in layout.rows}
        paths = _paths(here, judged, store) if index < STRIPS else {}
        rows.append(
            ClipRow(
                sample=printable(sample),
                speaker=printable(about["speaker"]),
                cells=tuple(
                    _cell(here[row.key], row, column, scale, judged, paths.get(row.key, ""))
                    for row in layout.rows
                ),
            )
        )
    return ClipTable(
        column=column,
        rows=tuple(rows),
        has_strips=any(c.path for r in rows for c in r.cells),
        strips_cut=len(rows) > STRIPS,
    )


def _paths(
    here: Mapping[str, Record | None], judged: set[str], store: ValueStore
) -> dict[str, str]:
    """Lines of one clip, all on one scale, so that they can be compared across."""
    values: dict[str, NDArray[np.float64]] = {}
    for generator, record in here.items():
        if record is not None and record.status == "ok":
            found = store.load(generator, record.sample, record.metric)
            if found is not None and found.ndim == 1 and found.size > 1:
                values[generator] = found
    shared = [v for g, v in values.items() if g in judged] or list(values.values())
    scale = Scale.over(float(x) for v in shared for x in (v.min(), v.max()))
    return {g: strip(v, scale) for g, v in values.items()}


def _cell(
    record: Record | None,
    row: Row,
    column: Column,
    scale: Scale | None,
    judged: set[str],
    path: str,
) -> ClipCell:
    if record is None:
        return ClipCell()
    if record.value is None:
        return ClipCell(status=record.status, reason=plain(record.reason) or record.status)
    quality = None
    if scale is not None and row.key in judged:
        at = scale.at(record.value)
        quality = round(at if column.spec.direction == "higher" else 1 - at, 2)
    notes = [f"{printable(k)}: {v}" for k, v in record.notes.items()]
    return ClipCell(
        value=number(record.value, column.decimals),
        sort=record.value,
        quality=quality,
        status=record.status,
        reason="",
        hint="; ".join([count(record.frames, "frame"), *notes]),
        path=path,
    )
