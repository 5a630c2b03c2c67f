"""Forward in the chosen precision, and steps of optimisers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor
from torch.optim import Optimizer

Precision = Literal["float32", "bf16", "fp16"]
_TYPES = {"float32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Updates:
    """Autocast and, for fp16, a scaled loss; parameters stay float32.

    Args:
        device: Where.
        precision: Of the forward pass.
    """

    def __init__(self, device: torch.device, precision: Precision) -> None:
        self.device, self.precision = device, precision
        self._scaler = torch.amp.GradScaler(device.type, enabled=precision == "fp16")

    def forward(self) -> torch.autocast:
        """The context of a forward pass."""
        low = self.precision != "float32"
        return torch.autocast(self.device.type, _TYPES[self.precision] if low else None, low)

    def apply(self, loss: Tensor, optimizer: Optimizer) -> None:
        """Add the loss's gradients to what is there, and take a step."""
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self._scaler.step(optimizer)

    def done(self) -> None:
        """After the last optimiser's step."""
        self._scaler.update()

    def state_dict(self) -> dict[str, Any]:
        """The scale of the loss."""
        return self._scaler.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with a scale."""
        self._scaler.load_state_dict(dict(state))
