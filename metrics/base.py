"""What a metric is: a declaration, a map over frames and a reduce over clips.

Shape letters, used in every room: ``T`` frames, ``H W`` pixels, ``N`` audio samples,
``K`` landmarks, ``D`` features; ``n`` is the number of frames in the piece at hand.

A metric never sees a file. The harness decodes both videos, hands each *extractor* what it
reads of one video (so that what depends on one side alone is computed once and kept), and
hands each *metric* the two sides together::

    frames of one file  --Extractor.extract------> Track        one row per frame, kept on disk
    its whole tracks    --TrackExtractor.follow--> Track        one row per frame
    its sound           --AudioExtractor.listen--> Track        rows at a rate of its own
    two sides           --Metric.measure---------> Measurement  one clip's share of the number
    all clips           --Metric.aggregate-------> float        the number
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8]
"""uint8 RGB, [n, H, W, 3]."""

Sound = NDArray[np.int16]
"""int16 mono, [N], 16 000 samples a second; sample 0 sounds with frame 0."""

Track = Mapping[str, NDArray[np.generic]]
"""What one extractor read off one video: named arrays, first axis = frames (of sound: its own)."""

Direction = Literal["higher", "lower"]


class UnscorableError(ValueError):
    """This clip has no value under this metric; the text is the reason in the record."""


STATED = ("decoder", "fps", "crop", "backbone", "pooling", "useless", "failure", "traps")
"""What every card says in its protocol; ``useless`` is what a useless generator gets."""


@dataclass(frozen=True, kw_only=True)
class MetricSpec:
    """A protocol card: everything that must be said for the number to mean something.

    Attributes:
        name: ``family@protocol``, e.g. ``ssim@skimage-wang``.
        version: Changes whenever the number can change.
        title: Column head, e.g. ``SSIM``.
        direction: Which way is better.
        unit: ``dB``, ``px`` or empty.
        bounds: Values that no clip can go beyond; intervals are cut there.
        perfect: Value of a video scored against itself, None where it depends on the video.
        needs_reference: There is something to hold the generated video against. Without it the
            reference side of the inputs is empty.
        paired: Frame i of the generated video is compared with frame i of the reference, so
            both must have the same number, size and rate of frames.
        symmetric: Generated and reference may change places.
        fps: Frames come at this rate, all of them, dropped or repeated by the clock of the file,
            whatever the suite thins out; None takes the file's own frames 0, N, 2N, ...
        needs_frames: ``measure`` reads pixels (and is called piece by piece); otherwise it reads
            tracks only and is called once per clip.
        per_clip: One clip has a value of its own. Set metrics (FID) have one only over clips.
        needs: What a sample must show or sound, such as ``face``; where a sample is known to lack
            it, the metric does not apply.
        protocol: The choices in words, in reading order; has all of ``STATED``.
        source: Paper and official code with version or commit, and what differs.
        assets: Names in the asset table that must be present, those of extractors included.
        packages: Optional packages that must be installed, by their import names.
    """

    name: str
    version: str
    title: str
    direction: Direction
    unit: str = ""
    bounds: tuple[float, float] = (-np.inf, np.inf)
    perfect: float | None = None
    needs_reference: bool = True
    paired: bool = True
    symmetric: bool = False
    fps: int | None = None
    needs_frames: bool = True
    per_clip: bool = True
    needs: tuple[str, ...] = ()
    protocol: Mapping[str, str]
    source: str
    assets: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Name and version as records and tables quote it: ``psnr/1``."""
        return f"{self.name}/{self.version}"


@dataclass(frozen=True)
class Side:
    """One video's part of the inputs.

    Attributes:
        frames: uint8 RGB [n, H, W, 3]; None for metrics that read tracks only.
        tracks: Extractor id -> its track, rows in step with ``frames`` (or of the whole clip,
            where there are none; tracks of sound are always whole).
    """

    frames: Frames | None = None
    tracks: Mapping[str, Track] = field(default_factory=dict)


