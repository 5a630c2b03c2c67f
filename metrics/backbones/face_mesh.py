"""The mesh of the face that a clip is about, in every frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from metrics.backbones import mesh
from metrics.backbones.faces import FACE, TALKING_FACE, ClipFace
from metrics.base import AnyExtractor, Frames, Track


@dataclass(frozen=True)
class FaceMesh:
    """The 468 points of one face.

    Rows: ``found`` bool [n], where both looks were at least half sure of a face; ``landmarks``
    float32 [n, 468, 2] in px, NaN where not found; ``scores`` float32 [n], the network's
    probability of a face, NaN where the detector saw none.
    """

    face: ClipFace

    @property
    def id(self) -> str:
        """Name and version."""
        return "face-mesh/2" if self.face == FACE else f"face-mesh@{self.face.choice}/2"

    @property
    def uses(self) -> tuple[AnyExtractor, ...]:
        """Whose face."""
        return (self.face,)

    def extract(self, frames: Frames, tracks: Mapping[str, Track]) -> Track:
        """Rows for uint8 RGB frames [n, H, W, 3], with the face's track of the same frames."""
        face = tracks[self.face.id]
        landmarks = np.full((len(frames), mesh.POINTS, 2), np.nan, dtype=np.float32)
        scores = np.full(len(frames), np.nan, dtype=np.float32)
        for i in np.flatnonzero(face["found"]):
            landmarks[i], scores[i] = mesh.find(frames[i], face["boxes"][i], face["points"][i])
        return {
            "found": scores >= mesh.PRESENCE_THRESHOLD,  # a comparison with NaN is False
            "landmarks": landmarks,
            "scores": scores,
        }


FACE_MESH = FaceMesh(FACE)
TALKING_MESH = FaceMesh(TALKING_FACE)
