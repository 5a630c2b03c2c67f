"""Where the picture is cut: PySceneDetect's content detector, as SyncNet's pipeline runs it.

PySceneDetect 0.5.1 (BSD-3-Clause), ``ContentDetector()`` behind ``VideoManager`` with its
automatic downscale. Later releases compare another value (frames are resized, not subsampled),
with another threshold (27), and 0.6 also merges cuts that follow each other closely: they find
other shots. Hue is compared as a plain number, so two reds on either side of 0 are far apart.

One difference: SyncNet's pipeline looks at an MPEG-4 copy of the video (``-qscale:v 2``), here
it is the frames themselves.
"""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from metrics.base import AnyExtractor, Frames, Track

THRESHOLD = 30.0
SHORTEST_SHOT = 15

# Frames at least this wide -> every how many-th row and column is looked at.
STEPS = {3200: 12, 2100: 8, 1700: 6, 1200: 5, 900: 4, 600: 3, 400: 2, 0: 1}

IN_WORDS = (
    f"PySceneDetect 0.5.1's ContentDetector, threshold {THRESHOLD:g}, shots of at least "
    f"{SHORTEST_SHOT} frames but for the first and last, automatic downscale; on the frames as "
    "handed over, not on an MPEG-4 copy"
)


def content(frames: Frames) -> NDArray[np.float64]:
    """How much every frame differs from the next.

    The mean absolute difference of hue (0..179), saturation and value (0..255), over every k-th
    row and column where the frame is wide; then the mean of the three.

    Args:
        frames: uint8 RGB [n, H, W, 3].

    Returns:
        float64 [n], 0..230; NaN in the last row, which has no next frame.
    """
    values = np.full(len(frames), np.nan)
    before: NDArray[np.uint8] | None = None
    for i, frame in enumerate(frames):
        step = next(k for width, k in STEPS.items() if frame.shape[1] >= width)
        seen = np.ascontiguousarray(frame[::step, ::step])
        hsv = np.asarray(cv2.cvtColor(seen, cv2.COLOR_RGB2HSV), dtype=np.uint8)
        if before is not None:
            sums = cv2.sumElems(cv2.absdiff(hsv, before))[:3]
            # A mean per channel first: the last digit is theirs too.
            values[i - 1] = sum(s / float(hsv.shape[0] * hsv.shape[1]) for s in sums) / 3.0
        before = hsv
    return values


def shots(values: NDArray[np.floating]) -> list[tuple[int, int]]:
    """The shots of a clip, in order and without gaps.

    A shot begins with the frame that differs from the one before it by ``THRESHOLD`` or more, if
    the cut before lies ``SHORTEST_SHOT`` frames back; the first cut may lie anywhere.

    Args:
        values: [T], of all frames, as :func:`content` has them.

    Returns:
        First frame, and the frame after the last, of each; one shot where there is no cut.

    Raises:
        ValueError: A frame before the last has no value.
    """
    if not np.isfinite(values[:-1]).all():
        raise ValueError("a frame before the last has no content value")
    starts = [0] if len(values) else []
    for frame in np.flatnonzero(values[:-1] >= THRESHOLD) + 1:
        if len(starts) == 1 or frame - starts[-1] >= SHORTEST_SHOT:
            starts.append(int(frame))
    return list(zip(starts, [*starts[1:], len(values)], strict=False))


class Content:
    """Extractor of ``{"content": float64 [n]}``, see :func:`content`."""

    id = "content/1"
    uses: tuple[AnyExtractor, ...] = ()
    lookahead = 1

    def extract(self, frames: Frames, tracks: Mapping[str, Track]) -> Track:  # noqa: ARG002
        """Rows for uint8 RGB frames [n, H, W, 3]; none for the last, whose next is not here."""
        return {"content": content(frames)}


CONTENT = Content()
