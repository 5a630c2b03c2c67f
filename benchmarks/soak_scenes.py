"""What is killed in :mod:`benchmarks.soak`, and what must come of it."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from evaluation.settled import SETTLED

CLI = (sys.executable, "-m", "evaluation.cli")


@dataclass
class Soak:
    """What became of it.

    Attributes:
        kills: Processes that were killed while they worked.
        finished: Calls that were done before they could be killed.
        moments: How often a kill found so many records (or files of a report) on the disk.
        torn: Kills that left half a line.
        problems: What is not as it would be without them; empty is the aim.
    """

    kills: int = 0
    finished: int = 0
    moments: dict[int, int] = field(default_factory=dict)
    torn: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Moment:
    """When a call is killed.

    Attributes:
        rng: For what is not said.
        everybody: Kill its workers, too.
        between: Seconds after the first new record, at least and at most.
        anytime: In so many of all calls, any time of the first four seconds.
    """

    rng: random.Random
    everybody: bool = False
    between: tuple[float, float] = (0.0, 0.4)
    anytime: float = 0.25


def call(words: Sequence[str], run: Path, when: Moment, found: Soak) -> bool:
    """One call that is to be killed; whether it came to its end before."""
    before, anytime = size_of(run), when.rng.random() < when.anytime
    process = begun(words)
    deadline = time.monotonic() + when.rng.uniform(0, 4)
    while process.poll() is None and (
        time.monotonic() < deadline if anytime else size_of(run) == before
    ):
        time.sleep(0.005)
    time.sleep(0 if anytime else when.rng.uniform(*when.between))
    if process.poll() is None:
        if when.everybody:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.communicate()
        found.kills += 1
        text = text_of(run)
        found.torn += not text.endswith(b"\n") and bool(text)
        lines = text.count(b"\n")
        found.moments[lines] = found.moments.get(lines, 0) + 1
        return False
    ended(process, found)
    return True


def begun(words: Sequence[str]) -> subprocess.Popen[str]:
    """A command, in a process group of its own."""
    return subprocess.Popen(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def ended(process: subprocess.Popen[str], found: Soak) -> None:
    """Take note of one that nobody killed."""
    said = process.communicate()[1]
    if process.returncode:
        found.problems.append(f"a call ended with {process.returncode}: {said[-400:]}")
    found.finished += 1


def worker_alone(words: Sequence[str], run: Path, when: Moment, found: Soak) -> None:
    """A whole run, one worker of which is killed in the middle: it must go on by itself."""
    process = begun(words)
    while process.poll() is None and not size_of(run):
        time.sleep(0.005)
    time.sleep(when.rng.uniform(*when.between))
    pids = [e["pid"] for e in events(run) if e["event"] == "worker started"]
    if process.poll() is None and pids:
        try:
            os.kill(when.rng.choice(pids[-2:]), signal.SIGKILL)
        except ProcessLookupError:
            pass  # it had nothing more to do
        else:
            lines = text_of(run).count(b"\n")
            found.kills += 1
            found.moments[lines] = found.moments.get(lines, 0) + 1
    ended(process, found)


def shards(words: Sequence[str], folder: Path, calm: Path, when: Moment, found: Soak) -> None:
    """Two shards and their merge, each killed and given again until it is through."""
    parts = [folder / "1", folder / "2"]
    for number, part in enumerate(parts, start=1):
        shard = [*words, "--shard", f"{number}/2", "-o", str(part)]
        while not call(shard, part, when, found):
            pass
    merged = folder / "merged"
    merge = [*CLI, "merge", *map(str, parts), "-o", str(merged)]
    for _ in range(3):  # a merge is short: kills anywhere in its first second and a half
        if merged.exists():
            break
        process = begun(merge)
        time.sleep(when.rng.uniform(0.2, 1.5))
        if process.poll() is None:
            process.kill()
            process.communicate()
            found.kills += 1
            if merged.exists() and len(records(merged)) != len(records(calm)):
                found.problems.append("a killed merge left half a run")
        else:
            ended(process, found)
    if not merged.exists():
        ended(begun(merge), found)
    ended(begun([*CLI, "report", str(merged)]), found)
    found.problems += differences(calm, merged, only=("records.jsonl", "run.json"))
    left = [p.name for p in folder.iterdir() if p.name not in ("1", "2", "merged")]
    found.problems += [f"left behind: {name}" for name in left]


def pages(asked: Sequence[Sequence[str]], out: Path, kills: int, when: Moment, found: Soak) -> None:
    """Two commands that write other files into one folder: each is one's or the other's, whole.

    Args:
        asked: The commands.
        out: Where both write.
        kills: How many.
        when: Their moments: ``between`` counts from the start here.
        found: Is told.
    """
    whole: list[dict[str, bytes]] = []
    for words in (*asked, asked[0]):
        ended(begun(words), found)
        whole.append(contents(out))
    if whole[0] != whole[2]:
        changed = [n for n in whole[0] if whole[0][n] != whole[2].get(n)]
        found.problems.append(f"not the same when written again: {changed[:5]}")
    turn = 1
    while found.kills < kills:
        process = begun(asked[turn % 2])
        time.sleep(when.rng.uniform(*when.between))
        turn += 1
        if process.poll() is not None:
            ended(process, found)
            continue
        process.kill()
        process.communicate()
        found.kills += 1
        here = contents(out)
        new = sum(here.get(n) == c and c != whole[0].get(n) for n, c in whole[1].items())
        found.moments[new] = found.moments.get(new, 0) + 1
        for name, content in here.items():
            if not Path(name).name.startswith(".") and content not in (w.get(name) for w in whole):
                found.problems.append(f"{name} is neither the old one nor the new one")
    for number in (0, 1):
        ended(begun(asked[number]), found)
        here = contents(out)
        wrong = [n for n in whole[number] if here.get(n) != whole[number][n]]
        found.problems += [f"{name} is not the new one" for name in wrong]
        left = here.keys() - whole[0].keys() - whole[1].keys()
        found.problems += [f"left behind: {name}" for name in sorted(left)]


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its name."""
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def differences(calm: Path, run: Path, only: Sequence[str] = ()) -> list[str]:
    """What a disturbed run has other than one that nobody disturbed.

    Args:
        calm: The one.
        run: The other.
        only: Files that must be in both; all of them if not given.
    """
    problems = []
    results = (calm / "results.json").read_bytes()
    if not (run / "results.json").is_file() or (run / "results.json").read_bytes() != results:
        problems.append("results.json differs")
    ours, theirs = records(calm), records(run)
    cells = Counter(json.dumps(r[:3]) for r in theirs)
    problems += [f"recorded {n} times: {cell}" for cell, n in cells.items() if n > 1]
    problems += [f"lost: {row}" for row in ours if row not in theirs]
    problems += [f"not there without kills: {row}" for row in theirs if row not in ours]
    left = [] if only else sorted(_names(run) - _names(calm))
    problems += [f"left behind: {name}" for name in left]
    problems += [f"not there: {name}" for name in only if not (run / name).is_file()]
    return problems


def records(run: Path) -> list[list[object]]:
    """A run's records without what time they took."""
    rows = [json.loads(line) for line in text_of(run).splitlines()]
    kept = ("generator", "sample", "metric", "status", "value", "frames", "notes")
    return sorted(([row[key] for key in kept] for row in rows), key=json.dumps)


def events(run: Path) -> list[dict[str, object]]:
    """Of a run, without half a line at their end."""
    try:
        lines = (run / "events.jsonl").read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in lines if line]


def _names(run: Path) -> set[str]:
    """Files of a run, but for the one that may be there or not: it saves time alone."""
    files = {p.relative_to(run).as_posix() for p in run.rglob("*") if p.is_file()}
    return files - {SETTLED}


def text_of(run: Path) -> bytes:
    """``records.jsonl``, or nothing."""
    try:
        return (run / "records.jsonl").read_bytes()
    except FileNotFoundError:
        return b""


def size_of(run: Path) -> int:
    """Of ``records.jsonl``, in bytes."""
    return len(text_of(run))


def remove(run: Path) -> None:
    """A folder and all in it."""
    for path in sorted(run.rglob("*"), reverse=True):
        path.unlink() if path.is_file() or path.is_symlink() else path.rmdir()
    run.rmdir()
