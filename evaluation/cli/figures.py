"""``talkbench figures``: a run as pictures for a paper."""

from __future__ import annotations

from pathlib import Path

import click

from evaluation.cli import options
from evaluation.cli.console import console, step
from evaluation.cli.log import log_json
from evaluation.extras import need
from evaluation.plan import UnusableInputError
from evaluation.results import build


@click.command(short_help="Figures of a run for a paper: PNG, PDF, SVG.")
@click.argument("root", metavar="RUN", type=options.Folder())
@click.option(
    "-o", "--out", required=True, type=options.Folder(), metavar="DIR", help="Where to write."
)
@click.option(
    "--kind",
    "kinds",
    default="scatter,strips,forest",
    show_default=True,
    help="Which, with commas between: scatter (metric against metric), strips (every clip), "
    "forest (paired differences), radar (on request: its areas mean nothing).",
)
@click.option(
    "--format", "formats", default="png,pdf,svg", show_default=True, help="With commas between."
)
@click.option(
    "-m",
    "--metric",
    "metric_names",
    multiple=True,
    metavar="METRIC",
    help="A card of the run (ssim@piq) or a family (ssim); repeat for more. All, if not given.",
)
@click.option(
    "--rank-anchors",
    is_flag=True,
    help="Rank known damages of the ground truth, too, so that a forest shows their pairs.",
)
@log_json
def figures(
    root: Path,
    out: Path,
    kinds: str,
    formats: str,
    metric_names: tuple[str, ...],
    rank_anchors: bool,
) -> None:
    """Draw a RUN: one column wide, safe for the colour-blind, fonts embedded.

    \b
    Scatters are of every pair of the metrics given; without any, of one metric of each kind
    (visual quality, identity, lip sync). The same numbers are the same files, byte by byte.
    Needs matplotlib: pip install 'talkbench[figures]'

    \b
    Examples:
      talkbench figures runs/mine -o figures
      talkbench figures runs/mine -o figures --kind scatter -m lpips -m lse-d --format pdf
    """
    need("matplotlib", "figures", "figures")
    from evaluation.figures import write_figures

    results = build(root, rank_anchors=rank_anchors)
    if not results.records:
        raise UnusableInputError(f"{root} has no records yet")
    with step("figures") as told:
        written, nothing = write_figures(
            results,
            out,
            kinds=_words(kinds),
            formats=_words(formats),
            metrics=metric_names,
            told=told,
        )
    for path in written:
        console.print(str(path), soft_wrap=True, highlight=False, markup=False)
    for line in nothing:
        console.print(f"Not drawn: {line}", style="yellow", highlight=False, markup=False)
    if not written:
        raise UnusableInputError("this run has no numbers for such figures")


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]
