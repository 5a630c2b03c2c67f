"""Run a plan: every generator on every sample, records appended as they come.

A run can stop at any moment and be started again with the same command: what is recorded is
not computed again, what was torn is computed again, nothing is recorded twice.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from filelock import FileLock, Timeout

from evaluation.generator import Generator
from evaluation.machine import machine_error
from evaluation.manifest import MANIFEST, check_same_plan, write_manifest
from evaluation.plan import Plan, UnusableInputError
from evaluation.records import Record, RecordLog
from evaluation.sample import Sample
from evaluation.unit import Setting, lose_unit, run_unit

RECORDS = "records.jsonl"


Told = Callable[[int, int, str], None]
"""Called with (units done, units in all, what was just done)."""

_Unit = tuple[Generator, Sample, dict[str, Record]]


def execute(
    plan: Plan,
    root: Path,
    *,
    workers: int = 1,
    retry_failed: bool = False,
    told: Told = lambda *_: None,
) -> list[Record]:
    """Carry out what of the plan is not recorded yet.

    Args:
        plan: What to do.
        root: Folder of the run; made if absent.
        workers: Processes; 1 works in this one.
        retry_failed: Compute failed records again.
        told: Hears of progress.

    Returns:
        The records that were added.

    Raises:
        UnusableInputError: The folder cannot be written, is in use, or holds another plan.
        MachineError: The disk filled up; everything recorded is safe.
    """
    _check(plan)
    _open_folder(root)
    lock = FileLock(root / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise UnusableInputError(
            f"{root} is being written by another talkbench; wait for it or choose another folder"
        ) from error
    with lock:
        conflict = check_same_plan(plan, root / MANIFEST)
        if conflict:
            raise UnusableInputError(conflict)
        log = RecordLog(root / RECORDS)
        known: dict[tuple[str, str], dict[str, Record]] = {}
        for record in log.read():
            known.setdefault((record.generator, record.sample), {})[record.metric] = record
        write_manifest(plan, root / MANIFEST)
        setting = Setting(
            root=root,
            suite=plan.suite.id,
            metrics=plan.metrics,
            every=plan.every,
            seed=plan.seed,
            retry_failed=retry_failed,
        )
        units: list[_Unit] = [
            (g, s, known.get((g.spec.name, s.id), {}))
            for g in plan.generators
            for s in plan.samples
        ]
        added: list[Record] = []
        doing = _here(setting, units) if workers == 1 else _in_workers(setting, units, workers)
        for done, (unit, records) in enumerate(doing, start=1):
            try:
                log.append(records)
            except OSError as error:
                raise machine_error(error) from error
            added.extend(records)
            told(done, len(units), f"{unit[0].spec.name} · {unit[1].id}")
        return added


def _check(plan: Plan) -> None:
    if not plan.samples:
        raise UnusableInputError(f"suite {plan.suite.name} has no samples")
    if not plan.generators:
        raise UnusableInputError("no generator was named; see: talkbench list generators")
    if not plan.metrics:
        raise UnusableInputError("no metric was named; see: talkbench list metrics")
    for what, ids in (
        ("generator", [g.spec.name for g in plan.generators]),
        ("sample", [s.id for s in plan.samples]),
    ):
        doubled = sorted({i for i in ids if ids.count(i) > 1})
        if doubled:
            raise UnusableInputError(f"{what} {', '.join(doubled)} is there twice")


def _open_folder(root: Path) -> None:
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnusableInputError(f"cannot make {root}: {error.strerror or error}") from error
    if not os.access(root, os.W_OK | os.X_OK):
        raise UnusableInputError(f"cannot write to {root}: permission denied")


def _here(setting: Setting, units: Sequence[_Unit]) -> Iterator[tuple[_Unit, list[Record]]]:
    for unit in units:
        yield unit, run_unit(setting, *unit)


_worker_setting: list[Setting] = []


def _start_worker(setting: Setting, threads: int) -> None:
    """Runs once in each worker: models are then loaded once and kept."""
    import cv2
    import torch

    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    _worker_setting[:] = [setting]
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A run killed with -9 cannot stop its workers: each goes when it sees that."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(unit: _Unit) -> list[Record]:
    return run_unit(_worker_setting[0], *unit)


def _pool(setting: Setting, workers: int) -> ProcessPoolExecutor:
    threads = max(1, (os.cpu_count() or 1) // workers)
    os.environ["OMP_NUM_THREADS"] = str(threads)
    return ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
        initargs=(setting, threads),
    )


def _in_workers(
    setting: Setting, units: Sequence[_Unit], workers: int
) -> Iterator[tuple[_Unit, list[Record]]]:
    """Units as they finish. Those that were running when a worker died are tried again, alone."""
    waiting = deque(units)
    while waiting:
        suspects: list[_Unit] = []
        yield from _until_a_worker_dies(setting, waiting, workers, suspects)
        for unit in suspects:
            with _pool(setting, 1) as pool:
                try:
                    yield unit, pool.submit(_work, unit).result()
                except BrokenProcessPool:
                    reason = (
                        "the worker process died twice on this clip (out of memory, or a crash)"
                    )
                    yield unit, lose_unit(setting, *unit, reason)


def _until_a_worker_dies(
    setting: Setting, waiting: deque[_Unit], workers: int, suspects: list[_Unit]
) -> Iterator[tuple[_Unit, list[Record]]]:
    """Take units off ``waiting`` in one pool; leave in ``suspects`` what ran when it broke."""
    with _pool(setting, workers) as pool:
        running: dict[Future[list[Record]], _Unit] = {}
        while running or (waiting and not suspects):
            while len(running) < workers and waiting and not suspects:
                try:
                    running[pool.submit(_work, waiting[0])] = waiting[0]
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
