"""``talkbench submission``: finished videos before they are scored, and runs as bundles after."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.table import Table
from rich.text import Text

from evaluation.bundles.archive import BundleError
from evaluation.cli import options
from evaluation.cli.console import bring_what_is_needed, console, step
from evaluation.cli.findings import print_findings
from evaluation.cli.log import log_json
from evaluation.cli.rates import size_text
from evaluation.finished import FinishedVideos
from evaluation.plan import UnusableInputError
from evaluation.registry import load_dataset, load_suite
from evaluation.submission import check

if TYPE_CHECKING:
    from evaluation.bundles.rescore import Sampled


_AGREEMENT = {"exact": "green", "within": "green", "differs": "red", "not scored": "yellow"}


@click.group(short_help="Check finished videos; pack a run; verify somebody's bundle.")
def submission() -> None:
    """Finished videos of a system, and runs as bundles that others can verify.

    \b
    The way of a submission:
      talkbench submission validate out/mine --suite S     what is wrong with which video
      talkbench run S -g mine=out/mine -o runs/mine        score them
      talkbench submission pack runs/mine -o mine.bundle   one file, chained to its videos
      talkbench submission verify mine.bundle              what anybody can hold against it

    What is in a bundle, and what verifying says and does not say: docs/SUBMISSIONS.md.
    """


@submission.command(short_help="What is wrong with which clip.")
@click.argument("where", type=options.Folder(), metavar="DIR")
@click.option("--suite", "suite_name", required=True, metavar="SUITE", help="Whose clips.")
@click.option("--data", type=options.Folder(), help="Folder of the dataset, where it needs one.")
@click.option("--format", "form", type=click.Choice(("table", "json")), default="table")
@log_json
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
    with step("submission validate") as told:
        findings = check(system, samples, told)
    problems = [f for f in findings if f.weight == "problem"]
    if form == "json":
        click.echo(json.dumps([dataclasses.asdict(f) for f in findings], indent=2))
    else:
        spoilt = {f.clip for f in problems}
        print_findings(findings)
        console.print(
            f"{sum(s.id not in spoilt for s in samples)} of {len(samples)} clips are as they "
            f"should be; {len(problems)} problems, {len(findings) - len(problems)} warnings.",
            highlight=False,
        )
    raise click.exceptions.Exit(int(bool(problems)))


@submission.command(short_help="A run as one file that can be verified.")
@click.argument("run", type=options.Folder(), metavar="RUN")
@click.option("-o", "--out", required=True, type=options.Folder(), metavar="FILE", help="Bundle.")
@click.option("--media", is_flag=True, help="Put the generated videos in, too.")
@log_json
def pack(run: Path, out: Path, media: bool) -> None:
    """Pack what counts of RUN: manifest with cards and environment, records, features, table.

    Hashes chain the videos, the features read off them, the records and the table; the last one
    names the submission. The same run gives the same bytes. References are never packed, nor the
    folders where files lay.

    \b
    Examples:
      talkbench submission pack runs/mine -o mine.bundle
      talkbench submission pack runs/mine -o mine.bundle --media
    """
    from evaluation.bundles.pack import pack as packed_of

    if out.is_dir():
        raise UnusableInputError(f"{out} is a folder; -o takes the bundle's file")
    try:
        with step("submission pack") as told:
            packed = packed_of(run, out, media=media, told=told)
    except BundleError as error:
        raise UnusableInputError(str(error)) from error
    head = packed.head
    console.print(
        f"{out}: {size_text(out.stat().st_size)}, {len(head.records)} records of "
        f"{len(head.media)} videos, {'with' if media else 'without'} media.\n"
        f"Submission {head.id}",
        highlight=False,
        soft_wrap=True,
    )
    if packed.unseen:
        console.print(
            Text(
                f"{len(packed.unseen)} videos are no longer where they were scored; their hashes "
                f"are those recorded: {', '.join(packed.unseen[:5])}",
                "yellow",
            )
        )


@submission.command(short_help="Does a bundle hold: hashes, table, and clips scored again.")
@click.argument("bundle", type=options.Folder(), metavar="FILE")
@click.option(
    "--media",
    "folders",
    multiple=True,
    type=options.Folder(),
    metavar="DIR",
    help="Where its videos and their references lie; found by content. Repeat for more.",
)
@click.option(
    "--sample",
    "count",
    type=click.IntRange(0),
    help="Clips to score again (5 with --media, else none).",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the draw of clips.")
@click.option("--format", "form", type=click.Choice(("table", "json")), default="table")
@log_json
def verify(
    bundle: Path, folders: tuple[Path, ...], count: int | None, seed: int, form: str
) -> None:
    """Check anybody's bundle: archive, every hash, and that the table follows from the records.

    With media, clips drawn at random are scored again, and every value is said to be exact, within
    its tolerance, or different. Exit code 1 where something is broken, differs or could not be
    checked.

    \b
    Examples:
      talkbench submission verify mine.bundle
      talkbench submission verify mine.bundle --media out/mine --media gt --sample 10 --seed 7
    """
    from evaluation.bundles.rescore import rescore
    from evaluation.bundles.verify import verify as verified_of

    if not bundle.is_file():
        raise UnusableInputError(f"{bundle} is no file; name a bundle of `submission pack`")
    with step("submission verify") as told:
        found = verified_of(bundle, told)
    wanted = (5 if folders else 0) if count is None else count
    again = None
    if wanted and not found.breaks:
        with step("score again") as told:
            again = rescore(bundle, folders, wanted, seed, told)
    rows = again.rows if again else ()
    bad = not found.sound or any(r.agreement not in ("exact", "within") for r in rows)
    if form == "json":
        content = {
            "submission": found.head.id if found.head else None,
            "sound": found.sound,
            "breaks": [dataclasses.asdict(b) for b in found.breaks],
            "unchecked": list(found.unchecked),
            "sample": dataclasses.asdict(again) if again else None,
        }
        click.echo(json.dumps(content, indent=2).replace("Infinity", "null"))
        raise click.exceptions.Exit(int(bad))
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("link", "where", "what"):
        table.add_column(name, overflow="fold")
    for one in found.breaks:
        table.add_row(Text(one.link), Text(one.where), Text(one.what, "red"))
    if found.breaks:
        console.print(table)
    for line in found.unchecked:
        console.print(Text(line, "yellow"))
    if found.sound and found.head:
        console.print(
            f"The chain holds: {len(found.head.media)} videos, {len(found.head.features)} features,"
            f" {len(found.head.records)} records, and the table that follows from them.",
            highlight=False,
            soft_wrap=True,
        )
    elif found.breaks:
        console.print(f"{len(found.breaks)} breaks.", highlight=False)
    if again:
        _print_sample(again)
    elif wanted:
        console.print("No clip was scored again: the chain does not hold.")
    elif found.sound:
        console.print(
            Text("No clip was scored again; --media DIR holds values against videos.", "dim")
        )
    if found.head:
        console.print(f"Submission {found.head.id}", highlight=False)
    raise click.exceptions.Exit(int(bad))


def _print_sample(again: Sampled) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("metric", "recorded", "here", "relative", ""):
        table.add_column(name, overflow="fold", justify="left" if name == "metric" else "right")
    clip = ""
    for row in again.rows:
        if clip != (clip := f"{row.generator} on {row.sample}"):
            table.add_row(Text(clip, "bold"))
        numbers = (
            "" if value is None else f"{value:.6g}"
            for value in (row.recorded, row.here, row.difference)
        )
        said = row.agreement if not row.note else f"{row.agreement} ({row.note})"
        table.add_row(Text(f"  {row.metric}"), *numbers, Text(said, _AGREEMENT[row.agreement]))
    console.print(table)
    counts = Counter(row.agreement for row in again.rows)
    console.print(
        f"{again.clips} of {again.scored} clips scored again (the media of {again.here} are here): "
        + ", ".join(f"{counted} {name}" for name, counted in counts.items()),
        highlight=False,
        soft_wrap=True,
    )
