"""What a run has scored, read back: one row's clips under one metric, ready to aggregate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from evaluation.records import Record
from evaluation.score_pair import measure_again
from evaluation.stats import Scored
from evaluation.store import TrackStore
from metrics import (
    AnyExtractor,
    Inputs,
    Measurement,
    Metric,
    MetricSpec,
    UnscorableError,
)


class Remembering:
    """A metric that aggregates one set of clips once: intervals and differences share them.

    Sets are told apart by the identity of their measurements, which a column holds as long as
    this is asked.
    """

    def __init__(self, metric: Metric) -> None:
        self._metric = metric
        self.pool = getattr(metric, "pool", None)  # see metrics.clip_weight
        self._known: dict[tuple[int, ...], float] = {}

    @property
    def spec(self) -> MetricSpec:
        """The card."""
        return self._metric.spec

    @property
    def extractors(self) -> tuple[AnyExtractor, ...]:
        """The card's."""
        return self._metric.extractors

    def measure(self, inputs: Inputs) -> Measurement:
        """One clip."""
        return self._metric.measure(inputs)

    def aggregate(self, measurements: Sequence[Measurement]) -> float:
        """The number over clips.

        Raises:
            UnscorableError: There is none, whatever the metric raised.
        """
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
class Clips:
    """One generator's clips under one metric.

    Attributes:
        records: All of them.
        scored: Sample id -> measurement, of those with one.
        gone: How many were scored once, but what the number is made of is no longer on disk.
    """

    records: Sequence[Record]
    scored: Mapping[str, Scored]
    gone: int

    @classmethod
    def read(cls, metric: Metric, records: Sequence[Record], store: TrackStore) -> Clips:
        """A cell's records; what has no value of its own is measured again from kept tracks."""
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


def cells(records: Iterable[Record]) -> dict[tuple[str, str], list[Record]]:
    """Records by (generator, card name)."""
    found: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        found.setdefault((record.generator, record.metric), []).append(record)
    return found


def _measurement(metric: Metric, record: Record, store: TrackStore) -> Measurement | None:
    if metric.spec.per_clip:
        return Measurement(record.value, record.frames)
    return measure_again(
        metric, record.generated_sha256, record.reference_sha256, record.every, store
    )
