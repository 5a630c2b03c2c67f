"""Convolutions to a few channels: the rows of the kernel become channels.

The library's convolution makes 16 channels at a time, whether they are wanted or not. One of 7x7 to
two channels is one of 1x7 to 14 and a sum of these, each moved by its row: seven times less work.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from method.derived import Derived


class ConvToFew(nn.Conv2d):
    """A convolution with an odd kernel that keeps the size; without gradients on a CPU, by rows."""

    def __init__(self, inputs: int, outputs: int, side: int, *, bias: bool = True) -> None:
        super().__init__(inputs, outputs, side, padding=side // 2, bias=bias)
        self._rows = Derived(_rows)

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, H, W] -> [B, outputs, H, W]."""
        if torch.is_grad_enabled() or x.device.type != "cpu":
            return super().forward(x)
        (side, _), height = self.kernel_size, x.shape[2]
        made = F.conv2d(x, self._rows.of(self.weight), padding=side // 2)
        # [B, side, outputs, H + side - 1, W]; sums of slices want them in one piece.
        parts = made.contiguous().view(len(x), side, self.out_channels, *made.shape[2:])
        out = parts[:, 0, :, :height].clone()
        for row in range(1, side):
            out += parts[:, row, :, row : row + height]
        if self.bias is not None:
            out += self.bias[:, None, None]
        return out


def _rows(weight: Tensor) -> Tensor:
    """[outputs, inputs, side, side] -> [side * outputs, inputs, 1, side]."""
    return weight.permute(2, 0, 1, 3).flatten(0, 1)[:, :, None].contiguous()
