"""``talkbench report``: tables and pages of a run."""

from __future__ import annotations

from pathlib import Path

import click

from evaluation.cli import options
from evaluation.cli.console import console, step
from evaluation.cli.log import log_json
from evaluation.plan import UnusableInputError
from evaluation.report import FORMATS, print_table, write_report
from evaluation.report.page.choice import SELF_CONTAINED_MB
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
@options.clips
@click.option(
    "--self-contained",
    is_flag=True,
    help=f"The page as one HTML file with its videos, {SELF_CONTAINED_MB} MB of them at most.",
)
@log_json
def report(
    root: Path,
    out: Path | None,
    formats: str,
    baseline: str | None,
    certificate: Path | None,
    rank_anchors: bool,
    clips: str,
    self_contained: bool,
) -> None:
    """Write the tables of a RUN again; reads its records and computes no metric.

    \b
    html  index.html opens from disk, without a network; send it together with the
          folder clips/ beside it, or make one file of it
    md    a table that stays one in an issue or a README
    csv   results.csv, clips.csv, costs.csv, and pairs.csv where rows are ranked
    tex   results.tex and ranks.tex: each compiles alone, or \\input it
    json  results.json

    Ranks are intervals: with few speakers a row may hold many. Rows with failed
    clips, the reference and anchors have none.

    \b
    Examples:
      talkbench report runs/mine
      talkbench report runs/mine --clips all
      talkbench report runs/mine --format html --self-contained -o mine_to_send
    """
    wanted = [f.strip() for f in formats.split(",") if f.strip()]
    unknown = [f for f in wanted if f not in FORMATS]
    if unknown or not wanted:
        raise click.UsageError(
            f"--format takes {','.join(FORMATS)}; {', '.join(unknown) or 'nothing'} was given"
        )
    page = options.page_of(clips, self_contained=self_contained)
    results = build(root, baseline, certificate, rank_anchors=rank_anchors)
    if not results.records:
        raise UnusableInputError(f"{root} has no records yet")
    if out is None:
        write_results(root, results)
    with step("report") as told:
        written = write_report(root, results, out or root / "report", wanted, page, told)
    for path in written:
        console.print(str(path), soft_wrap=True, highlight=False)
    print_table(results, console)
