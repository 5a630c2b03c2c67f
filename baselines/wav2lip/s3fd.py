"""Where Wav2Lip looks for faces: S3FD as face-alignment packs it, on whole frames.

face_detection/ of Rudrabha/Wav2Lip @ 5c90fa9, a copy of face-alignment; weights
``s3fd-619a316812.pth``. Another training and another geometry than SyncNet's S3FD
(:mod:`metrics.backbones.s3fd`): fc6 is not dilated, no pool rounds up, boxes are in px throughout.

A frame is read as RGB minus (104, 117, 123): the frame is turned around and the means, which are
those of BGR, are not.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from method.checkpoints import Source, filled
from metrics import Frames
from metrics.assets import locate
from metrics.backbones.device import device, exact, pieces, to_tensor
from metrics.backbones.s3fd import S3FDNet, decode, priors

ASSET = "fan-s3fd"
SCORE_THRESHOLD = 0.5
MEANS = (104.0, 117.0, 123.0)
LEAST_SIDE = 32
"""Of a frame, px; the fifth pool leaves nothing of a smaller one."""

_BATCH_PIXELS = 1 << 20
_FC6, _THIRD_POOL = 31, 16
# Where the official layers stand among ours.
_VGG = {
    **{f"conv1_{i + 1}": at for i, at in enumerate((0, 2))},
    **{f"conv2_{i + 1}": at for i, at in enumerate((5, 7))},
    **{f"conv3_{i + 1}": at for i, at in enumerate((10, 12, 14))},
    **{f"conv4_{i + 1}": at for i, at in enumerate((17, 19, 21))},
    **{f"conv5_{i + 1}": at for i, at in enumerate((24, 26, 28))},
    "fc6": _FC6,
    "fc7": 33,
}
_EXTRAS = ("conv6_1", "conv6_2", "conv7_1", "conv7_2")
_LAYERS = ("conv3_3_norm", "conv4_3_norm", "conv5_3_norm", "fc7", "conv6_2", "conv7_2")
_RULES = (
    *((rf"^{name}_mbox_(loc|conf)\.", rf"\1.{i}.") for i, name in enumerate(_LAYERS)),
    *((rf"^conv{i}_3_norm\.", f"L2Norm{i}_3.") for i in (3, 4, 5)),
    *((rf"^{name}\.", f"vgg.{at}.") for name, at in _VGG.items()),
    *((rf"^{name}\.", f"extras.{at}.") for at, name in enumerate(_EXTRAS)),
)


class FanS3FD(S3FDNet):
    """SyncNet's S3FD in face-alignment's geometry; made untrained."""

    def __init__(self) -> None:
        super().__init__()
        self.vgg[_THIRD_POOL] = nn.MaxPool2d(2, 2)
        self.vgg[_FC6] = nn.Conv2d(512, 1024, 3, padding=3)


def load_fan_s3fd(source: Source) -> FanS3FD:
    """The network with the weights of ``s3fd-619a316812.pth`` (or its state dict).

    Raises:
        CheckpointError: Not readable, or of another network.
    """
    return filled(lambda sizes: FanS3FD(**sizes), source, _RULES, title="face-alignment's S3FD")


def surest_faces(frames: Frames, network: FanS3FD) -> NDArray[np.float32]:
    """The box of every frame that the detector is surest of.

    The official code suppresses overlapping boxes first and takes the first of what is left, which
    is this one.

    Args:
        frames: uint8 RGB [n, H, W, 3], at least 32 px a side.
        network: See :func:`load_fan_s3fd`.

    Returns:
        float32 [n, 4]: x1, y1, x2, y2 in px, possibly beyond the frame; NaN where no score
        exceeds 0.5.
    """
    on = next(network.parameters()).device
    means = torch.tensor(MEANS, device=on)[:, None, None]
    found = np.full((len(frames), 4), np.nan, dtype=np.float32)
    batch = 8 if on.type == "cpu" else 64
    for piece in pieces(frames, _BATCH_PIXELS, batch):
        with exact():
            offsets, scores, layers = network(to_tensor(frames[piece], on) - means)
            start = torch.from_numpy(priors(1, 1, layers)).to(on)  # shares of 1 px are px
            best, which = scores.max(dim=1)
            rows = torch.arange(len(which), device=on)
            boxes = decode(offsets[rows, which], start[which])
            boxes[best <= SCORE_THRESHOLD] = torch.nan
            found[piece] = boxes.cpu().numpy()
    return found


def looked_with() -> FanS3FD:
    """The network of the asset table, on the device in use; read once.

    Raises:
        AssetMissingError: The weights are not on this machine.
    """
    return _network(locate(ASSET), device())


@cache
def _network(path: Path, on: torch.device) -> FanS3FD:
    return load_fan_s3fd(path).to(on)
