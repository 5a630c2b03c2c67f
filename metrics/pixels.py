"""Metrics of pixels, frame against frame: over whole frames, or over a part of the face."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from metrics import words
from metrics.base import (
    AnyExtractor,
    Inputs,
    Measurement,
    MetricSpec,
    Pool,
    UnscorableError,
    mean_of_clips,
    mean_of_frames,
)
from metrics.crops import REGIONS, Region

Frame = NDArray[np.uint8]
"""uint8 RGB [H, W, 3]."""

PerFrame = Callable[[Sequence[Frame], Sequence[Frame]], NDArray[np.float64]]
"""n generated and n reference frames, two by two of one size -> float64 [n]."""

POOLING: Mapping[Pool, str] = {mean_of_clips: words.CLIPS, mean_of_frames: words.FRAMES}

WHOLE = ""
"""The name of no region."""

RADIO8 = "RD_Radio8_000 of HDTF at 256x256, every 5th frame"


@dataclass(frozen=True)
class PixelMetric:
    """A number per pair of frames as a metric.

    Attributes:
        spec: The card.
        per_frame: The number.
        smallest: It exists where no side is shorter (px).
        region: Both frames are cut to this part of the reference's face; None takes them whole.
        pool: How clips become one number.
    """

    spec: MetricSpec
    per_frame: PerFrame
    smallest: int = 1
    region: Region | None = None
    pool: Pool = mean_of_clips

    @property
    def extractors(self) -> tuple[AnyExtractor, ...]:
        """Who finds the region."""
        return (self.region.extractor,) if self.region else ()

    def measure(self, inputs: Inputs) -> Measurement:
        """Mean over the scored frames; counts the identical ones, and those without a face.

        Raises:
            UnscorableError: A frame, or what it is cut to, is too small.
        """
        pairs = list(zip(*inputs.pixels(), strict=True))
        notes = {}
        if self.region and pairs:
            height, width, _ = pairs[0][0].shape
            track = inputs.reference.tracks[self.region.extractor.id]
            windows = self.region.windows(track, height, width)
            shown = zip(pairs, windows, strict=True)
            pairs = [(a[window], b[window]) for (a, b), window in shown if window]
            notes["no face in reference"] = len(windows) - len(pairs)
        for a, _ in pairs:
            self._check_size(a)
        notes["identical frames"] = sum(np.array_equal(a, b) for a, b in pairs)
        scores = self.per_frame([a for a, _ in pairs], [b for _, b in pairs])
        return Measurement.of_piece(scores, notes)

    def aggregate(self, measurements: Sequence[Measurement]) -> float:
        """The number over clips."""
        return self.pool(measurements)

    def _check_size(self, frame: Frame) -> None:
        height, width, _ = frame.shape
        if min(height, width) < self.smallest:
            what = f"cut to the {self.region.name}, frames are" if self.region else "frames are"
            raise UnscorableError(
                f"{what} {width}x{height} px: {self.spec.name} needs {self.smallest} px on the "
                "shorter side"
            )


@dataclass(frozen=True)
class Useless:
    """What a generator that does nothing useful gets.

    Attributes:
        still: One that repeats the reference's first frame.
        black: One that shows black frames.
        unit: Of both.
        clip: Measured on.
    """

    still: float
    black: float
    unit: str = ""
    clip: str = RADIO8

    def __str__(self) -> str:
        still, black = (f"{v:.{self.digits}f}{self.unit}" for v in (self.still, self.black))
        return (
            f"the reference's first frame all along: {still}; black frames: {black} ({self.clip})"
        )

    @property
    def digits(self) -> int:
        """Decimals that are said."""
        return 2 if self.unit else 3


def protocol(
    choices: Mapping[str, str], *, smallest: int, pooling: str, useless: Useless, traps: str
) -> dict[str, str]:
    """The protocol of a card of whole frames.

    Args:
        choices: What it says of the number itself.
        smallest: Shorter side that it needs, px.
        pooling: Frames to clips to the set.
        useless: What useless generators get.
        traps: Known ones.
    """
    return {
        "decoder": words.DECODED,
        "fps": words.OWN_FPS,
        "crop": words.WHOLE_FRAME,
        "backbone": words.NO_BACKBONE,
        **choices,
        "pooling": pooling,
        "useless": str(useless),
        "failure": f"frames with a side below {smallest} px have no value, nor has their clip"
        if smallest > 1
        else "none of its own: any two frames of one size have a value",
        "traps": traps,
    }


def with_regions(whole: PixelMetric, useless: Mapping[str, Useless]) -> tuple[PixelMetric, ...]:
    """A metric of whole frames, and the same number of parts of the face.

    Args:
        whole: ``family@protocol``; its parts are ``family@protocol@region``.
        useless: Region (``WHOLE`` may be among them) -> what useless generators get there.
    """
    parts = [name for name in useless if name != WHOLE]
    return (whole, *(_in_region(whole, REGIONS[name], useless[name]) for name in parts))


def _in_region(whole: PixelMetric, region: Region, useless: Useless) -> PixelMetric:
    spec, smallest = whole.spec, whole.smallest
    failure = (
        "frames whose reference shows no face are not scored, and counted; no face anywhere in "
        "the reference: no value. The generated side needs no face: what stands where the "
        "reference has one is scored, so that nobody gains by breaking faces"
    )
    if smallest > 1:
        failure += f". One scored frame whose crop has a side below {smallest} px: no value"
    changed = {
        "crop": f"{region.in_words}; found in each frame of the reference and cut out of both "
        "videos, nothing resized",
        "backbone": region.backbone,
        "useless": str(useless),
        "failure": failure,
    }
    return replace(
        whole,
        spec=replace(
            spec,
            name=f"{spec.name}@{region.name}",
            title=f"{spec.title} {region.name}",
            symmetric=False,  # the reference's face says where
            needs=(*spec.needs, "face"),
            protocol={**spec.protocol, **changed},
            source=f"{spec.source}. The crop is our own",
            assets=(*spec.assets, *region.assets),
        ),
        region=region,
    )
