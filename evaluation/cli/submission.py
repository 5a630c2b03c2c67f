"""``talkbench submission``: finished videos of a system, before they are scored."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from evaluation.cli import options
from evaluation.cli.console import bring_what_is_needed, console, unit_bar
from evaluation.finished import FinishedVideos
from evaluation.registry import load_dataset, load_suite
from evaluation.submission import Finding, check

_SHOWN = 50


@click.group(short_help="Check finished videos before they are scored.")
def submission() -> None:
    """Finished videos of a system, for a suite."""


@submission.command(short_help="What is wrong with which clip.")
@click.argument("where", type=options.Folder(), metavar="DIR")
@click.option("--suite", "suite_name", required=True, metavar="SUITE", help="Whose clips.")
@click.option("--data", type=options.Folder(), help="Folder of the dataset, where it needs one.")
@click.option("--format", "form", type=click.Choice(("table", "json")), default="table")
@options.download
def validate(where: Path, suite_name: str, data: Path | None, form: str, download: bool) -> None:
    """Check the videos of a folder against the clips of a suite.

    DIR may be a folder whose files are named as the clips, a path with {id} in it, or a CSV file
    with the columns id and file. Every video is decoded to its end. Exit code 1 where there are
    problems; warnings alone are 0.

    \b
    Examples:
      talkbench submission validate out/mine --suite folder --data gt
      talkbench submission validate 'out/{id}_mine.mp4' --suite sample
    """
    dataset = load_dataset(load_suite(suite_name).dataset)
    if download:
        bring_what_is_needed(dataset.spec.assets)
    samples = dataset.samples(data)
    system = FinishedVideos.read(where.name or str(where), where)
    with unit_bar() as told:
        findings = check(system, samples, told)
    problems = [f for f in findings if f.weight == "problem"]
    if form == "json":
        click.echo(json.dumps([dataclasses.asdict(f) for f in findings], indent=2))
    else:
        spoilt = {f.clip for f in problems}
        _print(findings)
        console.print(
            f"{sum(s.id not in spoilt for s in samples)} of {len(samples)} clips are as they "
            f"should be; {len(problems)} problems, {len(findings) - len(problems)} warnings.",
            highlight=False,
        )
    raise click.exceptions.Exit(int(bool(problems)))


def _print(findings: list[Finding]) -> None:
    if not findings:
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("clip", "what", "expected", "found"):
        table.add_column(head, overflow="fold")
    for finding in findings[:_SHOWN]:
        style = "red" if finding.weight == "problem" else "yellow"
        table.add_row(
            Text(finding.clip),
            Text(finding.what, style),
            Text(finding.expected),
            Text(finding.found),
        )
    console.print(table)
    if len(findings) > _SHOWN:
        kinds = Counter(f.what for f in findings[_SHOWN:])
        rest = ", ".join(f"{count} {what}" for what, count in kinds.most_common())
        console.print(f"… and {rest}; all with --format json", highlight=False)
