"""How every cell of a report reads. All formats print these, so they cannot disagree."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from evaluation.ranking import trained_on
from evaluation.records import Record
from evaluation.report.coverage import counts
from evaluation.report.layout import Cell, Change, Column, Layout, Row, Verdict
from evaluation.report.numbers import decimals, interval, number
from evaluation.report.words import count, plain, printable
from evaluation.results import Difference, Estimate, Results
from metrics import Direction


def lay_out(results: Results) -> Layout:
    """Decide how everything reads."""
    columns = _columns(results)
    rows = _rows(results)
    notes: dict[str, str] = {}
    cells = {
        (row.key, c.spec.name): _cell(results, row.key, c, notes) for row in rows for c in columns
    }
    changes = {
        (g, c.spec.name): _change(
            results.differences.get((g, c.spec.name)), c, cells[g, c.spec.name].counts.asked
        )
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
                trained_on_this=bool(trained_on(spec, dataset)),
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
        near=estimate.near_best,
        optimised=_optimises(results, generator, column.spec.name),
        note=_note(notes, reason),
        reason=reason,
        counts=rests_on,
        estimate=estimate,
    )


def _optimises(results: Results, generator: str, metric: str) -> bool:
    spec = results.manifest["generators"].get(generator, {})
    return metric.split("@", 1)[0] in spec.get("optimises", ())


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


def _change(difference: Difference | None, column: Column, asked: int) -> Change:
    if difference is None or not math.isfinite(difference.value):
        return Change()
    return Change(
        value=number(difference.value, column.decimals, sign=True),
        interval=interval(difference.value, difference.lo, difference.hi, column.decimals),
        verdict=_verdict(difference, column.spec.direction),
        near=difference.below_floor,
        clips=f"on {count(difference.n_common, 'clip')}" if difference.n_common < asked else "",
        difference=difference,
    )


def _verdict(difference: Difference, direction: Direction) -> Verdict:
    if difference.lo is None or difference.hi is None:
        return ""
    if difference.below_floor or difference.lo <= 0 <= difference.hi:
        return "open"
    return "better" if (difference.value > 0) == (direction == "higher") else "worse"
