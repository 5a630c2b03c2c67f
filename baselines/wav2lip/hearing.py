"""What is heard when: a window of 0.2 s for every frame, at any rate."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evaluation.video import Audio
from method import mel


class Hearing:
    """The mel windows of a sound.

    The official script stops with the first window that would reach beyond the sound's end: this
    one it takes from the end instead, so that every window is whole. Here silence follows the sound
    for the frames after that one.

    Args:
        sound: At 16 kHz, mono.
        fps: Of the video.

    Attributes:
        official: Windows of the official script; 0 where the sound has no whole one, and the script
            fails.
    """

    def __init__(self, sound: Audio, fps: float) -> None:
        self._mel = mel.mel_spectrogram(sound.samples[:, 0])
        self._fps = fps
        columns = self._mel.shape[1]
        self.official = mel.window_count(columns, fps) + 1 if columns >= mel.COLUMNS else 0

    def at(self, frame: int) -> NDArray[np.float32]:
        """What is heard with a frame, float32 [80, 16], -4..4."""
        columns = self._mel.shape[1]
        start = mel.window_start(frame, self._fps)
        if frame == self.official - 1:
            start = columns - mel.COLUMNS
        heard = self._mel[:, start : start + mel.COLUMNS]
        missing = mel.COLUMNS - heard.shape[1]
        silent = np.pad(heard, ((0, 0), (0, missing)), constant_values=mel.SILENCE)
        return silent.astype(np.float32)
