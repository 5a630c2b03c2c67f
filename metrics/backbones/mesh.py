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

from pathlib import Path

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

from metrics.assets import locate
from metrics.backbones.per_thread import per_thread

POINTS = 468
SIZE = 192
MARGIN = 1.5
PRESENCE_THRESHOLD = 0.5
EYES = (33, 263)  # outer corners, the person's right first
INNER_LIPS = (13, 14)  # middle of the upper and of the lower one


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


def find(
    frame: NDArray[np.uint8], box: NDArray[np.floating], points: NDArray[np.floating]
) -> tuple[NDArray[np.float32], float]:
    """The mesh of the face at a detector's box: two looks.

    Args:
        frame: uint8 RGB [H, W, 3].
        box: [4], x y w h in px.
        points: [>= 2, 2] px, the detector's eyes first, the person's right one before the left.

    Returns:
        Landmarks float32 [468, 2] in px, NaN where either look was less than half sure of a
        face; and the last look's probability of one.
    """
    x, y, w, h = np.asarray(box, dtype=np.float64)
    corners = np.array([[x, y], [x + w, y + h]])
    found, score = look(frame, square_around(corners, np.asarray(points[:2], dtype=np.float64)))
    if score >= PRESENCE_THRESHOLD:
        found, score = look(frame, square_around(found, found[list(EYES)]))
    if score < PRESENCE_THRESHOLD:
        found = np.full((POINTS, 2), np.nan, dtype=np.float32)
    return found, score


def opening(points: NDArray[np.floating]) -> NDArray[np.float64]:
    """How far the mouth is open, as a share of the distance between the eyes.

    Args:
        points: [..., 468, 2].

    Returns:
        float64 [...]: between the inner lips' middles, over that of the outer corners of the
        eyes; 0 closed, about 0.3 wide open.
    """
    upper, lower = (np.asarray(points[..., i, :], dtype=np.float64) for i in INNER_LIPS)
    right, left = (np.asarray(points[..., i, :], dtype=np.float64) for i in EYES)
    apart = np.linalg.norm(upper - lower, axis=-1)
    return np.asarray(apart / np.linalg.norm(right - left, axis=-1), dtype=np.float64)


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
