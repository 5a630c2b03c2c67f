"""The table in the terminal: readable at 80 columns, in a pipe, and without colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from evaluation.report.cells import lay_out
from evaluation.report.costs import cost_lines
from evaluation.report.facts import Facts, facts
from evaluation.report.failures import Group, grouped_by_reason
from evaluation.report.layout import Cell, Column, Layout, Row
from evaluation.report.ranks import SAID as RANKS_SAID
from evaluation.report.ranks import Place, rank_table
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
    for note in said.notes:
        console.print(Text(f"{note}.", "yellow"))
    for warning in said.warnings:
        console.print(Text(warning, "bold yellow"))
    drawn = [_Drawn.of(column, layout, styled=styled) for column in layout.columns]
    for block in _blocks(drawn, layout.rows, console.width):
        console.print()
        console.print(_table(block, layout, console.width))
    _print_ranks(results, layout, console)
    console.print()
    for key, text in said.protocol:
        console.print(Text(f"{key}: {text}", "dim"))
    for line in _below(said, layout, styled=styled):
        console.print(line)
    for sentence in cost_lines(results):
        console.print(Text(sentence, "dim"))
    groups = grouped_by_reason(results.failures)
    if groups:
        console.print()
        console.print(Text(_capital(said.failures), "bold red"))
        console.print(_failures(groups))
    console.print()


@dataclass(frozen=True)
class _Drawn:
    """One metric's column with its parts padded to stand under each other."""

    column: Column
    cells: dict[str, Text]

    @property
    def title(self) -> str:
        return f"{self.column.title} {self.column.arrow}"

    @property
    def width(self) -> int:
        heads = (cell_len(self.title), cell_len(self.column.details))
        return max(*heads, *(line.cell_len for line in self.cells.values()))

    @classmethod
    def of(cls, column: Column, layout: Layout, *, styled: bool) -> _Drawn:
        cells = {r.key: layout.cells[r.key, column.spec.name] for r in layout.rows}
        values = max(len(c.shown) for c in cells.values())
        intervals = max(len(c.interval) for c in cells.values())
        # Where bold and underlined cannot be seen, signs take their place.
        signs = not styled and any(c.mark for c in cells.values())
        drawn = {key: _cell(c, values, intervals, signs=signs) for key, c in cells.items()}
        return cls(column, drawn)


def _cell(cell: Cell, values: int, intervals: int, *, signs: bool) -> Text:
    style = {"": "", "best": "bold", "second": "underline"}[cell.mark]
    text = Text(" " * (values - len(cell.shown)), no_wrap=True)
    text.append(cell.shown, f"{style} dim".strip() if cell.near or not cell.has_value else style)
    if signs:
        text.append({"": " ", "best": "*", "second": "+"}[cell.mark])
    if cell.note:
        text.append(f" ({cell.note})", "dim")
    if intervals and (cell.interval or cell.coverage) and not (cell.note and not cell.interval):
        text.append(f" {cell.interval:<{intervals}}", "dim")
    if cell.coverage:
        text.append(f" {cell.coverage}", "yellow")
    if cell.frames:
        text.append(f" {cell.frames}", "dim")
    text.rstrip()
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
    detailed = any(c.column.details for c in block)
    for column in block:
        head = Text(column.title, "bold")
        if detailed:
            head = Text.assemble((column.title, "bold"), "\n", (column.column.details, "dim"))
        table.add_column(head, no_wrap=True, overflow="fold")
    for row in layout.rows:
        name = Text(_name(row), "" if row.kind == "system" else "dim")
        table.add_row(name, *(column.cells[row.key] for column in block))
    return table


def _print_ranks(results: Results, layout: Layout, console: Console) -> None:
    ranks = rank_table(results, layout)
    if ranks is None:
        return
    names = min(_NAME_WIDTH, max(cell_len(_name(r)) for r in ranks.rows))
    blocks: list[list[Column]] = [[]]
    left = console.width - names
    for column in ranks.columns:
        places = (ranks.places[r.key, column.spec.name] for r in ranks.rows)
        texts = [f"{column.title} {column.arrow}", *(_place(p).plain for p in places)]
        needed = _GAP + max(map(cell_len, texts))
        if blocks[-1] and needed > left:
            blocks.append([])
            left = console.width - names
        blocks[-1].append(column)
        left -= needed
    for block in blocks:
        table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="")
        table.add_column(Text("rank", "dim"), max_width=names, no_wrap=True, overflow="ellipsis")
        for column in block:
            table.add_column(Text(f"{column.title} {column.arrow}", "bold"), no_wrap=True)
        for row in ranks.rows:
            cells = (_place(ranks.places[row.key, c.spec.name]) for c in block)
            table.add_row(Text(_name(row)), *cells)
        console.print()
        console.print(table)
    console.print()
    for remark in (RANKS_SAID, *ranks.remarks):
        console.print(Text(remark, "dim"))


def _place(place: Place) -> Text:
    return Text.assemble(place.rank, (f" {place.letters}" if place.letters else "", "dim"))


def _head(said: Facts) -> Text:
    line = Text(said.suite, "bold")
    line.append(f"  {said.scored}, ", "default not bold")
    line.append(said.failures, "not bold red" if said.failed else "not bold green")
    return line


def _below(said: Facts, layout: Layout, *, styled: bool) -> list[Text]:
    lines = [Text(f"({key}) {text}", "dim") for key, text in layout.notes]
    if layout.marked:
        signs = Text("best", "bold") if styled else Text("* best")
        signs.append(", ", "not bold").append(
            "second" if styled else "+ second", "not bold underline"
        )
        lines.append(signs)
    return [*lines, *(Text(remark, "dim") for remark in said.remarks)]


def _failures(groups: list[Group]) -> Table:
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(justify="right", style="red")
    grid.add_column(overflow="fold")
    for group in groups[:_GROUPS]:
        grid.add_row(str(group.values), Text(group.reason))
        places = [f"{p.generator} on {p.sample}" for p in group.places]
        grid.add_row("", Text(listed(places, _PLACES), "dim"))
    rest = sum(g.values for g in groups[_GROUPS:])
    if rest:
        grid.add_row("", Text(f"… and {count(rest, 'value')} more, see records.jsonl", "dim"))
    return grid


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
