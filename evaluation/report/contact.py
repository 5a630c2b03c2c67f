"""The contact sheet: the same frames of every video, small, inside the page.

Numbers hide what one look shows: a wrong crop, a frozen mouth, a swapped face.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from evaluation.generate import video_of
from evaluation.records import Record
from evaluation.report.layout import Layout, Row
from evaluation.report.words import plain, printable
from evaluation.results import Results
from evaluation.video import FrameReader, VideoError

SAMPLES = 6
FRAMES = 5
_HEIGHT, _WIDTH = 120, 214
_QUALITY = 82
_NONE_BUT_THE_FIRST = 1 << 40


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
    kind: str
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


def contact_sheets(root: Path, results: Results, layout: Layout) -> list[Sheet]:
    """Sheets of the first samples. Videos are streamed; a clip is never held."""
    samples = list(results.manifest["samples"].items())[:SAMPLES]
    return [_sheet(root, results, layout, sample, about) for sample, about in samples]


def _sheet(
    root: Path, results: Results, layout: Layout, sample: str, about: Mapping[str, Any]
) -> Sheet:
    reference = about.get("reference")
    known = Path(reference) if reference else None
    # The ground truth is the reference: it is shown once.
    rows = [r for r in layout.rows if r.kind != "reference" or known is None]
    found = {r.key: video_of(root, r.key, sample) for r in rows}
    frames = _frames([known, *found.values()])
    strips = [] if known is None else [_strip("reference", "reference", known, frames, "")]
    for row in rows:
        why = _why_missing(results.records, row, sample)
        strips.append(_strip(row.name, row.kind, found[row.key], frames, why))
    return Sheet(printable(sample), printable(about["speaker"]), frames, tuple(strips))


def _why_missing(records: Sequence[Record], row: Row, sample: str) -> str:
    here = (r for r in records if (r.generator, r.sample) == (row.key, sample))
    return next((plain(r.reason) for r in here if r.reason and not r.generated_sha256), "")


def _frames(videos: Sequence[Path | None]) -> tuple[int, ...]:
    """Evenly spaced frame numbers, by the first video that can be read."""
    for path in videos:
        try:
            if path is not None and path.is_file():
                total = _counted(path)
                step = max(1, (total - 1) // (FRAMES - 1))
                return tuple(range(0, total, step)[:FRAMES])
        except VideoError:
            continue
    return ()


def _counted(path: Path) -> int:
    """Frames that really come out; headers may promise others."""
    reader = FrameReader(path, every=_NONE_BUT_THE_FIRST, piece=1)
    for _ in reader:
        pass
    return reader.frames or 0


def _strip(name: str, kind: str, path: Path | None, frames: tuple[int, ...], why: str) -> Filmstrip:
    if path is None or not path.is_file():
        return Filmstrip(name, kind, (), why or "video not found")
    step = frames[1] if len(frames) > 1 else 1
    pictures: list[Picture] = []
    problem = ""
    try:
        # Read to the end, a few frames beyond the last picture: that finds a file cut short.
        for piece in FrameReader(path, every=step, piece=1):
            if len(pictures) < len(frames):
                pictures.append(_picture(piece[0]))
    except VideoError as error:
        problem = plain(str(error).replace(str(path), path.name))
    if len(pictures) < len(frames):
        problem = problem or "the video ends here"
    return Filmstrip(name, kind, tuple(pictures), problem)


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
