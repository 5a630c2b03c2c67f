"""Memory for what does not outlive a call: allocated once per thread, not once per call.

Large tensors go back to the system when they die, and the next ones are new pages, which the
system clears and maps one by one: as dear as the arithmetic done in them.
"""

from __future__ import annotations

import math
import threading

import torch
from torch import Tensor

_THREAD = threading.local()


def scratch(*shapes: tuple[int, ...]) -> list[Tensor]:
    """Float32 CPU tensors of these shapes, contents arbitrary; good until the thread's next call.

    What is kept is the largest sum of sizes ever asked for by the thread.
    """
    sizes = [math.prod(shape) for shape in shapes]
    held: Tensor | None = getattr(_THREAD, "held", None)
    if held is None or len(held) < sum(sizes):
        with torch.inference_mode(mode=False):  # or nobody outside could write to it
            held = _THREAD.held = torch.empty(sum(sizes), dtype=torch.float32, device="cpu")
    parts = torch.split(held[: sum(sizes)], sizes)
    return [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]
