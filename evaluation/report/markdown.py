"""The report as Markdown: pasted into an issue or a README it stays a table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from evaluation.report.costs import HEADS, SAID, cost_rows
from evaluation.report.facts import Facts, card_rows, command_rows, environment_rows
from evaluation.report.failures import Group, grouped_by_reason
from evaluation.report.layout import Cell, Change, Column, Layout, Row
from evaluation.report.numbers import NOTHING
from evaluation.report.ranks import SAID as RANKS_SAID
from evaluation.report.ranks import rank_table
from evaluation.report.words import count, listed
from evaluation.results import Results

_PLACES = 20


def escape(text: str) -> str:
    """Text that Markdown and HTML leave as it is, inside tables too."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"([\\`*_{}\[\]|~$])", r"\\\1", text)
    return re.sub(r"(?<!\w)@", "&#64;", text)  # nobody is to be called by a file name


def render(results: Results, layout: Layout, said: Facts) -> str:
    """The whole file."""
    sections = [
        _head(said),
        _main(layout, said),
        _ranks(results, layout),
        _differences(layout),
        _coverage(layout),
        _costs(results),
        _failures(results),
        _setting(said),
        _cards(layout),
        _environment(results),
    ]
    return "\n\n".join(s for s in sections if s) + "\n"


def _head(said: Facts) -> str:
    lines = [f"# {escape(said.suite)}", f"{escape(said.scored)}; {escape(said.failures)}."]
    lines += [f"> **{escape(w)}.**" for w in said.warnings]
    lines += [f"> {escape(n)}." for n in said.notes]
    lines += [f"{escape(said.lead)}."] if said.lead else []
    return "\n\n".join(lines)


def _main(layout: Layout, said: Facts) -> str:
    heads = ["Generator", *(_column(c) for c in layout.columns)]
    rows = [
        [_row(row), *(_cell(layout.cells[row.key, c.spec.name]) for c in layout.columns)]
        for row in layout.rows
    ]
    notes = [f"- <sup>{key}</sup> {escape(text)}" for key, text in layout.notes]
    if layout.marked:
        notes.append("- **Best** bold, <ins>second</ins> underlined")
    notes += [f"- {escape(remark)}" for remark in said.remarks]
    return "\n\n".join(["## Results", _table(heads, rows), "\n".join(notes)]).rstrip()


def _cell(cell: Cell) -> str:
    value = {"": "{}", "best": "**{}**", "second": "<ins>{}</ins>"}[cell.mark].format(cell.shown)
    note = f"<sup>{cell.note}</sup>" if cell.note else ""
    coverage = f"({cell.coverage})" if cell.coverage else ""
    parts = (value + note, escape(cell.interval), coverage, cell.frames)
    return " ".join(part for part in parts if part)


def _ranks(results: Results, layout: Layout) -> str:
    table = rank_table(results, layout)
    if table is None:
        return ""
    heads = ["Generator", *(f"{escape(c.title)} {c.arrow}" for c in table.columns)]
    rows = []
    for row in table.rows:
        places = (table.places[row.key, c.spec.name] for c in table.columns)
        cells = (f"{p.rank} <sup>{p.letters}</sup>" if p.letters else p.rank for p in places)
        rows.append([_row(row), *cells])
    remarks = "\n".join(f"- {escape(r)}" for r in table.remarks)
    return "\n\n".join(["## Ranks", f"{RANKS_SAID}.", _table(heads, rows), remarks])


def _differences(layout: Layout) -> str:
    if not layout.compared:
        return ""
    heads = ["Generator", *(_column(c) for c in layout.columns)]
    rows = [
        [_row(row), *(_change(layout.changes[row.key, c.spec.name]) for c in layout.columns)]
        for row in layout.compared
    ]
    return "\n\n".join(
        [
            f"## Differences to {escape(layout.baseline)}",
            (
                "On the clips that both have. Better and worse where the interval leaves zero out, "
                "each difference by itself: ranks ask that all pairs hold together."
            ),
            _table(heads, rows),
        ]
    )


def _change(change: Change) -> str:
    verdict = "" if change.verdict in ("", "open") else f"({change.verdict})"
    parts = (change.shown, change.interval, verdict, change.clips)
    return " ".join(part for part in parts if part)


def _coverage(layout: Layout) -> str:
    heads = ["Generator", *(escape(c.title) for c in layout.columns)]
    rows = []
    for row in layout.rows:
        cells = (layout.cells[row.key, c.spec.name].counts for c in layout.columns)
        texts = (c.full_fraction + (f" ({c.rest})" if c.rest else "") for c in cells)
        rows.append([_row(row), *texts])
    said = "Clips scored of clips asked for."
    return "\n\n".join(["## Coverage", said, _table(heads, rows)])


def _costs(results: Results) -> str:
    rows = [[escape(cell) for cell in row] for row in cost_rows(results)]
    return "\n\n".join(["## Cost", SAID, _table(HEADS, rows)]) if rows else ""


def _failures(results: Results) -> str:
    failed = grouped_by_reason(results.failures)
    apart = grouped_by_reason(r for r in results.records if r.status == "not-applicable")
    parts = []
    for title, groups in (("Failures", failed), ("Not applicable", apart)):
        if groups:
            parts += [f"## {title}", "\n".join(map(_group, groups))]
    return "\n\n".join(parts)


def _group(group: Group) -> str:
    places = [f"{escape(p.generator)} on {escape(p.sample)}" for p in group.places]
    what = f"{count(group.values, 'value')} {group.status.replace('-', ' ')}"
    return f"- {what}: {escape(group.reason)} ({listed(places, _PLACES)})"


def _setting(said: Facts) -> str:
    lines = [f"- {escape(key)}: {escape(text)}" for key, text in said.protocol]
    about = escape(". ".join(filter(None, (said.setting, said.about))))
    return "\n\n".join(filter(None, ["## Setting", about, "\n".join(lines)])) if about else ""


def _cards(layout: Layout) -> str:
    lines = []
    for column in layout.columns:
        text = "; ".join(f"{escape(k)}: {escape(v)}" for k, v in card_rows(column.spec))
        lines.append(f"- **{escape(column.spec.id)}** {text}")
    return "\n\n".join(["## Protocols", "\n".join(lines)])


def _environment(results: Results) -> str:
    lines = [f"- {escape(k)}: {escape(v)}" for k, v in environment_rows(results.manifest)]
    lines += [f"- {escape(at)}: {escape(line)}" for at, line in command_rows(results.manifest)]
    return "\n\n".join(["## Environment", "\n".join(lines)])


def _column(column: Column) -> str:
    details = f" ({escape(column.details)})" if column.details else ""
    return f"{escape(column.title)} {column.arrow}{details}"


def _row(row: Row) -> str:
    return escape(row.name) + (" †" if row.trained_on_this else "")


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    rule = ["---"] + ["--:"] * (len(heads) - 1)
    return "\n".join(f"| {' | '.join(c or NOTHING for c in row)} |" for row in (heads, rule, *rows))
