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
    hull = cv2.convexHull(contour.astype(np.int32))
    mask = np.zeros(frame.shape[:2], dtype=np.uint8)
    cv2.fillConvexPoly(mask, hull, (255,))
    # Only where the mask can be anything but 0: of a large frame that is little.
    x, y, w, h = cv2.boundingRect(hull)
    here = (
        slice(max(0, y - _BLUR[1]), max(0, y + h + _BLUR[1])),
        slice(max(0, x - _BLUR[0]), max(0, x + w + _BLUR[0])),
    )
    blended = frame.copy()
    if not mask[here].any():  # the face is outside, its box only just inside
        return blended
    share = (cv2.GaussianBlur(mask[here], _BLUR, _SIGMA) / 255)[:, :, None]
    blended[here] = (swapped[here] * share + frame[here] * (1 - share)).astype(np.uint8)
    return blended
