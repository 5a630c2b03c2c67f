"""``talkbench board``: published numbers, sorted, ranked where they may be."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from evaluation.cli import options
from evaluation.cli.console import console
from evaluation.plan import UnusableInputError
from leaderboards import printed
from leaderboards.boards import NoBoardError, bands, benchmarks
from leaderboards.boards import board as groups_of
from leaderboards.ledger import read_ledger
from leaderboards.ours import groups_of_run

_SHOWN = 6


@click.group(short_help="Published numbers: benchmarks, rankings, who measured what.")
def board() -> None:
    """Published numbers of talking-face systems, with where each was read.

    Numbers are ranked only among those that one source measured in one table: papers that name the
    same benchmark use other splits, crops and implementations.
    """


@board.command("list", short_help="Benchmarks, and what is reported on them.")
@click.option("--format", "form", type=click.Choice(("table", "json")), default="table")
def list_(form: str) -> None:
    """List the benchmarks of the ledger."""
    rows = [
        {
            "benchmark": name,
            "numbers": len(found),
            "systems": len({r.system for r in found if not r.reference}),
            "groups": len(groups_of(found, name)),
            "metrics": [name for name, _ in Counter(r.metric for r in found).most_common()],
        }
        for name, found in benchmarks(read_ledger()).items()
    ]
    if form == "json":
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("benchmark", overflow="fold")
    for name in ("numbers", "systems", "groups"):
        table.add_column(name, justify="right")
    table.add_column("metrics", overflow="fold", style="dim")
    for row in rows:
        counts = (str(row[name]) for name in ("numbers", "systems", "groups"))
        metrics = row["metrics"] if isinstance(row["metrics"], list) else []
        rest = f" and {len(metrics) - _SHOWN} more" if len(metrics) > _SHOWN else ""
        shown = ", ".join(metrics[:_SHOWN]) + rest
        table.add_row(Text(str(row["benchmark"])), *counts, Text(shown))
    console.print(table)
    console.print(
        Text("A group is what one source measured in one table: ranks never leave it.", "dim")
    )


@board.command(short_help="One benchmark: groups, ranks, and how far sources differ.")
@click.argument("benchmark")
@click.option("-m", "--metric", help="As printed (Sync-C), or a family of ours (lse-c).")
@click.option("--run", type=options.Folder(), help="Numbers of a run of yours, beside theirs.")
@click.option(
    "--format", "form", type=click.Choice(("table", "md", "csv", "json")), default="table"
)
def show(benchmark: str, metric: str | None, run: Path | None, form: str) -> None:
    """Show what is published on BENCHMARK.

    \b
    Examples:
      talkbench board show HDTF --metric fid
      talkbench board show HDTF --metric fid --run runs/mine
      talkbench board show LRS2 --format md
    """
    ledger = read_ledger()
    try:
        groups = groups_of(ledger, benchmark, metric)
    except NoBoardError as error:
        raise UnusableInputError(str(error)) from error
    found = bands(entry.published for group in groups for entry in group.entries)
    if run is not None:
        groups = [*groups_of_run(run, metric), *groups]
    if form == "table":
        printed.to_terminal(groups, found, console)
    elif form == "md":
        click.echo(printed.to_markdown(groups, found), nl=False)
    elif form == "csv":
        click.echo(printed.to_csv(groups), nl=False)
    else:
        click.echo(printed.to_json(groups, found), nl=False)
