"""Which frames serve as references, and which frame is driven when.

As inference_single.py of Weizhi-Zhong/IP_LAP @ 9b9dc03 chooses.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray


def references(openings: Sequence[float] | NDArray[np.floating], count: int) -> list[int]:
    """Frames whose mouths are open evenly differently, from the most shut to the widest.

    Args:
        openings: Of every frame's mouth.
        count: How many; a frame serves several times where there are fewer.

    Returns:
        Frame numbers, by opening; equal openings in order of time.
    """
    by_opening = np.argsort(np.asarray(openings), kind="stable")
    return [int(by_opening[i]) for i in places(len(by_opening), count)]


def places(total: int, count: int) -> list[int]:
    """``count`` numbers spread over 0..total - 1.

    In float32 and cut off, as ``torch.linspace`` gives them: float64 picks another number for 72 of
    the totals up to 2000 with 15, and for 7 with 25.
    """
    return torch.linspace(0, total - 1, steps=count).int().tolist()


def driven(frames: int, count: int) -> list[int]:
    """The frame that is driven when: to the end, then back and forth, each turn shown twice."""
    there_and_back = [*range(frames), *reversed(range(frames))]
    return [there_and_back[i % len(there_and_back)] for i in range(count)]
