"""The curve that a mouth draws over time, and which of its frames may count."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from metrics.backbones import faces, yunet
from metrics.base import UnscorableError

# Of MediaPipe's mesh: the inner edges of the lips, the corners of both eyes.
UPPER_LIP = (191, 80, 81, 82, 13, 312, 311, 310)
LOWER_LIP = (95, 88, 178, 87, 14, 317, 402, 318)
RIGHT_EYE = (33, 133)
LEFT_EYE = (362, 263)

MOST_LOST = 0.1
"""Share of the frames that a clip may lose (no face, no sound) and still be scored."""

LEAST_MOVEMENT = 1e-6

IN_WORDS = (
    "mouth opening: |mean y of mesh points 191 80 81 82 13 312 311 310 - mean y of 95 88 178 87 "
    "14 317 402 318| over |mean x of 33 133 - mean x of 362 263|"
)


def opening(landmarks: NDArray[np.floating]) -> NDArray[np.float64]:
    """How far the inner lips are apart, over the distance of the eyes, as THEval has it.

    It measures along the axes of the frame: a tilted head opens its mouth less.

    Args:
        landmarks: [n, 468, 2] in px.

    Returns:
        float64 [n], NaN where there are no landmarks.
    """
    points = np.asarray(landmarks, dtype=np.float64)
    upper, lower = (points[:, list(lip), 1].mean(axis=1) for lip in (UPPER_LIP, LOWER_LIP))
    right, left = (points[:, list(eye), 0].mean(axis=1) for eye in (RIGHT_EYE, LEFT_EYE))
    with np.errstate(divide="ignore", invalid="ignore"):
        apart: NDArray[np.float64] = np.abs(upper - lower) / np.abs(left - right)
    return np.where(np.isfinite(apart), apart, np.nan)


def check_lost(lost: int, frames: int, what: str) -> None:
    """Hold a clip to ``MOST_LOST``.

    Raises:
        UnscorableError: Too many of its frames are lost; says how many, and ``what`` they lack.
    """
    if lost > MOST_LOST * frames:
        raise UnscorableError(f"no {what} in {lost} of {frames} frames")


def check_moves(curve: NDArray[np.floating], what: str) -> None:
    """A flat curve cannot be in step with anything.

    Raises:
        UnscorableError: All values are the same.
    """
    if np.ptp(curve) < LEAST_MOVEMENT:
        raise UnscorableError(f"{what} does not change")


def whose(face: faces.ClipFace) -> str:
    """Whose mouth it is, for cards."""
    if face == faces.FACE:
        return f"the clip's face: {faces.IN_WORDS}"
    return (
        f"the face that talks: {yunet.IN_WORDS}; boxes of one face are linked over the clip as "
        f"for the clip's face (IOU > {faces.SAME_FACE_IOU}), and of the faces seen in at least "
        f"{faces.LEAST_SHARE:.0%} as many frames as the most frequent one the clip is about that "
        "whose mouth's opening varies most"
    )
