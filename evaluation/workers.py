"""Units of work in processes of their own: a crash costs the unit that crashed, and no other."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

U = TypeVar("U")
R = TypeVar("R")

DIED = "the worker process died twice on this clip (out of memory, or a crash)"


def each(
    work: Callable[[U], R], units: Sequence[U], workers: int, lose: Callable[[U, str], R]
) -> Iterator[tuple[U, R]]:
    """Units with what became of them, as they finish.

    Units that were running when a worker died are tried again, alone; the one that kills its
    worker again is lost.

    Args:
        work: What to do with a unit; with several workers it goes to each of them once, by pickle,
            so models that it loads are kept.
        units: What to do it with.
        workers: Processes; 1 works in this one, where a crash ends everything.
        lose: What stands for a unit that is lost, from the unit and the reason.
    """
    if workers == 1:
        for unit in units:
            yield unit, work(unit)
        return
    waiting = deque(units)
    while waiting:
        suspects: list[U] = []
        yield from _until_a_worker_dies(work, waiting, workers, suspects)
        for unit in suspects:
            with _pool(work, 1) as pool:
                try:
                    yield unit, pool.submit(_do, unit).result()
                except BrokenProcessPool:
                    yield unit, lose(unit, DIED)


def _until_a_worker_dies(
    work: Callable[[U], R], waiting: deque[U], workers: int, suspects: list[U]
) -> Iterator[tuple[U, R]]:
    """Take units off ``waiting`` in one pool; leave in ``suspects`` what ran when it broke."""
    with _pool(work, workers) as pool:
        running: dict[Future[R], U] = {}
        while running or (waiting and not suspects):
            while len(running) < workers and waiting and not suspects:
                try:
                    running[pool.submit(_do, waiting[0])] = waiting[0]
                except BrokenProcessPool:
                    suspects.append(waiting[0])
                waiting.popleft()
            if not running:
                break
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                unit = running.pop(future)
                try:
                    yield unit, future.result()
                except BrokenProcessPool:
                    suspects.append(unit)


def _pool(work: Callable[[Any], Any], workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start,
        initargs=(pickle.dumps(work), _threads(workers)),
    )


def _threads(workers: int) -> int:
    """Of each worker: its share of the cores, or fewer where the user asks for fewer."""
    share = max(1, (os.cpu_count() or 1) // workers)
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return min(share, int(asked)) if asked.isdecimal() and int(asked) else share


_work: list[Callable[[Any], Any]] = []


def _start(work: bytes, threads: int) -> None:
    """Runs once in each worker, before anything that reads the number of threads is imported."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends a worker without a traceback
    os.environ["OMP_NUM_THREADS"] = str(threads)  # torch heeds it; most work never imports torch
    import cv2

    cv2.setNumThreads(threads)
    _work[:] = [pickle.loads(work)]  # noqa: S301 - our own, a moment old
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A run killed with -9 cannot stop its workers: each goes when it sees that."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _do(unit: Any) -> Any:  # noqa: ANN401 - whatever each() was given
    return _work[0](unit)
