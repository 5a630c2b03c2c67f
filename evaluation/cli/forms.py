"""The filled form of one suite or dataset, field by field."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from evaluation.dataset import DatasetSpec
from evaluation.suite import Suite


def print_suite(suite: Suite, console: Console) -> None:
    """Everything that a suite says of itself."""
    rows = [
        ("suite", suite.id),
        ("about", suite.about),
        ("dataset", suite.dataset),
        ("setting", suite.setting),
        *suite.protocol.items(),
        ("metrics", ", ".join(suite.metrics)),
        ("scored frames", "all" if suite.every == 1 else f"0, {suite.every}, {2 * suite.every}, …"),
        ("generators", ", ".join(suite.generators) or "those that are named"),
        *(("note", note) for note in suite.notes),
    ]
    _print(rows, console)


def print_dataset(spec: DatasetSpec, console: Console) -> None:
    """Everything that a dataset says of itself."""
    rows = [
        ("dataset", f"{spec.name}/{spec.version}"),
        ("about", spec.about),
        ("source", spec.source),
        ("licence", spec.licence),
        ("access", spec.access),
        ("--data", spec.layout or "not needed"),
        ("split", spec.split),
        ("clips", f"{spec.clips:,}" if spec.clips else ""),
        ("speakers", spec.speaker),
        ("unverified", spec.unverified),
        ("assets", ", ".join(spec.assets)),
    ]
    _print([(key, text) for key, text in rows if text], console)


def _print(rows: list[tuple[str, str]], console: Console) -> None:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for key, text in rows:
        table.add_row(key, Text(text))
    console.print(table)
