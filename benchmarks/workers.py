"""(b) The same clips by one worker and by more."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

import click

from benchmarks import clips, plots
from benchmarks.frame import Words, data, kind, rounds, size
from benchmarks.spending import ROUNDS, as_json, over_rounds, progress, ratio, spent, talkbench
from benchmarks.tables import Row


def _draw(figure: Any, rows: Sequence[Row]) -> None:
    left, right = figure.subplots(1, 2)
    x = [r["workers"] for r in rows]
    left.plot(x, [n / x[0] for n in x], linestyle=":", color=plots.GREY, label="ideal")
    plots.curves(left, x, {"measured": [r["times the first"] for r in rows]}, "times the first row")
    plots.curves(right, x, {"CPU s": [r["CPU s"] for r in rows]}, "CPU seconds, all workers")
    for ax in (left, right):
        ax.set_xlabel("workers")


@kind(
    "One worker and more",
    _draw,
    quick={"rounds": 1, "clips": 4, "cards": ("psnr",)},
    example="python -m benchmarks workers --workers 1,2 --clips 16",
)
@data("what is scored")
@click.option(
    "--clips",
    type=click.IntRange(1),
    default=16,
    show_default=True,
    help="So many copies of --data's videos in turn, no two with one hash.",
)
@click.option(
    "--workers",
    type=Words(size),
    default="1,2",
    show_default=True,
    help="Numbers of workers; the first is what ratios are to.",
)
@click.option("--cards", type=Words(), default="lpips@alex-0.1,cpbd@vico", show_default=True)
@rounds(3)
def workers(
    data: Path | None, clips: int, workers: tuple[int, ...], cards: tuple[str, ...], rounds: int
) -> list[Row]:
    """Score the same clips with one worker and with more, each on one thread.

    A single worker is a process of its own as well, so that all rows start alike. The ratio is of
    the seconds at work, from the first unit to the last by the run's own events: start and report
    are done once, whatever the number.
    """
    threads = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        return _measured(data, clips, workers, cards, rounds)
    finally:
        if threads is not None:
            os.environ["OMP_NUM_THREADS"] = threads


def _measured(
    data: Path | None, count: int, workers: Sequence[int], cards: Sequence[str], rounds: int
) -> list[Row]:
    took: dict[int, list[Any]] = {n: [] for n in workers}
    at_work: dict[int, list[float]] = {n: [] for n in workers}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _copies(data or clips.hdtf_mini(folder / "panels"), count, folder)
        words = [*talkbench("score"), "--isolate", "--reference", str(folder / clips.TRUTH)]
        words += ["--generated", f"system={folder / 'system'}", "--every", "5"]
        for card in cards:
            words += ["-m", card]
        for number in range(rounds):
            for n in workers:
                root = folder / f"run{n}-{number}"
                took[n].append(spent([*words, "--workers", str(n), "-o", str(root)]))
                at_work[n].append(_at_work(root))
                progress(f"  round {number + 1} of {rounds}, {n}: {at_work[n][-1]:.1f} s at work")
    first = at_work[workers[0]]
    return [
        {
            "workers": n,
            "threads a worker": 1,
            "clips": count,
            "s": over_rounds([s.wall for s in took[n]]),
            "CPU s": over_rounds([s.cpu for s in took[n]]),
            "s at work": over_rounds(at_work[n]),
            "clips/s at work": count / median(at_work[n]),
            "times the first": ratio(first, at_work[n]),
            ROUNDS: as_json({"run": took[n]}) | {"s at work": at_work[n]},
        }
        for n in workers
    ]


def _copies(data: Path, count: int, folder: Path) -> None:
    """References and one system, so many, each file with a hash of its own."""
    references = clips.clips_of(data)
    others = [data / s / r.name for s in clips.systems_of(data) for r in references]
    for side in (clips.TRUTH, "system"):
        (folder / side).mkdir()
    for number in range(count):
        other = others[number % len(others)]
        for side, file in ((clips.TRUTH, data / clips.TRUTH / other.name), ("system", other)):
            _distinct(file, folder / side / f"clip{number:03}.mp4", number)


def _distinct(file: Path, copy: Path, number: int) -> None:
    """The same video under another hash: an empty box of MP4 at its end holds the number."""
    box = (16).to_bytes(4, "big") + b"free" + number.to_bytes(8, "big")
    copy.write_bytes(file.read_bytes() + box)


def _at_work(root: Path) -> float:
    """Seconds from the first unit to the last, by the run's own events: no start, no report."""
    from evaluation.events import EVENTS, read_events

    at = {
        kind: [
            datetime.fromisoformat(e["at"])
            for e in read_events(root / EVENTS)
            if e["event"] == kind
        ]
        for kind in ("unit started", "unit finished")
    }
    return (max(at["unit finished"]) - min(at["unit started"])).total_seconds()
