"""How far a run is, read off its folder by somebody else than who runs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from evaluation.engines.shards import SHARD, Shard, parse
from evaluation.events import EVENTS, read_events
from evaluation.folder_lock import holder
from evaluation.manifest import MANIFEST, read_manifest
from evaluation.records import Record, RecordLog
from evaluation.run import RECORDS

State = Literal["running", "done", "interrupted", "stopped", "killed", "unfinished"]

_FAILURES = 3


@dataclass(frozen=True)
class Progress:
    """How far one folder is.

    Attributes:
        folder: Of the run.
        shard: ``2/8``, or empty.
        state: running; done, all is recorded; interrupted (Ctrl-C); stopped by an error; killed;
            unfinished where nobody has noted how it ended.
        units: Clips times generators that it is to do.
        finished: Of them, with every record.
        failed: Of those, with a record that failed or was unavailable.
        at_work: What workers are at.
        per_second: Units that the command at hand has computed in a second of its time; None
            without any.
        seconds_left: By that; None where it is not running or nothing is known.
        since: When the last command began, UTC.
        holder: Who has the lock, in words; who had it, if it was killed.
        reason: Why it was stopped.
        failures: The last reasons, newest first, with the clip.
    """

    folder: str
    shard: str
    state: State
    units: int
    finished: int
    failed: int
    at_work: tuple[str, ...] = ()
    per_second: float | None = None
    seconds_left: float | None = None
    since: str = ""
    holder: str = ""
    reason: str = ""
    failures: tuple[str, ...] = ()

    @property
    def left(self) -> int:
        """Units without all their records."""
        return self.units - self.finished

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self) | {"left": self.left}


def progress(folder: Path, now: datetime | None = None) -> Progress:
    """Read it; nothing is written, and a run at work is not disturbed.

    Args:
        folder: Of a run or a shard.
        now: For the rate.

    Raises:
        RecordsError: No run there, or its files are damaged.
    """
    manifest = read_manifest(folder / MANIFEST)
    shard = parse(manifest["settings"].get(SHARD, "1/1"), {})
    units, finished, failed = _counts(manifest, shard, RecordLog(folder / RECORDS).read())
    events = read_events(folder / EVENTS)
    last = max((i for i, e in enumerate(events) if e["event"] == "run started"), default=None)
    ours = events[last:] if last is not None else []
    held = holder(folder)
    state, reason = _state(ours, units - finished)
    if held is not None:
        state = "running" if held.alive else "killed"
    found = Progress(
        folder=str(folder),
        shard=manifest["settings"].get(SHARD, ""),
        state=state,
        units=units,
        finished=finished,
        failed=failed,
        since=ours[0]["at"] if ours else "",
        holder=str(held) if held is not None else "",
        reason=reason,
        failures=_failures(ours),
    )
    if state != "running" or not ours:
        return found
    rate = _rate(ours, now or datetime.now(UTC))
    return replace(
        found,
        at_work=_at_work(ours),
        per_second=rate,
        seconds_left=found.left / rate if rate else None,
    )


def _counts(
    manifest: Mapping[str, Any], shard: Shard, records: Sequence[Record]
) -> tuple[int, int, int]:
    """Units in all, those with every record, and those of them with a failure."""
    have: dict[tuple[str, str], dict[str, str]] = {}
    for record in records:
        have.setdefault((record.generator, record.sample), {})[record.metric] = record.status
    units = list(shard.of_names(list(manifest["generators"]), list(manifest["samples"])))
    whole = [u for u in units if manifest["metrics"].keys() <= have.get(u, {}).keys()]
    bad = [u for u in whole if {"failed", "unavailable"} & set(have[u].values())]
    return len(units), len(whole), len(bad)


def _state(events: Sequence[Mapping[str, Any]], left: int) -> tuple[State, str]:
    """By what was noted last; the lock knows better whether it runs."""
    if not left:
        return "done", ""
    ended = [e for e in events if e["event"] == "run ended"]
    how = ended[-1].get("how") if ended else None
    if how == "interrupted":
        return "interrupted", ""
    if how == "stopped":
        return "stopped", str(ended[-1].get("reason", ""))
    # Without the note the process is gone: its machine was switched off, or its lock was removed.
    return ("unfinished" if ended or not events else "killed"), ""


def _rate(events: Sequence[Mapping[str, Any]], now: datetime) -> float | None:
    """Units with new records in a second; those that were there already take no time."""
    counts = [e.get("records") for e in events if e["event"] == "unit finished"]
    computed = sum(isinstance(count, int) and count > 0 for count in counts)
    begun = [e["at"] for e in events if e["event"] == "unit started"]
    if not computed or not begun:
        return None
    seconds = (now - datetime.fromisoformat(begun[0])).total_seconds()
    return computed / seconds if seconds > 0 else None


def _at_work(events: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """By worker: one may have begun its next unit before the last one is told to be finished."""
    at: dict[str, tuple[str, str]] = {}
    for event in events:
        unit = (str(event.get("generator")), str(event.get("sample")))
        if event["event"] == "unit started":
            at[str(event.get("worker"))] = unit
        elif event["event"] in ("unit finished", "worker died"):
            at = {worker: other for worker, other in at.items() if other != unit}
    return tuple(f"{g} · {s}" for g, s in at.values())


def _failures(events: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    failed = [e for e in events if e["event"] == "failed"]
    return tuple(
        f"{e.get('generator')} · {e.get('sample')}: {e.get('reason')}"
        for e in failed[: -_FAILURES - 1 : -1]
    )
