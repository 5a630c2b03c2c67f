"""Score one generated video against its reference: decode once, extract, measure.

Every metric gets an outcome, whatever happens: a number, or a status and a reason. Only a
machine that cannot go on (full or read-only disk) raises.
"""

from __future__ import annotations

import errno
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path

import numpy as np

from evaluation.records import Status
from evaluation.store import KeptTrack, TrackStore
from evaluation.video import FrameReader, VideoError, VideoInfo, frames_per_piece, probe
from metrics import Extractor, Frames, Inputs, Measurement, Metric, Side, Track, UnscorableError
from metrics.assets import AssetCorruptError, AssetMissingError, locate

_MACHINE_ERRORS = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.ENOMEM),
    *(errno.EROFS, errno.EMFILE, errno.ENFILE),
)

_FPS_TOLERANCE = 0.002  # 30000/1001 written as 29.97 is the same rate; 25 and 24.9 are not


class MachineError(OSError):
    """The machine cannot go on (disk full, read-only, out of quota); no clip is at fault."""


@dataclass(frozen=True)
class VideoFile:
    """A file and its content's sha256."""

    path: Path
    sha256: str


@dataclass(frozen=True)
class Outcome:
    """What became of one metric on one clip."""

    metric: Metric
    status: Status
    reason: str = ""
    measurement: Measurement | None = None
    seconds: float = 0.0


def score_pair(
    generated: VideoFile,
    reference: VideoFile,
    metrics: Sequence[Metric],
    every: int,
    store: TrackStore,
) -> list[Outcome]:
    """One outcome per metric, in their order.

    Args:
        generated: The video to judge.
        reference: What it is held against.
        metrics: Cards.
        every: Score frames 0, N, 2N, ...
        store: Where tracks are kept; a track that is there is not computed again.

    Raises:
        MachineError: The disk is full or read-only.
    """
    outcomes: dict[str, Outcome] = {}
    usable = []
    for metric in metrics:
        reason = _missing_assets(metric)
        if reason:
            outcomes[metric.spec.name] = Outcome(metric, "unavailable", reason)
        else:
            usable.append(metric)
    if usable:
        scored = _Scoring(generated, reference, usable, every, store).run()
        outcomes |= {o.metric.spec.name: o for o in scored}
    return [outcomes[m.spec.name] for m in metrics]


def _missing_assets(metric: Metric) -> str:
    for name in metric.spec.assets:
        try:
            locate(name)
        except KeyError:
            return f"{metric.spec.name} needs {name!r}, which is not in the asset table"
        except (AssetMissingError, AssetCorruptError) as error:
            return str(error)
    return ""


@dataclass
class _SideState:
    """One file while it is being read."""

    file: VideoFile
    label: str
    tracks: dict[str, KeptTrack] = field(default_factory=dict)
    rows: dict[str, list[Track]] = field(default_factory=dict)
    wanted: list[Extractor] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    frames: int | None = None


