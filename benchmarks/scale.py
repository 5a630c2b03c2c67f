"""What many clips cost: going on with a run that is done, its report, and a second worker.

    python -m benchmarks.scale -o bench/resume.json resume --clips 1000 3000 10000
    python -m benchmarks.scale -o bench/workers.json workers --data hdtf_mini

``resume`` makes runs that are done: every clip is a link to one tiny video, so that files are
looked at, hashed and paired as in a real run, and records are written by the harness's own log.
Values are drawn by a seeded generator. Then it measures ``talkbench run`` with nothing left to do,
and ``talkbench report``. ``workers`` scores the same clips with one worker and with more, each on
one thread. Every kind prints a Markdown table; with ``-o`` it writes JSON, and a plot beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.metrics import show, spent
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


def main() -> None:
    """Parse, run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("-o", "--out", type=Path, help="JSON file; the plot lies beside it")
    kinds = parser.add_subparsers(dest="kind", required=True)
    resume = kinds.add_parser("resume", help="a run with nothing left to do, and its report")
    resume.add_argument("--clips", type=int, nargs="+", default=[1000, 3000, 10000])
    resume.add_argument("--cards", nargs="+", default=list(CARDS))
    workers = kinds.add_parser("workers", help="one worker against more, a thread each")
    workers.add_argument("--data", type=Path, required=True, help="folder with gt/ and others")
    workers.add_argument("--clips", type=int, default=16)
    workers.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    workers.add_argument("--cards", nargs="+", default=["lpips@alex-0.1", "cpbd@vico"])
    given = parser.parse_args()
    rows = {"resume": run_resume, "workers": run_workers}[given.kind](given)
    show(rows)
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps({"kind": given.kind, "rows": rows}, indent=2) + "\n")
        _plot(given.kind, rows, given.out.with_suffix(".png"))


# --- nothing left to do -------------------------------------------------------------------------


def run_resume(given: argparse.Namespace) -> list[dict[str, Any]]:
    """One row per number of clips: the first resume, the second, and the report."""
    rows = []
    for clips in given.clips:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            command = finished_run(folder, clips, given.cards)
            first = spent(command)
            again = spent(command)
            told = spent([*_talkbench("report"), str(folder / "run"), "--clips", "none"])
            size = (folder / "run" / RECORDS).stat().st_size
        rows.append(
            {
                "clips": clips,
                "records": clips * len(SYSTEMS) * len(given.cards),
                "records MB": round(size / 1e6, 1),
                "first resume CPU s": round(first.cpu, 1),
                "resume CPU s": round(again.cpu, 1),
                "resume s": round(again.wall, 1),
                "resume peak MB": round(again.peak),
                "report CPU s": round(told.cpu, 1),
                "report peak MB": round(told.peak),
            }
        )
        print(rows[-1], file=sys.stderr, flush=True)
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
    command = [*_talkbench("run"), "folder", "--data", str(folder / "data"), "-o", str(root)]
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
        every=plan.every,
        generated_sha256=file_sha256(generator.generate(sample, Path(), plan.seed)),  # type: ignore[arg-type]
        reference_sha256=file_sha256(sample.video),
    )


def _talkbench(command: str) -> list[str]:
    return [sys.executable, "-m", "evaluation.cli", command]


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


# --- more workers -------------------------------------------------------------------------------


def run_workers(given: argparse.Namespace) -> list[dict[str, Any]]:
    """One row per number of workers: clips in a second, and over the first row.

    A single worker is a process of its own as well, so that all rows start alike.
    """
    files = sorted(given.data.glob("*/*.mp4"))
    os.environ["OMP_NUM_THREADS"] = "1"
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for side in ("gt", "system"):
            (folder / side).mkdir()
        others = [f for f in files if f.parent.name != "gt"]
        for number in range(given.clips):
            other = others[number % len(others)]
            for side, file in (("gt", given.data / "gt" / other.name), ("system", other)):
                _distinct(file, folder / side / f"clip{number:03}.mp4", number)
        for workers in given.workers:
            command = [*_talkbench("score"), "--isolate", "--reference", str(folder / "gt")]
            command += ["--generated", f"system={folder / 'system'}", "--every", "5"]
            for card in given.cards:
                command += ["-m", card]
            root = folder / f"run{workers}"
            used = spent([*command, "--workers", str(workers), "-o", str(root)])
            at_work = _at_work(root)
            rows.append(
                {
                    "workers": workers,
                    "clips": given.clips,
                    "s": round(used.wall, 1),
                    "CPU s": round(used.cpu, 1),
                    "s at work": round(at_work, 1),
                    "clips/s at work": round(given.clips / at_work, 2),
                }
            )
            rows[-1]["over the first"] = round(rows[0]["s at work"] / at_work, 2)
            print(rows[-1], file=sys.stderr, flush=True)
    return rows


def _distinct(file: Path, copy: Path, number: int) -> None:
    """The same video under another hash: an empty box of MP4 at its end holds the number."""
    box = (16).to_bytes(4, "big") + b"free" + number.to_bytes(8, "big")
    copy.write_bytes(file.read_bytes() + box)


def _at_work(root: Path) -> float:
    """Seconds from the first unit to the last, by the run's own events: no start, no report."""
    from datetime import datetime

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


# --- pictures -----------------------------------------------------------------------------------


def _plot(kind: str, rows: Sequence[dict[str, Any]], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
    if kind == "resume":
        x = [r["clips"] for r in rows]
        for what in ("resume CPU s", "report CPU s"):
            axes[0].plot(x, [r[what] for r in rows], marker="o", label=what)
        for what in ("resume peak MB", "report peak MB"):
            axes[1].plot(x, [r[what] for r in rows], marker="o", label=what)
        heads = ("CPU seconds", "peak memory, MB")
    else:
        x = [r["workers"] for r in rows]
        axes[0].plot(x, [r["over the first"] for r in rows], marker="o", label="measured")
        axes[0].plot(x, [n / x[0] for n in x], linestyle=":", color="grey", label="ideal")
        axes[1].plot(x, [r["CPU s"] for r in rows], marker="o", label="CPU s")
        heads = ("times the first", "CPU seconds, all workers")
    for ax, head in zip(axes, heads, strict=True):
        ax.set(xlabel="clips" if kind == "resume" else "workers", title=head, xticks=x)
        ax.set_ylim(0, 1.15 * ax.get_ylim()[1])
        ax.legend(frameon=False)
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
