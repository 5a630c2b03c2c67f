"""A face cut out of its frame, and put back: inside the contour of the face, with a soft edge."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from method.renderer import SIDE

_BLUR, _SIGMA = (21, 21), 11


def cut_face(frame: NDArray[np.uint8], box: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The face in a box of an RGB frame, bilinearly to uint8 BGR [128, 128, 3]."""
    top, bottom, left, right = (int(v) for v in box)
    face = np.ascontiguousarray(frame[top:bottom, left:right, ::-1])
    return np.asarray(cv2.resize(face, (SIDE, SIDE)), dtype=np.uint8)


def paste(
    frame: NDArray[np.uint8],
    face: NDArray[np.uint8],
    box: NDArray[np.int64],
    contour: NDArray[np.floating],
) -> NDArray[np.uint8]:
    """The frame with the face in it.

    As ``merge_face_contour_only`` of Weizhi-Zhong/IP_LAP @ 9b9dc03, but for the contour: there
    dlib's 68 points of the crop, found once more by face-alignment.

    Args:
        frame: uint8 [H, W, 3].
        face: uint8 [h, w, 3], same channels; resized to the box.
        box: [4]: top, bottom, left, right.
        contour: [K, 2] px in the frame; its hull is filled, blurred by sigma 11, and blends.

    Returns:
        uint8 [H, W, 3], cut off, not rounded.
    """
    top, bottom, left, right = (int(v) for v in box)
    swapped = frame.copy()
    swapped[top:bottom, left:right] = cv2.resize(face, (right - left, bottom - top))
    mask = np.zeros(frame.shape[:2], dtype=np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(contour.astype(np.int32)), (255,))
    share = (cv2.GaussianBlur(mask, _BLUR, _SIGMA) / 255)[:, :, None]
    return (swapped * share + frame * (1 - share)).astype(np.uint8)
