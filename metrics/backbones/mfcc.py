"""Mel-frequency cepstral coefficients as SyncNet hears them, in numpy.

The defaults of python_speech_features 0.6 (Lyons, MIT): 25 ms windows every 10 ms without a window
function, pre-emphasis 0.97, power spectrum of 512 points, 26 triangular mel filters from 0 to
8000 Hz, log, orthonormal DCT-II, the first 13 coefficients, lifter 22, and the first coefficient
replaced by the log energy. All in float64.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from metrics.base import Sound, Track

RATE = 16_000
WINDOW = 400  # samples
STEP = 160  # samples
COEFFICIENTS = 13

_FFT = 512
_FILTERS = 26
_PREEMPHASIS = 0.97
_LIFTER = 22
_BLOCK = 4096  # columns at a time: 41 s, 13 MB of windows


def columns_of(samples: int) -> int:
    """How many columns a sound of so many samples has; the last ones reach beyond its end."""
    if samples == 0:
        return 0
    return 1 + max(0, -(-(samples - WINDOW) // STEP))


def mfcc(sound: Sound) -> NDArray[np.float64]:
    """The coefficients of a sound.

    Column i is about samples 160 i to 160 i + 399; beyond the end there is silence. The first
    sample of a sound has none before it, so it is not pre-emphasised: column 0 of a cut differs
    from the same column of the whole, and no other does but those that reach beyond the end.

    Args:
        sound: int16 [N] at 16 kHz. Other dtypes are taken at face value: a sound in -1..1 has
            another log energy.

    Returns:
        float64 [columns, 13], 100 columns a second; none for an empty sound.
    """
    samples = np.asarray(sound, dtype=np.float64)
    columns = columns_of(len(samples))
    rows = np.empty((columns, COEFFICIENTS))
    if not columns:
        return rows
    padded = np.zeros((columns - 1) * STEP + WINDOW)
    padded[0] = samples[0]
    padded[1 : len(samples)] = samples[1:] - _PREEMPHASIS * samples[:-1]
    windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::STEP]
    for start in range(0, columns, _BLOCK):
        block = slice(start, start + _BLOCK)
        rows[block] = _coefficients(windows[block])
    return rows


def _coefficients(windows: NDArray[np.float64]) -> NDArray[np.float64]:
    """[n, 400] -> [n, 13]."""
    power = np.abs(np.fft.rfft(windows, _FFT)) ** 2 / _FFT
    energy = power.sum(axis=1)
    mel = power @ _filters().T
    for silent in (energy, mel):  # in place: the log of silence would be minus infinity
        silent[silent == 0] = np.finfo(np.float64).eps
    rows: NDArray[np.float64] = np.log(mel) @ _cepstrum().T
    rows[:, 0] = np.log(energy)
    return rows


@functools.cache
def _filters() -> NDArray[np.float64]:
    """Triangles between whole FFT bins, evenly spaced in mel: [26, 257]."""
    top = 2595 * np.log10(1 + RATE / 2 / 700)
    hertz = 700 * (10 ** (np.linspace(0, top, _FILTERS + 2) / 2595) - 1)
    corners = np.floor((_FFT + 1) * hertz / RATE)
    bins = np.arange(_FFT // 2 + 1)
    filters = np.zeros((_FILTERS, len(bins)))
    for row, (left, peak, right) in zip(
        filters, np.lib.stride_tricks.sliding_window_view(corners, 3), strict=True
    ):
        rise, fall = (left <= bins) & (bins < peak), (peak <= bins) & (bins < right)
        row[rise] = (bins[rise] - left) / (peak - left)
        row[fall] = (right - bins[fall]) / (right - peak)
    return filters


@functools.cache
def _cepstrum() -> NDArray[np.float64]:
    """Orthonormal DCT-II of the log filters, its first 13 rows, liftered: [13, 26]."""
    order = np.arange(COEFFICIENTS)[:, None]
    waves = np.cos(np.pi * order * (2 * np.arange(_FILTERS) + 1) / (2 * _FILTERS))
    waves *= np.sqrt(2 / _FILTERS)
    waves[0] /= np.sqrt(2)
    lifted: NDArray[np.float64] = waves * (1 + _LIFTER / 2 * np.sin(np.pi * order / _LIFTER))
    return lifted


class Mfcc:
    """Extractor of the coefficients. Rows: ``mfcc`` float64 [columns, 13], 100 a second."""

    id = "mfcc/1"

    def listen(self, sound: Sound) -> Track:
        """Rows for int16 mono [N] at 16 kHz."""
        return {"mfcc": mfcc(sound)}


MFCC = Mfcc()
