"""``talkbench data``: datasets made ready, written down, and looked over."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from evaluation.cli import options
from evaluation.cli.console import console, unit_bar
from evaluation.datasets.hdtf_annotations import read_annotations
from evaluation.preparation import hdtf as hdtf_preparation


@click.group(short_help="Prepare datasets, write their manifests, find their faults.")
def data() -> None:
    """Datasets: prepare them, write a manifest, say what is wrong with a copy."""


@data.group(short_help="Clips out of what a dataset's authors publish.")
def prepare() -> None:
    """Make the clips of a dataset out of what its authors publish."""


@prepare.command(short_help="HDTF out of its source videos.")
@click.option(
    "--annotations",
    required=True,
    type=options.Folder(),
    metavar="DIR",
    help="The authors' text files, or a clone of github.com/MRzzm/HDTF.",
)
@click.option(
    "--videos",
    required=True,
    type=options.Folder(),
    metavar="DIR",
    help="Source videos, called as the authors call them: Radio11.mp4, or RD_Radio11.webm.",
)
@click.option("-o", "--out", required=True, type=options.Folder(), metavar="DIR", help="For clips.")
@click.option(
    "--download",
    "fetch",
    is_flag=True,
    help="Bring missing source videos with yt-dlp, if their publishers let you.",
)
@click.option(
    "--crf",
    type=click.IntRange(0, 51),
    default=hdtf_preparation.CRF,
    show_default=True,
    help="Of x264; part of what the clips are.",
)
@options.workers
@click.option("--retry-failed", is_flag=True, help="Try clips that failed before once more.")
def hdtf(
    annotations: Path,
    videos: Path,
    out: Path,
    fetch: bool,
    crf: int,
    workers: int,
    retry_failed: bool,
) -> None:
    """Cut the clips of HDTF: exact intervals, crops, 512x512, 25 frames a second, with sound.

    Every interval has a line in OUT/report.csv; what is odd in the annotations is in
    OUT/findings.csv. Stopped at any moment, the same command goes on where it was. Exit code 1
    where a clip with a crop could not be had.

    \b
    Example:
      talkbench data prepare hdtf --annotations HDTF/HDTF_dataset --videos raw -o hdtf --workers 8
    """
    read = read_annotations(annotations)
    with unit_bar() as told:
        lines = hdtf_preparation.prepare(
            read,
            videos,
            out,
            crf=crf,
            fetch=fetch,
            workers=workers,
            retry_failed=retry_failed,
            told=told,
        )
    counts = Counter(line.status for line in lines)
    said = ", ".join(f"{counts[s]} {s}" for s in ("ok", "failed", "missing", "left out"))
    console.print(
        f"{len(lines)} intervals: {said}. Report: {out / hdtf_preparation.REPORT}; "
        f"{len(read.oddities)} oddities of the annotations: {out / hdtf_preparation.FINDINGS}",
        soft_wrap=True,
        highlight=False,
    )
    raise click.exceptions.Exit(int(counts["failed"] + counts["missing"] > 0))
