"""Run a plan: every generator on every sample, records appended as they come.

A run can stop at any moment and be started again with the same command: what is recorded is
not computed again, what was torn is computed again, nothing is recorded twice.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from evaluation.folder_lock import writing
from evaluation.generator import Generator
from evaluation.machine import machine_error
from evaluation.manifest import MANIFEST, check_same_plan, write_manifest
from evaluation.plan import Plan, UnusableInputError
from evaluation.records import Record, RecordLog
from evaluation.sample import Sample
from evaluation.store import sweep
from evaluation.unit import Setting, lose_unit, run_unit
from evaluation.workers import each

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
    with writing(root):
        sweep(root)
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
        doing = each(partial(_run, setting), units, workers, partial(_lose, setting))
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
        raise UnusableInputError(
            f"{plan.suite.id} has no generator of its own; name what is to be compared: "
            "-g NAME (talkbench list generators), -g mine=FOLDER for finished videos, or "
            "-g still to try out the data"
        )
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


def _run(setting: Setting, unit: _Unit) -> list[Record]:
    return run_unit(setting, *unit)


def _lose(setting: Setting, unit: _Unit, reason: str) -> list[Record]:
    return lose_unit(setting, *unit, reason)
