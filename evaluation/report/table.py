"""The table in the terminal: readable at 80 columns, in a pipe, and without colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from evaluation.report.cells import Cell, Column, Layout, Row, lay_out
from evaluation.report.facts import Facts, facts
from evaluation.report.failures import Group, grouped_by_reason
from evaluation.report.words import count, listed
from evaluation.results import Results

_NAME_WIDTH = 28
_GAP = 2
_GROUPS = 5
_PLACES = 3


def print_table(results: Results, console: Console) -> None:
    """Print the numbers of a run, what they rest on, and what failed."""
    layout = lay_out(results)
    said = facts(results, layout)
    styled = console.is_terminal and not console.is_dumb_terminal
    console.print()
    console.print(_head(said))
    for warning in said.warnings:
        console.print(Text(warning, "bold yellow"))
    drawn = [_Drawn.of(column, layout, styled=styled) for column in layout.columns]
    for block in _blocks(drawn, layout.rows, console.width):
        console.print()
        console.print(_table(block, layout, console.width))
    console.print()
    for line in _below(said, layout, styled=styled):
        console.print(line)
    groups = grouped_by_reason(results.failures)
    if groups:
        console.print()
        console.print(Text(_capital(said.failures), "bold red"))
        for line in _failure_lines(groups):
            console.print(line)
    console.print()


@dataclass(frozen=True)
class _Drawn:
    """One metric's column with its parts padded to stand under each other."""

    head: Text
    cells: dict[str, Text]

    @property
    def width(self) -> int:
        lines = [*self.head.split(), *self.cells.values()]
        return max(line.cell_len for line in lines)

    @classmethod
    def of(cls, column: Column, layout: Layout, *, styled: bool) -> _Drawn:
        cells = {r.key: layout.cells[r.key, column.spec.name] for r in layout.rows}
        values = max(len(_value(c, styled=styled)) for c in cells.values())
        intervals = max(len(c.interval) for c in cells.values())
        drawn = {key: _cell(cell, values, intervals, styled=styled) for key, cell in cells.items()}
        head = Text(f"{column.title} {column.arrow}", "bold")
        if any(c.details for c in layout.columns):
            head.append(f"\n{column.details}", "not bold dim")
        return cls(head, drawn)


def _value(cell: Cell, *, styled: bool) -> str:
    """Where bold and underlined cannot be seen, signs take their place."""
    sign = "" if styled or not cell.mark else {"best": "*", "second": "+"}[cell.mark]
    return f"{cell.value}{sign}"


def _cell(cell: Cell, values: int, intervals: int, *, styled: bool) -> Text:
    text = Text(no_wrap=True)
    shown = _value(cell, styled=styled)
    pad = values - len(shown)
    if cell.has_value and not styled and not cell.mark:
        pad -= min(pad, 1)  # the column of signs stays free
    style = {"": "", "best": "bold", "second": "underline"}[cell.mark]
    text.append(" " * pad).append(shown, style or ("" if cell.has_value else "dim"))
    text.append(" " * (values - pad - len(shown)))
    if cell.note:
        text.append(f" ({cell.note})", "dim")
    if cell.interval:
        text.append(f" {cell.interval}", "dim")
    if cell.coverage:
        used = len(cell.interval) + 1 if cell.interval else 0
        pad = intervals + 1 - used if intervals and not cell.note else 0
        text.append(" " * pad).append(f" {cell.coverage}", "yellow")
    if cell.frames:
        text.append(f" {cell.frames}", "dim")
    return text


def _blocks(drawn: list[_Drawn], rows: Sequence[Row], width: int) -> list[list[_Drawn]]:
    """Columns dealt to tables that fit the terminal."""
    names = min(_NAME_WIDTH, max(len(_name(r)) for r in rows))
    blocks: list[list[_Drawn]] = []
    left = 0
    for column in drawn:
        needed = column.width + _GAP
        if not blocks or needed > left:
            blocks.append([])
            left = width - names
        blocks[-1].append(column)
        left -= needed
    return blocks


def _name(row: Row) -> str:
    return row.name + (" †" if row.trained_on_this else "")


def _table(block: list[_Drawn], layout: Layout, width: int) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="")
    table.add_column("", max_width=min(_NAME_WIDTH, width // 2), no_wrap=True, overflow="ellipsis")
    for column in block:
        table.add_column(column.head, no_wrap=True, overflow="fold")
    for row in layout.rows:
        name = Text(_name(row), "" if row.kind == "system" else "dim")
        table.add_row(name, *(column.cells[row.key] for column in block))
    return table


def _head(said: Facts) -> Text:
    line = Text(said.suite, "bold")
    line.append(f"  {said.scored}, ", "default not bold")
    line.append(said.failures, "not bold red" if said.failed else "not bold green")
    return line


def _below(said: Facts, layout: Layout, *, styled: bool) -> list[Text]:
    lines = [Text(f"({key}) {text}", "dim") for key, text in layout.notes]
    if any(c.mark for c in layout.cells.values()):
        signs = Text("best", "bold") if styled else Text("* best")
        signs.append(", ", "not bold").append(
            "second" if styled else "+ second", "not bold underline"
        )
        lines.append(signs)
    return [*lines, *(Text(remark, "dim") for remark in said.remarks)]


def _failure_lines(groups: list[Group]) -> list[Text]:
    lines = []
    for group in groups[:_GROUPS]:
        line = Text(f"{group.values:>4} ", "red")
        line.append(group.reason, "default")
        lines.append(line)
        places = [f"{p.generator} · {p.sample}" for p in group.places]
        lines.append(Text(f"     {listed(places, _PLACES)}", "dim"))
    rest = sum(g.values for g in groups[_GROUPS:])
    if rest:
        lines.append(Text(f"     … and {count(rest, 'value')} more, see records.jsonl", "dim"))
    return lines


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
