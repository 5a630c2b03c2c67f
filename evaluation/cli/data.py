"""``talkbench data``: datasets made ready, written down, and looked over."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from pathlib import Path

import click

from evaluation.cli import options
from evaluation.cli.console import console, errors, step
from evaluation.cli.findings import print_findings
from evaluation.cli.log import log_json
from evaluation.data_doctor import Diagnosis, examine
from evaluation.dataset import Dataset, DatasetError
from evaluation.datasets.folder import videos_in
from evaluation.datasets.hdtf_annotations import read_annotations
from evaluation.preparation import hdtf as hdtf_preparation
from evaluation.registry import load_dataset, load_suite
from evaluation.split_manifest import NAME, Manifest, make_manifest, read_split, write_split


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
@log_json
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
    with step("data prepare hdtf") as told:
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


@data.command(short_help="What a split is made of, without its media.")
@click.argument("where", type=options.Folder(), metavar="DIR")
@click.option(
    "--dataset",
    "dataset_name",
    default="folder",
    show_default=True,
    help="Says which files are clips, and whose; a list is a dataset, too.",
)
@click.option(
    "-o",
    "--out",
    type=options.Folder(),
    required=True,
    metavar="FILE",
    help=f"Called {NAME} inside DIR, its hash travels into every run on DIR.",
)
@options.workers
@log_json
def manifest(where: Path, dataset_name: str, out: Path, workers: int) -> None:
    """Write a manifest of the clips in DIR, and print its hash.

    Per clip: id, speaker, length, rate, size, hashes of pictures and sound that survive another
    encoding, sha256 of the file. Clips that cannot be read are told and not in it: exit code 1.

    \b
    Example:
      talkbench data manifest hdtf --dataset hdtf-musetalk20 -o hdtf/split.jsonl
    """
    samples = load_dataset(dataset_name).samples(where)
    clips = [(s.id, s.speaker, s.reference or s.video) for s in samples]
    with step("data manifest") as told:
        made, unread = make_manifest(clips, workers, told)
    write_split(out, made)
    for clip, reason in unread.items():
        errors.print(f"{clip}: {reason}", style="red", soft_wrap=True, highlight=False)
    console.print(
        f"{len(made.entries)} of {len(clips)} clips in {out}\n{made.hash}",
        soft_wrap=True,
        highlight=False,
    )
    raise click.exceptions.Exit(int(bool(unread)))


@data.command(short_help="What a copy of a split lacks beside its manifest.")
@click.argument("suite_name", metavar="SUITE")
@click.option("--data", "where", required=True, type=options.Folder(), help="The copy.")
@click.option(
    "--manifest",
    "path",
    type=options.Folder(),
    metavar="FILE",
    help=f"What it should be; DATA/{NAME}, if not given.",
)
@click.option("--format", "form", type=click.Choice(("table", "json")), default="table")
@options.workers
@log_json
def doctor(suite_name: str, where: Path, path: Path | None, form: str, workers: int) -> None:
    """Say which clips of a SUITE's data are not what the manifest says.

    Missing, extra, re-encoded, trimmed, of another rate, size, sound or content; and which can
    still be compared. Exit code 1 where clips are missing or different; 0 where all are the same
    footage.
    """
    known = read_split(path or where / NAME)
    found, refused = _clips_of(load_dataset(load_suite(suite_name).dataset), where, known)
    with step("data doctor") as told:
        diagnosis = examine(known, found, workers, told)
    if form == "json":
        click.echo(json.dumps(_as_json(known, diagnosis, refused), indent=2))
    else:
        if refused:
            console.print(f"{refused}\n", soft_wrap=True, style="yellow", highlight=False)
        print_findings(diagnosis.findings)
        _print_verdict(known, diagnosis)
    raise click.exceptions.Exit(int(len(diagnosis.comparable) < len(known.entries)))


def _clips_of(dataset: Dataset, where: Path, known: Manifest) -> tuple[dict[str, Path], str]:
    """Files by id; where the dataset refuses the folder, those of the manifest's names, and why."""
    try:
        return {s.id: s.reference or s.video for s in dataset.samples(where)}, ""
    except DatasetError as error:
        there = videos_in(where)
        said = f"{error} (files that are not in the manifest were not looked at)"
        return {clip: there[clip] for clip in known.entries if clip in there}, said


def _print_verdict(known: Manifest, diagnosis: Diagnosis) -> None:
    counts = Counter(diagnosis.verdicts.values())
    total, good = len(known.entries), len(diagnosis.comparable)
    console.print(
        f"{counts['same']} of {total} clips are the manifest's very files, "
        f"{counts['re-encoded']} the same footage re-encoded, {counts['different']} different, "
        f"{counts['missing']} missing. Manifest {known.hash[:16]}.",
        highlight=False,
    )
    if good < total:
        console.print(
            f"{good} clips can still be compared. Numbers on them are of another set than "
            f"numbers on all {total}: never put both into one table.",
            highlight=False,
        )
    elif counts["re-encoded"]:
        console.print("All can be compared; not to the last digit, for the re-encoding shows.")


def _as_json(known: Manifest, diagnosis: Diagnosis, refused: str) -> dict[str, object]:
    return {
        "manifest": known.hash,
        "refused": refused,
        "clips": dict(diagnosis.verdicts),
        "comparable": diagnosis.comparable,
        "findings": [dataclasses.asdict(f) for f in diagnosis.findings],
    }
