"""How loud it is, moment by moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metrics.base import Sound, Track

RATE = 16_000
WINDOW = 800  # samples, 50 ms
BAND = (1_000, 4_000)  # Hz

_BLOCK = 4096  # windows at a time: 26 MB


def rms(windows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Root mean square of each window: [n, 800] in -1..1 -> [n]."""
    power: NDArray[np.float64] = np.mean(windows**2, axis=1)
    return np.sqrt(power)


def in_band(windows: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same of what lies between 1 and 4 kHz, under a Hann window: [n, 800] -> [n].

    There the second and third formant live, and the mouth's opening shapes them more than it
    does the voice as a whole.
    """
    hann = np.hanning(WINDOW + 1)[:-1]
    power = np.abs(np.fft.rfft(windows * hann, axis=1)) ** 2
    hertz = np.fft.rfftfreq(WINDOW, 1 / RATE)
    inside = (hertz >= BAND[0]) & (hertz <= BAND[1])
    # Parseval: each line but the first and the last stands for two.
    mean: NDArray[np.float64] = 2 * power[:, inside].sum(axis=1) / WINDOW / np.sum(hann**2)
    return np.sqrt(mean)


@dataclass(frozen=True)
class Loudness:
    """Loudness around evenly spaced moments, the first at 0 s.

    Rows: ``loudness`` float64 [1 + N // hop], of the 800 samples around sample i * hop, silence
    before the first and after the last; full scale is 1.

    Attributes:
        id: Name and version.
        hop: Samples from one moment to the next.
        measure: :func:`rms` or :func:`in_band`.
    """

    id: str
    hop: int
    measure: Callable[[NDArray[np.float64]], NDArray[np.float64]]

    def listen(self, sound: Sound) -> Track:
        """Rows for int16 mono [N] at 16 kHz."""
        padded = np.zeros(len(sound) + WINDOW)
        padded[WINDOW // 2 : WINDOW // 2 + len(sound)] = np.asarray(sound, np.float64) / 32768
        windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[:: self.hop]
        blocks = [
            self.measure(windows[start : start + _BLOCK])
            for start in range(0, len(windows), _BLOCK)
        ]
        return {"loudness": np.concatenate(blocks)}


LOUDNESS = Loudness("loudness/1", WINDOW, rms)
VOICE_BAND = Loudness("loudness@1-4khz/1", RATE // 25, in_band)
