"""LPIPS 0.1 with AlexNet and VGG-16, in plain torch.

Zhang et al., CVPR 2018; official code: the ``lpips`` package 0.1.4. The networks are generators
that yield one tap after the other: its share of the distance is taken before the next stage
runs, so no more than one stage of a frame pair is in memory (VGG at 1080p: 2 GB).
"""

from __future__ import annotations

import functools
import io
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from metrics.assets import locate
from metrics.backbones.device import device, exact, pieces, to_tensor
from metrics.base import Frames

_STRIP_VALUES = 1 << 20

Conv = Callable[..., Tensor]
"""``conv(layer, x, **geometry)``: that layer's convolution and a ReLU."""


def _alexnet(x: Tensor, conv: Conv) -> Iterator[Tensor]:
    """relu1..relu5 of torchvision's AlexNet."""
    x = conv(0, x, stride=4, padding=2)
    yield x
    x = conv(1, F.max_pool2d(x, 3, 2), padding=2)
    yield x
    x = conv(2, F.max_pool2d(x, 3, 2), padding=1)
    yield x
    x = conv(3, x, padding=1)
    yield x
    yield conv(4, x, padding=1)


def _vgg16(x: Tensor, conv: Conv) -> Iterator[Tensor]:
    """relu1_2, 2_2, 3_3, 4_3 and 5_3 of VGG-16."""
    layer = 0
    for stage, depth in enumerate((2, 2, 3, 3, 3)):
        if stage:
            x = F.max_pool2d(x, 2)
        for _ in range(depth):
            x = conv(layer, x, padding=1)
            layer += 1
        yield x


@dataclass(frozen=True)
class LpipsNet:
    """One backbone with its heads.

    Attributes:
        asset: Its weights in the asset table.
        taps: The backbone.
        layers: Its number of convolutions.
        smallest: Frames with a side below this (px) leave nothing for the last tap.
        batch_pixels: Pixels of one side that are fastest together; 1080p goes frame by frame.
    """

    asset: str
    taps: Callable[[Tensor, Conv], Iterator[Tensor]]
    layers: int
    smallest: int
    batch_pixels: int


ALEX = LpipsNet("lpips-alex", _alexnet, layers=5, smallest=31, batch_pixels=1 << 19)
VGG = LpipsNet("lpips-vgg", _vgg16, layers=13, smallest=16, batch_pixels=1 << 16)


@dataclass(frozen=True)
class Weights:
    """Convolutions (weight [out, in, k, k], bias [out]) and one head [channels] per tap."""

    convolutions: tuple[tuple[Tensor, Tensor], ...]
    heads: tuple[Tensor, ...]

    def conv(self, layer: int, x: Tensor, **geometry: int) -> Tensor:
        """Convolution number ``layer`` and a ReLU."""
        weight, bias = self.convolutions[layer]
        return F.relu_(F.conv2d(x, weight, bias, **geometry))


