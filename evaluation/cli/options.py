"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evaluation.elsewhere.addresses import is_address

if TYPE_CHECKING:
    from evaluation.report import PageChoice


class Folder(click.Path):
    """A path that is not empty: an unset variable must not mean the current folder.

    Args:
        elsewhere: An address (``s3://bucket/clips``) will do; it is given on as text.
    """

    def __init__(self, *, elsewhere: bool = False) -> None:
        super().__init__(path_type=Path)
        self._elsewhere = elsewhere

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's own signature
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:  # noqa: ANN401 - click's own signature
        """The path, if it is one."""
        if not str(value):
            self.fail("the path is empty", param, ctx)
        if is_address(value):
            if self._elsewhere:
                return str(value)
            self.fail(
                f"{value} is an address, and this must be a path of this machine; --data, "
                "--reference and NAME=WHERE of run and score take addresses",
                param,
                ctx,
            )
        return super().convert(value, param, ctx)


metrics = click.option(
    "-m",
    "--metric",
    "metric_names",
    multiple=True,
    metavar="METRIC",
    help="A protocol card (ssim@piq) or a family (ssim), whose default card is then meant. "
    "Repeat for more. See: talkbench list metrics",
)
workers = click.option(
    "--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes."
)
limit = click.option(
    "--limit",
    type=click.IntRange(1),
    help="Only the first N samples; every table then says that it is partial.",
)
output = click.option(
    "-o",
    "--out",
    "root",
    required=True,
    type=Folder(),
    metavar="RUN",
    help="Folder of the run, on this machine. One that holds this run already is continued.",
)
retry = click.option(
    "--retry-failed", is_flag=True, help="Compute records that failed before once more."
)
baseline = click.option(
    "--baseline",
    metavar="NAME",
    help="Row that differences are taken to (the first, if not given).",
)
download = click.option(
    "--download", is_flag=True, help="Fetch missing weights and sample media first."
)
clips = click.option(
    "--clips",
    default="listed",
    show_default=True,
    metavar="listed|all|none|N",
    help="Clips of the page that get players: those that its lists show, all, none, or N of them. "
    "Seconds each; what was made before is kept.",
)


def page_of(clips: str, *, self_contained: bool = False) -> PageChoice:
    """What the page is to be.

    Raises:
        UsageError: No such choice of clips.
    """
    from evaluation.report.page.choice import PageChoice  # no other command needs reports at once

    try:
        return PageChoice(clips=clips, self_contained=self_contained)
    except ValueError as error:
        raise click.UsageError(f"--clips: {error}") from error
