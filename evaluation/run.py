"""Run a plan: every generator on every sample, records appended as they come.

A run can stop at any moment and be started again with the same command: what is recorded is
not computed again, what was torn is computed again, nothing is recorded twice.
"""

from __future__ import annotations

import os
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from evaluation.elsewhere.fetched import using
from evaluation.elsewhere.shared_tracks import unusable
from evaluation.engines.base import Engine
from evaluation.engines.local import Local
from evaluation.engines.shards import SHARD, Shard
from evaluation.events import EVENTS, Events, Sink, appended, told_to_the_end
from evaluation.folder_lock import writing
from evaluation.generator import Generator
from evaluation.machine import machine_error
from evaluation.manifest import MANIFEST, check_same_plan, write_manifest
from evaluation.plan import Plan, UnusableInputError
from evaluation.records import Record, RecordLog
from evaluation.sample import Sample
from evaluation.settled import Settled
from evaluation.stages import shared_out
from evaluation.store import sweep
from evaluation.unit import Setting, lose_unit, run_unit

RECORDS = "records.jsonl"


Told = Callable[[int, int, str], None]
"""Called with (units done, units in all, what was just done)."""

_Unit = tuple[Generator, Sample, dict[str, Record]]


@dataclass(frozen=True)
class Done:
    """A unit that has ended: its new records, and seconds by stage."""

    records: list[Record]
    stages: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0


def execute(
    plan: Plan,
    root: Path,
    *,
    workers: int = 1,
    engine: Engine | None = None,
    shard: Shard | None = None,
    retry_failed: bool = False,
    tracks: str = "",
    told: Told = lambda *_: None,
    log: Sequence[Sink] = (),
) -> list[Record]:
    """Carry out what of the plan is not recorded yet.

    Args:
        plan: What to do.
        root: Folder of the run; made if absent.
        workers: Processes, where no engine is given; 1 works in this one.
        engine: Who does it.
        shard: The part of it that this folder is for; None for all.
        retry_failed: Compute failed records again.
        tracks: Folder or address of tracks that runs share; empty for none.
        told: Hears of progress.
        log: Where events go beside ``RUN/events.jsonl``.

    Returns:
        The records that were added.

    Raises:
        UnusableInputError: The folder cannot be written, is in use, or holds another plan.
        MachineError: The disk filled up; everything recorded is safe.
        EngineError: No worker can be started.
    """
    _check(plan)
    if shard is not None:
        plan = replace(plan, settings={**plan.settings, SHARD: str(shard)})
    _open_folder(root)
    with writing(root):
        sweep(root)
        conflict = check_same_plan(plan, root / MANIFEST)
        if conflict:
            raise UnusableInputError(conflict)
        records = RecordLog(root / RECORDS)
        known: dict[tuple[str, str], dict[str, Record]] = {}
        for record in records.read():
            known.setdefault((record.generator, record.sample), {})[record.metric] = record
        write_manifest(plan, root / MANIFEST)
        parted = (shard or Shard(1, 1)).units(plan.generators, plan.samples)
        units = [(g, s, known.get((g.spec.name, s.id), {})) for g, s in parted]
        away = unusable(tracks) if tracks else ""
        setting = Setting(
            root=root.absolute(),
            suite=plan.suite.id,
            metrics=plan.metrics,
            every=plan.every,
            seed=plan.seed,
            retry_failed=retry_failed,
            tracks="" if away else tracks,
        )
        settled = Settled(setting)
        with _listening(root / EVENTS, log) as events:
            work = _Work(setting, units, engine or Local(workers), events, settled)
            with told_to_the_end(events, "run ended"):
                events.tell(
                    "run started",
                    suite=plan.suite.id,
                    units=len(units),
                    shard=str(shard or ""),
                    engine=str(work.engine),
                    pid=os.getpid(),
                    host=platform.node(),
                )
                if away:
                    events.tell("shared tracks not used", reason=away)
                return work.recorded(records, told)


@dataclass(frozen=True)
class _Work:
    """The units of a run, and who does them."""

    setting: Setting
    units: list[_Unit]
    engine: Engine
    events: Events
    settled: Settled
    deaths: list[str] = field(default_factory=list)

    def recorded(self, log: RecordLog, told: Told) -> list[Record]:
        """Do them; what comes back is on the disk before it is told."""
        added: list[Record] = []
        left = [unit for unit in self.units if not self.settled.holds(*unit)]
        self.settled.asked()
        there = len(self.units) - len(left)
        if there:
            self.events.tell("units settled", count=there)
            told(there, len(self.units), "complete and unchanged")
        if not left:
            return added
        doing = self.engine.each(
            partial(_run, self.setting), left, partial(_lose, self.setting), self._tell
        )
        with closing(doing):
            for number, (unit, done) in enumerate(doing, start=there + 1):
                try:
                    log.append(done.records)
                except OSError as error:
                    raise machine_error(error) from error
                added.extend(done.records)
                self._tell_done(unit, done)
                generator, sample, known = unit
                self.settled.note(generator, sample, known | {r.metric: r for r in done.records})
                told(number, len(self.units), f"{unit[0].spec.name} · {unit[1].id}")
        if self.deaths:
            sweep(self.setting.root)  # half files of workers that were killed
        return added

    def _tell(self, event: str, unit: _Unit | None = None, **facts: Any) -> None:  # noqa: ANN401
        named = {} if unit is None else _named(unit)
        if event in ("worker died", "worker replaced"):
            self.deaths.append(event)
        self.events.tell(event, **named, **facts)

    def _tell_done(self, unit: _Unit, done: Done) -> None:
        reasons: dict[tuple[str, str], list[str]] = {}
        for record in done.records:
            if record.status in ("failed", "unavailable"):
                reasons.setdefault((record.status, record.reason), []).append(record.metric)
        for (status, reason), metrics in reasons.items():
            self._tell("failed", unit, status=status, reason=reason, metrics=metrics)
        self._tell(
            "unit finished",
            unit,
            records=len(done.records),
            failed=sum(map(len, reasons.values())),
            seconds=round(done.seconds, 3),
            stages={stage: round(spent, 3) for stage, spent in done.stages.items()},
        )


@contextmanager
def _listening(path: Path, log: Sequence[Sink]) -> Iterator[Events]:
    try:
        with appended(path) as kept:
            yield Events(kept, *log)
    except OSError as error:
        raise machine_error(error) from error


def _named(unit: _Unit) -> dict[str, str]:
    return {"generator": unit[0].spec.name, "sample": unit[1].id}


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
        doubled = sorted(i for i, times in Counter(ids).items() if times > 1)
        if doubled:
            raise UnusableInputError(f"{what} {', '.join(doubled)} is there twice")


def _open_folder(root: Path) -> None:
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnusableInputError(f"cannot make {root}: {error.strerror or error}") from error
    if not os.access(root, os.W_OK | os.X_OK):
        raise UnusableInputError(f"cannot write to {root}: permission denied")


def _run(setting: Setting, unit: _Unit) -> Done:
    start = time.perf_counter()
    with using(), shared_out() as stages:
        records = run_unit(setting, *unit)
    shared = {s: round(stages[s], 4) for s in ("generate", "decode") if s in stages}
    records = [replace(r, stages=shared | r.stages) for r in records]
    return Done(records, stages, time.perf_counter() - start)


def _lose(setting: Setting, unit: _Unit, reason: str) -> Done:
    with using():
        return Done(lose_unit(setting, *unit, reason))
