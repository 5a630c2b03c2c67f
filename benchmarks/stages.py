"""(d) A whole run of one pair by stages, beside the bare networks of its cards."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import click

from benchmarks import clips, plots
from benchmarks.forwards import NETWORKS, WITHOUT
from benchmarks.frame import Words, data, kind, rounds
from benchmarks.spending import (
    ROUNDS,
    BenchmarkError,
    Spent,
    as_json,
    progress,
    ratio,
    spent,
    talkbench,
    timed,
)
from benchmarks.tables import Row

CARDS = "psnr,ssim@skimage-wang,lpips@alex-0.1,fid@pytorch-fid,csim@sface,lmd@vico,cpbd@vico"

STAGES = {
    "start": "start: imports, plan",
    "generate": "generate: find and hash the videos",
    "decode": "decode: read frames",
    "extract": "extract: features and tracks",
    "measure": "measure: metrics",
    "write": "write: records",
    "end": "end: tables, report",
}
UNIT = "the unit: generate to write"
WHOLE = "the whole command"
NO_NETWORK = "cards without a network"


@dataclass(frozen=True)
class Run:
    """What one run took, in seconds by the clock.

    Attributes:
        whole: The process.
        stages: Key of ``STAGES`` -> its part of it.
        cards: Card -> its metric and its extractors; what two cards share counts in both.
    """

    whole: Spent
    stages: Mapping[str, float]
    cards: Mapping[str, float]


def _draw(figure: Any, rows: Sequence[Row]) -> None:
    figure.set_size_inches(8, 0.8 + 0.34 * len(rows))
    ax = figure.subplots()
    for y, row in enumerate(rows):
        label = "in a run" if y == 0 else None
        ax.barh(y - 0.18, row["s"], 0.36, color=plots.OURS, label=label)
        each = row[ROUNDS]["run"]
        ax.scatter(each, [y - 0.18] * len(each), s=8, color="black", zorder=3)
        if row["bare networks s"] is not None:
            ax.barh(y + 0.18, row["bare networks s"], 0.36, color=plots.OTHER)
    ax.barh([0], [0], color=plots.OTHER, label="its bare networks")
    ax.set_yticks(range(len(rows)), [row["part"] for row in rows])
    ax.set(xlabel="seconds by the clock", ylim=(len(rows) - 0.5, -0.5))
    ax.legend(fontsize=8)


@kind(
    "Time per stage against bare networks",
    _draw,
    quick={"rounds": 1, "every": 50, "cards": ("psnr", "lpips@alex-0.1")},
    example="python -m benchmarks stages --every 5",
)
@data("its first clip and system are scored")
@click.option("--system", help="A folder of --data; the first, if not given.")
@click.option(
    "--every", type=click.IntRange(1), default=5, show_default=True, help="Score every N-th frame."
)
@click.option("--cards", type=Words(), default=CARDS, show_default=True)
@rounds(3)
def stages(
    data: Path | None, system: str | None, every: int, cards: tuple[str, ...], rounds: int
) -> list[Row]:
    """Score one clip and see where its seconds go, beside the same networks alone.

    Stages are those that the run itself tells (docs/RECORDS.md); start and end are the rest of the
    process. A card's seconds are those of its record: its metric and the extractors it reads, which
    count in every card that shares them, and no decoding. Bare networks see as many frames, on
    inputs that lie ready, weights loaded and warm; those of the unit and of the command are every
    network once.
    """
    unknown = [c for c in cards if c not in NETWORKS and c not in WITHOUT]
    if unknown:
        raise click.UsageError(
            f"--cards: the networks of {', '.join(unknown)} are not known here; "
            f"known: {', '.join((*WITHOUT, *NETWORKS))}"
        )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = data or clips.hdtf_mini(folder / "panels")
        clip = clips.clips_of(data, 1)
        chosen = system or clips.systems_of(data)[0]
        root = clips.linked(data, (clips.TRUTH, chosen), clip, folder / "clips")
        bare = _networks(
            [root / side / clip[0].name for side in (clips.TRUTH, chosen)], cards, every
        )
        runs: list[Run] = []
        alone: dict[str, list[Spent]] = {network: [] for network in bare}
        for number in range(rounds):
            runs.append(_scored(root, chosen, cards, every, folder / f"run{number}"))
            for network, call in bare.items():
                alone[network].append(timed(call)[0])
            networks = sum(each[-1].wall for each in alone.values())
            progress(
                f"  round {number + 1} of {rounds}: command {runs[-1].whole.wall:.1f} s, "
                f"networks {networks:.1f} s"
            )
    return _rows(runs, alone, cards)


def _networks(
    videos: Sequence[Path], cards: Sequence[str], every: int
) -> dict[str, Callable[[], None]]:
    """Every network of the cards on both sides, warm."""
    import numpy as np

    from evaluation.video import FrameReader

    sides = [np.concatenate(list(FrameReader(video, every))) for video in videos]
    found: dict[str, Callable[[], None]] = {}
    for make in dict.fromkeys(n for card in cards for n in NETWORKS.get(card, ())):
        found[make.__name__] = partial(_each, [make(frames) for frames in sides])
        found[make.__name__]()
    return found


def _each(calls: Sequence[Callable[[], None]]) -> None:
    for call in calls:
        call()


def _scored(root: Path, system: str, cards: Sequence[str], every: int, run: Path) -> Run:
    from evaluation.events import EVENTS, read_events
    from evaluation.records import RecordLog
    from evaluation.run import RECORDS

    words = [*talkbench("score"), "--reference", str(root / clips.TRUTH)]
    words += ["--generated", f"{system}={root / system}", "--every", str(every)]
    for card in cards:
        words += ["-m", card]
    began = datetime.now(UTC)
    whole = spent([*words, "-o", str(run)])
    records = list(RecordLog(run / RECORDS).read())
    failed = [f"{r.metric}: {r.reason}" for r in records if r.status != "ok"]
    if failed:
        raise BenchmarkError(f"{words[-1]}: cards without a value are not timed: {failed}")
    at = {e["event"]: e for e in read_events(run / EVENTS)}
    start, end = (
        datetime.fromisoformat(at[f"unit {what}"]["at"]) for what in ("started", "finished")
    )
    told = at["unit finished"]
    parts = dict.fromkeys(STAGES, 0.0) | told["stages"]
    parts["start"] = (start - began).total_seconds()
    parts["write"] = max(0.0, (end - start).total_seconds() - told["seconds"])
    parts["end"] = max(0.0, whole.wall - (end - began).total_seconds())
    return Run(whole, parts, {r.metric: r.seconds for r in records})


def _rows(
    runs: Sequence[Run], alone: Mapping[str, Sequence[Spent]], cards: Sequence[str]
) -> list[Row]:
    def row(part: str, seconds: Sequence[float], networks: Sequence[str] = ()) -> Row:
        bare = [sum(alone[network][i].wall for network in networks) for i in range(len(runs))]
        return {
            "part": part,
            "s": median(seconds),
            "bare networks s": median(bare) if networks else None,
            "times the networks": ratio(seconds, bare) if networks else None,
            ROUNDS: {"run": list(seconds), "networks": bare},
        }

    every = list(alone)
    rows = []
    for card in cards:
        networks = [n.__name__ for n in NETWORKS.get(card, ())]
        rows.append(row(f"card {card}", [r.cards[card] for r in runs], networks))
    rows += [row(says, [r.stages[stage] for r in runs]) for stage, says in STAGES.items()]
    inside = [s for s in STAGES if s not in ("start", "end")]
    rows.append(row(UNIT, [sum(r.stages[s] for s in inside) for r in runs], every))
    rows.append(row(WHOLE, [r.whole.wall for r in runs], every))
    rows[-1]["CPU s"] = median(r.whole.cpu for r in runs)
    rows[-1]["networks CPU s"] = median(
        sum(alone[n][i].cpu for n in every) for i in range(len(runs))
    )
    gpu = max((r.whole.gpu for r in runs), default=0.0)
    if gpu:
        rows[-1]["GPU MB"] = round(gpu)
    rows[-1][ROUNDS] |= as_json({"command": [r.whole for r in runs], **alone})
    return rows
