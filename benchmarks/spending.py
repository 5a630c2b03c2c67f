"""What things take: seconds by the clock, seconds of CPU, memory; sides in turn; ratios."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

ROUNDS = "rounds"
"""What a row keeps every round's seconds under; no column of the table."""


class BenchmarkError(RuntimeError):
    """What was to be measured failed; its own words say why."""


@dataclass(frozen=True)
class Spent:
    """What somebody took.

    Attributes:
        wall: Seconds by the clock.
        cpu: Seconds of CPU, all threads.
        peak: Peak resident memory, MB (of a process and those it waited for: the largest); 0 where
            nobody looked.
        gpu: Peak memory of tensors on the GPU, MB; 0 without one.
    """

    wall: float = 0.0
    cpu: float = 0.0
    peak: float = 0.0
    gpu: float = 0.0

    def __add__(self, other: Spent) -> Spent:
        """One after the other."""
        return Spent(
            self.wall + other.wall,
            self.cpu + other.cpu,
            max(self.peak, other.peak),
            max(self.gpu, other.gpu),
        )


def device() -> str:
    """Where the networks run, here and in the processes of a benchmark."""
    return os.environ.get("TALKBENCH_DEVICE") or "cpu"


_LAUNCH = """
import json, os, sys, time
start = time.perf_counter()
pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, used = os.wait4(pid, 0)
wall = time.perf_counter() - start
with open(sys.argv[1], "w") as file:
    json.dump([os.waitstatus_to_exitcode(status), wall, used.ru_utime + used.ru_stime,
               used.ru_maxrss / 1024], file)
"""
"""Starts the process out of a small one: Linux counts the memory of who starts it as its own."""


def spent(command: Sequence[str], allowed: Sequence[int] = (0, 1)) -> Spent:
    """Run a process to its end.

    Args:
        command: Its words.
        allowed: Exit codes that are no failure; talkbench says 1 where some records failed.

    Raises:
        BenchmarkError: It ended otherwise.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryDirectory() as name:
        told, used = Path(name) / "gpu", Path(name) / "used"
        launched = [sys.executable, "-S", "-c", _LAUNCH, str(used), *_watched(command, told)]
        subprocess.run(launched, stdout=output, stderr=output, check=True)
        code, wall, cpu, peak = json.loads(used.read_text())
        if code not in allowed:
            output.seek(0)
            said = output.read().decode(errors="replace")[-3000:]
            raise BenchmarkError(f"{' '.join(command)}\nended with code {code}:\n{said}")
        gpu = float(told.read_text()) if told.exists() else 0.0
    return Spent(wall, cpu, peak, gpu)


def _watched(command: Sequence[str], told: Path) -> list[str]:
    """The same process, telling what it took of the GPU, where there is one."""
    python_module = [sys.executable, "-m"]
    if device().startswith("cuda") and list(command[:2]) == python_module:
        return [*python_module, "benchmarks.watched", str(told), *command[2:]]
    return list(command)


def talkbench(command: str) -> list[str]:
    """The first words of a command line of ours."""
    return [sys.executable, "-m", "evaluation.cli", command]


def timed(call: Callable[[], Any]) -> tuple[Spent, Any]:
    """What a call in this process took, and its result.

    A GPU works on after a call has come back: it is waited for before either clock is read.
    """
    _wait_for_gpu(fresh=True)
    wall, cpu = time.perf_counter(), time.process_time()
    result = call()
    gpu = _wait_for_gpu()
    return Spent(time.perf_counter() - wall, time.process_time() - cpu, gpu=gpu), result


def _wait_for_gpu(*, fresh: bool = False) -> float:
    """Peak MB of tensors since the last fresh start; 0 without a GPU."""
    if not device().startswith("cuda"):
        return 0.0
    import torch

    torch.cuda.synchronize(device())
    if fresh:
        torch.cuda.reset_peak_memory_stats(device())
    return torch.cuda.max_memory_allocated(device()) / 2**20


def in_turn(sides: Mapping[str, Callable[[], Spent]], rounds: int) -> dict[str, list[Spent]]:
    """Every side once a round, A B A B: what slows the machine for a while slows both.

    Args:
        sides: Name -> what it does.
        rounds: 1 or more.

    Returns:
        Name -> what it took, a round each.
    """
    took: dict[str, list[Spent]] = {name: [] for name in sides}
    for number in range(rounds):
        for name, call in sides.items():
            took[name].append(call())
        says = ", ".join(f"{name} {each[-1].wall:.2f} s" for name, each in took.items())
        progress(f"  round {number + 1} of {rounds}: {says}")
    return took


def progress(text: str) -> None:
    """A line for who waits."""
    print(text, file=sys.stderr, flush=True)


Spread = dict[str, float]
"""``median``, ``least`` and ``most`` of some rounds."""


def spread(values: Sequence[float]) -> Spread:
    """The middle of some values, and their ends."""
    return {"median": median(values), "least": min(values), "most": max(values)}


def over_rounds(values: Sequence[float]) -> float | Spread:
    """The value of one round, or the spread of several."""
    return values[0] if len(values) == 1 else spread(values)


def ratio(above: Sequence[float], below: Sequence[float]) -> Spread:
    """How many times one side is the other.

    Args:
        above: A value a round.
        below: A value a round, in the same rounds.

    Returns:
        The ratio of the medians, so that it is the ratio of the seconds beside it; the least and
        the most of the rounds' own ratios, which the first always lies between.
    """
    each = [a / b for a, b in zip(above, below, strict=True)]
    return {
        "median": median(above) / median(below),
        "least": min(each),
        "most": max(each),
    }


def versus(took: Mapping[str, Sequence[Spent]]) -> dict[str, Any]:
    """The cells of a row that holds ours against the official side.

    Args:
        took: ``official`` and ``ours``: what they took, a round each.
    """
    cells: dict[str, Any] = {}
    for part, head, times in (("wall", "s", "times faster"), ("cpu", "CPU s", "times less CPU")):
        theirs, ours = ([getattr(s, part) for s in took[side]] for side in ("official", "ours"))
        cells[f"official {head}"] = median(theirs)
        cells[f"ours {head}"] = median(ours)
        cells[times] = ratio(theirs, ours)
    for side in ("official", "ours"):
        if any(s.gpu for s in took[side]):
            cells[f"{side} GPU MB"] = round(max(s.gpu for s in took[side]))
    return cells | {ROUNDS: as_json(took)}


def as_json(took: Mapping[str, Sequence[Spent]]) -> dict[str, list[dict[str, float]]]:
    """Every round as it was measured."""
    return {name: [asdict(s) for s in each] for name, each in took.items()}
