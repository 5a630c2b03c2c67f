"""Copies of clips that any browser plays and that betray nothing.

H.264 4:2:0 at crf 16 with AAC: what Chromium, Firefox and Safari all decode (the anchors of a run
are lossless 4:4:4, which they do not). Containers are written without metadata. A clip keeps its
size, up to ``LARGEST`` on the long side and rounded to even sides, because a system's resolution is
part of what it delivers; the page shows every clip in one box, so that nobody is told by the size
of the picture. All sound gets one level, because the louder of two is liked better.
"""

from __future__ import annotations

import hashlib
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from evaluation.video import Audio, FrameReader, probe, read_audio
from evaluation.video_writer import Encoding, VideoWriter

LARGEST = 1280
LEVEL = 10 ** (-26 / 20)
"""Root mean square of every sound, of full scale."""
PEAK = 10 ** (-1 / 20)
RATE = 48_000
_CRF = 16
_INK, _PAPER = (236, 233, 232), (33, 29, 26)


def proxy(source: Path, to: Path, *, shift: float = 0.0) -> float:
    """Write a browser's copy of a clip.

    Args:
        source: Any video.
        to: An MP4.
        shift: s by which the sound is late; what falls off the end comes first, so that there is
            sound all along.

    Returns:
        Its length, s.

    Raises:
        VideoError: The source cannot be read.
    """
    info = probe(source)
    scale = min(1.0, LARGEST / max(info.width, info.height))
    width, height = (max(2, round(side * scale / 2) * 2) for side in (info.width, info.height))
    sound = read_audio(source, RATE)
    if sound is not None:
        mono = sound.samples.mean(axis=1, keepdims=True) if sound.samples.shape[1] > 2 else None
        samples = sound.samples if mono is None else mono
        late = round(shift * RATE)
        sound = Audio(levelled(np.roll(samples, late, axis=0)), RATE)
    frames = 0
    with VideoWriter(
        to,
        width=width,
        height=height,
        fps=info.fps,
        encoding=Encoding(crf=_CRF),
        audio=sound,
    ) as writer:
        for piece in FrameReader(source):
            frames += len(piece)
            if (width, height) != (info.width, info.height):
                resized = [
                    cv2.resize(f, (width, height), interpolation=cv2.INTER_AREA) for f in piece
                ]
                piece = np.stack(resized).astype(np.uint8)
            writer.add(piece)
    return round(float(frames / info.fps), 3)


def levelled(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Float32 [N, channels] at ``LEVEL``, or below it where its peak would pass ``PEAK``."""
    power = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if samples.size else 0.0
    if power == 0:
        return samples
    gain = min(LEVEL / power, PEAK / float(np.abs(samples).max()))
    return np.asarray(samples * gain, dtype=np.float32)


def still(source: Path, to: Path) -> None:
    """The first frame of a video as a PNG without metadata.

    Raises:
        VideoError: It cannot be read.
    """
    frame = next(iter(FrameReader(source, piece=1)))[0]
    scale = min(1.0, 480 / frame.shape[0])
    size = (round(frame.shape[1] * scale), round(frame.shape[0] * scale))
    small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    _, content = cv2.imencode(".png", cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
    to.write_bytes(content.tobytes())


def instruction(to: Path, answer: int) -> float:
    """A clip that asks for one answer to every question; returns its length, s."""
    return _card(to, [f"Please answer {answer}", "to every question", "about this clip"], beeps=1)


def playback(to: Path, digit: int, beeps: int) -> float:
    """A clip that shows a digit and beeps some times; returns its length, s."""
    return _card(to, [str(digit)], beeps=beeps)


def _card(to: Path, lines: list[str], beeps: int) -> float:
    seconds, fps = 3, 25
    picture = np.full((360, 480, 3), _PAPER, np.uint8)
    scale = 5.0 if len(lines) == 1 else 1.2
    for number, line in enumerate(lines):
        (wide, high), _ = cv2.getTextSize(line, cv2.FONT_HERSHEY_SIMPLEX, scale, 3)
        top = 180 + high // 2 + round((number - (len(lines) - 1) / 2) * 56)
        cv2.putText(
            picture,
            line,
            (240 - wide // 2, top),
            cv2.FONT_HERSHEY_SIMPLEX,
            scale,
            _INK,
            3,
            cv2.LINE_AA,
        )
    time = np.arange(seconds * RATE) / RATE
    tone = np.sin(2 * np.pi * 660 * time)
    place = time * 2  # a beep each half second, of a fifth of a second
    heard = (place % 1 < 0.4) & (place < beeps + 0.5) & (place >= 0)
    heard &= np.floor(place) < beeps
    samples = levelled((tone * heard)[:, None].astype(np.float32))
    with VideoWriter(
        to,
        width=480,
        height=360,
        fps=Fraction(fps),
        encoding=Encoding(crf=_CRF),
        audio=Audio(samples, RATE),
    ) as writer:
        writer.add(np.broadcast_to(picture, (seconds * fps, *picture.shape)).copy())
    return float(seconds)


def sha256(path: Path) -> str:
    """Of a file that was written."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
