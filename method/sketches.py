"""Landmarks drawn as lines: how stage 1 tells stage 2 what to show."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from method.renderer import SIDE
from method.topology import LINES

_GREY = 224  # of a line, on black


def canvas(landmarks: NDArray[np.floating], height: int, width: int) -> NDArray[np.float64]:
    """Lines one pixel wide over a face box, its shorter side 128 px.

    A landmark outside the box is dropped with its lines, as in Weizhi-Zhong/IP_LAP @ 9b9dc03.

    Args:
        landmarks: [2, 131], x and y over the box, 0..1.
        height: Of the box in the frame, px.
        width: Of the box in the frame, px.

    Returns:
        float64 [h, w], 0 or 224.
    """
    shorter = min(height, width)
    h, w = int(height * SIDE / shorter), int(width * SIDE / shorter)
    drawn = np.zeros((h, w))
    points = [_pixel(float(x), float(y), w, h) for x, y in landmarks.T]
    for a, b in LINES:
        start, end = points[a], points[b]
        if start is not None and end is not None:
            cv2.line(drawn, start, end, (_GREY,), 1)
    return drawn


def sketch(landmarks: NDArray[np.floating], height: int, width: int) -> NDArray[np.float64]:
    """:func:`canvas`, bilinearly to the network's size: float64 [128, 128], 0..224."""
    drawn = cv2.resize(canvas(landmarks, height, width), (SIDE, SIDE))
    return np.asarray(drawn, dtype=np.float64)


def _pixel(x: float, y: float, width: int, height: int) -> tuple[int, int] | None:
    if not (_inside(x) and _inside(y)):
        return None
    return min(math.floor(x * width), width - 1), min(math.floor(y * height), height - 1)


def _inside(value: float) -> bool:
    return (value > 0 or math.isclose(0, value)) and (value < 1 or math.isclose(1, value))
