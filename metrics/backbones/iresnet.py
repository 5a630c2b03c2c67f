"""IResNet-100: the network behind ArcFace's larger published models.

Deng et al., "ArcFace: Additive Angular Margin Loss for Deep Face Recognition", CVPR 2019; as in
deepinsight/insightface @ d9cb10e, ``recognition/arcface_torch/backbones/iresnet.py`` (MIT), in
float32 as that code evaluates it (``fp16=False``). Modules carry the names of its weight files.
Convolutions take all the time (24 GFLOP a face), so folding batch norms into them gains nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

SIDE = 112
DIMENSIONS = 512
DEPTHS = (3, 13, 30, 3)  # blocks in each of the four stages of the 100-layer network

_WIDTHS = (64, 64, 128, 256, 512)
_LAST_SIDE = 7


class Block(nn.Module):
    """Norm, convolution, norm, PReLU, convolution, norm, and the input added."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels_in)
        self.conv1 = nn.Conv2d(channels_in, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.prelu = nn.PReLU(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels)
        # The first block of every stage halves the side, so its input must be brought along.
        if stride > 1:
            shortcut = nn.Conv2d(channels_in, channels, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        """[n, channels_in, H, W] -> [n, channels, H / stride, W / stride]."""
        y = self.prelu(self.bn2(self.conv1(self.bn1(x))))
        y = self.bn3(self.conv2(y))
        return cast("Tensor", y + (self.downsample(x) if hasattr(self, "downsample") else x))


class IResNet(nn.Module):
    """The network, parameters named as in the weight file."""

    def __init__(self, depths: tuple[int, ...] = DEPTHS) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, _WIDTHS[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(_WIDTHS[0])
        self.prelu = nn.PReLU(_WIDTHS[0])
        for stage, depth in enumerate(depths):
            before, width = _WIDTHS[stage : stage + 2]
            blocks = [Block(before, width, stride=2)]
            blocks += [Block(width, width, stride=1) for _ in range(depth - 1)]
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
        self.bn2 = nn.BatchNorm2d(_WIDTHS[-1])
        self.fc = nn.Linear(_WIDTHS[-1] * _LAST_SIDE**2, DIMENSIONS)
        self.features = nn.BatchNorm1d(DIMENSIONS)

    def forward(self, x: Tensor) -> Tensor:
        """Who it is, not normalised.

        Args:
            x: float32 [n, 3, 112, 112], RGB, -1..1.

        Returns:
            float32 [n, 512].
        """
        x = self.prelu(self.bn1(self.conv1(x)))
        for stage in range(1, 5):
            x = self.get_submodule(f"layer{stage}")(x)
        return cast("Tensor", self.features(self.fc(self.bn2(x).flatten(1))))


def load_iresnet(source: Path | Mapping[str, Tensor], depths: tuple[int, ...] = DEPTHS) -> IResNet:
    """The network in evaluation mode with the weights of a file, or of a state dict.

    Raises:
        RuntimeError: The parameters are not exactly those of the network.
    """
    state = (
        torch.load(source, map_location="cpu", weights_only=True)
        if isinstance(source, Path)
        else source
    )
    with torch.device("meta"):  # no random numbers drawn only to be overwritten
        network = IResNet(depths)
    network.to_empty(device="cpu").load_state_dict(state, strict=True)
    return network.eval().requires_grad_(False)
