"""Which of a clip's videos sound alike: a page plays one sound for all that do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evaluation.video import Audio, VideoError, read_audio

MOST_SOUNDS = 3
ALIKE = 0.9
"""Correlation from which on two sounds are one. A lossy codec keeps speech above 0.99; speech
that is one frame late, or somebody else's, is far below."""
_RATE = 16_000
_MOST_RATE = 48_000  # what every browser's AAC takes


@dataclass(frozen=True)
class Sounds:
    """The sounds of some videos.

    Attributes:
        of: For each video the number of its sound; None where it has none, or too many others
            were kept already.
        first: For each sound the number of the first video that has it.
        silent: Videos without a sound track.
    """

    of: tuple[int | None, ...]
    first: tuple[int, ...]
    silent: tuple[int, ...]


def sounds_of(videos: Sequence[Path | None]) -> Sounds:
    """Listen to all of them, one after the other."""
    kept: list[NDArray[np.float32]] = []
    first: list[int] = []
    of: list[int | None] = []
    silent: list[int] = []
    for number, path in enumerate(videos):
        heard = _heard(path)
        if heard is None:
            silent.append(number)
            of.append(None)
            continue
        known = next((i for i, other in enumerate(kept) if alike(heard, other)), None)
        if known is None and len(kept) < MOST_SOUNDS:
            known = len(kept)
            kept.append(heard)
            first.append(number)
        of.append(known)
    return Sounds(tuple(of), tuple(first), tuple(silent))


def alike(a: NDArray[np.float32], b: NDArray[np.float32]) -> bool:
    """Whether two sounds, float32 [N] at one rate, are one as far as ears and lips go.

    They are compared as far as both go, which is to be half of the longer one at least: a video
    cut short has no other voice.
    """
    length = min(len(a), len(b))
    if 2 * length < max(len(a), len(b)):
        return False
    x, y = (s[:length].astype(np.float64) for s in (a, b))
    x, y = x - x.mean(), y - y.mean()
    loud = float(np.linalg.norm(x)), float(np.linalg.norm(y))
    quiet = 1e-3 * math.sqrt(length)
    if min(loud) < quiet:
        return max(loud) < quiet
    return float(x @ y) >= ALIKE * loud[0] * loud[1]


def sound_to_play(path: Path) -> Audio | None:
    """A video's sound in one or two channels, on the video's clock."""
    audio = read_audio(path)
    if audio is not None and audio.rate > _MOST_RATE:
        audio = read_audio(path, _MOST_RATE)
    if audio is None or audio.samples.shape[1] <= 2:
        return audio
    return Audio(audio.samples.mean(axis=1, keepdims=True), audio.rate)


def _heard(path: Path | None) -> NDArray[np.float32] | None:
    if path is None:
        return None
    try:
        audio = read_audio(path, _RATE, mono=True)
    except VideoError:
        return None
    return None if audio is None or not len(audio.samples) else audio.samples[:, 0]
