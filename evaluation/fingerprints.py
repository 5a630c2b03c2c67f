"""What a clip looks and sounds like in a few bits that survive another encoding.

Pictures: 64 bits a frame, whether each of 8x8 places is brighter than the one to its left (dHash).
Sound: 16 bits for each 0.1 s, whether the energy falls off faster from one band to the next than
0.1 s before (as Haitsma and Kalker, ISMIR 2002, with wider windows and fewer bands). Neither tells
fine differences: equal bits say that it is the same footage, not that it is as good.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from metrics import Frames

RATE = 16_000
HOP = RATE // 10
BITS = 16

_WINDOW = 4 * HOP
_BANDS_HZ = (200.0, 4000.0)
_AUDIBLE = 10**-2.5  # of the loudest moment's amplitude; below, codecs change the bits at will

Pictures = NDArray[np.uint64]
Sounds = NDArray[np.uint16]


def picture_bits(frames: Frames) -> Pictures:
    """A hash of each frame.

    Args:
        frames: uint8 RGB [n, H, W, 3].

    Returns:
        uint64 [n].
    """
    small = np.stack([_grey(frame) for frame in frames])
    brighter = small[:, :, 1:] > small[:, :, :-1]
    packed = np.packbits(brighter.reshape(len(small), 64), axis=1)
    return packed.view(">u8")[:, 0].astype(np.uint64)


def _grey(frame: Frames) -> NDArray[np.float32]:
    shrunk = cv2.resize(frame.astype(np.float32), (9, 8), interpolation=cv2.INTER_AREA)
    return np.asarray(shrunk @ np.array([0.299, 0.587, 0.114], np.float32), dtype=np.float32)


def picture_distance(one: Pictures, other: Pictures) -> float:
    """Bits of 64 in which frames differ, on average; one frame of each for every pair."""
    return float(np.bitwise_count(one ^ other).mean())


def sound_bits(samples: NDArray[np.floating]) -> Sounds:
    """A hash of every 0.1 s.

    Args:
        samples: float [N] at 16 kHz.

    Returns:
        uint16 [ceil(N / HOP)].
    """
    energy = _band_energy(samples)
    slope = np.diff(np.log(energy + 1e-10), axis=1)
    steeper = np.diff(slope, axis=0, prepend=slope[:1]) > 0
    packed = np.packbits(steeper, axis=1)
    return packed.view(">u2")[:, 0].astype(np.uint16)


def audible(samples: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Which of the moments of ``sound_bits`` are within 50 dB of the loudest."""
    loud = np.sqrt(_band_energy(samples).sum(axis=1))
    return np.asarray(loud > _AUDIBLE * loud.max(initial=0), dtype=bool)


def _band_energy(samples: NDArray[np.floating]) -> NDArray[np.float64]:
    """float64 [moments, BITS + 1], of windows of 0.4 s around every 0.1 s."""
    count = -(-len(samples) // HOP)
    side = _WINDOW // 2
    padded = np.pad(np.asarray(samples, dtype=np.float64), (side, side + HOP))
    edges = np.geomspace(*_BANDS_HZ, BITS + 2) * _WINDOW / RATE
    shape = np.hanning(_WINDOW)
    energy = np.empty((count, BITS + 1))
    for moment in range(count):
        piece = padded[moment * HOP : moment * HOP + _WINDOW] * shape
        power = np.abs(np.fft.rfft(piece)) ** 2
        energy[moment] = np.add.reduceat(power, np.round(edges).astype(int))[:-1]
    return energy


def sound_distance(
    heard: Sounds, known: Sounds, counts: NDArray[np.bool_] | None = None
) -> tuple[float, int]:
    """The share of bits that differ where two sounds fit best, and how much later that is.

    Args:
        heard: [n].
        known: [m].
        counts: Which moments of ``heard`` are compared; None are all.

    Returns:
        0 to 1, near 0.5 for two sounds that have nothing in common; the moment of ``known`` at
        which ``heard`` begins, below 0 where it begins before.
    """
    kept = np.ones(len(heard), dtype=bool) if counts is None else counts
    best, place = 1.0, 0
    fewest = max(1, min(int(kept.sum()), len(known)) // 2)
    for start in range(1 - len(heard), len(known)):
        common = slice(max(0, -start), min(len(heard), len(known) - start))
        chosen = kept[common]
        if chosen.sum() < fewest:
            continue
        differ = heard[common] ^ known[common.start + start : common.stop + start]
        share = float(np.bitwise_count(differ[chosen]).mean()) / BITS
        if (share, abs(start)) < (best, abs(place)):
            best, place = share, start
    return best, place
