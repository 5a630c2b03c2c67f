"""``talkbench calibrate``: our numbers beside the official packages'."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import click
from rich.markup import escape
from rich.table import Table

from evaluation.calibration import compare, known
from evaluation.calibration.compare import Row
from evaluation.cli import options
from evaluation.cli.console import bring_what_is_needed, console, step
from evaluation.cli.log import log_json
from evaluation.generator import made
from evaluation.plan import UnusableInputError
from evaluation.registry import cards_of, load_dataset, load_generator, load_metrics, names
from evaluation.store import TrackStore

_SAMPLE, _DAMAGE, _EVERY = "singer", "reencoded", 30


@click.command(short_help="Our numbers beside those of the official packages.")
@options.metrics
@click.option("--generated", type=options.Folder(), help="A video; with --reference.")
@click.option("--reference", type=options.Folder(), help="What it is held against.")
@click.option(
    "--every",
    type=click.IntRange(1),
    default=_EVERY,
    show_default=True,
    help="Compare frames 0, N, 2N, ...",
)
@log_json
@options.download
@click.option(
    "-o",
    "--out",
    type=options.Folder(),
    default=Path("calibration.json"),
    show_default=True,
    metavar="FILE",
    help="Where the table goes, as JSON.",
)
def calibrate(
    metric_names: tuple[str, ...],
    generated: Path | None,
    reference: Path | None,
    every: int,
    download: bool,
    out: Path,
) -> None:
    """Compute every card twice, by talkbench and by the official package, on the same frames.

    SyncNet's published results are checked where its weights are (talkbench assets get syncnet
    s3fd clip-syncnet-example). Packages that are not installed are named (pip install
    'talkbench[reference]'). Without videos of your own, the sample clip of the singer is
    compared with its coarse encoding.
    Exit code 1 where a number differs by more than its stated tolerance.

    \b
    Examples:
      talkbench calibrate --download
      talkbench calibrate -m ssim@piq -m fid --generated mine.mp4 --reference gt.mp4 --every 5
    """
    if (generated is None) != (reference is None):
        raise UnusableInputError("give both --generated and --reference, or neither")
    metrics = load_metrics(metric_names or [c for family in names("metrics") for c in _all(family)])
    if download:
        bring_what_is_needed([a for m in metrics for a in m.spec.assets])
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if generated is None or reference is None:
            generated, reference = _sample_pair(folder, download=download)
        with step("calibrate") as told:
            rows = compare.compare(metrics, generated, reference, every, folder, told)
        if any(known.applies(m.spec.name) for m in metrics):
            with step("published answers") as told:
                rows += known.known_rows(TrackStore(folder), told)
    settings: dict[str, object] = {
        "generated": generated.name,
        "reference": reference.name,
        "every": every,
    }
    compare.write(out, rows, settings)
    _print(rows)
    console.print(f"Written: {out}", highlight=False, soft_wrap=True)
    raise click.exceptions.Exit(1 if any(r.verdict == "different" for r in rows) else 0)


def _all(family: str) -> list[str]:
    return [card.spec.name for card in cards_of(family)]


def _sample_pair(folder: Path, *, download: bool) -> tuple[Path, Path]:
    """The singer's clip and its coarse encoding."""
    dataset = load_dataset("sample-media")
    if download:
        bring_what_is_needed(dataset.spec.assets)
    sample = next(s for s in dataset.samples(None) if s.id == _SAMPLE)
    generated = made(load_generator(_DAMAGE).generate(sample, folder / f"{_DAMAGE}.mp4", 0)).video
    return generated, sample.video


def _print(rows: Sequence[Row]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("card", "ours", "official", "difference", "", "package"):
        table.add_column(head, no_wrap=head != "package", overflow="fold")
    marks = {"equal": "[green]=[/]", "different": "[red]≠[/]", "not compared": ""}
    compared = [r for r in rows if r.theirs is not None]
    for r in compared:
        table.add_row(
            r.card,
            f"{r.ours:.5g}",
            f"{r.theirs:.5g}",
            f"{r.difference:.0e} ≤ {r.tolerance:.0e}"
            if r.verdict == "equal"
            else f"{r.difference:.0e} > {r.tolerance:.0e}",
            marks[r.verdict],
            escape(r.package),
        )
    console.print(table)
    without: dict[str, list[str]] = {}
    for r in rows:
        if r.theirs is None:
            without.setdefault(r.note, []).append(r.card)
    for note, cards in without.items():
        console.print(f"Not compared, {note}:", style="yellow", highlight=False)
        console.print(f"  {', '.join(cards)}", highlight=False)
    equal = sum(r.verdict == "equal" for r in compared)
    console.print(f"{equal} of {len(compared)} compared cards equal within their tolerance.")
