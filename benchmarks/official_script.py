"""One official metric over pairs of videos, as a user of that package would script it.

Run by ``benchmarks/metrics.py`` in a process of its own for every metric and generator:
decode with OpenCV, call the package, print one JSON line. Nothing is shared between calls,
because nothing is shared between the scripts that papers use.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import numpy as np

from evaluation.calibration.official import BY_CARD


def decode(path: Path, every: int) -> np.ndarray:
    """Frames 0, N, 2N, ... as uint8 RGB."""
    capture, frames, index = cv2.VideoCapture(str(path)), [], 0
    while True:
        ok, frame = capture.read()
        if not ok:
            return np.stack(frames)
        if index % every == 0:
            frames.append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
        index += 1


def main(card: str, every: int, generated: list[Path], reference: list[Path]) -> float:
    """The number over all pairs: a mean of clips, or of one set where the card is one."""
    pairs = [
        (decode(a, every), decode(b, every)) for a, b in zip(generated, reference, strict=True)
    ]
    compute = BY_CARD[card].compute
    if card.startswith(("fid", "kid")):
        return compute(*(np.concatenate(side) for side in zip(*pairs, strict=True)))
    return float(np.mean([compute(a, b) for a, b in pairs]))


if __name__ == "__main__":
    name, nth, *paths = sys.argv[1:]
    half = len(paths) // 2
    videos = [Path(p) for p in paths]
    print(json.dumps({"value": main(name, int(nth), videos[:half], videos[half:])}))
