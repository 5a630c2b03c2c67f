"""How every cell of a report reads. All formats print these, so they cannot disagree."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from evaluation.records import Record
from evaluation.report.coverage import Counts, counts
from evaluation.report.numbers import NOTHING, decimals, interval, number
from evaluation.report.words import count, plain, printable
from evaluation.results import Difference, Estimate, Mark, Results
from metrics import Direction, MetricSpec

Verdict = Literal["", "better", "worse", "open"]


@dataclass(frozen=True, kw_only=True)
class Column:
    """A metric's head.

    Attributes:
        spec: The card.
        title: Unique in this table.
        arrow: Which way is better.
        unit: Of the values, may be empty.
        frames: ``750 frames`` for a set metric where all rows have as many, else empty.
        decimals: Of all numbers in the column.
    """

    spec: MetricSpec
    title: str
    arrow: str
    unit: str
    frames: str
    decimals: int

    @property
    def details(self) -> str:
        """What stands small below the title."""
        return ", ".join(part for part in (self.unit, self.frames) if part)


@dataclass(frozen=True, kw_only=True)
class Row:
    """A generator's head.

    Attributes:
        key: Generator name as in the records.
        name: The same, fit to print.
        kind: reference, anchor or system.
        first_of_kind: The row above is of another kind.
        trained_on_this: It says that it was trained on the data set of the suite.
    """

    key: str
    name: str
    kind: str
    first_of_kind: bool
    trained_on_this: bool


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A number with all that must stand beside it.

    Attributes:
        value: ``31.42`` or a dash.
        interval: ``±0.53``, ``[0.00, 1.20]`` or empty.
        coverage: ``2/3`` clips, empty where every clip is scored.
        frames: ``500 frames`` where rows of a set metric differ, else empty.
        mark: best, second or none.
        note: Key into the notes, empty where there is none.
        reason: Text of that note.
        counts: Clips behind it.
        estimate: What it was made of, None where there is none.
    """

    value: str = NOTHING
    interval: str = ""
    coverage: str = ""
    frames: str = ""
    mark: Mark = ""
    note: str = ""
    reason: str = ""
    counts: Counts
    estimate: Estimate | None

    @property
    def has_value(self) -> bool:
        """Whether there is a number."""
        return self.value != NOTHING


