"""Boards as text: terminal, Markdown, CSV, JSON."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from evaluation.report.markdown import escape
from evaluation.report.spreadsheet import guarded
from leaderboards.boards import Band, Entry, Group, site
from leaderboards.ledger import Published
from leaderboards.reproduce import Comparison

_ARROWS = {"higher": "↑", "lower": "↓", "": ""}
BY = {
    "authors": "its authors",
    "another paper": "others",
    "board": "not said",
    "somebody else": "somebody else",
    "talkbench": "talkbench",
}


def number(row: Published) -> str:
    """As many digits as were printed."""
    value = f"{row.value:.{row.decimals}f}"
    return value if row.value_to is None else f"{value}-{row.value_to:.{row.decimals}f}"


def to_terminal(groups: Sequence[Group], found: Sequence[Band], console: Console) -> None:
    """Tables with a rule between groups, then what one system is said to reach."""
    for group in groups:
        console.print(Rule(style="dim"))
        console.print(Text(group.head, "italic"))
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("", justify="right")
        table.add_column("system", overflow="fold")
        table.add_column(f"{group.metric} {_ARROWS[group.direction]}".strip(), justify="right")
        table.add_column("measured by")
        table.add_column("", style="dim", overflow="fold")
        for entry in group.entries:
            row = entry.published
            style = "dim" if row.reference else "bold" if entry.rank == "1" else ""
            grade = "" if row.grade == "first-hand" else "second-hand"
            shown = (entry.rank, row.system, number(row), BY[row.measured_by], grade)
            table.add_row(*(Text(cell, style) for cell in shown))
        console.print(table)
        for note in notes(group):
            console.print(Text(note, "dim"))
        console.print()
    for band in found:
        console.print(Text(sentence(band), "dim"))


def sentence(band: Band) -> str:
    """``IP-LAP, fid: 3.9 to 31.41 in 5 sources``."""
    ends = f"{band.least:g}" if band.least == band.most else f"{band.least:g} to {band.most:g}"
    return f"{band.system}, {band.metric}: {ends} in {band.count} sources"


def to_markdown(groups: Sequence[Group], found: Sequence[Band]) -> str:
    """The same, for an issue or a README."""
    parts = []
    for group in groups:
        head = f"{escape(group.metric)} {_ARROWS[group.direction]}".strip()
        lines = [f"**{head}**: {escape(group.head)}", ""]
        lines += ["| | system | value | measured by | |", "| --: | --- | --: | --- | --- |"]
        for entry in group.entries:
            row = entry.published
            grade = "" if row.grade == "first-hand" else "second-hand"
            cells = (entry.rank, escape(row.system), number(row), BY[row.measured_by], grade)
            lines.append(f"| {' | '.join(cells)} |")
        lines += [f"\n{escape(note)}" for note in notes(group)]
        parts.append("\n".join(lines))
    if found:
        parts.append("\n".join(f"- {escape(sentence(band))}" for band in found))
    return "\n\n---\n\n".join(parts) + "\n"


def to_csv(groups: Sequence[Group]) -> str:
    """A row a number, with its group and rank."""
    rows = [r for number, group in enumerate(groups, start=1) for r in _rows(number, group)]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: guarded(v) for k, v in row.items()} for row in rows)
    return text.getvalue()


def to_json(groups: Sequence[Group], found: Sequence[Band]) -> str:
    """Groups with all fields of their numbers, and bands."""
    content = {
        "groups": [
            {
                "metric": group.metric,
                "direction": group.direction,
                "source": group.source,
                "split": group.split,
                "setting": group.setting,
                "pooled": group.pooled,
                "cautions": list(group.cautions),
                "entries": [{"rank": e.rank, **asdict(e.published)} for e in group.entries],
            }
            for group in groups
        ],
        "bands": [asdict(band) for band in found],
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _rows(number: int, group: Group) -> list[dict[str, Any]]:
    return [_row(number, entry) for entry in group.entries]


def _row(number: int, entry: Entry) -> dict[str, Any]:
    return {"group": number, "rank": entry.rank, **asdict(entry.published)}


def notes(group: Group) -> list[str]:
    """What is to know about the numbers of a group, or some of them, each once."""
    found: dict[str, list[str]] = {}
    for entry in group.entries:
        if entry.published.notes:
            found.setdefault(entry.published.notes, []).append(entry.published.system)
    every = len(group.entries)
    return list(group.cautions) + [
        note if len(systems) == every else f"{', '.join(systems)}: {note}"
        for note, systems in found.items()
    ]


def comparisons(found: Sequence[Comparison], said: Sequence[str], console: Console) -> None:
    """Published and measured, line by line, below what must be said beside the run's numbers."""
    for caution in said:
        console.print(Text(caution, "yellow"))
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("metric", "published", "measured", "interval", "difference"):
        table.add_column(name, justify="left" if name == "metric" else "right")
    table.add_column("verdict")
    table.add_column("by, nearest", overflow="fold", style="dim")
    for one in found:
        row, cell = one.published, one.measured
        digits = max(row.decimals, 2)
        ends = "" if cell.lo is None else f"{cell.lo:.{digits}f} to {cell.hi:.{digits}f}"
        style = {"inside": "green", "outside": "red", "no interval": ""}[one.verdict]
        table.add_row(
            Text(f"{row.metric} {_ARROWS[row.direction]}"),
            number(row),
            f"{cell.value:.{digits}f}",
            ends,
            f"{one.difference:+.{digits}f}",
            Text(one.verdict, style),
            Text(_where(one)),
        )
    console.print(table)
    counts = Counter(one.verdict for one in found)
    console.print(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))


def comparisons_json(found: Sequence[Comparison], said: Sequence[str]) -> str:
    """The same with all fields."""
    rows = [
        {
            "published": asdict(one.published),
            "measured": asdict(one.measured),
            "difference": one.difference,
            "verdict": one.verdict,
            "nearest": None if one.nearest is None else asdict(one.nearest),
        }
        for one in found
    ]
    content = {"cautions": list(said), "comparisons": rows}
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _where(one: Comparison) -> str:
    row = one.published
    parts = [part for part in (row.paper or site(row), row.table, row.setting) if part]
    if one.nearest is not None:
        parts.append(f"closest: {one.nearest.metric}, {one.nearest.value:.4g}")
    return ", ".join(parts)
