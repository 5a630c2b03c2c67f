"""(c) Planning a run of many clips, going on with it when it is done, and its report.

The run is made: every clip is a link to one tiny video, so that files are looked at, hashed and
paired as in a real run, and records are written by the harness's own log. Values are drawn by a
seeded generator.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks import plots
from benchmarks.frame import Words, kind, rounds, size
from benchmarks.spending import (
    ROUNDS,
    Spent,
    as_json,
    over_rounds,
    progress,
    ratio,
    spent,
    talkbench,
)
from benchmarks.tables import Row
from evaluation.cli.run import plan_of
from evaluation.generate import file_sha256
from evaluation.generator import Generator
from evaluation.manifest import MANIFEST, write_manifest
from evaluation.plan import Plan
from evaluation.records import Record, RecordLog
from evaluation.run import RECORDS
from evaluation.sample import Sample

CARDS = ("psnr", "ssim@skimage-wang", "cpbd@vico", "lpips@alex-0.1")
SYSTEMS = ("one", "other")
CLIPS_OF_A_SPEAKER = 10

_PLAN = """
import sys
from pathlib import Path
from evaluation.cli.run import plan_of
data, cards, *systems = sys.argv[1:]
plan_of("folder", tuple(systems), tuple(cards.split(",")), Path(data))
"""


def _draw(figure: Any, rows: Sequence[Row]) -> None:
    left, right = figure.subplots(1, 2)
    x = [r["clips"] for r in rows]
    what = ("resume", "report", "plan")
    for ax, unit, head in ((left, "CPU s", "CPU seconds"), (right, "peak MB", "peak memory, MB")):
        columns = {w: [r[f"{w} {unit}"] for r in rows] for w in what if f"{w} {unit}" in rows[0]}
        plots.curves(ax, x, columns, head)
        ax.set_xlabel("clips")


@kind(
    "Planning and resuming many clips",
    _draw,
    quick={"rounds": 1, "clips": (20, 100), "cards": ("psnr",)},
    example="python -m benchmarks resume --clips 1000,3000,10000",
)
@click.option(
    "--clips",
    type=Words(size),
    default="1000,3000,10000",
    show_default=True,
    help="Sizes of the run; ratios are to the first.",
)
@click.option("--cards", type=Words(), default=",".join(CARDS), show_default=True)
@rounds(3)
def resume(clips: tuple[int, ...], cards: tuple[str, ...], rounds: int) -> list[Row]:
    """Plan a run of many clips, go on with it when nothing is left to do, and write its report.

    Two systems of finished videos, cards of a value per clip. "Plan" lists and opens the clips;
    "first resume" and "resume" are talkbench run, and also hash every file, read every record and
    write tables; "report" is talkbench report. Each is a process, its start included. "A clip's
    CPU, times the first row's" is the seconds of a resume divided by its clips: 1 is linear.
    """
    return measured(clips, cards, rounds)


def measured(clips: Sequence[int], cards: Sequence[str], rounds: int = 1) -> list[Row]:
    """One row per number of clips.

    Args:
        clips: How many.
        cards: Per-clip cards.
        rounds: How often; all sizes in turn. The first resume of a run there is once.
    """
    took: dict[int, dict[str, list[Spent]]] = {
        n: {what: [] for what in ("plan", "first resume", "resume", "report")} for n in clips
    }
    sizes: dict[int, int] = {}
    with tempfile.TemporaryDirectory() as name:
        commands = {}
        for n in clips:
            folder = Path(name) / str(n)
            folder.mkdir()
            commands[n] = finished_run(folder, n, cards)
            took[n]["first resume"].append(spent(commands[n]))
        for number in range(rounds):
            for n in clips:
                folder = Path(name) / str(n)
                systems = [f"{system}={folder / system}" for system in SYSTEMS]
                plan = [sys.executable, "-c", _PLAN, str(folder / "data"), ",".join(cards)]
                told = [*talkbench("report"), str(folder / "run"), "--clips", "none"]
                took[n]["plan"].append(spent([*plan, *systems], allowed=(0,)))
                took[n]["resume"].append(spent(commands[n]))
                took[n]["report"].append(spent(told))
                sizes[n] = (folder / "run" / RECORDS).stat().st_size
                says = ", ".join(f"{what} {s[-1].cpu:.1f}" for what, s in took[n].items())
                progress(f"  round {number + 1} of {rounds}, {n} clips: CPU s {says}")
    rows = []
    for n in clips:
        cpu = {what: [s.cpu for s in each] for what, each in took[n].items()}
        first = [s.cpu / clips[0] for s in took[clips[0]]["resume"]]
        rows.append(
            {
                "clips": n,
                "records": n * len(SYSTEMS) * len(cards),
                "records MB": round(sizes[n] / 1e6, 1),
                "plan CPU s": over_rounds(cpu["plan"]),
                "first resume CPU s": over_rounds(cpu["first resume"]),
                "resume CPU s": over_rounds(cpu["resume"]),
                "resume s": over_rounds([s.wall for s in took[n]["resume"]]),
                "resume peak MB": round(max(s.peak for s in took[n]["resume"])),
                "report CPU s": over_rounds(cpu["report"]),
                "report peak MB": round(max(s.peak for s in took[n]["report"])),
                "a clip's CPU, times the first row's": ratio([s / n for s in cpu["resume"]], first),
                ROUNDS: as_json(took[n]),
            }
        )
    return rows


def finished_run(folder: Path, clips: int, cards: Sequence[str]) -> list[str]:
    """A run in which every record is there.

    Args:
        folder: Where data, videos and run go.
        clips: How many.
        cards: Per-clip cards.

    Returns:
        The command that goes on with it.
    """
    tiny = _tiny_clip(folder / "tiny.mp4")
    for side in ("data", *SYSTEMS):
        (folder / side).mkdir()
        for number in range(clips):
            speaker, take = divmod(number, CLIPS_OF_A_SPEAKER)
            _link(tiny, folder / side / f"speaker{speaker:05}_{take}.mp4")
    systems = [f"{name}={folder / name}" for name in SYSTEMS]
    plan = plan_of("folder", tuple(systems), tuple(cards), folder / "data")
    root = folder / "run"
    root.mkdir()
    write_manifest(plan, root / MANIFEST)
    RecordLog(root / RECORDS).append(_records(plan))
    command = [*talkbench("run"), "folder", "--data", str(folder / "data"), "-o", str(root)]
    for system in systems:
        command += ["-g", system]
    for card in cards:
        command += ["-m", card]
    return command


def _records(plan: Plan) -> Iterator[Record]:
    rng = np.random.default_rng(0)
    for generator in plan.generators:
        for sample in plan.samples:
            for metric in plan.metrics:
                value = float(rng.normal(30.0, 2.0))
                yield _record(plan, generator, sample, metric.spec.name, value)


def _record(plan: Plan, generator: Generator, sample: Sample, card: str, value: float) -> Record:
    version = next(m.spec.version for m in plan.metrics if m.spec.name == card)
    return Record(
        suite=plan.suite.id,
        generator=generator.spec.name,
        generator_version=generator.spec.version,
        sample=sample.id,
        speaker=sample.speaker,
        metric=card,
        metric_version=version,
        value=value,
        status="ok",
        frames=8,
        seconds=0.5,
        stages={"generate": 0.0, "decode": 0.125, "extract": 0.25, "measure": 0.25},
        every=plan.every,
        generated_sha256=file_sha256(generator.generate(sample, Path(), plan.seed)),  # type: ignore[arg-type]
        reference_sha256=file_sha256(sample.video),
    )


def _link(there: Path, here: Path) -> None:
    try:
        here.hardlink_to(there)
    except OSError:  # a file has as many names as its file system allows
        shutil.copy2(there, here)


def _tiny_clip(path: Path) -> Path:
    """Eight frames of 64x64 of the sample clip's singer, with a sound."""
    import av

    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=Fraction(25))
        video.width = video.height = 64
        video.pix_fmt = "yuv420p"
        audio = container.add_stream("aac", rate=16000)
        for _ in range(8):
            pixels = rng.integers(0, 256, (64, 64, 3), np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(video.encode(None))
        wave = (rng.normal(0, 0.05, (1, 5120))).astype(np.float32)
        sound = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
        sound.sample_rate = 16000
        container.mux(audio.encode(sound))
        container.mux(audio.encode(None))
    return path
