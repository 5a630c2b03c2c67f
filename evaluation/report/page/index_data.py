"""Every value of every clip, small: what the page's script sorts and filters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evaluation.records import Record
from evaluation.report.layout import Column, Layout
from evaluation.report.page.worth import clip_names, judged
from evaluation.report.words import plain, printable
from evaluation.results import Results

NOTHING_KEPT, CURVES, PLAYER = 0, 1, 2
"""What a clip has: its values alone, values per frame, and a player too."""

_MISSING = ("missing", "not computed yet")


def index_data(
    results: Results, layout: Layout, kept: Mapping[int, int], *, inline: bool
) -> dict[str, Any]:
    """Rows, columns, clips and values.

    Args:
        results: The run.
        layout: How it reads.
        kept: Clip -> ``CURVES`` or ``PLAYER``.
        inline: Clips' own data are in the page and not beside it.

    Returns:
        ``values[column][row][clip]`` is a number or null, and where it is null
        ``why[column][row][clip]`` is a number into ``reasons``.
    """
    samples: Mapping[str, Any] = results.manifest["samples"]
    table = _Table(results.records, tuple(samples))
    cells = [[table.row(c, r.key) for r in layout.rows] for c in layout.columns]
    asked = {r.key for r in judged(layout)}
    return {
        "rows": [{"name": r.name, "kind": r.kind, "judged": r.key in asked} for r in layout.rows],
        "columns": [_column(c) for c in layout.columns],
        "baseline": next((i for i, r in enumerate(layout.rows) if r.key == results.baseline), 0),
        "clips": {
            "id": list(clip_names(results)),
            "speaker": [printable(s["speaker"]) for s in samples.values()],
            "kept": [kept.get(i, NOTHING_KEPT) for i in range(len(samples))],
        },
        "values": [[values for values, _ in column] for column in cells],
        "why": [[why for _, why in column] for column in cells],
        "reasons": table.reasons,
        "inline": inline,
    }


def _column(column: Column) -> dict[str, Any]:
    return {
        "title": column.title,
        "id": printable(column.spec.id),
        "unit": column.unit,
        "better": 1 if column.spec.direction == "higher" else -1,
        "decimals": column.decimals,
        "perClip": column.spec.per_clip,
    }


class _Table:
    def __init__(self, records: Sequence[Record], samples: Sequence[str]) -> None:
        self._samples = samples
        self._records = {r.cell: r for r in records}
        self._known: dict[tuple[str, str], int] = {}

    @property
    def reasons(self) -> list[list[str]]:
        """(status, reason), each once."""
        return [list(pair) for pair in self._known]

    def row(self, column: Column, generator: str) -> tuple[list[float | None], dict[str, int]]:
        values: list[float | None] = []
        why: dict[str, int] = {}
        digits = column.decimals + 2
        for i, sample in enumerate(self._samples):
            record = self._records.get((generator, sample, column.spec.name))
            value = None if record is None else record.value
            values.append(None if value is None else round(value, digits))
            if value is None:
                why[str(i)] = self._reason(record)
        return values, why

    def _reason(self, record: Record | None) -> int:
        pair = _MISSING
        if record is not None:
            said = "counted in the set" if record.status == "ok" else record.status
            pair = (record.status, plain(record.reason) or said)
        return self._known.setdefault(pair, len(self._known))
