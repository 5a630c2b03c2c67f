"""FVD: how far the generated videos, as a set, are from the reference videos, as a set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metrics import words
from metrics.assets import ASSETS
from metrics.backbones.faces import IN_WORDS as FACE_IN_WORDS
from metrics.backbones.i3d import ASSET, LENGTH, I3dFeatures
from metrics.base import AnyExtractor, Inputs, Measurement, MetricSpec, Side, UnscorableError
from metrics.gaussians import frechet
from metrics.pooling import gaussian, pooled

FPS = 25


@dataclass(frozen=True)
class Fvd:
    """Fréchet distance of one I3D clip per video, as a set metric.

    Attributes:
        spec: The card.
        i3d: Whose row is pooled.
        of_population: Covariances are divided by N instead of N - 1.
    """

    spec: MetricSpec
    i3d: I3dFeatures
    of_population: bool

    @property
    def extractors(self) -> tuple[AnyExtractor, ...]:
        """The network."""
        return (self.i3d,)

    def measure(self, inputs: Inputs) -> Measurement:
        """Both sides' features; a video has no value of its own.

        Raises:
            UnscorableError: A video is too short, or a frame of its clip shows no face.
        """
        sides = {"generated": inputs.generated, "reference": inputs.reference}
        rows = {name: self._row(name, side) for name, side in sides.items()}
        return Measurement(None, LENGTH, features=rows)

    def aggregate(self, measurements: Sequence[Measurement]) -> float:
        """The distance between all generated and all reference clips.

        Raises:
            UnscorableError: Fewer than 2 clips.
        """
        count = len(pooled(measurements, "generated"))
        if count < 2:
            raise UnscorableError(f"a Fréchet distance needs 2 clips, there is {count or 'none'}")
        both = [gaussian(measurements, side) for side in ("generated", "reference")]
        return frechet(*(g.of_population() if self.of_population else g for g in both))

    def _row(self, name: str, side: Side) -> NDArray[np.float32]:
        rows = np.asarray(side.tracks[self.i3d.id]["features"], dtype=np.float32)
        first, last = self.i3d.start, self.i3d.start + LENGTH - 1
        if len(rows) <= last:
            raise UnscorableError(
                f"the {name} video has {len(rows)} frames, its clip is frames {first} to {last}"
            )
        if not np.isfinite(rows[first]).all():
            lacks = "face" if self.i3d.of_faces else "finite feature"
            raise UnscorableError(
                f"the {name} video has no {lacks} in one of frames {first} to {last}"
            )
        return rows[first : first + 1]


_FILE = f"{ASSET}, sha256 {ASSETS[ASSET].sha256[:8]}"
_FAMILY_TRAPS = (
    "one clip per video and 400 dimensions: up to 400 videos the covariance has not full rank, and "
    "the value falls as the number of videos grows, so only equal numbers compare; other "
    "sixteen frames of the same videos give another value"
)


def _fvd(name: str, title: str, i3d: I3dFeatures, *, of_population: bool, **stated: str) -> Fvd:
    divisor = "N" if of_population else "N - 1"
    first, last = i3d.start, i3d.start + LENGTH - 1
    common = {
        "decoder": words.DECODED_25,
        "fps": words.STEADY_25,
        "clip": f"frames {first} to {last}, one clip per video",
        "backbone": f"I3D of tf.hub, Kinetics-400, in StyleGAN-V's TorchScript ({_FILE}): 400 "
        "scores before the softmax, float32"
        + (f"; the face by {FACE_IN_WORDS}" if i3d.of_faces else ""),
        "distance": f"|m1 - m2|^2 + tr S1 + tr S2 - 2 tr sqrt(S1 S2), covariances divided by "
        f"{divisor}, float64; the trace of the root as a sum of singular values",
        "pooling": "every video is one row; there is no value per video",
        "traps": _FAMILY_TRAPS,
    }
    source = stated.pop("source")
    return Fvd(
        MetricSpec(
            name=name,
            version="1",
            title=title,
            direction="lower",
            bounds=(0.0, np.inf),
            perfect=0.0,
            paired=False,
            symmetric=True,
            fps=FPS,
            needs_frames=False,
            per_clip=False,
            needs=("face",) if i3d.of_faces else (),
            protocol=common | stated,
            source=source,
            assets=("yunet", ASSET) if i3d.of_faces else (ASSET,),
        ),
        i3d,
        of_population,
    )


FVD = (
    _fvd(
        "fvd@styleganv",
        "FVD",
        I3dFeatures(start=0),
        of_population=True,
        crop=words.WHOLE_FRAME,
        input="uint8, resized to 224x224 and scaled to -1..1 inside the network (rescale=True, "
        "resize=True)",
        useless="black videos against white ones, sixteen frames: 152.9 (README of "
        "common_metrics_on_video_quality @ 5f75173, same file and range)",
        failure=f"a video of fewer than {LENGTH} frames has no value (StyleGAN-V discards it); "
        "fewer than 2 videos have none",
        source="Unterthiner et al., 2018 (arXiv 1812.01717); StyleGAN-V @ 3fecd69, fvd2048_16f: "
        "same file, call, frames in a row and covariances. Differs: its frames are squares, "
        "resized to one resolution when the data set was made; its real clips begin at a random "
        "frame, ours with the first; it takes 2048 videos a side, ours are those of the suite; "
        "its matrix square root is scipy's. Not run beside it: the file is on no package index",
    ),
    _fvd(
        "fvd@latentsync",
        "FVD (LatentSync)",
        I3dFeatures(start=20, of_faces=True),
        of_population=False,
        crop="the face's box itself, no margin, corner and size cut to whole pixels, then the "
        "frame's edges",
        input="crop to 224x224 by OpenCV's INTER_AREA, aspect not kept; / 255, so 0..1, where the "
        "network was trained on -1..1 (rescale=False, resize=False)",
        useless="black frames have no value (no face); others not measured, the file is on no "
        "package index",
        failure="a video of fewer than 36 frames, or with a frame among 20 to 35 that shows no "
        "face, has no value; fewer than 2 videos have none",
        traps=f"its range is not that of other FVDs: never compare them; {_FAMILY_TRAPS}; with "
        "LatentSync's own 30 videos the covariances have rank 29",
        source="LatentSync @ a229c39, eval/eval_fvd.py and eval/fvd.py: same file, call, frames, "
        "resize, range and covariances. Differs: its box is the first detection of MediaPipe's "
        "short-range detector in each frame, ours the clip's principal face by YuNet; its matrix "
        "square root is scipy's",
    ),
)