class _ArraysOnly(pickle.Unpickler):
    """Reads pickles of NumPy arrays in plain containers; whatever else they name is refused."""

    _ADMITTED = {  # noqa: RUF012 - never written to
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        # The function that rebuilds an array has moved within NumPy; arrays know it.
        ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
        ("numpy._core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    }

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - pickle's signature
        try:
            return self._ADMITTED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"refused: this file may hold NumPy arrays only, but names {module}.{name}"
            ) from None


def read_arrays(data: bytes) -> Any:  # noqa: ANN401 - whatever containers the file has
    """What a pickle of NumPy arrays holds, with nothing of it executed.

    Raises:
        pickle.UnpicklingError: It names anything that arrays do not need.
    """
    return _ArraysOnly(io.BytesIO(data)).load()


@functools.cache
def weights(net: LpipsNet, on: torch.device) -> Weights:
    """What a network computes with.

    Raises:
        AssetMissingError: Its file is not on this machine.
    """
    tree: dict[str, dict[str, dict[str, NDArray[np.float32]]]] = read_arrays(
        locate(net.asset).read_bytes()
    )

    def tensor(array: NDArray[np.float32]) -> Tensor:
        return torch.from_numpy(array.copy()).to(on)

    heads = [tree.pop(f"NetLinLayer_{tap}")["Conv_0"]["kernel"] for tap in range(5)]
    ((_, backbone),) = tree.items()
    layers = [backbone.pop(f"Conv_{layer}") for layer in range(net.layers)]
    if backbone:
        raise ValueError(f"{net.asset}: unexpected {', '.join(backbone)}")
    return Weights(
        convolutions=tuple(
            # The file has height, width, in, out.
            (
                tensor(layer["kernel"].transpose(3, 2, 0, 1)).to(memory_format=torch.channels_last),
                tensor(layer["bias"]),
            )
            for layer in layers
        ),
        heads=tuple(tensor(head.reshape(-1)) for head in heads),
    )


def distances(a: Frames, b: Frames, net: LpipsNet = ALEX) -> NDArray[np.float64]:
    """LPIPS of each frame pair; exactly 0 for identical frames.

    Args:
        a: uint8 RGB [n, H, W, 3], no side below ``net.smallest``.
        b: As ``a``.
        net: ``ALEX`` or ``VGG``.

    Returns:
        float64 [n].

    Raises:
        AssetMissingError: The weights are not on this machine.
    """
    # Equal frames have equal features: the network need not be asked.
    differ = np.array([not np.array_equal(x, y) for x, y in zip(a, b, strict=True)], dtype=bool)
    found = np.zeros(len(a))
    if differ.any():
        found[differ] = _of_different(a[differ], b[differ], net)
    return found


def _of_different(a: Frames, b: Frames, net: LpipsNet) -> NDArray[np.float64]:
    on = device()
    kept = weights(net, on)
    found: list[NDArray[np.float64]] = []
    with exact():
        for piece in pieces(a, net.batch_pixels, most=64):
            sides = (net.taps(_normalised(x[piece], on), kept.conv) for x in (a, b))
            distance = sum(
                _tap_distance(x, y, head) for x, y, head in zip(*sides, kept.heads, strict=True)
            )
            found.append(torch.as_tensor(distance).double().cpu().numpy())
    return np.concatenate(found)


def _normalised(frames: Frames, on: torch.device) -> Tensor:
    """uint8 [n, H, W, 3] -> [n, 3, H, W]: -1..1, then LPIPS's own shift and scale."""
    shift = torch.tensor([-0.030, -0.088, -0.188], device=on)[:, None, None]
    scale = torch.tensor([0.458, 0.448, 0.450], device=on)[:, None, None]
    return (to_tensor(frames, on) / 127.5 - 1 - shift) / scale


def _tap_distance(a: Tensor, b: Tensor, head: Tensor) -> Tensor:
    """Weighted squared difference of unit feature vectors, mean over positions.

    Args:
        a: [n, C, h, w].
        b: As ``a``.
        head: [C].

    Returns:
        [n].
    """
    total = torch.zeros(len(a), device=a.device)
    # Strip by strip: at 1080p one copy of VGG's first tap is half a gigabyte.
    rows = max(1, _STRIP_VALUES // (a.shape[0] * a.shape[1] * a.shape[3]))
    for x, y in zip(torch.split(a, rows, dim=2), torch.split(b, rows, dim=2), strict=True):
        difference = (_unit(x) - _unit(y)).square_()
        total += torch.einsum("nchw,c->n", difference, head)
    return total / (a.shape[2] * a.shape[3])


def _unit(x: Tensor) -> Tensor:
    """Feature vectors of length 1; LPIPS adds its 1e-10 to the length, so 0 stays 0."""
    return x / (x.square().sum(dim=1, keepdim=True).sqrt() + 1e-10)
