"""Kill a run with -9 at random moments, give the same command again, and see what is lost.

Tiny clips are scored by the real command line. Afterwards the run must be the one that nobody
disturbed: the same bytes in results.json, every record once, nothing left in the folder that a
finished run does not have.

    python -m benchmarks.soak --kills 60 --workers 1
    python -m benchmarks.soak --kills 60 --workers 2 --everybody

Exit code 1 where anything was lost, doubled or different.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np

from evaluation.video_writer import LOSSLESS, VideoWriter

SIDES = ("gt", "mine", "other")
METRICS = ("psnr", "ssim")


@dataclass
class Soak:
    """What became of it.

    Attributes:
        kills: Processes that were killed while they worked.
        finished: Calls that were done before they could be killed.
        moments: How often a kill found so many records on the disk.
        torn: Kills that left half a line.
        problems: What is not as it would be without them; empty is the aim.
    """

    kills: int = 0
    finished: int = 0
    moments: dict[int, int] = field(default_factory=dict)
    torn: int = 0
    problems: list[str] = field(default_factory=list)


def write_clips(folder: Path, clips: int, frames: int = 24) -> None:
    """Clips of 64x48, smooth patterns that move, and two systems' versions of them with noise."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[0:48, 0:64]
    for clip in range(clips):
        waves = [128 + 90 * np.sin((x + y + 4 * t + 11 * clip) / 9) for t in range(frames)]
        truth = np.repeat(np.stack(waves)[..., None], 3, axis=3)
        for side, noise in zip(SIDES, (0, 6, 12), strict=True):
            path = folder / side / f"speaker{clip}_0.mp4"
            path.parent.mkdir(parents=True, exist_ok=True)
            with VideoWriter(
                path, width=64, height=48, fps=Fraction(25), encoding=LOSSLESS, audio=None
            ) as writer:
                shown = truth + noise * rng.normal(size=truth.shape)
                writer.add(np.clip(shown, 0, 255).astype(np.uint8))


def command(folder: Path, run: Path, workers: int) -> list[str]:
    """The one command, as a user gives it."""
    words = [sys.executable, "-m", "evaluation.cli", "score", "--reference", str(folder / SIDES[0])]
    for system in SIDES[1:]:
        words += ["--generated", f"{system}={folder / system}"]
    for metric in METRICS:
        words += ["-m", metric]
    return [*words, "--workers", str(workers), "-o", str(run)]


def soak(
    folder: Path,
    kills: int,
    *,
    clips: int = 8,
    workers: int = 1,
    everybody: bool = False,
    seed: int = 0,
    between: tuple[float, float] = (0.0, 0.4),
) -> Soak:
    """Disturb runs until so many processes were killed.

    A call is killed some time after its first new record (or, in every fourth call, any time after
    its start), so that kills fall into the work and not into imports. A run that is whole is
    checked, removed, and begun again.

    Args:
        folder: An empty one.
        kills: How many.
        clips: Of each side.
        workers: Processes of the run.
        everybody: Kill the workers, too; without it they must see for themselves.
        seed: Of the moments.
        between: Seconds after the first new record, at least and at most.
    """
    write_clips(folder, clips)
    calm, run = folder / "calm", folder / "run"
    subprocess.run(command(folder, calm, workers), check=True, capture_output=True)
    rng, found = random.Random(seed), Soak()  # noqa: S311 - moments, not secrets
    while found.kills < kills:
        if _disturbed(command(folder, run, workers), run, rng, between, everybody, found):
            found.problems += differences(calm, run)
            _remove(run)
    done = subprocess.run(
        command(folder, run, workers), capture_output=True, text=True, check=False
    )
    if done.returncode:
        found.problems.append(f"the last call ended with {done.returncode}: {done.stderr[-400:]}")
    found.problems += differences(calm, run)
    return found


def _disturbed(
    words: Sequence[str],
    run: Path,
    rng: random.Random,
    between: tuple[float, float],
    everybody: bool,
    found: Soak,
) -> bool:
    """One call; whether it came to its end."""
    before = _size(run)
    process = subprocess.Popen(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    anytime = rng.random() < 0.25
    deadline = time.monotonic() + rng.uniform(0, 4)
    while process.poll() is None and (
        time.monotonic() < deadline if anytime else _size(run) == before
    ):
        time.sleep(0.005)
    time.sleep(0 if anytime else rng.uniform(*between))
    if process.poll() is None:
        if everybody:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.communicate()
        found.kills += 1
        text = _text(run)
        found.torn += not text.endswith(b"\n") and bool(text)
        lines = text.count(b"\n")
        found.moments[lines] = found.moments.get(lines, 0) + 1
        return False
    said = process.communicate()[1]
    if process.returncode:
        found.problems.append(f"a call ended with {process.returncode}: {said[-400:]}")
    found.finished += 1
    return True


def differences(calm: Path, run: Path) -> list[str]:
    """What a disturbed run has other than one that nobody disturbed."""
    problems = []
    results = (calm / "results.json").read_bytes()
    if not (run / "results.json").is_file() or (run / "results.json").read_bytes() != results:
        problems.append("results.json differs")
    ours, theirs = _records(calm), _records(run)
    cells = Counter(json.dumps(r[:3]) for r in theirs)
    problems += [f"recorded {n} times: {cell}" for cell, n in cells.items() if n > 1]
    problems += [f"lost: {row}" for row in ours if row not in theirs]
    problems += [f"not there without kills: {row}" for row in theirs if row not in ours]
    left = _names(run) - _names(calm)
    problems += [f"left behind: {name}" for name in sorted(left)]
    return problems


def _records(run: Path) -> list[list[object]]:
    rows = [json.loads(line) for line in _text(run).splitlines()]
    kept = ("generator", "sample", "metric", "status", "value", "frames", "notes")
    return sorted(([row[key] for key in kept] for row in rows), key=json.dumps)


def _names(run: Path) -> set[str]:
    return {p.relative_to(run).as_posix() for p in run.rglob("*") if p.is_file()}


def _text(run: Path) -> bytes:
    try:
        return (run / "records.jsonl").read_bytes()
    except FileNotFoundError:
        return b""


def _size(run: Path) -> int:
    return len(_text(run))


def _remove(run: Path) -> None:
    for path in sorted(run.rglob("*"), reverse=True):
        path.unlink() if path.is_file() or path.is_symlink() else path.rmdir()
    run.rmdir()


def main() -> None:
    """Soak in a temporary folder and say what was found, as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--everybody", action="store_true", help="kill the workers, too")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        found = soak(
            Path(name),
            options.kills,
            clips=options.clips,
            workers=options.workers,
            everybody=options.everybody,
            seed=options.seed,
        )
    print(json.dumps(asdict(found), indent=2))
    sys.exit(bool(found.problems))


if __name__ == "__main__":
    main()
