"""From records to numbers fit to print: estimates, coverage, differences, marks.

Reads a run's folder and nothing else: no video is opened, no network is run.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from evaluation.manifest import MANIFEST, read_manifest
from evaluation.plan import UnusableInputError
from evaluation.records import SCHEMA, Record, RecordLog
from evaluation.registry import load_metrics
from evaluation.run import RECORDS
from evaluation.score_pair import measure_again
from evaluation.stats import Interval, Scored, estimate, paired_difference
from evaluation.store import TrackStore, write_json
from metrics import (
    AnyExtractor,
    Direction,
    Inputs,
    Measurement,
    Metric,
    MetricSpec,
    UnscorableError,
)

RESULTS = "results.json"

Mark = Literal["", "best", "second"]

MIN_SPEAKERS_FOR_TIES = 5
"""With fewer speakers an interval is so wide that everything ties; marks then go by value."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """One cell of the table.

    Attributes:
        generator: Row.
        metric: Card name.
        metric_version: Card version.
        title: Column head.
        value: Over the clips scored; None without any.
        lo: Lower end of the 95 % interval, None with one speaker.
        hi: Upper end.
        n_scored: Clips the value rests on.
        n_attempted: Clips to which the metric applies.
        n_failed: Attempted and without a value.
        n_not_applicable: Clips to which it does not apply.
        n_speakers: Distinct speakers among the scored.
        n_frames: Frames the value rests on.
        direction: Which way is better.
        unit: Of the value.
        mark: ``best`` and ``second`` among comparable rows with full coverage; ties share it.
        note: Why there is no value, or what to know about it.
    """

    generator: str
    metric: str
    metric_version: str
    title: str
    value: float | None
    lo: float | None
    hi: float | None
    n_scored: int
    n_attempted: int
    n_failed: int
    n_not_applicable: int
    n_speakers: int
    n_frames: int
    direction: Direction
    unit: str
    mark: Mark = ""
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A generator's number minus the baseline's, on the clips that both have."""

    generator: str
    baseline: str
    metric: str
    value: float
    lo: float | None
    hi: float | None
    n_common: int
    n_speakers: int


@dataclass(frozen=True)
class Results:
    """All that is printed of a run.

    Attributes:
        manifest: Content of ``run.json``.
        records: The record that counts for each cell.
        generators: Row order.
        metrics: Cards in column order.
        estimates: By (generator, card name).
        differences: By (generator, card name), baseline's own row left out.
        baseline: Whom differences are taken to.
    """

    manifest: Mapping[str, Any]
    records: Sequence[Record]
    generators: tuple[str, ...]
    metrics: tuple[Metric, ...]
    estimates: Mapping[tuple[str, str], Estimate]
    differences: Mapping[tuple[str, str], Difference]
    baseline: str

    @property
    def failures(self) -> Sequence[Record]:
        """Records without a value that should have one."""
        return [r for r in self.records if r.status in ("failed", "unavailable")]


def build(root: Path, baseline: str | None = None) -> Results:
    """Read a run and compute its numbers.

    Args:
        root: Folder of the run.
        baseline: Generator that differences are taken to; by default the first row.

    Raises:
        RecordsError: No run there, or its files are damaged.
        UnknownNameError: A metric of the run is not installed.
        UnusableInputError: No such baseline.
    """
    manifest = read_manifest(root / MANIFEST)
    # A sample that left the split takes its records out of the numbers; they stay in the file.
    samples = manifest["samples"]
    records = [r for r in RecordLog(root / RECORDS).read() if r.sample in samples]
    records.sort(key=lambda r: r.cell)
    generators = tuple(manifest["generators"])
    metrics = tuple(load_metrics(manifest["metrics"]))
    chosen = baseline or generators[0]
    if chosen not in generators:
        raise UnusableInputError(
            f"baseline {chosen!r} is not in this run; it has {', '.join(generators)}"
        )
    store = TrackStore(root)
    estimates: dict[tuple[str, str], Estimate] = {}
    differences: dict[tuple[str, str], Difference] = {}
    for card in metrics:
        metric, name = _Remembering(card), card.spec.name
        clips = {
            g: _Column.read(
                metric, [r for r in records if (r.generator, r.metric) == (g, name)], store
            )
            for g in generators
        }
        column = {g: _estimate(metric, g, c) for g, c in clips.items()}
        marks = _marks(metric, manifest, column, clips)
        for g in generators:
            estimates[g, name] = Estimate(**asdict(column[g]) | {"mark": marks.get(g, "")})
            if g != chosen and (found := _difference(metric, g, chosen, clips)) is not None:
                differences[g, name] = found
    return Results(manifest, records, generators, metrics, estimates, differences, chosen)


def write_results(root: Path, results: Results) -> None:
    """Write ``results.json``."""
    write_json(
        root / RESULTS,
        {
            "schema": SCHEMA,
            "suite": results.manifest["suite"]["id"],
            "every": results.manifest["every"],
            "limit": results.manifest["limit"],
            "baseline": results.baseline,
            "estimates": [asdict(e) for e in results.estimates.values()],
            "differences": [asdict(d) for d in results.differences.values()],
        },
    )


