"""Parts of a frame that a card looks at: the face, and the mouth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metrics.assets import lookup
from metrics.backbones.face_mesh import FACE_MESH
from metrics.backbones.faces import FACE
from metrics.backbones.faces import IN_WORDS as FACE_IN_WORDS
from metrics.base import AnyExtractor, Track

FACE_SIDE = 1.3
MOUTH_SIDE = 2.0

# The outer lip on the mesh, all around.
LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)


@dataclass(frozen=True)
class Region:
    """A square around a part of the face, of whole pixels, cut at the edges of the frame.

    Attributes:
        name: ``face`` or ``mouth``.
        extractor: Whose track says where the part is.
        scale: Side of the square over the longer side of the part's box.
        in_words: The crop, for cards.
        backbone: What finds the part, for cards.
        assets: Weights of the extractor and of those it uses.
    """

    name: str
    extractor: AnyExtractor
    scale: float
    in_words: str
    backbone: str
    assets: tuple[str, ...]

    def windows(self, track: Track, height: int, width: int) -> list[tuple[slice, slice] | None]:
        """Rows and columns of each frame that show the part; None where it is not seen.

        Args:
            track: Of ``extractor``, n rows.
            height: Of the frames, px.
            width: Of the frames, px.
        """
        found = np.asarray(track["found"], dtype=np.bool_)
        return [
            square(box, self.scale, height, width) if seen else None
            for box, seen in zip(self._boxes(track), found, strict=True)
        ]

    def _boxes(self, track: Track) -> NDArray[np.float64]:
        if self.name == "face":
            return np.asarray(track["boxes"], dtype=np.float64)
        lips = np.asarray(track["landmarks"], dtype=np.float64)[:, list(LIPS)]
        low, high = lips.min(axis=1), lips.max(axis=1)
        return np.concatenate([low, high - low], axis=1)


def square(
    box: NDArray[np.floating], scale: float, height: int, width: int
) -> tuple[slice, slice] | None:
    """The square of whole pixels around a box, as far as it lies in the frame.

    Args:
        box: [4], x y w h in px.
        scale: Side of the square over the longer side of the box; the side is rounded to whole
            pixels, and the corner to the nearest.
        height: Of the frame.
        width: Of the frame.

    Returns:
        Rows and columns; None where nothing of it lies in the frame.
    """
    x, y, w, h = (float(v) for v in box)
    side = max(1, round(scale * max(w, h)))
    left, top = round(x + w / 2 - side / 2), round(y + h / 2 - side / 2)
    rows = slice(max(0, top), min(height, top + side))
    columns = slice(max(0, left), min(width, left + side))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return None
    return rows, columns


FACE_REGION = Region(
    "face",
    FACE,
    FACE_SIDE,
    f"square around the face, {FACE_SIDE} times the longer side of the detector's box, whole "
    "pixels, cut at the edges of the frame",
    FACE_IN_WORDS,
    ("yunet",),
)
MOUTH_REGION = Region(
    "mouth",
    FACE_MESH,
    MOUTH_SIDE,
    f"square around the lips, {MOUTH_SIDE:g} times the longer side of the box of the mesh's outer "
    "lip, whole pixels, cut at the edges of the frame",
    f"{FACE_IN_WORDS}; on that face MediaPipe's mesh of 468 points, sha256 "
    f"{lookup('face-mesh').sha256[:8]}, where it is at least half sure of a face",
    ("yunet", "face-mesh"),
)
REGIONS: Mapping[str, Region] = {r.name: r for r in (FACE_REGION, MOUTH_REGION)}
