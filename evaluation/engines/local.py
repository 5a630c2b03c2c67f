"""Units in this process, or in worker processes on this machine."""

from __future__ import annotations

import atexit
import multiprocessing.connection
import os
import pickle
import time
import weakref
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from evaluation.engines.base import (
    Asked,
    EngineError,
    Tell,
    Waiting,
    died_twice,
    over_the_limit,
    silent,
)
from evaluation.engines.worker import Answer, Worker
from evaluation.plan import UnusableInputError

U = TypeVar("U")
R = TypeVar("R")


def local(asked: Asked) -> Local:
    """Worker processes here.

    Raises:
        UnusableInputError: Asked for what only a cluster has.
    """
    if asked.address is not None or asked.gpus_per_worker:
        raise UnusableInputError(
            "--address and --gpus-per-worker are for --engine ray; here, workers take the GPUs of "
            "CUDA_VISIBLE_DEVICES in turn"
        )
    return Local(asked.workers, isolate=asked.isolate, clip_timeout=asked.clip_timeout)


@dataclass(frozen=True)
class Local:
    """Worker processes that stay, each with its share of the cores and one of the GPUs.

    Attributes:
        workers: Processes. One works in this process, where a crash ends everything.
        isolate: Not in this process, even with one worker.
        clip_timeout: Seconds that a unit may take, loading weights included; needs a process, too.
    """

    workers: int = 1
    isolate: bool = False
    clip_timeout: float | None = None

    def each(
        self,
        work: Callable[[U], R],
        units: Sequence[U],
        lose: Callable[[U, str], R],
        tell: Tell = silent,
    ) -> Generator[tuple[U, R], None, None]:
        """See :meth:`evaluation.engines.base.Engine.each`."""
        if self.workers == 1 and not self.isolate and self.clip_timeout is None:
            for unit in units:
                tell("unit started", unit, worker=1)
                yield unit, work(unit)
            return
        crew: _Crew[U] = _Crew(self, pickle.dumps(work), units, tell)
        _crews.add(crew)
        try:
            while crew.busy():
                for unit, answer, reason in crew.turn():
                    yield unit, (lose(unit, reason) if answer is None else answer.result())
            crew.leave()
        finally:
            crew.kill()


@dataclass
class _Post(Generic[U]):
    """A place in the crew: who works there, on what, since when.

    ``begun`` is by the monotonic clock, in seconds.
    """

    number: int
    worker: Worker
    ready: bool = False
    unit: U | None = None
    attempt: int = 0
    begun: float = 0.0
    at_work: bool = False


