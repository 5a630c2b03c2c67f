"""Spoil files that come from strangers, thousands of ways, and see what reading them does.

Every input is read in a process of its own, with limits on memory, time and CPU. A reader may
refuse (an error with words that the command line shows), or read. It may not crash, hang, go beyond
its memory, or raise anything else.

    python -m benchmarks.fuzz --seconds 600 --media DIR
    python -m benchmarks.fuzz --kind split --seconds 30 --keep spoilt/

Prints a table by kind, as Markdown; inputs with a bad end are kept where --keep says. Exit code 1
where there was any.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.fuzz_inputs import prepare
from benchmarks.fuzz_kind import Input
from evaluation.arguments import ArgumentError
from evaluation.bundles.archive import BundleError
from evaluation.dataset import DatasetError
from evaluation.generator import GeneratorFileError
from evaluation.plan import UnusableInputError
from evaluation.records import RecordsError
from evaluation.registry import UnknownNameError
from evaluation.video import VideoError
from leaderboards.ledger import LedgerError
from method.checkpoints import CheckpointError
from metrics.assets import AssetCorruptError

REFUSALS = (
    *(ArgumentError, AssetCorruptError, CheckpointError, DatasetError, GeneratorFileError),
    *(RecordsError, UnknownNameError, UnusableInputError, VideoError),
    *(BundleError, LedgerError),
)
"""What the command line turns into a line of text, or a run into a failed record."""

MEMORY = 3 << 30  # bytes that an input may take beyond what the process has already
SECONDS = 30  # of wall time
BAD = ("crash", "hang", "memory", "traceback")


@dataclass
class Tally:
    """What became of the inputs of a kind."""

    ends: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)


def read_alone(path: Path, read: Callable[[Path], str]) -> tuple[str, str]:
    """How reading a file ends in a process of its own, and what was said.

    Args:
        path: The file.
        read: Reads it; returns the end in a word: ``same``, ``other`` or ``failed record``.
    """
    sink, source = os.pipe()
    child = os.fork()
    if not child:
        os.close(sink)
        end = _guarded(path, read)
        os.write(source, "\0".join(end).encode(errors="replace")[:60_000])
        os._exit(0)
    os.close(source)
    deadline = time.monotonic() + SECONDS
    status = None
    while status is None and time.monotonic() < deadline:
        done, code = os.waitpid(child, os.WNOHANG)
        status = code if done else None
        if status is None:
            time.sleep(0.002)
    if status is None:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(sink)
        return "hang", f"longer than {SECONDS} s"
    with os.fdopen(sink, "rb") as pipe:
        said = pipe.read().decode(errors="replace")
    if os.WIFSIGNALED(status):
        return "crash", f"signal {os.WTERMSIG(status)}"
    end, _, text = said.partition("\0")
    return end or "crash", text


def _guarded(path: Path, read: Callable[[Path], str]) -> tuple[str, str]:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * os.sysconf("SC_PAGE_SIZE") + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    quiet = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(quiet, stream)
    try:
        return read(path), ""
    except REFUSALS as error:
        return "refused", str(error)
    except MemoryError:
        return "memory", traceback.format_exc()
    except BaseException:  # noqa: BLE001 - the point is to see all of them
        return "traceback", traceback.format_exc()


def fuzz(
    inputs: Mapping[str, Input], seconds: float, seed: int, keep: Path | None, work: Path
) -> dict[str, Tally]:
    """Give every kind an equal share of the time.

    Args:
        inputs: Kind -> its files and its reader.
        seconds: In all.
        seed: Of the damages; input N of a kind is the same in every run.
        keep: Where inputs with a bad end go.
        work: A scratch folder.
    """
    found: dict[str, Tally] = {}
    for kind, one in inputs.items():
        tally = found.setdefault(kind, Tally())
        until, number = time.monotonic() + seconds / len(inputs), 0
        while time.monotonic() < until:
            number += 1
            rng = random.Random(f"{seed} {kind} {number}")  # noqa: S311 - damages, not secrets
            place = work / "one"
            place.mkdir()
            path, how = one.spoil(place, rng)
            end, text = read_alone(path, one.read)
            tally.ends[end] += 1
            if end in BAD:
                tally.examples.setdefault(_brief(end, text), f"{number} ({how})\n{text[-600:]}")
                if keep is not None:
                    with contextlib.suppress(FileExistsError):
                        shutil.copytree(place, keep / f"{kind}-{number}-{end}")
            shutil.rmtree(place)
    return found


def _brief(end: str, text: str) -> str:
    """One line for all inputs that end alike: what was raised, and where in talkbench."""
    raised = (text.strip().splitlines() or [""])[-1].partition(":")[0]
    places = re.findall(
        r'File "[^"]*/((?:evaluation|leaderboards|method|metrics|baselines)/[^"]+)", line', text
    )
    return f"{end}: {raised} in {places[-1]}" if places else f"{end}: {raised}"


def table(found: Mapping[str, Tally]) -> str:
    """As Markdown."""
    ends = ("same", "other", "failed record", "refused", *BAD)
    lines = [f"| kind | inputs | {' | '.join(ends)} |", "| --- " + "| --: " * 9 + "|"]
    for kind, tally in found.items():
        counts = " | ".join(str(tally.ends[end]) for end in ends)
        lines.append(f"| {kind} | {tally.ends.total()} | {counts} |")
    return "\n".join(lines)


def main() -> None:
    """Fuzz and print the table, then every bad end once."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60, help="in all (60)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", action="append", help="only these; repeat for more")
    parser.add_argument("--media", type=Path, help="folder of real clips, beside those made here")
    parser.add_argument("--keep", type=Path, help="where inputs with a bad end are kept")
    parser.add_argument("--json", type=Path, help="write counts and examples there, too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        work = Path(name)
        inputs = prepare(work / "whole", options.media)
        unknown = set(options.kind or ()) - inputs.keys()
        if unknown:
            parser.error(f"no kind {', '.join(unknown)}; there are {', '.join(inputs)}")
        chosen = {k: v for k, v in inputs.items() if not options.kind or k in options.kind}
        found = fuzz(chosen, options.seconds, options.seed, options.keep, work)
    print(table(found))
    bad = [(k, what, how) for k, t in found.items() for what, how in t.examples.items()]
    for kind, what, how in bad:
        print(f"\n{kind}: {what}\n  first by input {how}")
    if options.json:
        rows = {k: {"ends": dict(t.ends), "examples": t.examples} for k, t in found.items()}
        options.json.write_text(json.dumps(rows, indent=2))
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