class _Scoring:
    """One call of ``score_pair``: holds what its steps share."""

    def __init__(
        self,
        generated: VideoFile,
        reference: VideoFile,
        metrics: Sequence[Metric],
        every: int,
        store: TrackStore,
    ) -> None:
        self.metrics = metrics
        self.every = every
        self.store = store
        self.generated = _SideState(generated, "generated")
        # A file scored against itself is read once.
        same = generated.sha256 == reference.sha256
        self.reference = self.generated if same else _SideState(reference, "reference")
        self.sides = [self.generated] if same else [self.generated, self.reference]
        self.pieces: dict[str, list[Measurement]] = {}
        self.reasons: dict[str, str] = {}
        self.seconds: dict[str, float] = {}

    def run(self) -> list[Outcome]:
        try:
            infos = [self._probe(side) for side in (self.generated, self.reference)]
        except VideoError as error:
            return [Outcome(m, "failed", str(error)) for m in self.metrics]
        misfit = _misfit(*infos)
        if misfit:
            self.reasons |= {m.spec.name: misfit for m in self.metrics if m.spec.paired}
        for side in self.sides:
            self._plan(side)
        try:
            self._read(infos[1])
        except VideoError as error:
            return [Outcome(m, "failed", str(error)) for m in self.metrics]
        return [self._outcome(m) for m in self.metrics]

    def _probe(self, side: _SideState) -> VideoInfo:
        try:
            return probe(side.file.path)
        except VideoError as error:
            raise VideoError(f"{side.label} {error}") from error

    def _alive(self) -> list[Metric]:
        return [m for m in self.metrics if m.spec.name not in self.reasons]

    def _plan(self, side: _SideState) -> None:
        """Load the tracks that are there; list the extractors that must run."""
        for extractor in _closure(e for m in self._alive() for e in m.extractors):
            kept = self.store.load(side.file.sha256, extractor.id, self.every)
            if kept is None:
                side.wanted.append(extractor)
            else:
                side.tracks[extractor.id] = kept
                side.frames = kept.frames

    def _read(self, shape: VideoInfo) -> None:
        pixel_metrics = [m for m in self._alive() if m.spec.needs_frames]
        to_read = [s for s in self.sides if s.wanted or pixel_metrics]
        piece = frames_per_piece(shape) if pixel_metrics else None
        readers = {s.label: FrameReader(s.file.path, self.every, piece) for s in to_read}
        for batch in zip_longest(*(self._pieces(s, readers[s.label]) for s in to_read)):
            for side, frames in zip(to_read, batch, strict=True):
                if frames is not None:
                    self._extract(side, frames)
            if pixel_metrics:
                self._measure_pixels(pixel_metrics, batch[0], batch[-1])
        for side in to_read:
            side.frames = readers[side.label].frames
            self._keep(side)

    def _pieces(self, side: _SideState, reader: FrameReader) -> Iterable[Frames]:
        try:
            yield from reader
        except VideoError as error:
            raise VideoError(f"{side.label} {error}") from error

    def _extract(self, side: _SideState, frames: Frames) -> None:
        here: dict[str, Track] = {}
        for extractor in side.wanted:
            if extractor.id in side.failures:
                continue
            broken = [e.id for e in extractor.uses if e.id in side.failures]
            if broken:
                side.failures[extractor.id] = side.failures[broken[0]]
                continue
            start = time.perf_counter()
            try:
                done = sum(len(next(iter(t.values()))) for t in side.rows.get(extractor.id, []))
                uses = {
                    e.id: here.get(e.id) or _rows_of(side.tracks[e.id].track, done, len(frames))
                    for e in extractor.uses
                }
                here[extractor.id] = _checked_rows(extractor.extract(frames, uses), len(frames))
                side.rows.setdefault(extractor.id, []).append(here[extractor.id])
            except Exception as error:  # noqa: BLE001 - a plug-in may raise anything
                side.failures[extractor.id] = f"{extractor.id} on {side.label}: {_brief(error)}"
            spent = time.perf_counter() - start
            self.seconds[extractor.id] = self.seconds.get(extractor.id, 0.0) + spent

    def _measure_pixels(
        self, metrics: list[Metric], generated: Frames | None, reference: Frames | None
    ) -> None:
        if generated is None or reference is None or len(generated) != len(reference):
            return  # the frame counts differ, which is every paired metric's reason
        for metric in metrics:
            name = metric.spec.name
            if name in self.reasons:
                continue
            piece = self._call(metric, Inputs(Side(generated), Side(reference)))
            if piece is not None:
                self.pieces.setdefault(name, []).append(piece)

    def _call(self, metric: Metric, inputs: Inputs) -> Measurement | None:
        """``measure``, with whatever it raises turned into this metric's reason."""
        start = time.perf_counter()
        try:
            return _checked(metric.measure(inputs))
        except UnscorableError as error:
            self.reasons[metric.spec.name] = str(error)
        except Exception as error:  # noqa: BLE001 - one metric's bug must not end the clip
            self.reasons[metric.spec.name] = _brief(error)
        finally:
            spent = time.perf_counter() - start
            self.seconds[metric.spec.name] = self.seconds.get(metric.spec.name, 0.0) + spent
        return None

    def _keep(self, side: _SideState) -> None:
        for extractor in side.wanted:
            if extractor.id in side.failures or side.frames is None:
                continue
            kept = KeptTrack(_join_rows(side.rows[extractor.id]), side.frames)
            try:
                self.store.save(side.file.sha256, extractor.id, self.every, kept)
            except OSError as error:
                raise machine_error(error) from error
            side.tracks[extractor.id] = kept

    def _outcome(self, metric: Metric) -> Outcome:
        name = metric.spec.name
        counts = (self.generated.frames, self.reference.frames)
        together = metric.spec.paired or metric.spec.needs_frames
        if name not in self.reasons and together and counts[0] != counts[1]:
            self.reasons[name] = (
                f"generated has {counts[0]} frames, reference {counts[1]}; paired metrics need "
                "every driven frame exactly once"
            )
        for side in self.sides:
            for extractor in _closure(metric.extractors):
                if extractor.id in side.failures:
                    self.reasons.setdefault(name, side.failures[extractor.id])
        measurement = None if name in self.reasons else self._measurement(metric)
        used = {name, *(e.id for e in _closure(metric.extractors))}
        seconds = sum(s for key, s in self.seconds.items() if key in used)
        if measurement is None:
            return Outcome(metric, "failed", self.reasons[name], None, seconds)
        return Outcome(metric, "ok", "", measurement, seconds)

    def _measurement(self, metric: Metric) -> Measurement | None:
        if not metric.spec.needs_frames:
            return self._call(metric, track_inputs(metric, self.generated, self.reference))
        try:
            return Measurement.join(self.pieces.get(metric.spec.name, []))
        except ValueError as error:
            self.reasons[metric.spec.name] = str(error)
            return None


