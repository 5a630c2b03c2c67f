"""One writer at a time in a folder: a run, prepared clips, a training."""

from __future__ import annotations

import fcntl
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from evaluation.limits import parsed_json, text_of
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
        lock.acquire(timeout=0.2, poll_interval=0.05)  # who looks (see holder) has it a moment
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


@dataclass(frozen=True)
class Holder:
    """Who has, or had, the lock of a folder.

    Attributes:
        alive: Whether the lock is held at this moment; if not, its holder was killed.
        pid: Process.
        host: Where.
        since: UTC, to the second.
        command: As typed.
    """

    alive: bool
    pid: int
    host: str
    since: str
    command: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} since {self.since} ({self.command})"


def holder(folder: Path) -> Holder | None:
    """Who writes in a folder, or was killed while it did; None where nobody is. Changes nothing."""
    try:
        found = parsed_json(text_of(folder / HOLDER))
        texts = [str(found[key]) for key in ("host", "since", "command")]
        return Holder(_is_held(folder / LOCK), int(found["pid"]), *texts)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _is_held(path: Path) -> bool:
    """Whether somebody has the lock: asked for a share of it, which is given back at once."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


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
        holder = parsed_json(text_of(folder / HOLDER))
        pid, host = holder["pid"], holder["host"]
        told += f": process {pid} on {host} since {holder['since']} ({holder['command']})"
        ending = f"end it (kill {pid})" if host == platform.node() else f"end it on {host}"
    except (OSError, ValueError, TypeError, KeyError):  # it has only just begun
        ending = "end it"
    return f"{told}. Wait for it, {ending}, or choose another folder"
