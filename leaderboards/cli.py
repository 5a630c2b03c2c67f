"""``talkbench board``, ``reproduce`` and ``plan``: published numbers, and runs beside them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from evaluation.cli import options
from evaluation.cli.console import console, step
from evaluation.cli.log import log_json
from evaluation.plan import UnusableInputError
from evaluation.report.facts import cautions
from evaluation.results import build
from leaderboards import printed
from leaderboards.boards import NoBoardError, bands, benchmarks
from leaderboards.boards import board as groups_of
from leaderboards.ledger import read_ledger
from leaderboards.ours import groups_of_run
from leaderboards.planning import MOST, sizes
from leaderboards.reproduce import NothingToCompareError, compare

_SHOWN = 6
_FEW = 10  # speakers


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


@board.command("build", short_help="All boards as a static site.")
@click.option(
    "-o", "--out", "root", required=True, type=options.Folder(), metavar="DIR", help="Of the site."
)
@click.option(
    "--run",
    "runs",
    multiple=True,
    metavar="[BENCHMARK=]RUN",
    help="A run to show beside published numbers; on the benchmark that its data set is named "
    "after, or on the one given. Repeat for more.",
)
@click.option("--submissions", type=options.Folder(), metavar="DIR", help="Folder of bundles.")
@log_json
def build_(root: Path, runs: tuple[str, ...], submissions: Path | None) -> None:
    """Make a static site of every board: it opens from disk, and asks nothing of any network.

    An index, a page a benchmark with a rule between groups that cannot be compared, a page a
    system, and a page for every run and submission; JSON and CSV beside each. Bundles are verified
    first: one that does not hold is listed with the reason, without its numbers.

    \b
    Examples:
      talkbench board build -o site
      talkbench board build -o site --run HDTF=runs/hdtf --submissions submissions/
    """
    from leaderboards.site.build import build_site
    from leaderboards.site.submitted import read_bundles, read_runs

    ledger = read_ledger()
    known = list(benchmarks(ledger))
    with step("board build") as told:
        submitted = read_runs(runs, known)
        if submissions is not None:
            submitted += read_bundles(submissions, known, told)
        made = build_site(root, ledger, submitted)
    broken = [s for s in made.submitted if s.results is None]
    console.print(
        f"{len(made.benchmarks)} benchmarks, {len(made.systems)} systems, "
        f"{len(made.submitted)} runs and submissions: {root / 'index.html'}",
        highlight=False,
        soft_wrap=True,
    )
    for one in broken:
        what = one.breaks[0]
        console.print(Text(f"{one.name} {one.verdict} ({what.where} {what.what})", "yellow"))
    raise click.exceptions.Exit(int(bool(broken)))


@click.command(short_help="A paper's numbers beside a run's.")
@click.argument("run", type=options.Folder(), metavar="RUN")
@click.option("--paper", "system", required=True, metavar="SYSTEM", help="Whose numbers: iplap.")
@click.option("--row", "generator", help="Its row in the run, if that has another name.")
@click.option("--benchmark", help="Of the ledger, if the run's data set is called otherwise.")
@click.option("--format", "form", type=click.Choice(("table", "json")), default="table")
def reproduce(
    run: Path, system: str, generator: str | None, benchmark: str | None, form: str
) -> None:
    """Hold every published number of a SYSTEM against what RUN measured.

    A number is inside where it touches the run's interval, and a wide interval holds much. Where it
    is outside, the card of the same family that comes nearest is named, if that is another: papers
    call six computations LSE-D.

    \b
    Example:
      talkbench reproduce runs/hdtf --paper iplap --benchmark HDTF
    """
    try:
        results = build(run)
        found = compare(results, read_ledger(), system, generator=generator, benchmark=benchmark)
    except NothingToCompareError as error:
        raise UnusableInputError(str(error)) from error
    said = cautions(results)
    if form == "json":
        click.echo(printed.comparisons_json(found, said), nl=False)
    else:
        printed.comparisons(found, said, console)


@click.command(short_help="How many speakers would tell two systems apart.")
@click.argument("run", type=options.Folder(), metavar="RUN")
@click.option("-m", "--metric", required=True, help="Card or family of the run.")
@click.option("--separate", type=click.FloatRange(0, min_open=True), required=True, help="Gap.")
@click.option("--between", nargs=2, required=True, metavar="ONE OTHER", help="Two rows of the run.")
@click.option(
    "--power",
    type=click.FloatRange(0.5, 0.999),
    default=0.8,
    show_default=True,
    help="Probability that a true gap of this size is seen.",
)
@click.option(
    "--systems",
    type=click.IntRange(2),
    help="How many the table will have: all their pairs are to be told apart, which needs more "
    "speakers (as many as the run ranks, if not given).",
)
def plan(
    run: Path,
    metric: str,
    separate: float,
    between: tuple[str, str],
    power: float,
    systems: int | None,
) -> None:
    """Say how many speakers would tell two systems apart by a metric, from a run with some.

    \b
    Example:
      talkbench plan runs/pilot -m lse-d --separate 0.1 --between wav2lip iplap
      talkbench plan runs/pilot -m lse-d --separate 0.1 --between wav2lip iplap --systems 8
    """
    found = sizes(run, metric, *between, separate, power, systems)
    unit = f"{found.metric}, {found.one} against {found.other}"
    console.print(
        f"{unit}: {found.difference:+.4g} ± {found.half_width:.2g} on {found.speakers} speakers; "
        f"one speaker adds {found.spread:.3g}.",
        highlight=False,
        soft_wrap=True,
    )
    if found.systems > 2:
        pairs = found.systems * (found.systems - 1) // 2
        console.print(
            f"In a table of {found.systems} systems a gap of {found.wanted:g} is told from zero "
            f"with {_speakers(found.needed)} (95 % for all {pairs} pairs together, probability "
            f"{power:g}).",
            highlight=False,
            soft_wrap=True,
        )
    alone = "Between these two alone, a" if found.systems > 2 else "A"
    console.print(
        f"{alone} gap of {found.wanted:g} is told from zero with {_speakers(found.alone)} "
        f"(95 % interval, probability {power:g}).",
        highlight=False,
        soft_wrap=True,
    )
    if found.speakers < _FEW:
        console.print(
            Text(f"{found.speakers} speakers say little about how speakers differ.", "yellow")
        )


def _speakers(count: int) -> str:
    return f"{'more than a million' if count >= MOST else count} speakers"
