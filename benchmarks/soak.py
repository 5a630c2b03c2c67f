"""Kill commands with -9 at random moments, give the same command again, and see what is lost.

Tiny clips are scored by the real command line. Afterwards the run must be the one that nobody
disturbed: the same bytes in results.json, every record once, nothing left in the folder that a
finished run does not have.

    python -m benchmarks.soak --kills 60 --workers 1
    python -m benchmarks.soak --kills 60 --workers 2 --everybody
    python -m benchmarks.soak --kills 60 --scene worker    one worker: the run goes on by itself
    python -m benchmarks.soak --kills 60 --scene shards    two shards, and their merge
    python -m benchmarks.soak --kills 60 --scene report    every file is the old or the new one
    python -m benchmarks.soak --kills 60 --scene board     likewise, of a site

Exit code 1 where anything was lost, doubled or different.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path

import numpy as np

from benchmarks.soak_scenes import (
    CLI,
    Moment,
    Soak,
    call,
    differences,
    pages,
    remove,
    shards,
    worker_alone,
)
from evaluation.video_writer import LOSSLESS, VideoWriter

SIDES = ("gt", "mine", "other")
METRICS = ("psnr", "ssim")
SCENES = ("run", "worker", "shards", "report", "board")


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


def command(folder: Path, workers: int) -> list[str]:
    """The one command, as a user gives it, but for where to."""
    words = [*CLI, "score", "--reference", str(folder / SIDES[0])]
    for system in SIDES[1:]:
        words += ["--generated", f"{system}={folder / system}"]
    for metric in METRICS:
        words += ["-m", metric]
    return [*words, "--workers", str(workers)]


def soak(
    folder: Path,
    kills: int,
    *,
    scene: str = "run",
    clips: int = 8,
    workers: int = 1,
    everybody: bool = False,
    seed: int = 0,
) -> Soak:
    """Disturb runs until so many processes were killed.

    A call is killed some time after its first new record (or, in every fourth call, any time after
    its start), so that kills fall into the work and not into imports. A run that is whole is
    checked, removed, and begun again.

    Args:
        folder: An empty one.
        kills: How many.
        scene: Of ``SCENES``: what is killed.
        clips: Of each side.
        workers: Processes of the run.
        everybody: Kill the workers, too; without it they must see for themselves.
        seed: Of the moments.
    """
    write_clips(folder, clips)
    calm, run = folder / "calm", folder / "run"
    words = command(folder, workers)
    subprocess.run([*words, "-o", str(calm)], check=True, capture_output=True)
    when = Moment(random.Random(seed), everybody)  # noqa: S311 - moments, not secrets
    found = Soak()
    if scene in ("report", "board"):
        pages(*_written_twice(scene, calm, folder / "out"), kills, _sooner(scene, when), found)
        return found
    while found.kills < kills:
        if scene == "shards":
            run.mkdir()
            shards(words, run, calm, when, found)
        elif scene == "worker":
            worker_alone([*words, "-o", str(run)], run, when, found)
            found.problems += differences(calm, run)
        elif call([*words, "-o", str(run)], run, when, found):
            found.problems += differences(calm, run)
        else:
            continue
        remove(run)
    if scene == "run":
        done = subprocess.run([*words, "-o", str(run)], capture_output=True, text=True, check=False)
        if done.returncode:
            found.problems.append(f"the last ended with {done.returncode}: {done.stderr[-400:]}")
        found.problems += differences(calm, run)
    return found


def _written_twice(scene: str, run: Path, out: Path) -> tuple[list[list[str]], Path]:
    """Two commands that write other things into the same folder."""
    if scene == "report":
        words = [*CLI, "report", str(run), "-o", str(out)]
        return [[*words, "--baseline", side] for side in SIDES[1:]], out
    words = [*CLI, "board", "build", "-o", str(out)]
    return [words, [*words, "--run", str(run)]], out


def _sooner(scene: str, when: Moment) -> Moment:
    """Kills while files are written, and not while modules are imported."""
    return Moment(when.rng, between={"report": (0.9, 2.6), "board": (0.6, 3.0)}[scene])


def main() -> None:
    """Soak in a temporary folder and say what was found, as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--scene", choices=SCENES, default="run", help="what is killed (run)")
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--workers", type=int, help="1, and 2 where a worker is killed")
    parser.add_argument("--everybody", action="store_true", help="kill the workers, too")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        found = soak(
            Path(name),
            options.kills,
            scene=options.scene,
            clips=options.clips,
            workers=options.workers or (2 if options.scene == "worker" else 1),
            everybody=options.everybody,
            seed=options.seed,
        )
    print(json.dumps(asdict(found), indent=2))
    sys.exit(bool(found.problems))


if __name__ == "__main__":
    main()
