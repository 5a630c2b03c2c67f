"""SyncNet: one network for five frames of a face, one for a fifth of a second of its sound.

Chung, Zisserman, "Out of time: automated lip sync in the wild", ACCV workshops 2016; the second
version as published with joonson/syncnet_python @ 6efbb1c (MIT). Modules carry the names of that
code, as the weight file does.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from metrics.assets import locate
from metrics.backbones.device import device, exact
from metrics.base import Frames

ASSET = "syncnet"
SIDE = 224
WINDOW = 5  # frames that one lip feature looks at
COLUMNS = 20  # of MFCC that one audio feature looks at
PER_FRAME = 4  # columns a frame lasts
FEATURES = 1024

Size = int | tuple[int, ...]


class SyncNet(nn.Module):
    """Both networks, parameters named as in the weight file; the reference for the folded ones."""

    def __init__(self) -> None:
        super().__init__()
        self.netcnnaud = nn.Sequential(
            *_conv(nn.Conv2d, 1, 64, 3, padding=1),
            nn.MaxPool2d(1, 1),
            *_conv(nn.Conv2d, 64, 192, 3, padding=1),
            nn.MaxPool2d(3, (1, 2)),
            *_conv(nn.Conv2d, 192, 384, 3, padding=1),
            *_conv(nn.Conv2d, 384, 256, 3, padding=1),
            *_conv(nn.Conv2d, 256, 256, 3, padding=1),
            nn.MaxPool2d(3, 2),
            *_conv(nn.Conv2d, 256, 512, (5, 4)),
        )
        self.netfcaud = _head()
        self.netfclip = _head()
        self.netcnnlip = nn.Sequential(
            *_conv(nn.Conv3d, 3, 96, (WINDOW, 7, 7), stride=(1, 2, 2)),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_conv(nn.Conv3d, 96, 256, (1, 5, 5), stride=(1, 2, 2), padding=(0, 1, 1)),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
            *_conv(nn.Conv3d, 256, 256, (1, 3, 3), padding=(0, 1, 1)),
            *_conv(nn.Conv3d, 256, 256, (1, 3, 3), padding=(0, 1, 1)),
            *_conv(nn.Conv3d, 256, 256, (1, 3, 3), padding=(0, 1, 1)),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_conv(nn.Conv3d, 256, 512, (1, 6, 6)),
        )

    def lip(self, windows: Tensor) -> Tensor:
        """Float32 BGR 0..255 [n, 3, 5, 224, 224] -> [n, 1024]."""
        return cast("Tensor", self.netfclip(self.netcnnlip(windows).flatten(1)))

    def audio(self, windows: Tensor) -> Tensor:
        """Float32 MFCC [n, 1, 13, 20] -> [n, 1024]."""
        return cast("Tensor", self.netfcaud(self.netcnnaud(windows).flatten(1)))


def _conv(
    kind: type[nn.Conv2d] | type[nn.Conv3d],
    channels_in: int,
    channels_out: int,
    kernel: Size,
    **how: Size,
) -> tuple[nn.Module, nn.Module, nn.Module]:
    norm = nn.BatchNorm2d if kind is nn.Conv2d else nn.BatchNorm3d
    conv = kind(channels_in, channels_out, kernel, **how)  # type: ignore[arg-type]
    return conv, norm(channels_out), nn.ReLU()


def _head() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, FEATURES)
    )


def load_syncnet(source: Path | Mapping[str, Tensor]) -> SyncNet:
    """The network in evaluation mode with the weights of a file, or of a state dict.

    Raises:
        RuntimeError: The parameters are not exactly those of ``SyncNet``.
    """
    state = (
        torch.load(source, map_location="cpu", weights_only=True)
        if isinstance(source, Path)
        else source
    )
    with torch.device("meta"):  # no random numbers drawn only to be overwritten
        network = SyncNet()
    network.to_empty(device="cpu").load_state_dict(state, strict=True)
    return network.eval().requires_grad_(False)


class Folded:
    """Both networks of a ``SyncNet`` as they are run: flat and without batch norm.

    Only the first layer of the lip network spans time, so five frames are 15 channels of one
    picture: two-dimensional convolutions, for which there are faster kernels. That layer takes
    RGB. Batch norm is folded into the weights in float64.
    """

    def __init__(self, network: SyncNet, on: torch.device) -> None:
        first = cast("nn.Conv3d", network.netcnnlip[0]).weight.detach()
        # [out, BGR, frames, 7, 7] -> [out, frames and RGB, 7, 7]
        stacked = first.flip(1).transpose(1, 2).flatten(1, 2)
        self.on = on
        self.lip = _flat(network.netcnnlip, network.netfclip, stacked).to(on)
        self.audio = _flat(network.netcnnaud, network.netfcaud).to(on)

    def lip_rows(self, frames: Frames) -> NDArray[np.float32]:
        """See :func:`lip_features`."""
        rows = np.empty((max(0, len(frames) - WINDOW + 1), FEATURES), dtype=np.float32)
        with exact():
            for piece in self._pieces(len(rows)):
                seen = np.array(frames[piece.start : piece.stop + WINDOW - 1], order="C")
                pixels = torch.from_numpy(seen).to(self.on).float()
                count = len(seen) - WINDOW + 1
                windows = torch.cat([pixels[k : k + count] for k in range(WINDOW)], dim=3)
                rows[piece] = self.lip(windows.permute(0, 3, 1, 2)).cpu().numpy()
        return rows

    def audio_rows(self, coefficients: NDArray[np.floating]) -> NDArray[np.float32]:
        """See :func:`audio_features`."""
        columns = np.asarray(coefficients, dtype=np.float32)
        count = max(0, (len(columns) - COLUMNS) // PER_FRAME + 1)
        rows = np.empty((count, FEATURES), dtype=np.float32)
        with exact():
            for piece in self._pieces(count):
                starts = PER_FRAME * np.arange(count)[piece]
                windows = columns[starts[:, None] + np.arange(COLUMNS)].transpose(0, 2, 1)
                rows[piece] = self.audio(_tensor(windows[:, None], self.on)).cpu().numpy()
        return rows

    def _pieces(self, count: int) -> Iterator[slice]:
        batch = 8 if self.on.type == "cpu" else 64  # what fits the caches; what fills a GPU
        return (slice(k, min(k + batch, count)) for k in range(0, count, batch))


def _tensor(values: NDArray[np.float32], on: torch.device) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values)).to(on)


def _flat(
    convolutions: nn.Sequential, head: nn.Sequential, first: Tensor | None = None
) -> nn.Sequential:
    """Two-dimensional layers with their batch norms folded in; ``first`` replaces a weight."""
    layers: list[nn.Module] = []
    for stack in (convolutions, head):
        modules = list(stack)
        for module, norm in zip(modules, [*modules[1:], None], strict=True):
            if isinstance(module, nn.Conv2d | nn.Conv3d):
                weight = module.weight if layers or first is None else first
                # Beyond the first layer kernels are 1 in time.
                flat = weight.detach() if weight.ndim == 4 else weight.detach().squeeze(2)
                layers.append(_conv2d(module, *_with_norm(flat, module, norm)))
            elif isinstance(module, nn.Linear):
                layers.append(_linear(*_with_norm(module.weight.detach(), module, norm)))
            elif isinstance(module, nn.MaxPool2d | nn.MaxPool3d):
                size, stride, padding = module.kernel_size, module.stride, module.padding
                layers.append(nn.MaxPool2d(_last_two(size), _last_two(stride), _last_two(padding)))
            elif isinstance(module, nn.ReLU):
                layers.append(nn.ReLU(inplace=True))
        if stack is convolutions:
            layers.append(nn.Flatten())
    network = nn.Sequential(*layers).eval().requires_grad_(False)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def _with_norm(weight: Tensor, module: nn.Module, norm: nn.Module | None) -> tuple[Tensor, Tensor]:
    """Weight and bias of a layer, its batch norm folded in if that comes next."""
    bias = cast("Tensor", module.bias).detach()
    if not isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
        return weight, bias
    gain, shift, mean, var = (
        cast("Tensor", x).detach().double()
        for x in (norm.weight, norm.bias, norm.running_mean, norm.running_var)
    )
    scale = gain * (var + norm.eps).rsqrt()
    folded = weight.double() * scale.reshape(-1, *[1] * (weight.ndim - 1))
    return folded.float(), ((bias.double() - mean) * scale + shift).float()


def _conv2d(like: nn.Conv2d | nn.Conv3d, weight: Tensor, bias: Tensor) -> nn.Conv2d:
    channels_out, channels_in, high, wide = weight.shape
    layer = nn.Conv2d(
        channels_in,
        channels_out,
        (high, wide),
        _last_two(like.stride),
        _last_two(cast("Size", like.padding)),
    )
    layer.load_state_dict({"weight": weight, "bias": bias})
    return layer


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    layer.load_state_dict({"weight": weight, "bias": bias})
    return layer


def _last_two(size: Size) -> tuple[int, int]:
    """Rows and columns of a size that may speak of time as well."""
    return (size, size) if isinstance(size, int) else (size[-2], size[-1])


@functools.cache
def _networks(on: torch.device) -> Folded:
    return Folded(load_syncnet(locate(ASSET)), on)


def lip_features(frames: Frames) -> NDArray[np.float32]:
    """What the network makes of every five frames of a face.

    Args:
        frames: uint8 RGB [n, 224, 224, 3]. The network was trained on BGR 0..255, and gets it.

    Returns:
        float32 [max(0, n - 4), 1024], not normalised; row i is about frames i to i + 4.

    Raises:
        AssetMissingError: The weights are not on this machine.
    """
    return _networks(device()).lip_rows(frames)


def audio_features(coefficients: NDArray[np.floating]) -> NDArray[np.float32]:
    """What the network makes of every 0.2 s of sound, at 25 steps a second.

    Args:
        coefficients: MFCC [columns, 13], see :func:`metrics.backbones.mfcc.mfcc`.

    Returns:
        float32 [windows, 1024], not normalised; row i is about columns 4 i to 4 i + 19.

    Raises:
        AssetMissingError: The weights are not on this machine.
    """
    return _networks(device()).audio_rows(coefficients)
