"""(a) Scoring clips by ours and by the official scripts in sequence."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from benchmarks import clips, plots
from benchmarks.frame import Words, data, kind, rounds
from benchmarks.spending import ROUNDS, Spent, device, progress, spent, talkbench, versus
from benchmarks.tables import Row

CARDS = (
    "psnr",
    "ssim@skimage-wang",
    "ssim@piq",
    "ms-ssim@pytorch-msssim",
    "lpips@alex-0.1",
    "lpips@vgg-0.1",
    "fid@pytorch-fid",
    "csim@dlib",
    "lmd@vico@dlib",
    "cpbd@vico",
)


@kind(
    "Metrics against official scripts",
    partial(plots.sides, name="card"),
    quick={"rounds": 1, "clips": 1, "every": 50, "systems": ("wav2lip",), "cards": CARDS[:2]},
    example="python -m benchmarks official --every 10 --clips 3",
)
@data("what is scored")
@click.option("--clips", type=click.IntRange(1), help="The first so many; all, if not given.")
@click.option("--systems", type=Words(), help="Folders of --data; all, if not given.")
@click.option(
    "--every", type=click.IntRange(1), default=10, show_default=True, help="Score every N-th frame."
)
@click.option("--cards", type=Words(), default=",".join(CARDS), help="Protocol cards.")
@rounds(3)
def official(
    data: Path | None,
    clips: int | None,
    systems: tuple[str, ...] | None,
    every: int,
    cards: tuple[str, ...],
    rounds: int,
) -> list[Row]:
    """Score clips by ours and by the official packages, card by card and end to end.

    An official script is one process for a card and a system, as papers run them: decode with
    OpenCV, call the package, print the number. Ours is one process a card, and one for all cards in
    the last rows, held against the sum of all scripts; it also writes records, tables and page, and
    in the very last the page's players, which the others leave out. All start cold, on the same
    clips, with the same threads.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        given = _inputs(folder, data, clips, systems)
        if any(c.startswith(("fid", "kid")) for c in cards):
            from evaluation.calibration.inception_sets import pytorch_fid_weights

            os.environ["TORCH_HOME"] = str(folder / "torch")
            pytorch_fid_weights(folder / "torch")  # as after its first download
        took: dict[str, dict[str, list[Spent]]] = {
            card: {"official": [], "ours": []} for card in (*cards, ALL, PLAYERS)
        }
        for number in range(rounds):
            sequence = Spent()
            for card in cards:
                theirs = sum((_script(card, *each, every) for each in given), Spent())
                took[card]["official"].append(theirs)
                took[card]["ours"].append(_score([card], given, every))
                sequence += theirs
                _tell(number, rounds, card, took[card])
            for row, players in ((ALL, False), (PLAYERS, True)):
                took[row]["official"].append(sequence)
                took[row]["ours"].append(_score(cards, given, every, players=players))
                _tell(number, rounds, row, took[row])
    rows = [{"card": card} | versus(each) for card, each in took.items()]
    rows[-1]["ours peak MB"] = round(max(s.peak for s in took[PLAYERS]["ours"]))
    return [row | {ROUNDS: row.pop(ROUNDS)} for row in rows]


Videos = Sequence[Path]
ALL, PLAYERS = "all in one run", "the same with the page's players"


def _inputs(
    folder: Path, data: Path | None, most: int | None, systems: Sequence[str] | None
) -> list[tuple[Videos, Videos]]:
    """Per system its videos, and the references."""
    data = data or clips.hdtf_mini(folder / "panels")
    references = clips.clips_of(data, most)
    chosen = systems or clips.systems_of(data)
    root = clips.linked(data, (clips.TRUTH, *chosen), references, folder / "clips")
    names = [r.name for r in references]
    truth = [root / clips.TRUTH / n for n in names]
    return [([root / system / n for n in names], truth) for system in chosen]


def _script(card: str, videos: Videos, references: Videos, every: int) -> Spent:
    words = [sys.executable, "-m", "benchmarks.official_script", card, str(every), device()]
    return spent([*words, *map(str, videos), *map(str, references)], allowed=(0,))


def _score(
    cards: Iterable[str],
    given: Sequence[tuple[Videos, Videos]],
    every: int,
    *,
    players: bool = False,
) -> Spent:
    with tempfile.TemporaryDirectory() as run:
        words = [*talkbench("score"), "--reference", str(given[0][1][0].parent)]
        for videos, _ in given:
            words += ["--generated", f"{videos[0].parent.name}={videos[0].parent}"]
        for card in cards:
            words += ["-m", card]
        if not players:
            words += ["--clips", "none"]
        return spent([*words, "--every", str(every), "-o", run])


def _tell(number: int, of: int, card: str, took: dict[str, Any]) -> None:
    theirs, ours = (took[side][-1].wall for side in ("official", "ours"))
    progress(f"  round {number + 1} of {of}, {card}: official {theirs:.1f} s, ours {ours:.1f} s")
