"""Who judges the renderer's faces in training: patches, at two sizes.

Wang et al., "High-Resolution Image Synthesis and Semantic Manipulation with Conditional GANs"
(pix2pixHD), CVPR 2018, as Weizhi-Zhong/IP_LAP @ 9b9dc03 sets it up: two scales, three strided
layers, instance norm without parameters.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

Judged = list[list[Tensor]]
"""Per scale, full size first: every layer's output; the last one is the patches' scores."""

_STRIDED, _WIDEST = 3, 512


class Discriminator(nn.Module):
    """5.5 million parameters.

    Args:
        width: Channels of the first layer.
        scales: Sizes of the picture, each half of the one before.
    """

    def __init__(self, width: int = 64, scales: int = 2) -> None:
        super().__init__()
        self.scales = nn.ModuleList(patch_judge(width) for _ in range(scales))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, 0.0, 0.02)

    def forward(self, images: Tensor) -> Judged:
        """Judge float32 [B, 3, H, W], 0..1."""
        judged = []
        for number, layers in enumerate(self.scales):
            if number:
                images = F.avg_pool2d(images, 3, 2, padding=1, count_include_pad=False)
            x, outputs = images, []
            for layer in layers.children():
                x = layer(x)
                outputs.append(x)
            judged.append(outputs)
        return judged


def patch_judge(width: int) -> nn.Sequential:
    """Layers of a PatchGAN: [B, 3, H, W] -> [B, 1, H/8 + 3, W/8 + 3]."""
    layers = [nn.Sequential(_conv(3, width, 2), nn.LeakyReLU(0.2))]
    inputs = width
    for number in range(1, _STRIDED + 1):
        outputs = min(2 * inputs, _WIDEST)
        stride = 2 if number < _STRIDED else 1
        layers.append(
            nn.Sequential(
                _conv(inputs, outputs, stride), nn.InstanceNorm2d(outputs), nn.LeakyReLU(0.2)
            )
        )
        inputs = outputs
    return nn.Sequential(*layers, nn.Sequential(_conv(inputs, 1, 1)))


def _conv(inputs: int, outputs: int, stride: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 4, stride, padding=2)
