"""A face as the network is shown it, and put back: the whole box, edges and all.

As ``datagen`` and the loop of inference.py, Rudrabha/Wav2Lip @ 5c90fa9.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from baselines.wav2lip.network import SIDE

Frame = NDArray[np.uint8]


def cut_face(frame: Frame, box: NDArray[np.int64]) -> Frame:
    """The face in a box of an RGB frame, bilinearly to uint8 BGR [96, 96, 3].

    Args:
        frame: uint8 RGB [H, W, 3].
        box: [4]: top, bottom, left, right.
    """
    top, bottom, left, right = (int(v) for v in box)
    face = np.ascontiguousarray(frame[top:bottom, left:right, ::-1])
    return np.asarray(cv2.resize(face, (SIDE, SIDE)), dtype=np.uint8)


def shown(faces: Frame) -> NDArray[np.float32]:
    """Faces as the network takes them.

    First the face whose lower half is to be painted, black there; then the same face whole, as the
    one to copy from: at inference the network sees the very mouth that it replaces.

    Args:
        faces: uint8 BGR [B, 96, 96, 3].

    Returns:
        float32 [B, 6, 96, 96], 0..1.
    """
    masked = faces.copy()
    masked[:, SIDE // 2 :] = 0
    both = np.concatenate([masked, faces], axis=3) / 255.0
    return np.ascontiguousarray(both.transpose(0, 3, 1, 2), dtype=np.float32)


def paste(frame: Frame, face: NDArray[np.float32], box: NDArray[np.int64]) -> Frame:
    """The frame with a face in its box.

    Args:
        frame: uint8 RGB [H, W, 3].
        face: float32 BGR [3, 96, 96], 0..1; cut off to whole grey levels, then resized bilinearly.
        box: [4]: top, bottom, left, right.

    Returns:
        uint8 RGB [H, W, 3], a copy.
    """
    top, bottom, left, right = (int(v) for v in box)
    levels = (face.transpose(1, 2, 0) * 255).astype(np.uint8)
    pasted = frame.copy()
    pasted[top:bottom, left:right] = cv2.resize(levels, (right - left, bottom - top))[:, :, ::-1]
    return pasted