class _Crew(Generic[U]):
    """The workers of one call, and what they are at."""

    def __init__(self, engine: Local, work: bytes, units: Sequence[U], tell: Tell) -> None:
        self._limit = engine.clip_timeout
        self._work = work
        self._waiting = Waiting(units)
        self._tell = tell
        self._threads = _threads(engine.workers)
        self._devices = devices()
        self._posts: list[_Post[U]] = []
        for number in range(1, min(engine.workers, len(units)) + 1):
            self._posts.append(_Post(number, self._start(number)))

    def busy(self) -> bool:
        """Whether anything is left to do or to wait for."""
        return bool(self._waiting) or any(p.at_work for p in self._posts)

    def turn(self) -> list[tuple[U, Answer | None, str]]:
        """Give out units, wait, and tell which ended; one without an answer is lost, and why."""
        for post in self._posts:
            self._give(post)
        self._wait()
        ended: list[tuple[U, Answer | None, str]] = []
        for post in list(self._posts):
            answer = post.worker.heard()
            if answer is not None:
                ended += self._hear(post, answer)
            elif self._limit is not None and post.at_work and self._left(post) <= 0:
                ended.append((self._unit(post), None, over_the_limit(self._limit)))
                self._replace(post, f"unit over {self._limit:g} s")
            self._give(post)
        return ended

    def leave(self) -> None:
        """All is done."""
        for post in self._posts:
            post.worker.dismiss()
        for post in self._posts:
            post.worker.leave()
        self._posts = []

    def kill(self) -> None:
        """Stop at once."""
        for post in self._posts:
            post.worker.kill()
        self._posts = []

    def _start(self, number: int) -> Worker:
        device = self._devices[(number - 1) % len(self._devices)] if self._devices else None
        given = {} if device is None else {"CUDA_VISIBLE_DEVICES": device}
        worker = Worker(self._work, self._threads, given)
        self._tell("worker started", worker=number, pid=worker.pid, gpu=device)
        return worker

    def _give(self, post: _Post[U]) -> None:
        if not post.ready or post.at_work:
            return
        found = self._waiting.take(sum(p.at_work for p in self._posts))
        if found is not None:
            post.unit, post.attempt = found
            post.at_work, post.begun = True, time.monotonic()
            self._tell("unit started", post.unit, worker=post.number, attempt=post.attempt)
            post.worker.give(pickle.dumps(post.unit))

    def _wait(self) -> None:
        left = [self._left(p) for p in self._posts if p.at_work] if self._limit else []
        signs = [sign for p in self._posts for sign in p.worker.signs]
        multiprocessing.connection.wait(signs, max(0.0, min(left)) if left else None)

    def _left(self, post: _Post[U]) -> float:
        return post.begun + (self._limit or 0.0) - time.monotonic()

    def _hear(self, post: _Post[U], answer: Answer) -> list[tuple[U, Answer | None, str]]:
        if answer.kind == "ready":
            post.ready = True
            self._waiting.started()
        elif answer.kind == "broken":
            raise EngineError(f"a worker cannot load the work: {answer.text}")
        elif answer.kind != "died":
            return [(self._unit(post), answer, "")]
        elif post.at_work:
            unit, attempt = self._unit(post), post.attempt
            again = self._waiting.died(unit, attempt)
            self._tell("worker died", unit, worker=post.number, reason=answer.text, again=again)
            self._replace(post, answer.text)
            return [] if again else [(unit, None, died_twice(answer.text))]
        else:
            self._tell("worker died", worker=post.number, reason=answer.text)
            self._waiting.not_started(answer.text)
            self._replace(post, answer.text)
        return []

    def _unit(self, post: _Post[U]) -> U:
        """Take its unit off a post."""
        unit: Any = post.unit
        post.unit, post.at_work = None, False
        found: U = unit
        return found

    def _replace(self, post: _Post[U], why: str) -> None:
        post.worker.kill()
        post.ready = False
        if not self._waiting:
            self._posts.remove(post)
            return
        post.worker = self._start(post.number)
        self._tell("worker replaced", worker=post.number, reason=why)


def _threads(workers: int) -> int:
    """Of each worker: its share of the cores, or fewer where the user asks for fewer."""
    share = max(1, (os.cpu_count() or 1) // workers)
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return min(share, int(asked)) if asked.isdecimal() and int(asked) else share


_DRIVER = Path("/proc/driver/nvidia")
_crews: weakref.WeakSet[_Crew[Any]] = weakref.WeakSet()


@atexit.register
def _stop() -> None:
    """Whoever did not close the iterator: the interpreter would wait for these processes."""
    for crew in list(_crews):
        crew.kill()


def devices() -> list[str]:
    """GPUs that workers take in turn, as ``CUDA_VISIBLE_DEVICES`` names them; none to choose among.

    ``$TALKBENCH_DEVICE`` that names one device (``cpu``, ``cuda:1``) settles it for all.
    """
    wanted = os.environ.get("TALKBENCH_DEVICE") or "cuda"
    if wanted != "cuda":
        return []
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name.strip() for name in visible.split(",") if name.strip()]
    if not _DRIVER.is_dir():
        return []
    import torch  # takes seconds

    return [str(number) for number in range(torch.cuda.device_count())]
