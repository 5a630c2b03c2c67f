"""How far every mouth of every frame is open: the mesh on each of YuNet's faces.

Needed only where it decides whose clip it is; the mesh of the chosen face is another track.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from metrics.backbones import mesh
from metrics.backbones.yunet import YUNET
from metrics.base import AnyExtractor, Frames, Track


class Mouths:
    """The opening of every face's mouth.

    Rows: ``opening`` float32 [n, 8], see :func:`metrics.backbones.mesh.opening`, for each of
    YuNet's faces; NaN where there is none, or where the mesh sees none.
    """

    id = "mouths/1"
    uses: tuple[AnyExtractor, ...] = (YUNET,)

    def extract(self, frames: Frames, tracks: Mapping[str, Track]) -> Track:
        """Rows for uint8 RGB frames [n, H, W, 3], with YuNet's track of the same frames."""
        faces: NDArray[np.float32] = np.asarray(tracks[YUNET.id]["faces"], dtype=np.float32)
        openings = np.full(faces.shape[:2], np.nan, dtype=np.float32)
        for i, slot in zip(*np.nonzero(np.isfinite(faces[..., 0])), strict=True):
            face = faces[i, slot]
            points, _ = mesh.find(frames[i], face[:4], face[4:14].reshape(5, 2))
            openings[i, slot] = mesh.opening(points)
        return {"opening": openings}


MOUTHS = Mouths()
