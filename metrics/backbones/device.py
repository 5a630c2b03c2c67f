"""Where the networks run, at which precision, and how frames reach them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from metrics.base import Frames

DEVICE_VARIABLE = "TALKBENCH_DEVICE"


def device() -> torch.device:
    """``$TALKBENCH_DEVICE`` (``cpu``, ``cuda:1``, ...), else the GPU if there is one."""
    return torch.device(
        os.environ.get(DEVICE_VARIABLE) or ("cuda" if torch.cuda.is_available() else "cpu")
    )


@contextmanager
def exact() -> Iterator[None]:
    """No gradients, and float32 that means it.

    GPUs convolve in TF32 by default, with 10 of 23 bits of mantissa. The user's own settings are
    back afterwards.
    """
    conv, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = conv.allow_tf32, matmul.allow_tf32
    conv.allow_tf32 = matmul.allow_tf32 = False
    try:
        with torch.inference_mode():
            yield
    finally:
        conv.allow_tf32, matmul.allow_tf32 = before


def to_tensor(frames: Frames, on: torch.device) -> torch.Tensor:
    """uint8 RGB [n, H, W, 3] -> float32 [n, 3, H, W], still 0..255, channels last in memory."""
    # np.array copies: a view may be read-only or run backwards, and torch wants neither. The
    # bytes cross to the device before they grow fourfold.
    return torch.from_numpy(np.array(frames, order="C")).to(on).permute(0, 3, 1, 2).float()


def pieces(frames: Frames, pixels: int, most: int) -> Iterator[slice]:
    """Consecutive pieces of at most ``most`` frames and, beyond one frame, ``pixels`` pixels."""
    n, height, width, _ = frames.shape
    step = max(1, min(most, pixels // max(1, height * width)))
    for start in range(0, n, step):
        yield slice(start, start + step)
