"""The sound that drives: as the networks hear it, and as the result carries it."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

from evaluation.video import Audio, read_audio
from method import mel
from method.driving import UndrivableError


def read_driving_sound(path: Path) -> tuple[Audio, Audio]:
    """A file's sound at 16 kHz, mono; and untouched, for the result.

    Raises:
        VideoError: The file cannot be read.
        UndrivableError: No sound, or none that can be heard or that the result's AAC takes.
    """
    heard, carried = read_audio(path, mel.RATE, mono=True), read_audio(path)
    if heard is None or carried is None:
        raise UndrivableError(f"{path}: no sound to drive with: no audio stream, or an empty one")
    if not np.isfinite(heard.samples).all():
        raise UndrivableError(
            f"{path}: the sound holds samples that are no numbers (NaN, infinity)"
        )
    _check_writable(carried, path)
    return heard, carried


def _check_writable(sound: Audio, path: Path) -> None:
    rates = sorted(av.Codec("aac", "w").audio_rates or ())
    channels = sound.samples.shape[1]
    if channels > 2 or sound.rate not in rates:
        raise UndrivableError(
            f"{path}: {channels} channels at {sound.rate} Hz; the result's AAC takes 1 or 2 at "
            f"{', '.join(map(str, rates))} Hz. Convert it first: ffmpeg -i {path.name} -ac 2 "
            "-ar 48000 sound.wav"
        )
