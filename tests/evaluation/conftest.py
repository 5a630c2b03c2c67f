"""Short real clips, for stand-ins laid out as the true data sets are."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from evaluation.video import Audio, FrameReader, read_audio
from evaluation.video_writer import Encoding, VideoWriter


@pytest.fixture(scope="session")
def real_clip(data: Path) -> Callable[..., Path]:
    """Write some frames of a shared clip, with their sound, as H.264 with AAC at 25 a second."""

    def write(
        path: Path,
        clip: str,
        *,
        start: int = 0,
        frames: int = 8,
        size: tuple[int, int] = (160, 160),
    ) -> Path:
        source = data / "clips" / clip
        path.parent.mkdir(parents=True, exist_ok=True)
        shown = (frame for piece in FrameReader(source, piece=1) for frame in piece)
        pixels = [cv2.resize(f, size) for f in islice(shown, start, start + frames)]
        sound = read_audio(source, 16000, mono=True)
        if sound is not None:
            cut = slice(start * 640, (start + frames) * 640)
            sound = Audio(sound.samples[cut], 16000)
        with VideoWriter(
            path,
            width=size[0],
            height=size[1],
            fps=Fraction(25),
            encoding=Encoding(crf=23),
            audio=sound,
        ) as writer:
            writer.add(np.stack(pixels))
        return path

    return write
