"""Talkers for IP-LAP: short clips of a real face, and networks with untrained weights."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from evaluation.video import Audio, FrameReader
from evaluation.video_writer import LOSSLESS, VideoWriter
from method import pipeline
from method.landmark_generator import LandmarkGenerator
from method.renderer import Channels, Renderer


@pytest.fixture(scope="session")
def models() -> pipeline.Models:
    """Both stages, narrow."""
    torch.manual_seed(0)
    return pipeline.Models(LandmarkGenerator().eval(), Renderer(Channels(8, 16, 8)).eval())


@pytest.fixture(scope="session")
def tone() -> Callable[..., np.ndarray]:
    """Samples at 16 kHz, mono."""
    return lambda seconds: (
        np.sin(np.arange(round(seconds * 16000)) / 9).astype(np.float32)[:, None] * 0.3
    )


@pytest.fixture(scope="session")
def write() -> Callable[..., Path]:
    """Write frames, and samples if there are any, losslessly at 25 frames a second."""

    def write(path: Path, frames: np.ndarray, samples: np.ndarray | None = None) -> Path:
        height, width = frames.shape[1:3]
        audio = None if samples is None else Audio(samples, 16000)
        with VideoWriter(
            path, width=width, height=height, fps=Fraction(25), encoding=LOSSLESS, audio=audio
        ) as writer:
            writer.add(frames)
        return path

    return write


@pytest.fixture(scope="session")
def frames_of() -> Callable[[Path], np.ndarray]:
    """All frames of a video."""
    return lambda path: np.concatenate(list(FrameReader(path)))


@pytest.fixture(scope="session")
def man(asset, decode) -> np.ndarray:
    """Four frames of the man in the car, uint8 RGB [4, 144, 176, 3]."""
    for name in ("yunet", "face-mesh"):
        asset(name)
    return decode(asset("clip-carphone"), limit=4)


@pytest.fixture(scope="session")
def talker(man, write, tone, tmp_path_factory) -> Path:
    """The same with a tone."""
    return write(tmp_path_factory.mktemp("talker") / "talker.mp4", man, tone(4 / 25))


@pytest.fixture
def few_references(monkeypatch) -> None:
    """One reference image instead of 25."""
    monkeypatch.setattr(pipeline, "RENDERED", 1)
