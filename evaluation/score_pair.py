"""Score one generated video against its reference: decode, extract, measure.

Every metric gets an outcome, whatever happens: a number, or a status and a reason. Only a
machine that cannot go on (full or read-only disk) raises.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest

from evaluation.reading import Reading, Sampling, VideoFile, brief, closure
from evaluation.records import LARGEST, Status
from evaluation.stages import Stage, spend
from evaluation.store import TrackStore
from evaluation.video import VideoError, VideoInfo, frames_per_piece, probe
from metrics import (
    AnyExtractor,
    Frames,
    Inputs,
    Measurement,
    Metric,
    MetricSpec,
    Side,
    Track,
    UnscorableError,
)
from metrics.assets import AssetCorruptError, AssetMissingError, locate

_FPS_TOLERANCE = 0.002  # 30000/1001 written as 29.97 is the same rate; 25 and 24.9 are not


@dataclass(frozen=True)
class Outcome:
    """What became of one metric on one clip."""

    metric: Metric
    status: Status
    reason: str = ""
    measurement: Measurement | None = None
    stages: Mapping[Stage, float] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """In all."""
        return sum(self.stages.values())


def score_pair(
    generated: VideoFile,
    reference: VideoFile | None,
    metrics: Sequence[Metric],
    every: int,
    store: TrackStore,
) -> list[Outcome]:
    """One outcome per metric, in their order.

    Args:
        generated: The video to judge.
        reference: What it is held against; None serves metrics that need none.
        metrics: Cards.
        every: Score frames 0, N, 2N, ...
        store: Where tracks are kept; a track that is there is not computed again.

    Raises:
        MachineError: The disk is full or read-only.
    """
    outcomes: dict[str, Outcome] = {}
    usable = []
    for metric in metrics:
        reason = _missing(metric)
        if reason:
            outcomes[metric.spec.name] = Outcome(metric, "unavailable", reason)
        else:
            usable.append(metric)
    for fps in dict.fromkeys(m.spec.fps for m in usable):
        same_frames = [m for m in usable if m.spec.fps == fps]
        # What a damaged reference cannot spoil is scored without it.
        for needed in (True, False):
            these = [m for m in same_frames if m.spec.needs_reference == needed]
            held_against = reference if needed else None
            if these:
                sampling = Sampling(every, fps)
                scored = _Scoring(generated, held_against, these, sampling, store).run()
                outcomes |= {o.metric.spec.name: o for o in scored}
    return [outcomes[m.spec.name] for m in metrics]


def missing_packages(spec: MetricSpec) -> list[str]:
    """Optional packages of a card that are not installed, by import name."""
    return [name for name in spec.packages if importlib.util.find_spec(name) is None]


def _missing(metric: Metric) -> str:
    """What keeps a metric from being computed here, with what to do about it, or nothing."""
    lacking = missing_packages(metric.spec)
    if lacking:
        return (
            f"{metric.spec.name} needs the package {' and '.join(lacking)}. "
            "Run: pip install 'talkbench[faces]'"
        )
    for name in metric.spec.assets:
        try:
            locate(name)
        except KeyError:
            return f"{metric.spec.name} needs {name!r}, which is not in the asset table"
        except (AssetMissingError, AssetCorruptError) as error:
            return str(error)
    return ""


class _Scoring:
    """Metrics of one sampling, all with a reference or all without: what their steps share."""

    def __init__(
        self,
        generated: VideoFile,
        reference: VideoFile | None,
        metrics: Sequence[Metric],
        sampling: Sampling,
        store: TrackStore,
    ) -> None:
        self.metrics = metrics
        self.sampling = sampling
        self.store = store
        self.files = [(generated, "generated")]
        if reference is not None:
            self.files.append((reference, "reference"))
        self.sides: list[Reading] = []
        self.pieces: dict[str, list[Measurement]] = {}
        self.reasons: dict[str, str] = {}
        self.seconds: dict[str, float] = {}

    def run(self) -> list[Outcome]:
        try:
            infos = [self._probe(*side) for side in self.files]
        except VideoError as error:
            return [Outcome(m, "failed", str(error)) for m in self.metrics]
        misfit = _misfit(infos[0], infos[-1])
        if misfit:
            self.reasons |= {m.spec.name: misfit for m in self.metrics if m.spec.paired}
        alive = [m for m in self.metrics if m.spec.name not in self.reasons]
        extractors = [e for m in alive for e in m.extractors]
        for file, label in self.files:
            # A file scored against itself is read once.
            same = [s for s in self.sides if s.file.sha256 == file.sha256]
            self.sides.append(
                same[0] if same else Reading(file, label, self.sampling, extractors, self.store)
            )
        try:
            piece = min(map(frames_per_piece, infos))
            self._read([m for m in alive if m.spec.needs_frames], piece)
        except VideoError as error:
            return [Outcome(m, "failed", str(error)) for m in self.metrics]
        return [self._outcome(m) for m in self.metrics]

    def _probe(self, file: VideoFile, label: str) -> VideoInfo:
        try:
            return probe(file.path)
        except VideoError as error:
            raise VideoError(f"{label} {error}") from error

    @property
    def _distinct(self) -> list[Reading]:
        return list(dict.fromkeys(self.sides))

    def _read(self, pixel_metrics: list[Metric], piece: int) -> None:
        for side in self._distinct:
            side.listen()
        turns = {
            m.spec.name: max(s.first_pass_for(m.extractors) for s in self.sides)
            for m in pixel_metrics
        }
        last = max([s.passes for s in self.sides] + [turn + 1 for turn in turns.values()])
        for number in range(last):
            due = [m for m in pixel_metrics if turns[m.spec.name] == number]
            self._pass(number, due, piece)

    def _pass(self, number: int, due: list[Metric], piece: int) -> None:
        """Read every side that is asked for once, in step, and show the frames around."""
        reading = [s for s in self._distinct if due or s.wants(number)]
        shown = [self.sampling.footage(s.file, piece) for s in reading]
        done = 0
        for batch in zip_longest(
            *(s.pieces(f) for s, f in zip(reading, shown, strict=True)), fillvalue=None
        ):
            for side, frames in zip(reading, batch, strict=True):
                if frames is not None:
                    side.feed(number, frames)
            if due:
                self._measure_pixels(due, batch[0], batch[-1], done)
                done += len(batch[0]) if batch[0] is not None else 0
        for side, footage in zip(reading, shown, strict=True):
            side.finish(number, footage.frames)

    def _measure_pixels(
        self,
        metrics: list[Metric],
        generated: Frames | None,
        reference: Frames | None,
        start: int,
    ) -> None:
        if generated is None or reference is None or len(generated) != len(reference):
            return  # the frame counts differ, which is every paired metric's reason
        for metric in metrics:
            name = metric.spec.name
            if name in self.reasons:
                continue
            if any(e.id in s.failures for s in self.sides for e in closure(metric.extractors)):
                continue
            given = [
                Side(
                    frames,
                    {e.id: side.rows(e, start, len(frames)) for e in metric.extractors},
                )
                for side, frames in zip(self.sides, (generated, reference), strict=False)
            ]
            piece = self._call(metric, Inputs(*given))
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
            self.reasons[metric.spec.name] = brief(error)
        finally:
            spent = time.perf_counter() - start
            spend("measure", spent)
            self.seconds[metric.spec.name] = self.seconds.get(metric.spec.name, 0.0) + spent
        return None

    def _outcome(self, metric: Metric) -> Outcome:
        name = metric.spec.name
        counts = (self.sides[0].frames, self.sides[-1].frames) if self.sides else (None, None)
        together = metric.spec.paired or metric.spec.needs_frames
        if name not in self.reasons and together and counts[0] != counts[1]:
            self.reasons[name] = (
                f"generated has {counts[0]} frames, reference {counts[1]}; paired metrics need "
                "every driven frame exactly once"
            )
        used = closure(metric.extractors)
        for side in self.sides:
            for extractor in used:
                if extractor.id in side.failures:
                    self.reasons.setdefault(name, side.failures[extractor.id])
        measurement = None if name in self.reasons else self._measurement(metric)
        extracting = sum(s.seconds.get(e.id, 0.0) for s in self._distinct for e in used)
        stages: dict[Stage, float] = {
            "extract": extracting,
            "measure": self.seconds.get(name, 0.0),
        }
        if measurement is None:
            return Outcome(metric, "failed", self.reasons[name], None, stages)
        return Outcome(metric, "ok", "", measurement, stages)

    def _measurement(self, metric: Metric) -> Measurement | None:
        if not metric.spec.needs_frames:
            given = [_side(metric, s.tracks) for s in self.sides]
            return self._call(metric, Inputs(*given))
        try:
            return Measurement.join(self.pieces.get(metric.spec.name, []))
        except ValueError as error:
            self.reasons[metric.spec.name] = str(error)
            return None


def _side(metric: Metric, tracks: dict[str, Track]) -> Side:
    return Side(None, {e.id: tracks[e.id] for e in metric.extractors})


def measure_again(
    metric: Metric, generated_sha256: str, reference_sha256: str, every: int, store: TrackStore
) -> Measurement | None:
    """A track metric's measurement from kept tracks alone; None where a track is gone."""
    sampling = Sampling(every, metric.spec.fps)
    needed = (
        [generated_sha256, reference_sha256] if metric.spec.needs_reference else [generated_sha256]
    )
    sides = []
    for sha256 in needed:
        kept = {e.id: kept_track(store, sha256, e, sampling) for e in metric.extractors}
        if any(track is None for track in kept.values()):
            return None
        sides.append(Side(None, {i: track for i, track in kept.items() if track is not None}))
    return metric.measure(Inputs(*sides))


