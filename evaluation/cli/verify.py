"""``talkbench verify``: do a run's tables follow from its records?"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from evaluation.cli.console import console, step
from evaluation.cli.log import log_json
from evaluation.report.words import count, listed, printable
from evaluation.verify import Verdict
from evaluation.verify import verify as hold_against

_SHOWN = 50


@click.command(short_help="Do a run's tables follow from its records?")
@click.argument("root", metavar="RUN", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--report",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of its tables (RUN/report, if not given).",
)
@click.option(
    "--certificate",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The certificate that the tables were made with, if it is not the run's own.",
)
@click.option("--format", "form", type=click.Choice(("table", "json")), default="table")
@log_json
def verify(root: Path, report: Path | None, certificate: Path | None, form: str) -> None:
    """Make every table of a RUN again from its records, and name each cell that differs.

    \b
    What is looked at:
      results.json, and the report's json, csv, md and tex   cell by cell
      values that follow from kept tracks (CSIM, LMD, ...)   measured again
      videos and references that are still there             their sha256
    What is not: the page index.html, and whether a value of a metric on pixels
    (PSNR, LPIPS, ...) is right; to know that, score the videos again.

    Nothing is written. Exit code 0: all of it follows. 1: something differs, or
    cannot be made again because kept features are gone. 2: no run, or no tables.

    \b
    Examples:
      talkbench verify runs/mine
      talkbench verify runs/mine --format json | jq .deviations
    """
    with step("verify"):
        verdict = hold_against(root, report, certificate)
    if form == "json":
        click.echo(json.dumps(dataclasses.asdict(verdict), indent=2))
    else:
        _print(root, verdict)
    raise click.exceptions.Exit(int(bool(verdict.deviations or verdict.gone)))


def _print(root: Path, verdict: Verdict) -> None:
    found = verdict.deviations
    if found:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for head in ("file", "cell", "there", "by the records"):
            table.add_column(head, overflow="fold")
        for one in found[:_SHOWN]:
            row = (one.file, one.cell, one.there, one.derived)
            table.add_row(*(Text(printable(text)) for text in row))
        console.print(table)
        if len(found) > _SHOWN:
            console.print(f"… and {len(found) - _SHOWN} more; all with --format json")
    tables = ", ".join(f"{name} ({cells})" for name, cells in verdict.tables.items())
    lines = [
        f"Cells compared: {tables}.",
        f"{count(verdict.again, 'value')} measured again from kept tracks, "
        f"{verdict.believed} of pixels believed.",
        f"{count(verdict.videos, 'video')} held against the hashes, {verdict.absent} not there.",
    ]
    if verdict.gone:
        names = listed([printable(name) for name in verdict.gone], 5)
        lines.append(f"Kept features are gone, run the command of the run again: {names}.")
    if found:
        lines.append(
            f"{count(len(found), 'cell')} not as the records have it. If only the tables are old: "
            f"talkbench report {root}"
        )
    elif not verdict.gone:
        lines.append("Every cell follows from the records.")
    for line in lines:
        console.print(Text(line))