@dataclass(frozen=True)
class Inputs:
    """The same frames of the generated video and of its reference (empty where none is needed)."""

    generated: Side
    reference: Side = field(default_factory=Side)

    def pixels(self) -> tuple[Frames, Frames]:
        """Both sides' frames, checked: uint8 RGB [n, H, W, 3], same shape.

        Raises:
            ValueError: A side has no frames, or the two do not fit each other.
        """
        a, b = self.generated.frames, self.reference.frames
        if a is None or b is None:
            raise ValueError("this metric reads pixels, but the inputs hold tracks only")
        for name, x in (("generated", a), ("reference", b)):
            if x.dtype != np.uint8 or x.ndim != 4 or x.shape[-1] != 3:
                raise ValueError(
                    f"{name} frames: expected uint8 [n, H, W, 3], got {x.dtype} {list(x.shape)}"
                )
        if a.shape != b.shape:
            raise ValueError(f"generated {list(a.shape)} does not fit reference {list(b.shape)}")
        return a, b


@dataclass(frozen=True)
class Measurement:
    """One clip's share of a metric.

    Attributes:
        value: The clip's own value, None for set metrics.
        frames: How many frames it rests on.
        per_frame: float64 [frames], where the metric has values per frame.
        features: Rows that a set metric pools over clips, by side.
        notes: What was counted on the way (``{"identical frames": 3}``); goes into the record.
    """

    value: float | None
    frames: int
    per_frame: NDArray[np.float64] | None = None
    features: Mapping[str, NDArray[np.floating]] | None = None
    notes: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of_frames(
        cls, per_frame: NDArray[np.floating], notes: Mapping[str, int] | None = None
    ) -> Measurement:
        """A clip whose value is the mean of its frames' values."""
        values = np.asarray(per_frame, dtype=np.float64)
        counted = {k: v for k, v in (notes or {}).items() if v}
        if values.ndim != 1 or values.size == 0:
            why = "".join(f", {k}: {v}" for k, v in counted.items())
            raise UnscorableError(f"no frame could be scored{why}")
        if not np.isfinite(values).all():
            bad = int((~np.isfinite(values)).sum())
            raise UnscorableError(f"{bad} frames have no finite value")
        return cls(float(values.mean()), int(values.size), values, notes=counted)

    @classmethod
    def of_piece(
        cls, per_frame: NDArray[np.floating], notes: Mapping[str, int] | None = None
    ) -> Measurement:
        """As ``of_frames``, for a metric that passes over frames: a piece may have none to score.

        It then has no value, and ``join`` says whether the clip has one.
        """
        if np.size(per_frame):
            return cls.of_frames(per_frame, notes)
        return cls(None, 0, np.empty(0), notes={k: v for k, v in (notes or {}).items() if v})

    @classmethod
    def join(cls, pieces: Sequence[Measurement]) -> Measurement:
        """Pieces of one clip, in order, as if measured in one go.

        Raises:
            UnscorableError: No piece has a frame that could be scored.
        """
        if not pieces:
            raise UnscorableError("no frame could be scored")
        if len(pieces) == 1 and (pieces[0].value is not None or pieces[0].per_frame is None):
            return pieces[0]
        parts = [p.per_frame for p in pieces if p.per_frame is not None]
        if len(parts) != len(pieces):
            raise ValueError(
                "a metric that reads pixels must return values per frame (Measurement.of_frames): "
                "a long clip is measured in pieces"
            )
        notes: dict[str, int] = {}
        for piece in pieces:
            for key, count in piece.notes.items():
                notes[key] = notes.get(key, 0) + count
        return cls.of_frames(np.concatenate(parts), notes)


@runtime_checkable
class Extractor(Protocol):
    """A map from the frames of one video to one row per frame.

    ``id`` is ``name/version`` and is part of the key under which tracks are kept: change the
    rows, change the version. ``uses`` are the extractors whose tracks this one reads.

    One whose row i also depends on the frames after i says on how many in an attribute
    ``lookahead`` (see ``LooksAhead``).
    """

    @property
    def id(self) -> str:
        """Name and version, e.g. ``yunet/1``."""
        ...

    @property
    def uses(self) -> tuple[AnyExtractor, ...]:
        """Extractors that must have run on the same frames before."""
        ...

    def extract(self, frames: Frames, tracks: Mapping[str, Track]) -> Track:
        """Rows for uint8 RGB frames [n, H, W, 3]; ``tracks`` holds those of ``uses``."""
        ...


