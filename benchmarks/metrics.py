"""How fast the metrics are: against the official scripts, against bare networks, in memory.

    python -m benchmarks.metrics -o bench/official.json official --data hdtf_mini
    python -m benchmarks.metrics -o bench/forwards.json forwards
    python -m benchmarks.metrics -o bench/memory.json memory --seconds 30 120 600

``official`` runs ours and the official scripts one after another on the same clips with the same
threads, and prints ratios. An official script is one process per metric and generator, as papers
run them; ours is one process. All start cold, import what they need, and decode for themselves.
Each kind writes JSON, and the table that it prints is Markdown.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.calibration.inception_sets import pytorch_fid_weights

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


def main() -> None:
    """Parse, run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("-o", "--out", type=Path, help="JSON file")
    kinds = parser.add_subparsers(dest="kind", required=True)
    official = kinds.add_parser("official", help="against the official scripts in sequence")
    official.add_argument("--data", type=Path, required=True, help="folder with gt/ and others")
    official.add_argument("--every", type=int, default=5)
    official.add_argument("--cards", nargs="+", default=list(CARDS))
    official.add_argument("--clips", type=int, default=3)
    official.add_argument("--generators", nargs="+")
    kinds.add_parser("forwards", help="against the bare networks")
    memory = kinds.add_parser("memory", help="peak memory against clip length")
    memory.add_argument("--seconds", type=int, nargs="+", default=[30, 120, 600])
    memory.add_argument("--side", type=int, default=512, help="frames of SIDE x SIDE px")
    memory.add_argument("--cards", nargs="+", default=["psnr", "ssim", "lpips", "fid", "csim"])
    memory.add_argument("--every", type=int, default=5)
    given = parser.parse_args()
    rows = {"official": run_official, "forwards": run_forwards, "memory": run_memory}[given.kind](
        given
    )
    show(rows)
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps({"kind": given.kind, "rows": rows}, indent=2) + "\n")


# --- against the official scripts ---------------------------------------------------------------


def run_official(given: argparse.Namespace) -> list[dict[str, Any]]:
    """One row per card and one for all: seconds of both sides, and their ratios."""
    references = sorted((given.data / "gt").glob("*.mp4"))[: given.clips]
    others = sorted(p.name for p in given.data.iterdir() if p.is_dir() and p.name != "gt")
    systems = given.generators or others
    rows, in_sequence = [], Spent()
    with tempfile.TemporaryDirectory() as name:
        if any(c.startswith(("fid", "kid")) for c in given.cards):
            pytorch_fid_weights(Path(name))  # as after its first download
            os.environ["TORCH_HOME"] = name
        for card in given.cards:
            theirs = Spent()
            for system in systems:
                theirs += _official(card, given, system, references)
            in_sequence += theirs
            rows.append(_ratio(card, _ours([card], given, systems, references), theirs))
            print(rows[-1], file=sys.stderr, flush=True)
    together = _ours(given.cards, given, systems, references)
    total = _ratio("all in one run", together, in_sequence)
    return [*rows, total | {"our peak MB": round(together.peak)}]


@dataclass(frozen=True)
class Spent:
    """What processes took: seconds by the clock, seconds of CPU, the largest's peak megabytes."""

    wall: float = 0.0
    cpu: float = 0.0
    peak: float = 0.0

    def __add__(self, other: Spent) -> Spent:
        """One after the other."""
        return Spent(self.wall + other.wall, self.cpu + other.cpu, max(self.peak, other.peak))


def _ratio(card: str, ours: Spent, theirs: Spent) -> dict[str, Any]:
    return {
        "card": card,
        "official s": round(theirs.wall, 1),
        "ours s": round(ours.wall, 1),
        "times faster": round(theirs.wall / ours.wall, 2),
        "official CPU s": round(theirs.cpu, 1),
        "ours CPU s": round(ours.cpu, 1),
        "times less CPU": round(theirs.cpu / ours.cpu, 2),
    }


def _official(
    card: str, given: argparse.Namespace, system: str, references: Sequence[Path]
) -> Spent:
    videos = [given.data / system / r.name for r in references]
    script = [sys.executable, "-m", "benchmarks.official_script", card, str(given.every)]
    return spent([*script, *map(str, videos), *map(str, references)], allowed=(0,))


def _ours(
    cards: Iterable[str],
    given: argparse.Namespace,
    systems: Iterable[str],
    references: Sequence[Path],
) -> Spent:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for side in ("gt", *systems):
            (folder / side).mkdir()
            for clip in references:
                (folder / side / clip.name).symlink_to((given.data / side / clip.name).resolve())
        command = [sys.executable, "-m", "evaluation.cli", "score"]
        command += ["--reference", str(folder / "gt"), "--every", str(given.every)]
        for system in systems:
            command += ["--generated", f"{system}={folder / system}"]
        for card in cards:
            command += ["-m", card]
        return spent([*command, "-o", str(folder / "run")])


