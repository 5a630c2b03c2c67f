"""3x3 convolutions of many channels with a quarter of the multiplications.

Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016: F(4x4, 3x3). Tiles
of 6x6 pixels and the kernels are brought into a basis in which convolving is multiplying; 36
products of matrices of channels then make 16 pixels, which would take 144. On a CPU less than half
the time of the library's convolution; in float32 up to 4e-5 away from it for outputs near 1.

The basis is changed along columns, then along rows, by sums of whole slices: a product with the
matrix of the change would spend most of its time on zeros.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, add, nn, sub

from method.derived import Derived
from method.scratch import scratch

_OUT, _IN = 4, 6  # sides of the tiles
_FEWEST = 128  # channels; with fewer the changes of basis cost more than they save
_TILES = 128  # at a time: what they become stays in the cache

# The basis: values of polynomials at 0, 1, -1, 2, -2 and their highest coefficient.
_OF_KERNEL = torch.tensor(
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ],
    dtype=torch.float64,
)


class Conv3x3(nn.Conv2d):
    """A 3x3 convolution with padding 1; without gradients on a CPU, by Winograd where it pays."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3, padding=1)
        self._in_basis = Derived(in_basis)

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, H, W] -> [B, outputs, H, W]."""
        few = min(self.in_channels, self.out_channels) < _FEWEST
        if few or torch.is_grad_enabled() or not suits(x):
            return super().forward(x)
        return convolve(x, self._in_basis.of(self.weight), self.bias)


def suits(x: Tensor) -> bool:
    """Whether :func:`convolve` takes it."""
    whole = x.shape[2] % _OUT == 0 and x.shape[3] % _OUT == 0
    plain = x.device.type == "cpu" and x.dtype == torch.float32
    return whole and plain


def in_basis(weight: Tensor) -> Tensor:
    """[outputs, inputs, 3, 3] -> [36, inputs, outputs]."""
    change = _OF_KERNEL
    made = torch.einsum("ai,kcij,bj->abck", change, weight.double(), change)
    return made.flatten(0, 1).float().contiguous()


def convolve(x: Tensor, kernels: Tensor, bias: Tensor | None) -> Tensor:
    """A 3x3 convolution with padding 1.

    Args:
        x: float32 [B, inputs, H, W], H and W multiples of 4.
        kernels: By :func:`in_basis`.
        bias: [outputs], or None.

    Returns:
        float32 [B, outputs, H, W], channels_last.
    """
    batch, _, height, width = x.shape
    made = x.new_empty(batch, height, width, kernels.shape[2])
    band = _OUT * max(1, _TILES * _OUT // width)  # rows of pixels
    for item, out in zip(x.permute(0, 2, 3, 1), made, strict=True):
        for first in range(0, height, band):
            _convolve_band(item, first, kernels, bias, out[first : first + band])
    return made.permute(0, 3, 1, 2)


def _convolve_band(
    x: Tensor, first: int, kernels: Tensor, bias: Tensor | None, out: Tensor
) -> None:
    """The rows of [H, W, inputs] from the first on, as many as ``out`` [rows, W, outputs] has."""
    (height, width, inputs), (rows, _, outputs) = x.shape, out.shape
    down, across = rows // _OUT, width // _OUT  # tiles
    source, half, tiles, products, back, *spare = scratch(
        (rows + 2, width + 2, inputs),
        (_IN, rows + 2, across, inputs),
        (_IN, _IN, down, across, inputs),
        (_IN, _IN, down, across, outputs),
        (_OUT, _IN, down, across, outputs),
        (2, rows + 2, across, inputs),
        (2, _IN, down, across, inputs),
        (2, _IN, down, across, outputs),
        (2, _OUT, down, across, outputs),
    )
    above, below = max(first - 1, 0), min(first + rows + 1, height)
    source.zero_()
    source[above - first + 1 : below - first + 1, 1:-1] = x[above:below]
    _forth([source[:, i : i + width - 1 : _OUT] for i in range(_IN)], half, spare[0])
    _forth([half[:, i : i + rows - 1 : _OUT] for i in range(_IN)], tiles, spare[1])
    each = _IN * _IN, down * across
    torch.bmm(tiles.view(*each, inputs), kernels, out=products.view(*each, outputs))
    if bias is not None:
        products[1, 1] += bias  # 1 of the basis stands for 1 everywhere
    _back(products, back, spare[2])
    pixels = out.view(down, _OUT, across, _OUT, outputs).permute(3, 1, 0, 2, 4)
    _back(back.transpose(0, 1), pixels, spare[3])


def _forth(x: Sequence[Tensor], out: Tensor, spare: Tensor) -> None:
    """Six slices of pixels in the basis.

    ::

        4  0 -5  0  1  0
        0 -4 -4  1  1  0
        0  4 -4 -1  1  0
        0 -2 -1  2  1  0
        0  2 -1 -2  1  0
        0  4  0 -5  0  1
    """
    a, b = spare
    add(x[4], x[2], alpha=-4, out=a)
    add(x[3], x[1], alpha=-4, out=b)
    add(a, b, out=out[1])
    sub(a, b, out=out[2])
    sub(x[4], x[2], out=a)
    sub(x[3], x[1], out=b)
    add(a, b, alpha=2, out=out[3])
    add(a, b, alpha=-2, out=out[4])
    sub(x[5], x[3], out=out[5]).sub_(b, alpha=4)
    sub(x[0], x[2], out=b)
    add(a, b, alpha=4, out=out[0])


def _back(x: Tensor, out: Tensor, spare: Tensor) -> None:
    """Four slices of pixels from six in the basis.

    ::

        1  1  1  1  1  0
        0  1 -1  2 -2  0
        0  1  1  4  4  0
        0  1 -1  8 -8  1
    """
    a, b = spare
    add(x[1], x[2], out=a)
    add(x[3], x[4], out=b)
    add(a, b, out=out[0]).add_(x[0])
    add(a, b, alpha=4, out=out[2])
    sub(x[1], x[2], out=a)
    sub(x[3], x[4], out=b)
    add(a, b, alpha=2, out=out[1])
    add(a, b, alpha=8, out=out[3]).add_(x[5])
