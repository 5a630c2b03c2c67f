"""What a detector of faces writes down: the largest boxes of every frame."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from metrics.base import Frames, Track

COLUMNS = 15  # x y w h, five points x y, score
MOST_FACES = 8


def largest_of_each(
    frames: Frames, detect: Callable[[NDArray[np.uint8]], NDArray[np.float32]]
) -> Track:
    """Every frame's faces, largest box first; a ninth is counted and not kept.

    Args:
        frames: uint8 RGB [n, H, W, 3].
        detect: One frame's faces, float32 [faces, 15] px: box x, y, w, h; five points x, y; score.

    Returns:
        ``count`` int32 [n], how many were seen; ``faces`` float32 [n, 8, 15], NaN where there are
        fewer.
    """
    count = np.zeros(len(frames), dtype=np.int32)
    faces = np.full((len(frames), MOST_FACES, COLUMNS), np.nan, dtype=np.float32)
    for i, frame in enumerate(frames):
        seen = detect(frame)
        count[i] = len(seen)
        largest = np.argsort(-seen[:, 2] * seen[:, 3], kind="stable")[:MOST_FACES]
        faces[i, : len(largest)] = seen[largest]
    return {"count": count, "faces": faces}
