"""One writer at a time in a folder: a run, prepared clips, a training."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from evaluation.plan import UnusableInputError
from evaluation.store import write_json

LOCK, HOLDER = ".lock", ".lock-holder.json"
"""The lock itself, which the kernel lets go of with its process, and who has it, in words."""


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Be alone in a folder for the time of the block.

    A process that is killed leaves no lock behind, at most its name in ``HOLDER``, which the next
    writer replaces.

    Args:
        folder: There already.

    Raises:
        UnusableInputError: Somebody else writes there; the text says who, since when, and what to
            do. Or the file system knows no locks.
    """
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise UnusableInputError(_held(folder)) from error
    except NotImplementedError as error:
        raise UnusableInputError(
            f"{folder} cannot be locked: its file system knows no locks, and two writers would mix "
            "their results; choose a folder on another"
        ) from error
    with lock:
        with suppress(OSError):  # a full disk is met where it matters
            write_json(folder / HOLDER, _me())
        try:
            yield
        finally:
            (folder / HOLDER).unlink(missing_ok=True)


def _me() -> dict[str, object]:
    return {
        "pid": os.getpid(),
        "host": platform.node(),
        "since": datetime.now(UTC).isoformat(" ", "seconds"),
        "command": " ".join(sys.argv),
    }


def _held(folder: Path) -> str:
    told = f"{folder} is being written by another talkbench"
    try:
        holder = json.loads((folder / HOLDER).read_text(encoding="utf-8"))
        pid, host = holder["pid"], holder["host"]
        told += f": process {pid} on {host} since {holder['since']} ({holder['command']})"
        ending = f"end it (kill {pid})" if host == platform.node() else f"end it on {host}"
    except (OSError, ValueError, TypeError, KeyError):  # it has only just begun
        ending = "end it"
    return f"{told}. Wait for it, {ending}, or choose another folder"
