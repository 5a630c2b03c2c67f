"""The 68 points of 2DFAN-4, by the package face-alignment, on the face that the clip is about.

Bulat and Tzimiropoulos, "How far are we from solving the 2D & 3D Face Alignment problem?", ICCV
2017; face-alignment 1.5.0. Detector, crop, network and the reading of its heat maps are the
package's; only the weights come from the asset table instead of its download, nothing is
compiled, and of the detected faces the one taken is the clip's, not the first or last in a list.

Points are whole px: the package truncates them.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from metrics.assets import locate
from metrics.backbones.device import device, exact
from metrics.backbones.faces import FACE, SAME_FACE_IOU, overlap
from metrics.base import AnyExtractor, Frames, Track

if TYPE_CHECKING:
    from face_alignment import FaceAlignment

POINTS = 68


class FanBox:
    """The package's own S3FD at the frame's own size: its box of the clip's face.

    Rows: ``found`` bool [n], where a box overlaps the clip's face (IOU > 0.3; the most, where
    several do); ``boxes`` float64 [n, 5]: x and y of two corners in px, score; NaN where not.
    """

    id = "fan-s3fd/1"
    uses: tuple[AnyExtractor, ...] = (FACE,)

    def extract(self, frames: Frames, tracks: Mapping[str, Track]) -> Track:
        """Rows for uint8 RGB frames [n, H, W, 3], with the face's track of the same frames."""
        face = tracks[FACE.id]
        boxes = np.full((len(frames), 5), np.nan)
        with _package() as package:
            for i in np.flatnonzero(face["found"]):
                seen = package.face_detector.detect_from_image(frames[i].copy())
                if len(seen):
                    boxes[i] = _of_face(np.asarray(seen), face["boxes"][i])
        return {"found": np.isfinite(boxes[:, 0]), "boxes": boxes}


@dataclass(frozen=True)
class Fan:
    """The 68 points.

    Rows: ``found`` bool [n]; ``landmarks`` float32 [n, 68, 2] in px, NaN where not found.

    Attributes:
        flip: Sum the heat maps of the face and of its mirror image (the package's default, and
            what vico does; SyncTalk and ER-NeRF do not).
    """

    flip: bool

    @property
    def id(self) -> str:
        """Name and version."""
        return "fan-2d@flip/1" if self.flip else "fan-2d/1"

    @property
    def uses(self) -> tuple[AnyExtractor, ...]:
        """Where the face is."""
        return (FAN_BOX,)

    def extract(self, frames: Frames, tracks: Mapping[str, Track]) -> Track:
        """Rows for uint8 RGB frames [n, H, W, 3], with the box's track of the same frames."""
        face = tracks[FAN_BOX.id]
        found = np.asarray(face["found"], dtype=np.bool_)
        landmarks = np.full((len(frames), POINTS, 2), np.nan, dtype=np.float32)
        with _package(self.flip) as package:
            for i in np.flatnonzero(found):
                (points,) = package.get_landmarks(frames[i], detected_faces=[face["boxes"][i]])
                landmarks[i] = points
        return {"found": found, "landmarks": landmarks}


def _of_face(seen: NDArray[np.floating], box: NDArray[np.generic]) -> NDArray[np.float64]:
    """Of detections [k, 5] the one that overlaps the box x y w h most; NaN where none does."""
    corners = np.asarray(seen, dtype=np.float64)
    sized = np.column_stack([corners[:, :2], corners[:, 2:4] - corners[:, :2]])
    overlaps = [overlap(one, np.asarray(box, dtype=np.float64)) for one in sized]
    best = int(np.argmax(overlaps))
    return corners[best] if overlaps[best] > SAME_FACE_IOU else np.full(5, np.nan)


@contextmanager
def _package(flip: bool = False) -> Iterator[FaceAlignment]:
    """The package, exact and without a trace: it turns on cuDNN's search for fast kernels."""
    before = torch.backends.cudnn.benchmark
    # A copy shares the networks, and another thread may want the other setting.
    package = copy.copy(_load(locate("fan-2d"), locate("fan-s3fd"), str(device())))
    package.flip_input = flip
    try:
        with exact():
            yield package
    finally:
        torch.backends.cudnn.benchmark = before


@cache
def _load(network: Path, detector: Path, on: str) -> FaceAlignment:
    import face_alignment
    from face_alignment.models import FAN

    class Offline(face_alignment.FaceAlignment):  # type: ignore[misc, unused-ignore]
        """Its own loader would download what is here already, under another name."""

        def _load_native(
            self, _name: str, size: int, device: str, dtype: torch.dtype
        ) -> torch.nn.Module:
            net: torch.nn.Module = FAN(size)
            net.load_state_dict(torch.load(network, map_location=device, weights_only=True))
            return net.to(device, dtype=dtype).eval()

    return Offline(
        face_alignment.LandmarksType.TWO_D,
        device=on,
        face_detector="sfd",
        face_detector_kwargs={"path_to_detector": str(detector)},
        compile=False,
    )


FAN_BOX = FanBox()
FAN = Fan(flip=False)
FAN_FLIP = Fan(flip=True)