def kept_track(
    store: TrackStore, sha256: str, extractor: AnyExtractor, sampling: Sampling
) -> Track | None:
    """The track of a file, if it is on disk."""
    kept = store.load(sha256, extractor.id, sampling.tag_of(extractor))
    return None if kept is None else kept.track


def _misfit(generated: VideoInfo, reference: VideoInfo) -> str:
    """Why these two cannot be compared frame by frame, or nothing."""
    if (generated.width, generated.height) != (reference.width, reference.height):
        return f"generated is {generated.size} pixels, reference {reference.size}"
    if abs(generated.fps / reference.fps - 1) > _FPS_TOLERANCE:
        return f"generated runs at {_fps(generated)} fps, reference at {_fps(reference)}"
    return ""


def _fps(info: VideoInfo) -> str:
    return f"{float(info.fps):.6g}"


def _checked(measured: Measurement) -> Measurement:
    """A plug-in's measurement in plain types.

    Raises:
        UnscorableError: Its value is no finite number, or none that can be summed.
    """
    value = None if measured.value is None else float(measured.value)
    if value is not None and not abs(value) <= LARGEST:
        raise UnscorableError(f"the value is {value}")
    notes = {str(k): int(v) for k, v in measured.notes.items()}
    return replace(measured, value=value, frames=int(measured.frames), notes=notes)
