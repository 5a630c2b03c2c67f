"""Metrics of the generated frames alone, over whole frames or over a part of the face."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from metrics import words
from metrics.base import (
    AnyExtractor,
    Frames,
    Inputs,
    Measurement,
    MetricSpec,
    Pool,
    Track,
    UnscorableError,
    mean_of_clips,
)
from metrics.crops import Region
from metrics.face_frames import MOST_LOST
from metrics.pixels import POOLING, Frame

PerFrame = Callable[[Frame], float]
"""One frame -> its value; NaN where it has none."""


@dataclass(frozen=True)
class FrameMetric:
    """A number of each frame as a metric.

    Attributes:
        spec: The card.
        per_frame: The number.
        least_side: It exists where no side is shorter (px).
        valueless: What is said of frames without a value, after their number.
        noted: Frames whose value is 0 are counted in the notes under this name.
        pool: How clips become one number.
    """

    spec: MetricSpec
    per_frame: PerFrame
    least_side: int = 1
    valueless: str = "have no value"
    noted: str | None = None
    pool: Pool = mean_of_clips
    extractors: tuple[AnyExtractor, ...] = ()

    def measure(self, inputs: Inputs) -> Measurement:
        """Mean over frames.

        Raises:
            UnscorableError: The frames are too small, or one has no value.
            ValueError: No frames, or not uint8 RGB [n, H, W, 3].
        """
        frames = inputs.generated.frames
        if frames is None or frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3:
            got = "none" if frames is None else f"{frames.dtype} {list(frames.shape)}"
            raise ValueError(f"generated frames: expected uint8 [n, H, W, 3], got {got}")
        height, width = frames.shape[1:3]
        if min(height, width) < self.least_side:
            raise UnscorableError(
                f"frames are {width}x{height} px: {self.spec.name} needs {self.least_side} px on "
                "the shorter side"
            )
        values = np.array([self.per_frame(frame) for frame in frames], dtype=np.float64)
        lost = int(np.isnan(values).sum())
        if lost:
            raise UnscorableError(f"{lost} frames {self.valueless}")
        notes = {self.noted: int((values == 0).sum())} if self.noted else None
        return Measurement.of_frames(values, notes)

    def aggregate(self, measurements: Sequence[Measurement]) -> float:
        """The number over clips."""
        return self.pool(measurements)


@dataclass(frozen=True)
class RegionValues:
    """A number of a part of the face in each frame.

    Rows: ``values`` float64 [n], NaN where the part is not seen.

    Attributes:
        name: Of the number.
        per_frame: The number.
        region: Which part.
    """

    name: str
    per_frame: PerFrame
    region: Region

    @property
    def id(self) -> str:
        """Name and version."""
        return f"{self.name}@{self.region.name}/1"

    @property
    def uses(self) -> tuple[AnyExtractor, ...]:
        """Who finds the part."""
        return (self.region.extractor,)

    def extract(self, frames: Frames, tracks: Mapping[str, Track]) -> Track:
        """Rows for uint8 RGB frames [n, H, W, 3], with the track of the part."""
        height, width = frames.shape[1:3]
        windows = self.region.windows(tracks[self.region.extractor.id], height, width)
        values = [
            self.per_frame(frame[window]) if window else np.nan
            for frame, window in zip(frames, windows, strict=True)
        ]
        return {"values": np.array(values, dtype=np.float64)}


@dataclass(frozen=True)
class RegionMetric:
    """A number of a part of the face as a metric."""

    spec: MetricSpec
    values: RegionValues
    pool: Pool = mean_of_clips

    @property
    def extractors(self) -> tuple[AnyExtractor, ...]:
        """The number's."""
        return (self.values,)

    def measure(self, inputs: Inputs) -> Measurement:
        """Mean over the frames that show the part.

        Raises:
            UnscorableError: Too many frames do not show it.
        """
        values: NDArray[np.float64] = np.asarray(
            inputs.generated.tracks[self.values.id]["values"], dtype=np.float64
        )
        shown = np.isfinite(values)
        lost = int((~shown).sum())
        if lost > MOST_LOST * len(values):
            raise UnscorableError(f"no face in {lost} of {len(values)} frames")
        return Measurement.of_frames(values[shown], {"no face": lost})

    def aggregate(self, measurements: Sequence[Measurement]) -> float:
        """The number over clips."""
        return self.pool(measurements)


def protocol(
    choices: Mapping[str, str], *, useless: str, failure: str, traps: str, pool: Pool
) -> dict[str, str]:
    """The protocol of a card of whole frames.

    Args:
        choices: What it says of the number itself.
        useless: What useless generators get.
        failure: What has no value.
        traps: Known ones.
        pool: How clips become one number.
    """
    return {
        "input": "the generated video alone",
        "decoder": words.DECODED,
        "fps": words.OWN_FPS,
        "crop": words.WHOLE_FRAME,
        "backbone": words.NO_BACKBONE,
        **choices,
        "pooling": POOLING[pool],
        "useless": useless,
        "failure": failure,
        "traps": traps,
    }


def in_region(whole: FrameMetric, name: str, region: Region, useless: str) -> RegionMetric:
    """The same number of a part of the face.

    Args:
        whole: ``family@protocol``; this will be ``family@protocol@region``.
        name: Of the number, as its track is filed.
        region: Which part.
        useless: What useless generators get there.
    """
    spec = whole.spec
    changed = {
        "crop": f"{region.in_words}; found in each frame of the generated video, cut out before "
        "anything is computed, nothing resized",
        "backbone": region.backbone,
        "useless": useless,
        "failure": "frames that show no face are left out, and counted; no face in more than "
        f"{MOST_LOST:.0%} of the frames: no value",
    }
    return RegionMetric(
        replace(
            spec,
            name=f"{spec.name}@{region.name}",
            title=f"{spec.title} {region.name}",
            needs=(*spec.needs, "face"),
            needs_frames=False,
            protocol={**spec.protocol, **changed},
            source=f"{spec.source}. The crop is our own",
            assets=(*spec.assets, *region.assets),
        ),
        RegionValues(name, whole.per_frame, region),
        whole.pool,
    )
