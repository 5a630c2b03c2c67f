"""How large the frames are, for metrics that read tracks only."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from metrics.base import AnyExtractor, Frames, Track


class FrameSize:
    """Rows: ``size`` int32 [n, 2], width and height in px."""

    id = "frame-size/1"
    uses: tuple[AnyExtractor, ...] = ()

    def extract(self, frames: Frames, tracks: Mapping[str, Track]) -> Track:  # noqa: ARG002
        """Rows for uint8 RGB frames [n, H, W, 3]."""
        height, width = frames.shape[1:3]
        return {"size": np.full((len(frames), 2), (width, height), dtype=np.int32)}


FRAME_SIZE = FrameSize()