def spent(command: Sequence[str], allowed: Sequence[int] = (0, 1)) -> Spent:
    """Run a process; another exit code ends the benchmark (1: some records failed)."""
    with tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=output)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in allowed:
            output.seek(0)
            sys.exit(f"{' '.join(command)} failed:\n{output.read().decode()[-3000:]}")
    return Spent(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


# --- against bare networks ----------------------------------------------------------------------


def run_forwards(given: argparse.Namespace) -> list[dict[str, Any]]:
    """Seconds of a card on decoded frames over those of its network alone, in one process."""
    del given
    import torch

    from evaluation.registry import load_metrics
    from metrics import Inputs, Side
    from metrics.backbones import inception

    frames = np.random.default_rng(0).integers(0, 256, (40, 256, 256, 3), np.uint8)
    other = np.roll(frames, 3, axis=2)
    rows = []
    for card in ("lpips@alex-0.1", "lpips@vgg-0.1"):
        (metric,) = load_metrics([card])
        net = metric.net  # type: ignore[attr-defined]
        count = 8 if "vgg" in card else 40
        a, b = frames[:count], other[:count]
        bare = _bare_lpips(net, len(a))
        whole = _best(lambda m=metric, x=a, y=b: m.measure(Inputs(Side(x), Side(y))))  # type: ignore[misc]
        rows.append(_over(card, whole, bare))
    extractor = inception.InceptionFeatures()
    whole = _best(lambda: extractor.extract(frames, {}))
    planes = torch.rand(8, 3, 299, 299)
    network = inception._network(str(inception.device()))
    with torch.inference_mode():
        bare = 5 * _best(lambda: network(planes.contiguous(memory_format=torch.channels_last)))
    return [*rows, _over("fid@pytorch-fid", whole, bare)]


def _bare_lpips(net: Any, pairs: int) -> float:
    """The network on both sides' frames in one batch of eight after another, nothing else."""
    import torch

    from metrics.backbones import lpips_nets

    weights = lpips_nets.weights(net, lpips_nets.device())
    planes = torch.rand(8, 3, 256, 256).contiguous(memory_format=torch.channels_last)
    rounds = 2 * pairs // 8
    with torch.inference_mode():
        return rounds * _best(lambda: list(net.taps(planes, weights.conv)))


def _best(call: Callable[[], Any], rounds: int = 3) -> float:
    """Seconds of the fastest of some rounds, after one to warm up."""
    call()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def _over(card: str, whole: float, bare: float) -> dict[str, Any]:
    return {
        "card": card,
        "ours s": round(whole, 3),
        "forwards s": round(bare, 3),
        "over": round(whole / bare, 2),
    }


# --- memory -------------------------------------------------------------------------------------


def run_memory(given: argparse.Namespace) -> list[dict[str, Any]]:
    """Peak memory of scoring one clip against another, by length."""
    rows = []
    for seconds in given.seconds:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for side in ("gt", "system"):
                _long_clip(folder / side / "clip.mp4", seconds, given.side)
            command = [sys.executable, "-m", "evaluation.cli", "score"]
            command += [
                "--reference",
                str(folder / "gt"),
                "--generated",
                f"system={folder / 'system'}",
            ]
            command += ["--every", str(given.every), "-o", str(folder / "run")]
            for card in given.cards:
                command += ["-m", card]
            used = spent(command)
            rows.append(
                {"clip s": seconds, "frames": seconds * 25, "wall s": round(used.wall, 1)}
                | {"peak MB": round(used.peak)}
            )
    return rows


def _long_clip(path: Path, seconds: int, side: int) -> None:
    """The sample clip of the singer, his face cut out, forward and backward until it is long."""
    import cv2

    from evaluation.video import FrameReader
    from evaluation.video_writer import Encoding, VideoWriter
    from metrics.assets import locate

    path.parent.mkdir(parents=True, exist_ok=True)
    pieces = [p[:, :420, 284:704] for p in FrameReader(locate("clip-singer"))]
    shots = [cv2.resize(f, (side, side)) for p in pieces for f in p]
    loop = [*shots, *shots[-2:0:-1]]
    crf = 18 if path.parent.name == "gt" else 30
    with VideoWriter(
        path, width=side, height=side, fps=Fraction(25), encoding=Encoding(crf=crf), audio=None
    ) as writer:
        for start in range(0, seconds * 25, 50):
            writer.add(np.stack([loop[i % len(loop)] for i in range(start, start + 50)]))


def show(rows: Sequence[dict[str, Any]]) -> None:
    """Print a Markdown table."""
    heads = list(dict.fromkeys(h for r in rows for h in r))
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for row in rows:
        print(f"| {' | '.join(str(row.get(h, '')) for h in heads)} |")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", str(os.cpu_count() or 1))
    main()
