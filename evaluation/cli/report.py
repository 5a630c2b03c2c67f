"""``talkbench report``: tables and pages of a run."""

from __future__ import annotations

from pathlib import Path

import click

from evaluation.cli import options
from evaluation.cli.console import console
from evaluation.plan import UnusableInputError
from evaluation.report import FORMATS, print_table, write_report
from evaluation.results import build, write_results


@click.command(short_help="Tables and pages of a run, written again.")
@click.argument("root", metavar="RUN", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to write (RUN/report, if not given).",
)
@click.option(
    "--format",
    "formats",
    default=",".join(FORMATS),
    show_default=True,
    help="Which files to write, with commas between.",
)
@options.baseline
@click.option(
    "--certificate",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Whose noise floors tell which gaps say nothing (RUN/certificate.json, if there is one). "
    "See: talkbench certify",
)
@click.option(
    "--rank-anchors",
    is_flag=True,
    help="Rank known damages of the ground truth among the systems, too.",
)
def report(
    root: Path,
    out: Path | None,
    formats: str,
    baseline: str | None,
    certificate: Path | None,
    rank_anchors: bool,
) -> None:
    """Write the tables of a RUN again; reads its records and computes no metric.

    \b
    html  one page that opens offline
    md    a table that stays one in an issue or a README
    csv   results.csv, clips.csv, costs.csv, and pairs.csv where rows are ranked
    tex   results.tex and ranks.tex: each compiles alone, or \\input it
    json  results.json

    Ranks are intervals: with few speakers a row may hold many. Rows with failed
    clips, the reference and anchors have none.
    """
    wanted = [f.strip() for f in formats.split(",") if f.strip()]
    unknown = [f for f in wanted if f not in FORMATS]
    if unknown or not wanted:
        raise click.UsageError(
            f"--format takes {','.join(FORMATS)}; {', '.join(unknown) or 'nothing'} was given"
        )
    results = build(root, baseline, certificate, rank_anchors=rank_anchors)
    if not results.records:
        raise UnusableInputError(f"{root} has no records yet")
    if out is None:
        write_results(root, results)
    for path in write_report(root, results, out or root / "report", wanted):
        console.print(str(path), soft_wrap=True, highlight=False)
    print_table(results, console)