@dataclass(frozen=True, kw_only=True)
class Change:
    """A difference to the baseline.

    Attributes:
        value: ``+1.20`` or a dash.
        interval: ``±0.53`` or empty.
        verdict: Better or worse where the interval leaves zero out, else open; empty without
            an interval.
        clips: ``on 2 clips`` where not all clips are common to both, else empty.
        difference: What it was made of, None where there is none.
    """

    value: str = NOTHING
    interval: str = ""
    verdict: Verdict = ""
    clips: str = ""
    difference: Difference | None = None


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The main table and the table of differences, ready to print.

    Attributes:
        columns: Metrics.
        rows: Generators.
        cells: By (generator, card name).
        notes: (key, text), in order of first appearance.
        changes: By (generator, card name); baseline's own row left out.
        baseline: Fit to print.
    """

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    cells: Mapping[tuple[str, str], Cell]
    notes: tuple[tuple[str, str], ...]
    changes: Mapping[tuple[str, str], Change]
    baseline: str

    @property
    def compared(self) -> tuple[Row, ...]:
        """Rows of the table of differences."""
        found = {g for g, _ in self.changes}
        return tuple(r for r in self.rows if r.key in found)


def lay_out(results: Results) -> Layout:
    """Decide how everything reads."""
    columns = _columns(results)
    rows = _rows(results)
    notes: dict[str, str] = {}
    cells = {
        (row.key, c.spec.name): _cell(results, row.key, c, notes) for row in rows for c in columns
    }
    changes = {
        (g, c.spec.name): _change(results.differences.get((g, c.spec.name)), c, results)
        for g in results.generators
        for c in columns
        if g != results.baseline and any(key[0] == g for key in results.differences)
    }
    return Layout(
        columns=columns,
        rows=rows,
        cells=cells,
        notes=tuple((key, text) for text, key in notes.items()),
        changes=changes,
        baseline=printable(results.baseline),
    )


def arrow(direction: Direction) -> str:
    """Which way is better."""
    return "↑" if direction == "higher" else "↓"


def _columns(results: Results) -> tuple[Column, ...]:
    titles = Counter(m.spec.title for m in results.metrics)
    columns = []
    for spec in (m.spec for m in results.metrics):
        found = [e for (_, name), e in results.estimates.items() if name == spec.name]
        title = spec.title if titles[spec.title] == 1 else f"{spec.title} ({spec.name})"
        columns.append(
            Column(
                spec=spec,
                title=printable(title),
                arrow=arrow(spec.direction),
                unit=printable(spec.unit),
                frames="" if spec.per_clip else _same_frames(found),
                decimals=decimals(e.value for e in found if e.value is not None),
            )
        )
    return tuple(columns)


def _same_frames(estimates: Sequence[Estimate]) -> str:
    counts = {e.n_frames for e in estimates if e.value is not None}
    return count(counts.pop(), "frame") if len(counts) == 1 else ""


def _rows(results: Results) -> tuple[Row, ...]:
    rows: list[Row] = []
    dataset = results.manifest["suite"].get("dataset", "")
    for name in results.generators:
        spec = results.manifest["generators"].get(name, {})
        kind = spec.get("kind", "system")
        rows.append(
            Row(
                key=name,
                name=printable(name),
                kind=kind,
                first_of_kind=bool(rows) and rows[-1].kind != kind,
                trained_on_this=dataset in spec.get("trained_on", ()),
            )
        )
    return tuple(rows)


def _cell(results: Results, generator: str, column: Column, notes: dict[str, str]) -> Cell:
    estimate = results.estimates.get((generator, column.spec.name))
    value = estimate.value if estimate else None
    rests_on = counts(results, estimate)
    if estimate is None or value is None or not math.isfinite(value):
        reason = _why_none(results, generator, column.spec.name, estimate)
        return Cell(
            coverage=rests_on.fraction,
            note=_note(notes, reason),
            reason=reason,
            counts=rests_on,
            estimate=estimate,
        )
    reason = plain(estimate.note)
    own_frames = not column.spec.per_clip and not column.frames
    return Cell(
        value=number(value, column.decimals),
        interval=interval(value, estimate.lo, estimate.hi, column.decimals),
        coverage=rests_on.fraction,
        frames=count(estimate.n_frames, "frame") if own_frames else "",
        mark=estimate.mark,
        note=_note(notes, reason),
        reason=reason,
        counts=rests_on,
        estimate=estimate,
    )


def _why_none(results: Results, generator: str, metric: str, estimate: Estimate | None) -> str:
    if estimate is not None and estimate.note and estimate.n_attempted:
        return plain(estimate.note)
    here = [r for r in results.records if (r.generator, r.metric) == (generator, metric)]
    if not here:
        return "not computed yet; run the same command again"
    if all(r.status == "not-applicable" for r in here):
        return f"not applicable: {_commonest(here)}"
    return _commonest(here) or "no finite value"


def _commonest(records: Sequence[Record]) -> str:
    reasons = Counter(plain(r.reason) for r in records if r.reason)
    return reasons.most_common(1)[0][0] if reasons else ""


def _note(notes: dict[str, str], text: str) -> str:
    """The key of a note; a new one where the text is new."""
    if not text:
        return ""
    return notes.setdefault(text, _letters(len(notes)))


def _letters(index: int) -> str:
    """a, b, ..., z, aa, ab, ..."""
    before, last = divmod(index, 26)
    return (_letters(before - 1) if before else "") + chr(ord("a") + last)


def _change(difference: Difference | None, column: Column, results: Results) -> Change:
    if difference is None or not math.isfinite(difference.value):
        return Change()
    return Change(
        value=number(difference.value, column.decimals, sign=True),
        interval=interval(difference.value, difference.lo, difference.hi, column.decimals),
        verdict=_verdict(difference, column.spec.direction),
        clips=f"on {count(difference.n_common, 'clip')}"
        if difference.n_common < len(results.manifest["samples"])
        else "",
        difference=difference,
    )


def _verdict(difference: Difference, direction: Direction) -> Verdict:
    if difference.lo is None or difference.hi is None:
        return ""
    if difference.lo <= 0 <= difference.hi:
        return "open"
    return "better" if (difference.value > 0) == (direction == "higher") else "worse"
