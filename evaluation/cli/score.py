"""``talkbench score``: finished videos against references."""

from __future__ import annotations

import re
from pathlib import Path

import click

from evaluation.cli import options
from evaluation.cli.console import bring_what_is_needed, carry_out, errors
from evaluation.cli.how import How
from evaluation.cli.how import how as with_how
from evaluation.datasets.folder import FolderDataset
from evaluation.elsewhere.mirror import local
from evaluation.finished import FinishedVideos, read_finished
from evaluation.plan import Plan, UnusableInputError
from evaluation.registry import load_metrics
from evaluation.split_manifest import settings_of
from evaluation.suite import Suite

SCORE = Suite(
    name="score",
    version="1",
    dataset="folder",
    setting="reconstruction",
    metrics=("psnr", "ssim", "lpips", "fid", "csim", "lmd"),
    about="Finished videos against reference videos, paired by file name.",
)


@click.command(short_help="Finished videos against references, paired by name.")
@click.option(
    "--reference",
    required=True,
    type=options.Folder(elsewhere=True),
    metavar="DIR|ADDRESS",
    help="Folder of reference videos, or an address: s3://bucket/clips (docs/SCALE.md).",
)
@click.option(
    "--generated",
    required=True,
    multiple=True,
    metavar="NAME=DIR",
    help="A system and the folder of its videos, a path with {id} in it (out/{id}_mine.mp4), or "
    "a CSV file with the columns id and file; each may be an address; repeat for more systems.",
)
@options.metrics
@click.option(
    "--every",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Score frames 0, N, 2N, ...; every record says so.",
)
@click.option(
    "--speaker",
    metavar="REGEX",
    help="Finds the speaker in a clip's id (first group). By default the top folder, else the "
    "name without a trailing _NUMBER.",
)
@options.limit
@with_how
@options.retry
@options.baseline
@options.clips
@options.download
@options.output
def score(
    reference: Path | str,
    generated: tuple[str, ...],
    metric_names: tuple[str, ...],
    every: int,
    speaker: str | None,
    limit: int | None,
    how: How,
    retry_failed: bool,
    baseline: str | None,
    clips: str,
    download: bool,
    root: Path,
) -> None:
    """Score any videos against reference videos of the same file names.

    A reference without a generated video is a failed record, never a silent gap. Nothing is
    cut or resized: a video of another length, size or rate fails with the reason.

    \b
    Example:
      talkbench score --reference gt --generated wav2lip=out/w2l --generated mine=out/mine \\
          -m ssim -m lpips -m fid --every 5 -o runs/mine
    """
    page = options.page_of(clips)
    metrics = load_metrics(metric_names or SCORE.metrics)
    truth = local(reference)
    samples = FolderDataset(_pattern(speaker)).samples(truth)
    systems = [_system(text) for text in generated]
    names = [s.name for s in systems]
    if baseline is not None and baseline not in names:
        raise UnusableInputError(f"baseline {baseline!r} is none of {', '.join(names)}")
    if root.resolve() in {f.resolve() for f in (truth, *(s.folder for s in systems))}:
        raise UnusableInputError(f"{root} holds videos to be scored; choose another folder with -o")
    chosen = samples if limit is None else samples[:limit]
    for system in systems:
        extra = system.unpaired(samples)
        if len(extra) == len(system.videos):
            raise UnusableInputError(
                f"no file in {system.folder} is named like one in {reference}: "
                f"{extra[0]!r} against {samples[0].id!r}. Clips are paired by file name without "
                "the ending"
            )
        if extra:
            shown = ", ".join(extra[:5]) + (", ..." if len(extra) > 5 else "")
            errors.print(
                f"{system.name}: {len(extra)} videos match no reference and are left out: {shown}",
                highlight=False,
                markup=False,
            )
    if download:
        bring_what_is_needed([a for m in metrics for a in m.spec.assets])
    plan = Plan(
        suite=SCORE,
        metrics=tuple(metrics),
        generators=tuple(systems),
        samples=tuple(chosen),
        every=every,
        limit=limit if limit is not None and limit < len(samples) else None,
        settings=settings_of("reference", truth) | ({"speaker": speaker} if speaker else {}),
    )
    code = carry_out(plan, root, how=how, retry_failed=retry_failed, baseline=baseline, page=page)
    raise click.exceptions.Exit(code)


def _system(text: str) -> FinishedVideos:
    if "=" not in text.strip("="):
        raise click.UsageError(f"--generated takes NAME=DIR (split at the first =), got {text!r}")
    return read_finished(text)


def _pattern(text: str | None) -> re.Pattern[str] | None:
    if text is None:
        return None
    try:
        return re.compile(text)
    except re.error as error:
        raise click.UsageError(
            f"--speaker {text!r} is not a regular expression: {error}"
        ) from error
