"""``talkbench portraits``: cut what is tested out of person-specific videos."""

from __future__ import annotations

from pathlib import Path

import click

from evaluation.cli import options
from evaluation.cli.console import console
from evaluation.datasets.portraits import cut_tests


@click.command(short_help="Cut the test parts of person-specific portraits.")
@click.argument("folder", metavar="DIR", type=options.Folder())
def portraits(folder: Path) -> None:
    """Cut the last eleventh of every portrait in DIR into a file beside it.

    DIR holds <Name>/<Name>.mp4 at 25 frames a second. Without loss; what is there already stays.

    \b
    Example:
      talkbench portraits portraits/ && talkbench run portraits --data portraits/ -g still -o run
    """
    cut_tests(folder, lambda line: console.print(line, highlight=False, soft_wrap=True))
