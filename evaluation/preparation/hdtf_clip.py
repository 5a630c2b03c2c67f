"""One clip of HDTF: the interval and the crop out of a source video, and the note it leaves.

The source's own frames of the interval, at a steady 25 a second
(:class:`evaluation.span.SpanReader`); the crop, upright, to 512x512 (area average where it
shrinks, cubic where it grows); H.264 with the sound of just this interval as AAC.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from evaluation.datasets.hdtf_annotations import Clip, Crop
from evaluation.machine import MachineError, machine_error
from evaluation.span import Span, SpanReader, read_span_audio
from evaluation.store import write_json
from evaluation.video import VideoError, VideoInfo
from evaluation.video_writer import Encoding, VideoWriter
from metrics import Frames

VERSION = "hdtf-prepare/1"
"""Changes whenever a prepared clip can change."""

SIDE, FPS = 512, 25

_NOTES = ".prepared"


@dataclass(frozen=True)
class Line:
    """What became of a clip, as a row of the report.

    Attributes:
        clip: Its id.
        status: ``ok``; ``failed``; ``missing``: there is no source video; ``left out``: the authors
            give no crop.
        source: Name of the source video.
        begin: s.
        end: s.
        frames: Written.
        note: Why it is not ``ok``, or what is odd about it.
    """

    clip: str
    status: str
    source: str
    begin: int
    end: int
    frames: int = 0
    note: str = ""


def prepare_clip(clip: Clip, source: Path, folder: Path, crf: int) -> Line:
    """Cut one clip; a bad one leaves its reason behind.

    Raises:
        MachineError: The disk is full.
    """
    span = Span(clip.begin, clip.end)
    frames = 0
    try:
        reader = SpanReader(source, span, FPS)
        crop, notes = window(clip, reader.info)
        sound, odd = read_span_audio(source, span)
        with VideoWriter(
            folder / f"{clip.id}.mp4",
            width=SIDE,
            height=SIDE,
            fps=Fraction(FPS),
            encoding=Encoding(crf),
            audio=sound,
        ) as writer:
            for frame in reader:
                writer.add(_cut(frame, crop)[None])
                frames += 1
    except VideoError as error:
        return remember(folder, clip, source, "failed", note=str(error))
    except OSError as error:
        if isinstance(machine_error(error), MachineError):
            raise machine_error(error) from error
        said = f"{source}: {error.strerror or error}"
        return remember(folder, clip, source, "failed", note=said)
    note = "; ".join([*notes, *reader.notes, *odd])
    return remember(folder, clip, source, "ok", frames=frames, note=note)


def window(clip: Clip, source: VideoInfo) -> tuple[Crop, list[str]]:
    """The clip's crop in px of the source, and what is to be said about it.

    The authors' crop is meant for a video as high as their resolution; in a source of another
    height it is scaled by the ratio of the heights. Where they give no resolution, or one that
    their own crop does not fit, the crop is taken in px of the source as it is.

    Raises:
        VideoError: It is not inside the frame.
    """
    if clip.crop is None:
        raise VideoError(f"{source.path}: the authors give no crop for {clip.id}")
    notes = []
    crop, high = clip.crop, clip.resolution
    if high is not None and _fits(crop, Fraction(source.width * high, source.height), high):
        scale = Fraction(source.height, high)
        if scale != 1:
            notes.append(
                f"crop scaled by {source.height}/{high}, the heights of source and authors"
            )
    else:
        scale = Fraction(1)
        why = "unknown" if high is None else f"{high}, which their crop does not fit"
        notes.append(
            f"the authors' resolution is {why}; crop taken in px of the {source.size} source"
        )
    side = min(round(crop.width * scale), source.width, source.height)
    # Rounding may carry a crop that touches the frame's edge a pixel over it.
    x, y = (
        _within(round(place * scale), side, size)
        for place, size in ((crop.x, source.width), (crop.y, source.height))
    )
    found = Crop(x=x, y=y, width=side, height=side)
    if not _fits(found, source.width, source.height) or abs(side - crop.width * scale) > 1:
        raise VideoError(
            f"{source.path}: the crop, {side} px wide from ({x}, {y}), is not inside the frame of "
            f"{source.size}; is there a larger version of the video?"
        )
    return found, notes


def _within(place: int, side: int, size: int) -> int:
    return place - 1 if place + side == size + 1 else place


def _fits(crop: Crop, width: int | Fraction, height: int | Fraction) -> bool:
    return crop.x + crop.width <= width and crop.y + crop.height <= height


def _cut(frame: Frames, crop: Crop) -> Frames:
    """uint8 [H, W, 3] -> the crop, [SIDE, SIDE, 3]."""
    face = frame[crop.y : crop.y + crop.height, crop.x : crop.x + crop.width]
    how = cv2.INTER_AREA if crop.width > SIDE else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(face, (SIDE, SIDE), interpolation=how), dtype=np.uint8)


def line_of(clip: Clip, status: str, frames: int = 0, note: str = "") -> Line:
    """A row of the report."""
    return Line(clip.id, status, clip.source, clip.begin, clip.end, frames, note)


def _note(folder: Path, clip: Clip) -> Path:
    return folder / _NOTES / f"{clip.id}.json"


def remember(
    folder: Path, clip: Clip, source: Path, status: str, frames: int = 0, note: str = ""
) -> Line:
    """The line of a clip, kept; where it failed, no older video of it stays."""
    video = folder / f"{clip.id}.mp4"
    if status != "ok":
        video.unlink(missing_ok=True)
    write_json(
        _note(folder, clip),
        {
            "annotated": asdict(clip),
            "status": status,
            "source": _mark(source),
            "bytes": video.stat().st_size if status == "ok" else 0,
            "frames": frames,
            "note": note,
        },
    )
    return line_of(clip, status, frames, note)


def _mark(source: Path) -> list[str | int]:
    """What tells whether a source is still the same file."""
    try:
        there = source.stat()
    except OSError:
        return [source.name]
    return [source.name, there.st_size, there.st_mtime_ns]


def known(folder: Path, clip: Clip, sources: Sequence[Path], *, retry_failed: bool) -> Line | None:
    """What became of a clip before; None: nothing yet, or from another source or annotation."""
    if clip.crop is None:
        return line_of(clip, "left out", note="the authors give no crop that can be used")
    try:
        kept = json.loads(_note(folder, clip).read_text(encoding="utf-8"))
        if kept["annotated"] != asdict(clip):
            return None
        line = line_of(clip, kept["status"], kept["frames"], kept["note"])
        if line.status == "ok":
            whole = (folder / f"{clip.id}.mp4").stat().st_size == kept["bytes"]
            return line if whole else None
        same = [_mark(path) for path in sources] == [kept["source"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return line if same and not retry_failed else None
