"""What may be done to a foreign program's video before it counts: a short, closed list.

Every step is written in the runner file and so in the generator's version. Frames are decoded,
changed as said and written losslessly: a step adds no codec's damage to what it leaves.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from evaluation.generator import GenerationError
from evaluation.video import Audio, FrameReader, read_audio
from evaluation.video_writer import LOSSLESS, VideoWriter
from metrics import Frames

MEANINGS = {
    "left half": "columns 0 to W/2 of every frame; W must be even",
    "right half": "columns W/2 to W of every frame; W must be even",
    "middle third": "columns W/3 to 2W/3 of every frame; W must be a multiple of 3",
    "drop first N frames": "frames 0 to N-1 go; the sound stays where it is",
    "drop last N frames": "the last N frames go; the sound stays where it is",
    "fit to video within N frames": "the last frame is repeated, or the last frames go, until the "
    "clip is as long as {video}; where more than N are missing or too many, it fails",
    "rate R": "R frames a second by the harness's rule (evaluation/steady.py); the first step",
    "driving sound": "{audio} takes the place of the program's sound, if it has any",
}
_NUMBERED = {
    text: re.compile(re.escape(text).replace(r"\ N\ ", r"\ (\d+)\ ").replace(r"\ R", r"\ (\d+)"))
    for text in MEANINGS
}


@dataclass(frozen=True)
class Step:
    """One of ``MEANINGS``, with its number where it has one."""

    kind: str
    number: int = 0

    def __str__(self) -> str:
        return re.sub(r"\b[NR]\b", str(self.number), self.kind)


def read_step(text: str) -> Step:
    """The step that a text means.

    Raises:
        ValueError: None; the text has them all.
    """
    for kind, pattern in _NUMBERED.items():
        found = pattern.fullmatch(text)
        if found and (not found.groups() or int(found[1])):
            return Step(kind, int(found[1]) if found.groups() else 0)
    raise ValueError(f"{text!r} is no step; known (N and R are 1 or more): {', '.join(MEANINGS)}")


def carry_out(
    steps: Iterable[Step], source: Path, out: Path, seconds: Fraction, sound: Audio | None
) -> None:
    """Write ``source`` to ``out``, with the steps done to it in order.

    Args:
        steps: What to do.
        source: The program's video.
        out: An MP4 that appears when it is whole.
        seconds: Of the driven video.
        sound: What drove it.

    Raises:
        GenerationError: A step has no meaning for this video.
        VideoError: The program's video cannot be read.
    """
    steps = tuple(steps)
    rate = next((s.number for s in steps if s.kind == "rate R"), None)
    reader = FrameReader(source, fps=rate)
    audio = sound if any(s.kind == "driving sound" for s in steps) else read_audio(source)
    frames: Iterator[Frames] = (frame for piece in reader for frame in piece)
    fps = reader.info.fps if rate is None else Fraction(rate)
    for step in steps:
        frames = _done(step, frames, round(seconds * fps))
    first = next(frames, None)
    if first is None:
        raise GenerationError("the post-steps leave no frame")
    height, width = first.shape[:2]
    with VideoWriter(
        out, width=width, height=height, fps=fps, encoding=LOSSLESS, audio=audio
    ) as writer:
        writer.add(first[None])
        for frame in frames:
            writer.add(frame[None])


def _done(step: Step, frames: Iterator[Frames], wanted: int) -> Iterator[Frames]:
    match step.kind:
        case "left half":
            return _columns(step, frames, 0, 2)
        case "right half":
            return _columns(step, frames, 1, 2)
        case "middle third":
            return _columns(step, frames, 1, 3)
        case "drop first N frames":
            return (frame for i, frame in enumerate(frames) if i >= step.number)
        case "drop last N frames":
            return _without_last(frames, step.number)
        case "fit to video within N frames":
            return _fitted(frames, wanted, step.number)
    return frames


def _columns(step: Step, frames: Iterator[Frames], part: int, of: int) -> Iterator[Frames]:
    for frame in frames:
        width = frame.shape[1]
        if width % of:
            raise GenerationError(f"the step {step} has no meaning for frames of {width} columns")
        share = width // of
        yield np.ascontiguousarray(frame[:, share * part : share * (part + 1)])


def _without_last(frames: Iterator[Frames], number: int) -> Iterator[Frames]:
    held: list[Frames] = []
    for frame in frames:
        held.append(frame)
        if len(held) > number:
            yield held.pop(0)


def _fitted(frames: Iterator[Frames], wanted: int, most: int) -> Iterator[Frames]:
    count, last = 0, None
    for count, last in enumerate(frames, start=1):
        if count <= wanted:
            yield last
    if abs(wanted - count) > most:
        raise GenerationError(
            f"the clip has {count} frames, {wanted} would be as long as the driven video; the "
            f"runner file lets {most} be added or left out"
        )
    if last is not None:
        yield from [last] * max(0, wanted - count)
