"""A foreign program that loads its model once: JSON lines on its stdin and stdout.

One line a clip goes in, one line comes back; docs/RUNNERS.md has the protocol with an example. What
the program says on stderr is its log. Whatever is not the answer that was asked for ends the
program, and the next clip starts it anew.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import subprocess
import time
from collections.abc import Callable, Mapping
from typing import Any

from baselines.child import (
    Log,
    code_of,
    end_group,
    has_ended,
    listen,
    of_code,
    peak_so_far,
)
from evaluation.generator import GenerationError

LONGEST_ANSWER = 1 << 16
"""Bytes of a line; a program that says more says something else."""
PATIENCE_S = 2.0
"""What a program is left at our end to end by itself, once its stdin is closed."""
_TICK_S = 0.05


class Resident:
    """A program that was started and waits.

    Args:
        process: With pipes for stdin, stdout and stderr.
        clean: Called when it has ended.
    """

    def __init__(self, process: subprocess.Popen[bytes], clean: Callable[[], None]) -> None:
        self._process = process
        self._clean = clean
        self._heard = bytearray()
        self._asked = 0
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                os.set_blocking(stream.fileno(), False)

    @property
    def usable(self) -> bool:
        """It runs, and has said nothing since its last answer."""
        if self._over:
            return False
        return not self._heard and not self._more_to_hear(0)

    def ask(self, request: Mapping[str, Any], limit_s: float, log: Log) -> None:
        """Have one clip made; returns when the program says that it is.

        Raises:
            GenerationError: It says that it cannot; or does not answer as agreed, and is ended.
        """
        self._asked += 1
        number = str(self._asked)
        try:
            self._send({"id": number, **request})
            answer = self._answer(number, limit_s, log)
        except BaseException:
            self.end(log)
            raise
        if not answer["ok"]:
            reason = answer.get("reason")
            said = reason if isinstance(reason, str) and reason.strip() else "gave no reason"
            raise GenerationError(f"says that it cannot: {said[:500]}")

    def end(self, log: Log, patience_s: float = 0) -> None:
        """Close its stdin and leave it a moment, if any; then end it and all that it started."""
        stdin = self._process.stdin
        if patience_s and stdin is not None and not stdin.closed:
            with contextlib.suppress(OSError):
                stdin.close()
        until = time.monotonic() + patience_s
        while not self._over and time.monotonic() < until:
            listen(self._process, log, _TICK_S)
        end_group(self._process, log)
        self._clean()

    @property
    def peak_mb(self) -> float:
        """The most memory that it took since it was started; NaN where that is not known."""
        return peak_so_far(self._process)

    @property
    def _over(self) -> bool:
        return has_ended(self._process)

    def _send(self, request: Mapping[str, Any]) -> None:
        line = json.dumps(request).encode() + b"\n"
        stdin = self._process.stdin
        try:
            sent = os.write(stdin.fileno(), line) if stdin is not None else 0
        except (BrokenPipeError, BlockingIOError):
            sent = 0
        if sent != len(line):
            raise GenerationError("does not read what it is asked")

    def _answer(self, number: str, limit_s: float, log: Log) -> dict[str, Any]:
        until = time.monotonic() + limit_s
        while b"\n" not in self._heard:
            if len(self._heard) > LONGEST_ANSWER:
                raise GenerationError(f"answered with {_shown(bytes(self._heard))}, and no line")
            if self._over and not self._more_to_hear(0):
                code = code_of(self._process) or 0
                raise GenerationError(f"ended with {of_code(code)} before it answered")
            if time.monotonic() > until:
                raise GenerationError(f"was silent past its limit of {limit_s:.0f} s")
            self._hear(log)
        line, _, rest = bytes(self._heard).partition(b"\n")
        self._heard = bytearray(rest)
        return _read(line, number)

    def _hear(self, log: Log) -> None:
        streams = [s for s in (self._process.stdout, self._process.stderr) if s and not s.closed]
        if not streams:
            time.sleep(_TICK_S)
            return
        for stream in select.select(streams, [], [], _TICK_S)[0]:
            data = os.read(stream.fileno(), LONGEST_ANSWER)
            if not data:
                stream.close()
            elif stream is self._process.stdout:
                self._heard += data
            else:
                log.write(data)

    def _more_to_hear(self, wait_s: float) -> bool:
        stream = self._process.stdout
        if stream is None or stream.closed or not select.select([stream], [], [], wait_s)[0]:
            return False
        data = os.read(stream.fileno(), LONGEST_ANSWER)
        if not data:
            stream.close()
        self._heard += data
        return bool(data)


def _read(line: bytes, number: str) -> dict[str, Any]:
    try:
        answer = json.loads(line)
    except ValueError as error:
        raise GenerationError(f"answered {_shown(line)}, which is no JSON") from error
    if not isinstance(answer, dict) or not isinstance(answer.get("ok"), bool):
        raise GenerationError(f"answered {_shown(line)}; expected {{'id': ..., 'ok': true}}")
    if answer.get("id") != number:
        raise GenerationError(f"answered for id {answer.get('id')!r}, asked was {number!r}")
    return answer


def _shown(line: bytes) -> str:
    text = line.decode("utf-8", "replace")
    return repr(text if len(text) <= 120 else text[:117] + "...")


_RUNNING: dict[str, Resident] = {}


def resident(key: str, begin: Callable[[], Resident]) -> tuple[Resident, bool]:
    """The program that runs under that key in this process, and whether it was only started now."""
    known = _RUNNING.get(key)
    if known is not None and known.usable:
        return known, False
    if known is not None:
        known.end(Log())
    _RUNNING[key] = begin()
    return _RUNNING[key], True


@atexit.register
def end_all() -> None:
    """End all of them."""
    while _RUNNING:
        _RUNNING.popitem()[1].end(Log(), PATIENCE_S)
