"""Perceptual and style losses: L1 between features of a VGG trained on ImageNet.

Johnson et al., ECCV 2016, as Weizhi-Zhong/IP_LAP @ 9b9dc03 has them. Pictures are BGR 0..1 and go
in as they are, by (x + 1) / 2 and the statistics of RGB: the weights of the losses were tuned so.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from metrics.assets import locate
from metrics.backbones import lpips_nets

Vgg = Literal["vgg16", "vgg19"]
ASSET = {"vgg16": "lpips-vgg", "vgg19": "vgg19"}
"""Whose convolutions: those of torchvision in both files."""

_DEPTHS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class VggFeatures(nn.Module):
    """relu1_1, relu2_1, ... of a VGG; nothing in it is trained.

    Args:
        convolutions: Weights and biases, in order.
        vgg: Which network they are of.
        taps: How many features; layers after the last of them are left out.
    """

    def __init__(self, convolutions: list[tuple[Tensor, Tensor]], vgg: Vgg, taps: int = 5) -> None:
        super().__init__()
        self.depths = _DEPTHS[vgg][: taps - 1]
        self.layers = sum(self.depths) + 1
        for number, (weight, bias) in enumerate(convolutions[: self.layers]):
            self.register_buffer(f"weight_{number}", weight)
            self.register_buffer(f"bias_{number}", bias)

    def forward(self, x: Tensor) -> list[Tensor]:
        """[B, 3, H, W], normalised -> [B, 64, H, W], [B, 128, H/2, W/2], ..."""
        features, layer = [], 0
        for depth in self.depths:
            for place in range(depth):
                x = self._convolved(layer, x)
                if place == 0:
                    features.append(x)
                layer += 1
            x = F.max_pool2d(x, 2)
        features.append(self._convolved(layer, x))
        return features

    def _convolved(self, layer: int, x: Tensor) -> Tensor:
        weight, bias = (self.get_buffer(f"{kind}_{layer}") for kind in ("weight", "bias"))
        return F.relu(F.conv2d(x, weight, bias, padding=1))


class PerceptualLoss(nn.Module):
    """How different two pictures look to a VGG.

    Args:
        features: Whose.
        scales: Sizes at which pictures are compared, each half of the one before.
    """

    def __init__(self, features: VggFeatures, scales: int = 2) -> None:
        super().__init__()
        self.features, self.scales = features, scales
        self.register_buffer("mean", torch.tensor(_MEAN)[:, None, None])
        self.register_buffer("std", torch.tensor(_STD)[:, None, None])

    mean: Tensor
    std: Tensor

    def forward(self, images: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
        """Compare pictures with the truth; only the former get a gradient.

        Args:
            images: float32 [B, 3, H, W], BGR 0..1.
            truth: As ``images``.

        Returns:
            L1 over features, summed over taps and scales; L1 over their Gram matrices at full
            size, summed over taps.
        """
        x, y = (((p + 1) / 2 - self.mean) / self.std for p in (images, truth))
        content, style = x.new_zeros(()), x.new_zeros(())
        for scale in range(self.scales):
            if scale:
                x, y = (F.interpolate(p, scale_factor=0.5, mode="bilinear") for p in (x, y))
            seen = self.features(x)
            with torch.no_grad():
                wanted = self.features(y)
            for a, b in zip(seen, wanted, strict=True):
                content = content + F.l1_loss(a, b)
                if scale == 0:
                    style = style + F.l1_loss(gram(a), gram(b))
        return content, style


def gram(features: Tensor) -> Tensor:
    """[B, C, H, W] -> [B, C, C], over C * H * W."""
    rows = features.flatten(2)
    return rows @ rows.transpose(1, 2) / rows[0].numel()


def load(vgg: Vgg, taps: int) -> VggFeatures:
    """The network with the weights of the asset table.

    Raises:
        AssetMissingError: They are not on this machine.
    """
    return VggFeatures(_convolutions(vgg), vgg, taps)


@functools.cache
def _convolutions(vgg: Vgg) -> list[tuple[Tensor, Tensor]]:
    if vgg == "vgg16":
        return list(lpips_nets.weights(lpips_nets.VGG, torch.device("cpu")).convolutions)
    return convolutions(torch.load(locate(ASSET[vgg]), map_location="cpu", weights_only=True))


def convolutions(
    state: Mapping[str, Tensor], prefix: str = "features."
) -> list[tuple[Tensor, Tensor]]:
    """Weights and biases of a torchvision VGG's state dict, in order."""
    numbers = sorted(
        int(key.removeprefix(prefix).removesuffix(".weight"))
        for key in state
        if key.startswith(prefix) and key.endswith(".weight")
    )
    return [(state[f"{prefix}{n}.weight"], state[f"{prefix}{n}.bias"]) for n in numbers]