def track_inputs(metric: Metric, generated: _SideState, reference: _SideState) -> Inputs:
    """Inputs of a metric that reads tracks only."""

    def side(state: _SideState) -> Side:
        return Side(None, {e.id: state.tracks[e.id].track for e in metric.extractors})

    return Inputs(side(generated), side(reference))


def measure_again(
    metric: Metric, generated_sha256: str, reference_sha256: str, every: int, store: TrackStore
) -> Measurement | None:
    """A track metric's measurement from kept tracks alone; None where a track is gone."""
    sides = []
    for sha256 in (generated_sha256, reference_sha256):
        kept = {e.id: store.load(sha256, e.id, every) for e in metric.extractors}
        if any(track is None for track in kept.values()):
            return None
        sides.append(Side(None, {i: k.track for i, k in kept.items() if k is not None}))
    return metric.measure(Inputs(sides[0], sides[1]))


def machine_error(error: OSError) -> OSError:
    """The same error, as a ``MachineError`` where no clip can be at fault."""
    if error.errno in _MACHINE_ERRORS:
        return MachineError(error.errno, error.strerror, error.filename)
    return error


def _misfit(generated: VideoInfo, reference: VideoInfo) -> str:
    """Why these two cannot be compared frame by frame, or nothing."""
    if (generated.width, generated.height) != (reference.width, reference.height):
        return f"generated is {generated.size} pixels, reference {reference.size}"
    if abs(generated.fps / reference.fps - 1) > _FPS_TOLERANCE:
        return f"generated runs at {_fps(generated)} fps, reference at {_fps(reference)}"
    return ""


def _fps(info: VideoInfo) -> str:
    return f"{float(info.fps):.6g}"


def _closure(extractors: Iterable[Extractor]) -> list[Extractor]:
    """Extractors with all they use, each once, a used one before its user."""
    ordered: dict[str, Extractor] = {}

    def visit(extractor: Extractor) -> None:
        for used in extractor.uses:
            visit(used)
        ordered.setdefault(extractor.id, extractor)

    for extractor in extractors:
        visit(extractor)
    return list(ordered.values())


def _checked(measured: Measurement) -> Measurement:
    """A plug-in's measurement in plain types.

    Raises:
        UnscorableError: Its value is no finite number.
    """
    value = None if measured.value is None else float(measured.value)
    if value is not None and not math.isfinite(value):
        raise UnscorableError(f"the value is {value}")
    notes = {str(k): int(v) for k, v in measured.notes.items()}
    return replace(measured, value=value, frames=int(measured.frames), notes=notes)


def _checked_rows(track: Track, frames: int) -> Track:
    """A plug-in's track, if it has a plain row for every frame."""
    for name, rows in track.items():
        if len(rows) != frames or rows.dtype.hasobject:
            raise ValueError(
                f"track {name!r} has {len(rows)} rows of {rows.dtype} for {frames} frames"
            )
    return track


def _rows_of(track: Track, start: int, count: int) -> Track:
    return {name: rows[start : start + count] for name, rows in track.items()}


def _join_rows(rows: Sequence[Track]) -> Mapping[str, np.ndarray]:
    return {name: np.concatenate([r[name] for r in rows]) for name in rows[0]}


def _brief(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
