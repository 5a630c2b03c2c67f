"""Values per frame of one clip, put back on the frames that they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.reading import Sampling
from evaluation.records import Record
from evaluation.report.layout import Column
from evaluation.results import Results
from evaluation.score_pair import kept_track
from evaluation.store import TrackStore, ValueStore
from metrics import Metric


@dataclass(frozen=True)
class Curve:
    """One row's values on a clip: float64 [n], and the video's frames they are of, int [n]."""

    frames: NDArray[np.int64]
    values: NDArray[np.float64]


@dataclass(frozen=True)
class Curves:
    """All rows under one metric.

    Attributes:
        column: The metric.
        of: By generator.
        unplaced: Generators whose values are kept, and nothing that says of which frames.
    """

    column: Column
    of: Mapping[str, Curve]
    unplaced: tuple[str, ...]


class CurveReader:
    """Reads values per frame of a run.

    Args:
        results: The run.
        values: Its values per frame.
        tracks: What was read off its videos: says in which frames a face was found.
    """

    def __init__(self, results: Results, values: ValueStore, tracks: TrackStore) -> None:
        self._metrics: dict[str, Metric] = {m.spec.name: m for m in results.metrics}
        self._values = values
        self._tracks = tracks

    def read(
        self, column: Column, records: Mapping[str, Record], frames: Mapping[str, int], fps: float
    ) -> Curves:
        """Curves of one clip under one metric.

        Args:
            column: The metric.
            records: Its records of that clip, by generator.
            frames: How many frames each generator's video has.
            fps: Of the page's picture, on whose frames a steady card's values are put.
        """
        found: dict[str, Curve] = {}
        unplaced = []
        for name, record in records.items():
            if record.status != "ok":
                continue
            values = self._values.load(name, record.sample, record.metric)
            if values is None or values.ndim != 1 or values.size < 2:
                continue
            places = self._places(column, record, values.size, frames.get(name, 0), fps)
            if places is None:
                unplaced.append(name)
            else:
                found[name] = Curve(places, values)
        return Curves(column, found, tuple(unplaced))

    def _places(
        self, column: Column, record: Record, count: int, frames: int, fps: float
    ) -> NDArray[np.int64] | None:
        """Of which frames so many values are; None where nothing kept says it."""
        steady = column.spec.fps
        if steady:
            # A card at a steady rate has a value for each moment of the clip's clock.
            due = round(frames * steady / fps) if fps else 0
            at = np.floor(np.arange(count) * fps / steady + 1e-6).astype(np.int64)
            return at if abs(due - count) <= 1 else None
        at = np.arange(0, frames, record.every, dtype=np.int64)
        if at.size == count:
            return at
        seen = self._seen(record)
        if seen is None or seen.size != at.size or int(seen.sum()) != count:
            return None
        return np.asarray(at[seen], dtype=np.int64)

    def _seen(self, record: Record) -> NDArray[np.bool_] | None:
        """Frames with a face on both sides, by the tracks that the metric itself read."""
        metric = self._metrics.get(record.metric)
        if metric is None:
            return None
        sampling = Sampling(record.every, metric.spec.fps)
        masks = []
        for sha256 in filter(None, (record.generated_sha256, record.reference_sha256)):
            for extractor in metric.extractors:
                track = kept_track(self._tracks, sha256, extractor, sampling)
                if track is not None and "found" in track:
                    masks.append(np.asarray(track["found"], dtype=np.bool_))
        if not masks or len({m.size for m in masks}) > 1:
            return None
        return np.asarray(np.logical_and.reduce(masks), dtype=np.bool_)
