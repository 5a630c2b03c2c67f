"""``talkbench merge``: the shards of a run, put together."""

from __future__ import annotations

from pathlib import Path

import click

from evaluation.cli import options
from evaluation.cli.console import errors, finish, step
from evaluation.cli.log import log_json
from evaluation.merge import merge as put_together
from evaluation.merge import shards_in


@click.command(short_help="Shards of a run, put together.")
@click.argument(
    "folders", metavar="SHARD...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option(
    "--incomplete",
    is_flag=True,
    help="Merge what there is; every table then says what is missing.",
)
@log_json
@options.baseline
@click.option(
    "-o",
    "--out",
    "root",
    required=True,
    type=options.Folder(),
    metavar="RUN",
    help="A new folder. It is a run like any other: it can be reported on and continued.",
)
def merge(folders: tuple[Path, ...], incomplete: bool, baseline: str | None, root: Path) -> None:
    """Put the SHARDs of a run together and write its report.

    In any order, and also as one folder that holds them. Refused: shards of other suites,
    versions or seeds, missing and unfinished ones, and records that contradict each other.
    The numbers are those of the run in one piece, to the byte.

    \b
    Example (docs/SCALE.md has it for Slurm):
      talkbench run folder --data clips -g mine.toml --shard 1/2 -o runs/shards/1
      talkbench run folder --data clips -g mine.toml --shard 2/2 -o runs/shards/2
      talkbench merge runs/shards -o runs/mine
    """
    with step("merge") as told:
        merged = put_together(shards_in(folders), root, incomplete=incomplete, told=told)
    for text in (*merged.missing, *merged.remarks):
        errors.print(text, style="yellow", soft_wrap=True, highlight=False, markup=False)
    text = f"{merged.records} records merged."
    code = finish(root, baseline, lambda _: text)
    raise click.exceptions.Exit(max(code, int(bool(merged.missing))))
