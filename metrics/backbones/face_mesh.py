"""Where every part of the face is: MediaPipe's mesh of 468 points.

Kartynnik et al., "Real-time Facial Surface Geometry from Monocular Video on Mobile GPUs", 2019.
Cropping follows google/mediapipe's ``face_landmark`` graphs: an upright square, half as large
again as the face. MediaPipe crops by the previous frame's landmarks; here every frame stands
for itself, so the network looks twice: around the detector's box, then around its own answer.
Each look halves what the answer owes to the box: a face 100 px wide moved over a canvas, its mouth
is read 0.5-0.9 px elsewhere after one look, 0.3-0.5 px after two.

Same square, same weights: within 0.15 px (mean over points) of the PyPI port this file comes from.
MediaPipe 0.10.14 ships newer weights: its video mode reads such a face 1.2-1.6 px elsewhere (the
lips 1.2-1.5), 0.5-0.7 px with its weights put in here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

from metrics.assets import locate
from metrics.backbones.per_thread import per_thread
from metrics.backbones.yunet import YUNET
from metrics.base import Extractor, Frames, Track

POINTS = 468
SIZE = 192
MARGIN = 1.5
PRESENCE_THRESHOLD = 0.5
EYES = (33, 263)  # outer corners, the person's right first


def square_around(corners: NDArray[np.floating], eyes: NDArray[np.floating]) -> NDArray[np.float64]:
    """The upright square around a face, as the map from the network's input to the frame.

    Args:
        corners: [K, 2] px; the square is centred on their bounding box and 1.5 times its longer
            side.
        eyes: [2, 2] px, the person's right eye first; they are level in the square.

    Returns:
        float64 [2, 3]: (x, y, 1) in 192x192 to px in the frame.
    """
    low, high = (np.asarray(f(corners, axis=0), dtype=np.float64) for f in (np.min, np.max))
    side = MARGIN * float((high - low).max())
    right, down = np.asarray(eyes[1], dtype=np.float64) - eyes[0]
    angle = np.arctan2(down, right)
    x, y = np.cos(angle) * side / SIZE, np.sin(angle) * side / SIZE
    turn = np.array([[x, -y], [y, x]])
    shift = (low + high) / 2 - turn @ np.full(2, SIZE / 2)
    return np.column_stack([turn, shift])


def look(
    frame: NDArray[np.uint8], square: NDArray[np.float64]
) -> tuple[NDArray[np.float32], float]:
    """Run the network on one square of uint8 RGB [H, W, 3].

    Returns:
        Landmarks float32 [468, 2] in px of the frame, and the probability that a face is there.
    """
    crop = cv2.warpAffine(
        frame,
        square,
        (SIZE, SIZE),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    network = _interpreter(locate("face-mesh"))
    (image,) = network.get_input_details()
    landmarks, presence = network.get_output_details()
    network.set_tensor(image["index"], crop.astype(np.float32)[None] / 255)
    network.invoke()
    points = network.get_tensor(landmarks["index"]).reshape(POINTS, 3)[:, :2]
    logit = float(network.get_tensor(presence["index"]).item())
    placed = points @ square[:, :2].T + square[:, 2]
    return placed.astype(np.float32), float(1 / (1 + np.exp(-logit)))


@per_thread
def _interpreter(path: Path) -> Interpreter:
    # Without the default delegate, which announces itself on stderr in every process. A look then
    # takes 3 ms instead of 1, little beside the embedding's 20.
    network = Interpreter(
        str(path),
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    network.allocate_tensors()
    return network


class FaceMesh:
    """The mesh of the largest face of every frame.

    Rows: ``found`` bool [n], where both looks were at least half sure of a face; ``landmarks``
    float32 [n, 468, 2] in px, NaN where not found; ``scores`` float32 [n], the network's
    probability of a face, NaN where the detector saw none.
    """

    id = "face-mesh/1"
    uses: tuple[Extractor, ...] = (YUNET,)

    def extract(self, frames: Frames, tracks: Mapping[str, Track]) -> Track:
        """Rows for uint8 RGB frames [n, H, W, 3], with YuNet's track of the same frames."""
        faces = tracks[YUNET.id]
        boxes = np.asarray(faces["boxes"], dtype=np.float64)
        eyes = np.asarray(faces["points"], dtype=np.float64)[:, :2]
        landmarks = np.full((len(frames), POINTS, 2), np.nan, dtype=np.float32)
        scores = np.full(len(frames), np.nan, dtype=np.float32)
        for i in np.flatnonzero(faces["found"]):
            corners = np.stack([boxes[i, :2], boxes[i, :2] + boxes[i, 2:]])
            points, scores[i] = look(frames[i], square_around(corners, eyes[i]))
            if scores[i] >= PRESENCE_THRESHOLD:
                points, scores[i] = look(frames[i], square_around(points, points[list(EYES)]))
            if scores[i] >= PRESENCE_THRESHOLD:
                landmarks[i] = points
        return {
            "found": scores >= PRESENCE_THRESHOLD,  # a comparison with NaN is False
            "landmarks": landmarks,
            "scores": scores,
        }


FACE_MESH = FaceMesh()
