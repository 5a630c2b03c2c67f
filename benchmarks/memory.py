"""(e) Peak memory against the length of a clip."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from benchmarks import clips, plots
from benchmarks.frame import Words, kind, rounds, size
from benchmarks.spending import ROUNDS, Spent, as_json, over_rounds, progress, spent, talkbench
from benchmarks.tables import Row

CARDS = "psnr,ssim,lpips,fid,csim,psnr@mouth"


def _draw(figure: Any, rows: Sequence[Row]) -> None:
    left, right = figure.subplots(1, 2)
    x = [r["clip s"] for r in rows]
    on = {"GPU": [r["GPU MB"] for r in rows]} if "GPU MB" in rows[0] else {}
    plots.curves(left, x, {"resident": [r["peak MB"] for r in rows]} | on, "peak memory, MB")
    plots.curves(right, x, {"CPU s": [r["CPU s"] for r in rows]}, "CPU seconds")
    for ax in (left, right):
        ax.set_xlabel("seconds of the clip")


@kind(
    "Peak memory against clip length",
    _draw,
    quick={"seconds": (2, 8), "side": 128, "every": 25, "cards": ("psnr", "ssim"), "rounds": 1},
    example="python -m benchmarks memory --seconds 30,120,600 --every 25",
)
@click.option(
    "--seconds",
    type=Words(size),
    default="30,120,600",
    show_default=True,
    help="Lengths of the clip, 25 frames a second; ratios are to the first.",
)
@click.option(
    "--side",
    type=click.IntRange(32),
    default=512,
    show_default=True,
    help="Of its square frames, px.",
)
@click.option("--every", type=click.IntRange(1), default=25, show_default=True, help="Every N-th.")
@click.option("--cards", type=Words(), default=CARDS, show_default=True)
@rounds(1)
def memory(
    seconds: tuple[int, ...], side: int, every: int, cards: tuple[str, ...], rounds: int
) -> list[Row]:
    """Score one clip against another of the same length, and see the process's peak memory.

    The clip is the sample's singer, played forward and backward; a coarse encoding of it is scored
    against a fine one. Peak memory is resident memory of talkbench score, its report included.
    """
    took: dict[int, list[Spent]] = {s: [] for s in seconds}
    for number in range(rounds):
        for length in seconds:
            took[length].append(_score(length, side, every, cards))
            progress(
                f"  round {number + 1} of {rounds}, {length} s: {took[length][-1].peak:.0f} MB"
            )
    first = max(s.peak for s in took[seconds[0]])
    rows = []
    for length, each in took.items():
        peak = max(s.peak for s in each)
        row: Row = {
            "clip s": length,
            "frames": length * 25,
            "length, times the first": length / seconds[0],
            "peak MB": round(peak),
            "peak, times the first": peak / first,
            "s": over_rounds([s.wall for s in each]),
            "CPU s": over_rounds([s.cpu for s in each]),
        }
        if any(s.gpu for s in each):
            row["GPU MB"] = round(max(s.gpu for s in each))
        rows.append(row | {ROUNDS: as_json({"score": each})})
    return rows


def _score(seconds: int, side: int, every: int, cards: Sequence[str]) -> Spent:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for what, crf in ((clips.TRUTH, 18), ("system", 30)):
            clips.singer(folder / what / "clip.mp4", seconds=seconds, side=side, crf=crf)
        words = [*talkbench("score"), "--reference", str(folder / clips.TRUTH)]
        words += ["--generated", f"system={folder / 'system'}", "--every", str(every)]
        for card in cards:
            words += ["-m", card]
        return spent([*words, "-o", str(folder / "run")])
