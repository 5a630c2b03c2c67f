"""The contact sheet: the same frames of every video, small, inside the page, for print and mail.

Numbers hide what one look shows: a wrong crop, a frozen mouth, a swapped face. The pictures are
taken from the clip's proxy, so that no video is read for them again.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from evaluation.report.layout import Layout
from evaluation.video import FrameReader, VideoError

SHEETS = 6
FRAMES = 5
_HEIGHT, _WIDTH = 120, 214
_QUALITY = 82


@dataclass(frozen=True)
class Picture:
    """A small JPEG as a ``data:`` address, and its size in pixels."""

    address: str
    width: int
    height: int


@dataclass(frozen=True)
class Filmstrip:
    """Some frames of one video, and why there are no more."""

    name: str
    pictures: tuple[Picture, ...]
    problem: str = ""


@dataclass(frozen=True)
class Sheet:
    """One sample's videos under each other."""

    sample: str
    speaker: str
    frames: tuple[int, ...]
    strips: tuple[Filmstrip, ...]

    @property
    def wide(self) -> bool:
        """Whether the frames need the whole width of the page."""
        return any(p.width > 1.2 * p.height for s in self.strips for p in s.pictures)


def contact_sheet(
    content: Mapping[str, Any], video: Path, layout: Layout, sample: str, speaker: str
) -> Sheet:
    """A clip's sheet.

    Args:
        content: The clip as the page has it.
        video: Its proxy.
        layout: Says the rows' names.
        sample: Fit to print.
        speaker: Fit to print.
    """
    tiles = content["tiles"]
    first = next(t for t in tiles if t["at"])
    step = max(1, _last(first, content) // (FRAMES - 1))
    frames = tuple(range(0, _last(first, content) + 1, step)[:FRAMES])
    taken: list[list[Picture]] = [[] for _ in tiles]
    for frame, pixels in zip(frames, FrameReader(video, every=step, piece=1), strict=False):
        for pictures, tile in zip(taken, tiles, strict=True):
            if tile["at"] and frame <= _last(tile, content):
                x, y, width, height = tile["at"]
                pictures.append(_picture(pixels[0, y : y + height, x : x + width]))
    strips = []
    for pictures, tile in zip(taken, tiles, strict=True):
        row = tile["row"]
        name = "reference" if row < 0 else layout.rows[row].name
        short = len(pictures) < len(frames)
        problem = tile["problem"] or ("the video ends here" if short else "")
        strips.append(Filmstrip(name, tuple(pictures), problem))
    return Sheet(sample, speaker, frames, tuple(strips))


def _last(tile: Mapping[str, Any], content: Mapping[str, Any]) -> int:
    """The last frame of the picture on which a tile has something to show."""
    pace = float(tile["fps"]) / float(content["fps"])
    return math.ceil(int(tile["frames"]) / (1.0 if abs(pace - 1) <= 0.002 else pace)) - 1


def _picture(frame: NDArray[np.uint8]) -> Picture:
    height, width = frame.shape[:2]
    shrink = min(1.0, _HEIGHT / height, _WIDTH / width)
    size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
    small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    quality = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
    ok, data = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), quality)
    if not ok:
        raise VideoError("a frame could not be encoded as JPEG")
    return Picture("data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode(), *size)
