"""A foreign program in a process group of its own: heard, limited, and ended as a group.

Nothing that it does with its output can fill memory or disk: a log keeps the first and the last
bytes. A program that starts a session of its own leaves the group, and cannot be ended from here.
"""

from __future__ import annotations

import math
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evaluation.generator import GenerationError

KEPT_BYTES = 64 * 1024
"""Of a log's beginning, and as many of its end."""
GRACE_S = 5.0
"""Between asking a group to end (TERM) and ending it (KILL)."""
_TICK_S = 0.05
_PIECE = 1 << 16


class Log:
    """The first and the last ``KEPT_BYTES`` of what is written to it."""

    def __init__(self) -> None:
        self._first = bytearray()
        self._last = bytearray()
        self._written = 0

    def write(self, data: bytes) -> None:
        """Add to it."""
        self._written += len(data)
        room = KEPT_BYTES - len(self._first)
        self._first += data[:room]
        self._last += data[room:] if room > 0 else data
        if len(self._last) > KEPT_BYTES:
            del self._last[: len(self._last) - KEPT_BYTES]

    def note(self, text: str) -> None:
        """Add a line of ours."""
        self.write(f"[talkbench] {text}\n".encode())

    def content(self) -> bytes:
        """What is kept; a line says how much is not."""
        lost = self._written - len(self._first) - len(self._last)
        gap = f"\n[talkbench] {lost} bytes are left out here\n".encode() if lost else b""
        return bytes(self._first) + gap + bytes(self._last)

    def last_lines(self, count: int = 4) -> str:
        """The last lines that say something, each of at most 200 letters, in one line."""
        text = self.content().decode("utf-8", "replace").replace("\r", "\n")
        printable = ("".join(c if c.isprintable() else " " for c in t) for t in text.split("\n"))
        lines = [t.strip() for t in printable if t.strip() and not t.startswith("[talkbench]")]
        return " | ".join(t if len(t) <= 200 else t[:197] + "..." for t in lines[-count:])


@dataclass(frozen=True)
class Ended:
    """How a program ended: its exit code, or minus the signal's number; or at the limit.

    ``peak_mb`` is the most memory that it took by itself, looked at twenty times a second; NaN
    where the system does not tell.
    """

    code: int
    seconds: float
    at_limit: bool
    peak_mb: float = math.nan

    def __str__(self) -> str:
        if self.at_limit:
            return f"was stopped at its limit of {self.seconds:.0f} s"
        return f"ended with {of_code(self.code)} after {self.seconds:.1f} s"


def of_code(code: int) -> str:
    """``exit code 3``, ``signal SIGKILL``."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"


def start(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    *,
    stdin: int = subprocess.DEVNULL,
    stderr: int = subprocess.STDOUT,
) -> subprocess.Popen[bytes]:
    """The program, in a session and process group of its own; its output comes by a pipe.

    A guard ends the group if this process is gone before :func:`end_group` is called.

    Raises:
        GenerationError: There is no such program, or it cannot be run.
    """
    try:
        process = subprocess.Popen(
            list(command),
            cwd=folder,
            env=dict(environment),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
            start_new_session=True,
            bufsize=0,
        )
    except (FileNotFoundError, PermissionError, NotADirectoryError) as error:
        raise GenerationError(f"cannot start {command[0]}: {error.strerror}") from error
    except OSError as error:
        if error.strerror == "Exec format error":
            raise GenerationError(f"cannot start {command[0]}: {error.strerror}") from error
        raise
    try:
        _guards[process.pid] = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_GUARD), str(process.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except BaseException:
        end_group(process, Log(), 0)
        raise
    return process


_GUARD = Path(__file__).with_name("guard.py")
_guards: dict[int, subprocess.Popen[bytes]] = {}


def _dismiss_guard(process: subprocess.Popen[bytes]) -> None:
    guard = _guards.pop(process.pid, None)
    if guard is not None:
        guard.kill()
        guard.wait()
        if guard.stdin is not None:
            guard.stdin.close()


def run(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], log: Log, limit_s: float
) -> Ended:
    """Run a program to its end, or to its limit; nothing of its group is left when this returns.

    Raises:
        GenerationError: It cannot be started.
    """
    begun = time.monotonic()
    process = start(command, folder, environment)
    at_limit, peak_mb = False, math.nan
    try:
        while not has_ended(process):
            # The system's own figure after its end would count ours before it was started.
            peak_mb = np.fmax(peak_mb, peak_so_far(process))
            left = begun + limit_s - time.monotonic()
            if left <= 0:
                at_limit = True
                break
            listen(process, log, min(_TICK_S, left))
    finally:
        seconds = time.monotonic() - begun
        end_group(process, log)
    return Ended(process.returncode, limit_s if at_limit else seconds, at_limit, float(peak_mb))


def has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether it has; it stays unreaped, so that its group's number is nobody else's yet."""
    return process.returncode is not None or _end_of(process) is not None


def code_of(process: subprocess.Popen[bytes]) -> int | None:
    """The exit code, or minus the signal's number, of one that has ended; it stays unreaped."""
    if process.returncode is not None:
        return int(process.returncode)
    end = _end_of(process)
    if end is None:
        return None
    return end.si_status if end.si_code == os.CLD_EXITED else -end.si_status


def _end_of(process: subprocess.Popen[bytes]) -> os.waitid_result | None:
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)


def listen(process: subprocess.Popen[bytes], log: Log, wait_s: float) -> None:
    """Take what it has written into the log, waiting a moment for it."""
    streams = [s for s in (process.stdout, process.stderr) if s is not None and not s.closed]
    if not streams:
        time.sleep(wait_s)
        return
    ready, _, _ = select.select(streams, [], [], wait_s)
    for stream in ready:
        data = os.read(stream.fileno(), _PIECE)
        if data:
            log.write(data)
        else:
            stream.close()


def end_group(process: subprocess.Popen[bytes], log: Log, grace_s: float = GRACE_S) -> None:
    """End it and all that it started, and reap it; what it wrote last goes into the log."""
    if process.returncode is None:
        if not has_ended(process):
            _signal(process, signal.SIGTERM)
            until = time.monotonic() + grace_s
            while not has_ended(process) and time.monotonic() < until:
                listen(process, log, _TICK_S)
        # Its children, too, and it itself where it did not listen.
        _signal(process, signal.SIGKILL)
        process.wait()
    _dismiss_guard(process)
    until = time.monotonic() + 1.0
    while time.monotonic() < until and _has_more(process):
        listen(process, log, 0)
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None and not stream.closed:
            stream.close()


def peak_so_far(process: subprocess.Popen[bytes]) -> float:
    """The most memory that a running program took by itself, MB; NaN off Linux."""
    try:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    except OSError:
        return math.nan
    found = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(found[0]) * 1024 / 1e6 if found else math.nan


def _has_more(process: subprocess.Popen[bytes]) -> bool:
    streams = [s for s in (process.stdout, process.stderr) if s is not None and not s.closed]
    return bool(streams and select.select(streams, [], [], 0)[0])


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return
    except PermissionError:  # macOS says so of a group of which only zombies are left
        return
