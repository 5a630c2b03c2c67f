"""What the networks hear: a mel spectrogram in windows of 0.2 s, one for every frame.

The parameters are those of Wav2Lip and IP-LAP (models/audio.py of Weizhi-Zhong/IP_LAP @ 9b9dc03,
librosa 0.9.2): 16 kHz, pre-emphasis 0.97, 80 Slaney mels of 55 to 7600 Hz, -100..0 dB as -4..4.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.signal import get_window, lfilter

RATE = 16_000
COLUMNS = 16  # of a window
SILENCE = -4.0  # in every mel
_PER_SECOND = 80
_FFT, _HOP = 800, 200
_MELS, _LOWEST, _HIGHEST = 80, 55.0, 7600.0
_EMPHASIS = 0.97
_REFERENCE_DB, _LEAST_DB, _LARGEST = 20.0, -100.0, 4.0


def mel_spectrogram(samples: NDArray[np.floating]) -> NDArray[np.float64]:
    """Mel spectrogram of mono samples at 16 kHz.

    Args:
        samples: [N], -1..1.

    Returns:
        float64 [80, 1 + N // 200], -4..4; column i is centred at sample 200 i, with zeros beyond
        both ends.
    """
    emphasised = lfilter([1, -_EMPHASIS], [1], np.asarray(samples, dtype=np.float64))
    padded = np.pad(emphasised, _FFT // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FFT)[::_HOP]
    magnitude = np.abs(np.fft.rfft(frames * get_window("hann", _FFT), axis=1))
    level = 20 * np.log10(np.maximum(10 ** (_LEAST_DB / 20), mel_basis() @ magnitude.T))
    share = (level - _REFERENCE_DB - _LEAST_DB) / -_LEAST_DB
    return np.clip(2 * _LARGEST * share - _LARGEST, -_LARGEST, _LARGEST)


def window_start(frame: int, fps: float = 25) -> int:
    """The first column of the window that begins with a frame."""
    return int(frame * (_PER_SECOND / fps))


def window_count(columns: int, fps: float = 25) -> int:
    """How many whole windows a spectrogram of so many columns has."""
    count = 0
    while window_start(count, fps) + COLUMNS <= columns:
        count += 1
    return count


@cache
def mel_basis() -> NDArray[np.float32]:
    """Triangular filters of equal area, float32 [80, 401] (Slaney, Auditory Toolbox 1998)."""
    bins = np.linspace(0, RATE / 2, 1 + _FFT // 2)
    edges = _hertz(np.linspace(_mel(_LOWEST), _mel(_HIGHEST), _MELS + 2))
    slopes = edges[:, None] - bins
    widths = np.diff(edges)[:, None]
    rising, falling = -slopes[:-2] / widths[:-1], slopes[2:] / widths[1:]
    heights = 2 / (edges[2:] - edges[:-2])
    triangles = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)  # as librosa rounds
    return np.asarray(triangles * heights[:, None], dtype=np.float32)


# Slaney's scale: linear up to 1000 Hz (15 mel), 27 mel for each factor of 6.4 above.
_LINEAR, _BREAK, _STEP = 200 / 3, 1000.0, np.log(6.4) / 27


def _mel(hertz: float) -> float:
    if hertz < _BREAK:
        return hertz / _LINEAR
    return float(_BREAK / _LINEAR + np.log(hertz / _BREAK) / _STEP)


def _hertz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    above = mel - _BREAK / _LINEAR
    return np.where(above < 0, mel * _LINEAR, _BREAK * np.exp(_STEP * above))
