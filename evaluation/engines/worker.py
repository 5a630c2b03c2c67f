"""One worker: a process of its own that loads the work once and is asked unit by unit.

It leads a process group, so that whatever it started ends with it. It goes when the process that
started it is gone, even by SIGKILL.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import pickle
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Literal

_LEAVE_S = 10.0
"""For a worker that has nothing more to do: programs that stayed loaded are ended in it."""


@dataclass(frozen=True)
class Answer:
    """What a worker says.

    Attributes:
        kind: ``ready``; ``done``; ``raised``, what the work raised; ``broken``, the work cannot
            even be loaded; ``died``, of which the system tells.
        value: The result or the exception, pickled.
        text: Why.
    """

    kind: Literal["ready", "done", "raised", "broken", "died"]
    value: bytes = b""
    text: str = ""

    def result(self) -> Any:  # noqa: ANN401 - whatever the work gives
        """What the work gave.

        Raises:
            Exception: What it raised.
        """
        found = pickle.loads(self.value)  # noqa: S301 - of our own worker
        if self.kind == "raised":
            found.add_note(self.text)
            raise found
        return found


class Worker:
    """A worker process as its owner sees it.

    Args:
        work: What to do with a unit, pickled.
        threads: For networks and OpenCV.
        environment: Of the process, beside what is inherited.
    """

    def __init__(self, work: bytes, threads: int, environment: Mapping[str, str]) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, work, threads))
        with _environment({"OMP_NUM_THREADS": str(threads), **environment}):
            self._process.start()
        theirs.close()

    @property
    def pid(self) -> int:
        """Of the process, and of its group."""
        return self._process.pid or 0

    @property
    def signs(self) -> tuple[Connection, int]:
        """What becomes readable when it has said something or has died."""
        return self._pipe, self._process.sentinel

    def give(self, unit: bytes) -> None:
        """Hand it a unit, pickled; a death is seen when it is heard."""
        with contextlib.suppress(OSError):
            self._pipe.send_bytes(unit)

    def heard(self, wait_s: float | None = 0.0) -> Answer | None:
        """What it says by then, or nothing; None waits for as long as it takes."""
        if not multiprocessing.connection.wait(self.signs, wait_s):
            return None
        try:
            if self._pipe.poll():
                answer: Answer = self._pipe.recv()
                return answer
        except (EOFError, OSError, pickle.UnpicklingError):
            pass
        self.kill()
        return Answer("died", text=_end(self._process.exitcode))

    def kill(self) -> None:
        """End it and its process group at once."""
        kill_group(self.pid)
        self._process.kill()
        self._process.join()
        self._pipe.close()

    def dismiss(self) -> None:
        """Tell it that there is nothing more to do."""
        self._pipe.close()

    def leave(self) -> None:
        """Wait for one that was dismissed."""
        self._process.join(_LEAVE_S)
        kill_group(self.pid)
        self._process.kill()
        self._process.join()


def kill_group(group: int) -> None:
    """SIGKILL for all of a worker's process group, which may be gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _end(code: int | None) -> str:
    if code is None or code >= 0:
        return f"exit code {code}: out of memory, or a crash"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"{name}: out of memory, or a crash"


@contextmanager
def _environment(changes: Mapping[str, str]) -> Iterator[None]:
    """For a process that is started inside."""
    before = {name: os.environ.get(name) for name in changes}
    os.environ |= changes
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _serve(pipe: Connection, work: bytes, threads: int) -> None:
    """The life of a worker process, until its owner has nothing more to do for it."""
    os.setsid()  # a group of its own; Ctrl-C at the terminal is for its owner to hear
    threading.Thread(target=_end_with_owner, daemon=True).start()
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        try:
            do: Callable[[Any], Any] = pickle.loads(work)  # noqa: S301 - of our own owner
            _few_threads(threads)
        except BaseException as error:  # noqa: BLE001 - said to the owner, who raises
            pipe.send(Answer("broken", text=f"{type(error).__name__}: {error}"))
            return
        pipe.send(Answer("ready"))
        while True:
            unit = pipe.recv_bytes()
            pipe.send(_answer(do, unit))


def _answer(do: Callable[[Any], Any], unit: bytes) -> Answer:
    try:
        return Answer("done", pickle.dumps(do(pickle.loads(unit))))  # noqa: S301
    except Exception as error:  # noqa: BLE001 - raised again by the owner
        return _raised(error)


def _few_threads(threads: int) -> None:
    """For what does not go by ``OMP_NUM_THREADS``, or has read it already."""
    import cv2

    cv2.setNumThreads(threads)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)


def _raised(error: Exception) -> Answer:
    text = "in a worker:\n" + traceback.format_exc()
    try:
        value = pickle.dumps(error)
        pickle.loads(value)  # noqa: S301 - some exceptions go, and do not come back
    except Exception:  # noqa: BLE001
        value = pickle.dumps(RuntimeError(f"{type(error).__name__}: {error}"))
    return Answer("raised", value, text)


def _end_with_owner() -> None:
    """Who is killed with -9 cannot stop its workers: each goes when it sees that."""
    owner = multiprocessing.parent_process()
    if owner is not None:
        owner.join()
        sys.stderr.flush()
        kill_group(os.getpid())
        os._exit(1)
