"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path

import click

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
    type=click.Path(file_okay=False, path_type=Path),
    metavar="RUN",
    help="Folder of the run. One that holds this run already is continued.",
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