class _Remembering:
    """A metric that aggregates one set of clips once: intervals and differences share them.

    Sets are told apart by the identity of their measurements, which a column holds as long as
    this is asked.
    """

    def __init__(self, metric: Metric) -> None:
        self._metric = metric
        self._known: dict[tuple[int, ...], float] = {}

    @property
    def spec(self) -> MetricSpec:
        return self._metric.spec

    @property
    def extractors(self) -> tuple[AnyExtractor, ...]:
        return self._metric.extractors

    def measure(self, inputs: Inputs) -> Measurement:
        return self._metric.measure(inputs)

    def aggregate(self, measurements: Sequence[Measurement]) -> float:
        key = tuple(map(id, measurements))
        if key not in self._known:
            try:
                self._known[key] = float(self._metric.aggregate(measurements))
            except UnscorableError:
                raise
            except Exception as error:
                # A plug-in may raise anything; one cell is lost.
                raise UnscorableError(f"{type(error).__name__}: {error}") from error
        return self._known[key]


@dataclass(frozen=True)
class _Column:
    """One generator's clips under one metric."""

    records: Sequence[Record]
    scored: Mapping[str, Scored]
    gone: int  # scored once, but what the number is made of is no longer on disk

    @classmethod
    def read(cls, metric: Metric, records: Sequence[Record], store: TrackStore) -> _Column:
        scored: dict[str, Scored] = {}
        gone = 0
        for record in records:
            if record.status != "ok" or record.metric_version != metric.spec.version:
                continue
            try:
                measurement = _measurement(metric, record, store)
            except Exception:  # noqa: BLE001 - a plug-in may raise anything; one clip is lost
                measurement = None
            if measurement is None:
                gone += 1
            else:
                scored[record.sample] = Scored(record.speaker, measurement)
        return cls(records, scored, gone)


def _measurement(metric: Metric, record: Record, store: TrackStore) -> Measurement | None:
    if metric.spec.per_clip:
        return Measurement(record.value, record.frames)
    return measure_again(
        metric, record.generated_sha256, record.reference_sha256, record.every, store
    )


_NOTHING = Interval(0.0, None, None, 0)


def _estimate(metric: Metric, generator: str, column: _Column) -> Estimate:
    applicable = [r for r in column.records if r.status != "not-applicable"]
    note = ""
    try:
        interval = estimate(metric, list(column.scored.values()))
        value: float | None = interval.value
    except UnscorableError as error:
        interval, value, note = _NOTHING, None, str(error)
    if value is not None and not math.isfinite(value):
        interval, value, note = _NOTHING, None, f"the aggregate is {value}"
    if value is None and applicable:
        reasons = Counter(r.reason for r in applicable if r.status != "ok")
        note = reasons.most_common(1)[0][0] if reasons else note
    if column.gone:
        note = f"kept features of {column.gone} clips are gone; run the command again"
    spec = metric.spec
    return Estimate(
        generator=generator,
        metric=spec.name,
        metric_version=spec.version,
        title=spec.title,
        value=value,
        lo=interval.lo,
        hi=interval.hi,
        n_scored=len(column.scored),
        n_attempted=len(applicable),
        n_failed=len(applicable) - len(column.scored),
        n_not_applicable=len(column.records) - len(applicable),
        n_speakers=interval.n_speakers,
        n_frames=sum(s.measurement.frames for s in column.scored.values()),
        direction=spec.direction,
        unit=spec.unit,
        note=note,
    )


def _difference(
    metric: Metric, generator: str, baseline: str, clips: Mapping[str, _Column]
) -> Difference | None:
    try:
        found = paired_difference(metric, clips[generator].scored, clips[baseline].scored)
    except UnscorableError:
        return None
    if found is None or not math.isfinite(found[0].value):
        return None
    interval, n_common = found
    return Difference(
        generator=generator,
        baseline=baseline,
        metric=metric.spec.name,
        value=interval.value,
        lo=interval.lo,
        hi=interval.hi,
        n_common=n_common,
        n_speakers=interval.n_speakers,
    )


def _marks(
    metric: Metric,
    manifest: Mapping[str, Any],
    column: Mapping[str, Estimate],
    clips: Mapping[str, _Column],
) -> dict[str, Mark]:
    """Best and second; who cannot be told from them by a paired interval shares the mark.

    Only rows with full coverage are marked: a mean over the survivors wins nothing.
    """
    kinds = {g: spec["kind"] for g, spec in manifest["generators"].items()}
    ranked = "system" if "system" in kinds.values() else "anchor"
    sign = -1 if metric.spec.direction == "higher" else 1
    asked = len(manifest["samples"])
    left = sorted(
        (sign * e.value, g)
        for g, e in column.items()
        if kinds[g] == ranked and e.value is not None and e.n_scored + e.n_not_applicable == asked
    )
    if not metric.spec.per_clip:  # a set metric depends on how many frames it is over
        most = max((column[g].n_frames for _, g in left), default=0)
        left = [(v, g) for v, g in left if column[g].n_frames == most]
    marks: dict[str, Mark] = {}
    if len(left) < 2:  # nobody is best of one
        return marks
    for mark in ("best", "second"):
        if not left:
            break
        leader = left[0][1]
        tied = [g for _, g in left if g == leader or _tied(metric, clips[g], clips[leader])]
        marks |= dict.fromkeys(tied, mark)
        left = [(v, g) for v, g in left if g not in marks]
    return marks


def _tied(metric: Metric, one: _Column, leader: _Column) -> bool:
    found = paired_difference(metric, one.scored, leader.scored)
    if found is None:
        return False
    interval = found[0]
    if interval.lo is None or interval.hi is None or interval.n_speakers < MIN_SPEAKERS_FOR_TIES:
        return interval.value == 0
    return interval.lo <= 0 <= interval.hi
