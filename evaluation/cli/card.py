"""``talkbench card``: what a number means, choice by choice."""

from __future__ import annotations

import json

import click
from rich.table import Table
from rich.text import Text

from evaluation import manifest
from evaluation.cli.console import console
from evaluation.cli.list import state
from evaluation.registry import cards_of, load_metrics, names
from evaluation.report.cells import arrow
from evaluation.report.facts import card_rows
from metrics import MetricSpec


@click.command(short_help="What a metric's number means, choice by choice.")
@click.argument("wanted", metavar="METRIC...", nargs=-1, required=True)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How to print it.",
)
def card(wanted: tuple[str, ...], form: str) -> None:
    """Print protocol cards: every choice that moves a digit, and where it comes from.

    A family's name means its default card; its other cards are named below it.

    \b
    Examples:
      talkbench card ssim
      talkbench card fid@vico lse-d@syncnet-python
      talkbench card csim --format json
    """
    specs = [m.spec for m in load_metrics(wanted)]
    if form == "json":
        click.echo(json.dumps([manifest.card(s) for s in specs], indent=2, allow_nan=False))
        return
    for spec in specs:
        _print(spec)
    for family in dict.fromkeys(w for w in wanted if w in names("metrics")):
        others = [c.spec.name for c in cards_of(family)[1:]]
        if others:
            console.print(f"Other cards of {family}: {', '.join(others)}", highlight=False)


def _print(spec: MetricSpec) -> None:
    head = Text(f"{spec.name} ", style="bold")
    head.append(
        f"version {spec.version} · {spec.title} {arrow(spec.direction)} · ", style="not bold"
    )
    head.append_text(Text.from_markup(state(spec)))
    console.print(head)
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for key, text in card_rows(spec):
        table.add_row(key, Text(text))
    console.print(table)
    console.print()
