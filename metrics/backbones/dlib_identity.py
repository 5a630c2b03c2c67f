"""Who it is: dlib's ResNet, the network behind ``face_recognition``.

King, "High Quality Face Recognition with Deep Metric Learning", 2017; weights as shipped by
face_recognition_models 0.3.0. Given a box, ``face_recognition.face_encodings(image, [box],
model="large")`` 1.3.0 answers the same numbers to the last bit. Its own boxes are those of dlib's
HOG detector, which loses faces that turn away: 3 of 5 frames of a singer with a guitar.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from metrics.assets import locate
from metrics.backbones.dlib68 import DLIB68
from metrics.backbones.per_thread import per_thread
from metrics.base import AnyExtractor, Frames, Track

if TYPE_CHECKING:
    import dlib

ASSET = "dlib-resnet"
DIMENSIONS = 128


def embed(frame: NDArray[np.uint8], points: NDArray[np.floating]) -> NDArray[np.float64]:
    """The identity of the face of uint8 RGB [H, W, 3] at dlib's 68 points.

    The face is turned and scaled by the points to 150x150 with a quarter of padding, and looked
    at once (no jitter).

    Args:
        frame: uint8 RGB [H, W, 3].
        points: [68, 2], whole px.

    Returns:
        float64 [128], 1.2 to 1.6 long: people are told apart by distance, below 0.6 is one person.
    """
    import dlib

    places = [dlib.point(int(x), int(y)) for x, y in points]
    face = dlib.full_object_detection(dlib.rectangle(), places)  # only its points are read
    network = _network(locate(ASSET))
    return np.array(network.compute_face_descriptor(np.ascontiguousarray(frame), face))


@per_thread
def _network(path: Path) -> dlib.face_recognition_model_v1:
    import dlib

    return dlib.face_recognition_model_v1(str(path))


class DlibIdentity:
    """Identity of the face that the clip is about.

    Rows: ``found`` bool [n]; ``features`` float64 [n, 128], not of length 1, NaN where no face
    was.
    """

    id = "dlib-identity/1"
    uses: tuple[AnyExtractor, ...] = (DLIB68,)

    def extract(self, frames: Frames, tracks: Mapping[str, Track]) -> Track:
        """Rows for uint8 RGB frames [n, H, W, 3], with the points' track of the same frames."""
        found = np.asarray(tracks[DLIB68.id]["found"], dtype=np.bool_)
        points = np.asarray(tracks[DLIB68.id]["landmarks"], dtype=np.float32)
        features = np.full((len(frames), DIMENSIONS), np.nan)
        for i in np.flatnonzero(found):
            features[i] = embed(frames[i], points[i])
        return {"found": found, "features": features}


DLIB_IDENTITY = DlibIdentity()
