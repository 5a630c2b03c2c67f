"""Where every video stands in the one picture that a browser plays.

Separate video elements drift apart, and browsers do not play the lossless files that anchors
write. So all videos of a clip are tiles of one, and cannot be out of step.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

LONGEST_SIDE = 320
MOST_PIXELS = 1920 * 1088
"""Of the whole picture: what every device decodes in hardware."""
_STEP = 16  # a macroblock: tiles that share none do not bleed into each other
_SIDES = (LONGEST_SIDE, 288, 256, 224, 192, 160, 128, 96, 64)


@dataclass(frozen=True)
class Place:
    """A tile: its corner and its size, px, all even."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Mosaic:
    """The picture: its size in px, and a place for each video in the order given."""

    width: int
    height: int
    places: tuple[Place, ...]


def mosaic(sizes: Sequence[tuple[int, int]]) -> Mosaic:
    """Places for videos of these widths and heights; none is enlarged.

    Raises:
        ValueError: No videos, or more than fit at 64 px a side.
    """
    if not sizes:
        raise ValueError("no video to show")
    for side in _SIDES:
        found = _at(side, sizes)
        if found.width * found.height <= MOST_PIXELS:
            return found
    raise ValueError(f"{len(sizes)} videos do not fit one picture")


def _at(side: int, sizes: Sequence[tuple[int, int]]) -> Mosaic:
    tiles = [_shrunk(size, side) for size in sizes]
    wide = _up(max(w for w, _ in tiles))
    high = _up(max(h for _, h in tiles))
    columns = max(1, min(len(tiles), round(math.sqrt(len(tiles) * high / wide))))
    rows = math.ceil(len(tiles) / columns)
    places = tuple(
        Place(i % columns * wide, i // columns * high, w, h) for i, (w, h) in enumerate(tiles)
    )
    return Mosaic(columns * wide, rows * high, places)


def _shrunk(size: tuple[int, int], side: int) -> tuple[int, int]:
    factor = min(1.0, side / max(size))
    width, height = (max(2, 2 * round(n * factor / 2)) for n in size)
    return width, height


def _up(n: int) -> int:
    return math.ceil(n / _STEP) * _STEP