@runtime_checkable
class LooksAhead(Extractor, Protocol):
    """An extractor whose row i reads frames i to i + ``lookahead``.

    It is handed that many frames more than it is asked about, returns a row for every frame it
    is handed, and has no say about the last ones (NaN), which are asked again with the next piece.
    """

    @property
    def lookahead(self) -> int:
        """Frames after the one a row stands for."""
        ...


@runtime_checkable
class TrackExtractor(Protocol):
    """A map from the whole tracks of one video to one row per frame.

    For what needs the clip's end to be known, such as whose face it is about. An extractor of
    frames that uses it sees the frames in another pass.
    """

    @property
    def id(self) -> str:
        """Name and version."""
        ...

    @property
    def uses(self) -> tuple[AnyExtractor, ...]:
        """Extractors whose tracks it reads."""
        ...

    def follow(self, tracks: Mapping[str, Track]) -> Track:
        """Rows for all T frames, from the whole tracks of ``uses``."""
        ...


@runtime_checkable
class AudioExtractor(Protocol):
    """A map from the sound of one video to rows at a rate of its own."""

    @property
    def id(self) -> str:
        """Name and version."""
        ...

    def listen(self, sound: Sound) -> Track:
        """Rows for int16 mono [N] at 16 kHz."""
        ...


AnyExtractor = Extractor | TrackExtractor | AudioExtractor


@runtime_checkable
class Metric(Protocol):
    """A protocol card with its arithmetic. Inherit nothing; have these."""

    @property
    def spec(self) -> MetricSpec:
        """The protocol card."""
        ...

    @property
    def extractors(self) -> tuple[AnyExtractor, ...]:
        """Whose tracks ``measure`` reads, on both sides."""
        ...

    def measure(self, inputs: Inputs) -> Measurement:
        """One clip, or a piece of it (see ``MetricSpec.needs_frames``).

        Raises:
            UnscorableError: The clip has no value; says why.
        """
        ...

    def aggregate(self, measurements: Sequence[Measurement]) -> float:
        """The number over clips. Must not depend on their order."""
        ...


Pool = Callable[[Sequence[Measurement]], float]
"""How clips become one number."""


def mean_of_frames(measurements: Sequence[Measurement]) -> float:
    """Every frame counts the same: a clip weighs by its frames."""
    shares = sorted((m.value, m.frames) for m in measurements if m.value is not None)
    if not shares:
        raise UnscorableError("no clip has a value")
    values, frames = np.asarray(shares, dtype=np.float64).T
    return float(np.average(values, weights=frames))


def mean_of_clips(measurements: Sequence[Measurement]) -> float:
    """Every clip counts the same, however long it is."""
    values = [m.value for m in measurements if m.value is not None]
    if not values:
        raise UnscorableError("no clip has a value")
    return float(np.mean(np.sort(np.asarray(values, dtype=np.float64))))


_WEIGHTS: Sequence[tuple[Pool, Callable[[Measurement], float]]] = (
    (mean_of_clips, lambda _: 1.0),
    (mean_of_frames, lambda m: float(m.frames)),
)


def clip_weight(metric: Metric) -> Callable[[Measurement], float] | None:
    """How much a clip weighs in a metric's number, if that is a mean of the clips' values.

    A metric says so by an attribute ``pool`` that is ``mean_of_clips`` or ``mean_of_frames`` and
    that ``aggregate`` is the same as. Numbers without one speaker after the other are then sums,
    and not a call for each.

    Returns:
        The weight of a clip with a value; None where ``aggregate`` has to be asked.
    """
    pool = getattr(metric, "pool", None)
    return next((weight for known, weight in _WEIGHTS if known is pool), None)
