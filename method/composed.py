"""Two 3x3 convolutions with nothing between them, as one of 5x5.

Cheaper where the first makes many channels of few. At the edges the two are not one: outside the
picture the second sees zeros, the 5x5 kernel what the first would have made there. So its part
from the ring around the picture is taken off again.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from method.derived import Derived


class Composed:
    """``second(first(x))`` of convolutions with padding 1, in one step without gradients."""

    def __init__(self) -> None:
        self._kernel, self._bias = Derived(_kernel), Derived(_bias)

    def __call__(self, first: nn.Conv2d, second: nn.Conv2d, x: Tensor) -> Tensor:
        """[B, inputs, H, W] -> [B, outputs, H, W]."""
        kernel = self._kernel.of(first.weight, second.weight)
        bias = self._bias.of(_bias_of(first), second.weight, _bias_of(second))
        made = F.conv2d(x, kernel, bias, padding=2)
        # A line of the ring outside, and the line of the picture that sees it: how each of the
        # kernels lies on the picture's, and which of its rows, or columns, that is.
        for line, of_first, of_second in ((0, 2, 0), (-1, 0, 2)):
            row = F.conv2d(
                x[:, :, line, None], first.weight[:, :, of_first, None], first.bias, padding=(0, 2)
            )  # [B, hidden, 1, W + 2]: with the corners
            made[:, :, line] -= F.conv2d(row, second.weight[:, :, of_second, None])[:, :, 0]
            column = F.conv2d(
                x[..., line, None], first.weight[..., of_first, None], first.bias, padding=(1, 0)
            )  # [B, hidden, H, 1]: without
            seen = F.conv2d(column, second.weight[..., of_second, None], padding=(1, 0))
            made[..., line] -= seen[..., 0]
        return made


def pays(first: nn.Conv2d, second: nn.Conv2d, x: Tensor) -> bool:
    """Whether one step is less work, on a CPU, and no gradient is asked for."""
    inputs, hidden, outputs = first.in_channels, first.out_channels, second.out_channels
    less = 25 * inputs * outputs < 9 * hidden * (inputs + outputs)
    return less and x.device.type == "cpu" and not torch.is_grad_enabled()


def _bias_of(conv: nn.Conv2d) -> Tensor:
    return conv.weight.new_zeros(conv.out_channels) if conv.bias is None else conv.bias


def _kernel(first: Tensor, second: Tensor) -> Tensor:
    """[hidden, inputs, 3, 3], [outputs, hidden, 3, 3] -> [outputs, inputs, 5, 5]."""
    # To correlate with one, then the other, is to correlate with the one convolved by the other.
    turned = first.double().transpose(0, 1).flip(2, 3)
    return F.conv2d(second.double(), turned, padding=2).to(first.dtype)


def _bias(first: Tensor, kernel: Tensor, second: Tensor) -> Tensor:
    """What a hidden map of ``first`` [hidden] everywhere becomes: [outputs]."""
    made = kernel.double().sum(dim=(2, 3)) @ first.double() + second.double()
    return made.to(second.dtype)
