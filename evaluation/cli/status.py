"""``talkbench status``: how far runs are."""

from __future__ import annotations

import json
from pathlib import Path

import click
from rich.markup import escape

from evaluation.cli.console import console
from evaluation.cli.rates import duration, rate_text
from evaluation.merge import shards_in
from evaluation.progress import Progress, progress


@click.command(short_help="How far a run is, while it runs and afterwards.")
@click.argument(
    "folders", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option(
    "--format",
    "layout",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json: a list with an object for every folder (docs/RECORDS.md).",
)
def status(folders: tuple[Path, ...], layout: str) -> None:
    """Say how far a RUN is: clips done, failed and left, rate, time left, who works on it.

    Several folders, or one that holds the shards of a run, are listed one by one with their sum.
    Nothing is written, and a run at work is not disturbed.

    \b
    Examples:
      talkbench status runs/mine
      talkbench status runs/shards --format json
    """
    found = [progress(folder) for folder in shards_in(folders)]
    if layout == "json":
        click.echo(json.dumps([p.as_json() for p in found], indent=2))
        return
    for one in found:
        _say(one)
    if len(found) > 1:
        counts = [sum(getattr(p, name) for p in found) for name in ("finished", "units", "failed")]
        left = [p.seconds_left for p in found if p.state == "running"]
        known = [s for s in left if s is not None]
        slowest = f", {duration(max(known))} left" if known and len(known) == len(left) else ""
        _line("{} of {} units in all, {} with failures{}".format(*counts, slowest))


def _say(one: Progress) -> None:
    shard = f" (shard {one.shard})" if one.shard else ""
    _line(f"{one.folder}{shard}: {one.state}{f', {one.reason}' if one.reason else ''}")
    _line(
        f"  {one.finished} of {one.units} units done, {one.failed} of them with failures, "
        f"{one.left} left"
    )
    if one.state == "running":
        rate = rate_text(one.per_second) if one.per_second else "rate not known yet"
        left = f", {duration(one.seconds_left)} left" if one.seconds_left is not None else ""
        _line(f"  {rate}{left}; {one.holder}")
        if one.at_work:
            _line(f"  at work: {', '.join(one.at_work)}")
    elif one.state == "killed":
        _line(f"  it was {one.holder or 'killed'}; everything recorded is safe")
    if one.state not in ("running", "done"):
        _line("  the same command goes on from here")
    for failure in one.failures:
        _line(f"  failed: {failure}")


def _line(text: str) -> None:
    console.print(escape(text), soft_wrap=True, highlight=False)
