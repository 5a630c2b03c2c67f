"""Where faces are: S3FD, the detector of SyncNet's pipeline.

Zhang et al., "S3FD: Single Shot Scale-invariant Face Detector", ICCV 2017, as packed into
joonson/syncnet_python @ 6efbb1c (``detectors/s3fd``); weights ``sfd_face.pth``. Modules carry the
names of that file.

A picture is read as RGB minus (123, 117, 104): the official code turns RGB around, subtracts the
means of BGR and turns it back.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from metrics.assets import locate
from metrics.backbones.device import device, exact, pieces, to_tensor
from metrics.base import AnyExtractor, Frames, Track, UnscorableError

ASSET = "s3fd"

SCALE = 0.25
SCORE_THRESHOLD = 0.9
FIRST_NMS, SECOND_NMS = 0.3, 0.1
LEAST_SCORE = 0.05
MOST_BEFORE_NMS, MOST_AFTER_NMS = 5000, 750

MOST_FACES = 8

LEAST_SIDE = 28
"""Of the picture the network sees, px; the fifth pooling leaves nothing of a smaller one."""

MEANS = (123.0, 117.0, 104.0)

# Of the six layers that boxes hang on: px between their cells, and the side of their boxes.
CELLS = (4, 8, 16, 32, 64, 128)
SIDES = (16, 32, 64, 128, 256, 512)
CENTRE_VARIANCE, SIZE_VARIANCE = 0.1, 0.2

IN_WORDS = (
    f"S3FD (sfd_face.pth, sha256 d54a87c2) on RGB at {SCALE:g} of the frame's size (OpenCV's "
    f"bilinear resize, rounded to whole grey levels); score > {SCORE_THRESHOLD}, NMS {FIRST_NMS}, "
    f"then {SECOND_NMS}"
)

_BATCH_PIXELS = 1 << 20  # as the network sees them


class L2Norm(nn.Module):
    """Every cell's features brought to length 1, then a gain per channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels))

    def forward(self, x: Tensor) -> Tensor:
        """[n, channels, H, W], same shape out."""
        length = x.square().sum(dim=1, keepdim=True).sqrt() + 1e-10
        return x / length * self.weight[:, None, None]


class S3FDNet(nn.Module):
    """The network up to its scores; made empty, see :func:`load_s3fd`."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        # The third pool rounds up, the others down.
        for widths, pool in (
            ((3, 64, 64), nn.MaxPool2d(2, 2)),
            ((64, 128, 128), nn.MaxPool2d(2, 2)),
            ((128, 256, 256, 256), nn.MaxPool2d(2, 2, ceil_mode=True)),
            ((256, 512, 512, 512), nn.MaxPool2d(2, 2)),
            ((512, 512, 512, 512), nn.MaxPool2d(2, 2)),
        ):
            for a, b in pairwise(widths):
                layers += [nn.Conv2d(a, b, 3, padding=1), nn.ReLU(inplace=True)]
            layers.append(pool)
        layers += [nn.Conv2d(512, 1024, 3, padding=6, dilation=6), nn.ReLU(inplace=True)]
        layers += [nn.Conv2d(1024, 1024, 1), nn.ReLU(inplace=True)]
        self.vgg = nn.ModuleList(layers)
        self.L2Norm3_3 = L2Norm(256)
        self.L2Norm4_3 = L2Norm(512)
        self.L2Norm5_3 = L2Norm(512)
        self.extras = nn.ModuleList(
            [
                nn.Conv2d(1024, 256, 1),
                nn.Conv2d(256, 512, 3, stride=2, padding=1),
                nn.Conv2d(512, 128, 1),
                nn.Conv2d(128, 256, 3, stride=2, padding=1),
            ]
        )
        depths = (256, 512, 512, 1024, 512, 256)
        self.loc = nn.ModuleList(nn.Conv2d(c, 4, 3, padding=1) for c in depths)
        # The finest layer has three scores for "no face", of which the highest counts.
        self.conf = nn.ModuleList(
            nn.Conv2d(c, 2 if i else 4, 3, padding=1) for i, c in enumerate(depths)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, list[tuple[int, int]]]:
        """What every box says.

        Args:
            x: float32 [n, 3, H, W], RGB 0..255 minus ``MEANS``.

        Returns:
            Offsets float32 [n, boxes, 4]; probability of a face float32 [n, boxes]; rows and
            columns of the six layers, whose boxes follow each other in reading order.
        """
        layers = []
        norms = {15: self.L2Norm3_3, 22: self.L2Norm4_3, 29: self.L2Norm5_3}
        for i, module in enumerate(self.vgg):
            x = module(x)
            if i in norms:
                # The next module pools, so nothing overwrites this in place.
                layers.append(norms[i](x))
        layers.append(x)
        for i, module in enumerate(self.extras):
            x = F.relu_(module(x))
            if i % 2:
                layers.append(x)

        offsets, scores = [], []
        for layer, loc, conf in zip(layers, self.loc, self.conf, strict=True):
            offsets.append(loc(layer).permute(0, 2, 3, 1).reshape(len(x), -1, 4))
            score = conf(layer).permute(0, 2, 3, 1)
            nothing = score[..., :-1].amax(dim=-1)
            scores.append(torch.stack([nothing, score[..., -1]], dim=-1).reshape(len(x), -1, 2))
        probability = torch.cat(scores, dim=1).softmax(dim=-1)[..., 1]
        return torch.cat(offsets, dim=1), probability, [(t.shape[2], t.shape[3]) for t in layers]


def load_s3fd(source: Path | Mapping[str, Tensor]) -> S3FDNet:
    """The network with the weights of the official file (or its state dict).

    Raises:
        RuntimeError: The parameters are not exactly those of ``S3FDNet``.
    """
    weights: Mapping[str, Tensor] = (
        torch.load(source, map_location="cpu", weights_only=True)
        if isinstance(source, Path)
        else source
    )
    with torch.device("meta"):  # no random numbers drawn only to be overwritten
        network = S3FDNet()
    # Copies: the caller's tensors stay the caller's.
    network.load_state_dict({k: v.clone() for k, v in weights.items()}, strict=True, assign=True)
    return network.eval().requires_grad_(False)


def priors(height: int, width: int, layers: list[tuple[int, int]]) -> NDArray[np.float32]:
    """The boxes that offsets start from.

    Args:
        height: Of the picture the network sees.
        width: Of the same.
        layers: Rows and columns of the six layers.

    Returns:
        float32 [boxes, 4]: centre x, y, width, height, as shares of the picture.
    """
    boxes = []
    for (rows, columns), cell, side in zip(layers, CELLS, SIDES, strict=True):
        y, x = np.meshgrid(np.arange(rows) + 0.5, np.arange(columns) + 0.5, indexing="ij")
        centres = np.stack([x / (width / cell), y / (height / cell)], axis=-1).reshape(-1, 2)
        sizes = np.broadcast_to([side / width, side / height], centres.shape)
        boxes.append(np.concatenate([centres, sizes], axis=1))
    return np.concatenate(boxes).astype(np.float32)


def decode(offsets: Tensor, boxes: Tensor) -> Tensor:
    """Offsets [k, 4] of priors [k, 4] -> boxes [k, 4]: x1, y1, x2, y2, as shares of the picture."""
    centres = boxes[:, :2] + offsets[:, :2] * CENTRE_VARIANCE * boxes[:, 2:]
    sizes = boxes[:, 2:] * torch.exp(offsets[:, 2:] * SIZE_VARIANCE)
    low = centres - sizes / 2
    return torch.cat([low, sizes + low], dim=1)


def nms(boxes: NDArray[np.floating], scores: NDArray[np.floating], most: float) -> list[int]:
    """Greedy non-maximum suppression, areas without the + 1 of pixels.

    Args:
        boxes: [k, 4], x1, y1, x2, y2.
        scores: [k].
        most: IOU up to which two boxes may overlap.

    Returns:
        The boxes that stay, by falling score; of equal scores the later first.
    """
    low, high = boxes[:, :2], boxes[:, 2:]
    areas = np.prod(high - low, axis=1)
    order = np.argsort(scores, kind="stable")[::-1]
    kept = []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(int(best))
        sides = np.minimum(high[best], high[order]) - np.maximum(low[best], low[order])
        shared = np.prod(np.maximum(sides, 0), axis=1)
        order = order[shared / (areas[order] - shared + areas[best]) <= most]
    return kept


def detect_faces(
    frames: Frames,
    network: S3FDNet,
    conf_th: float = SCORE_THRESHOLD,
    scale: float = SCALE,
) -> list[NDArray[np.float32]]:
    """The faces of every frame, as the official ``detect_faces`` finds them.

    The official code suppresses boxes that overlap by more than 0.3 first, and what is left by
    more than 0.1 then, which is not the same as 0.1 at once. It does so before it looks at
    ``conf_th``; as the higher score wins throughout, the order of the two changes nothing.

    Args:
        frames: uint8 RGB [n, H, W, 3].
        network: See :func:`load_s3fd`.
        conf_th: Faces have a higher score.
        scale: Of the picture the network sees.

    Returns:
        float32 [faces, 5] per frame: x1, y1, x2, y2 in px of the frame, score; by falling score.

    Raises:
        UnscorableError: Scaled, a side is shorter than ``LEAST_SIDE``; the official code fails.
    """
    height, width = frames.shape[1:3]
    if round(min(height, width) * scale) < LEAST_SIDE:
        raise UnscorableError(
            f"frames of {width}x{height} are too small for S3FD, which sees them at {scale:g} of "
            f"their size and needs {LEAST_SIDE} px a side"
        )
    found: list[NDArray[np.float32]] = []
    on = next(network.parameters()).device
    to_pixels = torch.tensor([width, height, width, height], dtype=torch.float32)
    means = torch.tensor(MEANS, device=on)[:, None, None]
    batch = 8 if on.type == "cpu" else 64
    for piece in pieces(frames, int(_BATCH_PIXELS / scale**2), batch):
        small = np.stack([cv2.resize(f, (0, 0), fx=scale, fy=scale) for f in frames[piece]])
        rows, columns = small.shape[1:3]
        with exact():
            offsets, scores, layers = network(to_tensor(small, on) - means)
            start = torch.from_numpy(priors(rows, columns, layers)).to(on)
            for offset, score in zip(offsets, scores, strict=True):
                seen = score > max(conf_th, LEAST_SCORE)
                boxes = decode(offset[seen], start[seen]).cpu()
                found.append(_suppress(boxes, score[seen].cpu(), to_pixels))
    return found


def _suppress(boxes: Tensor, scores: Tensor, to_pixels: Tensor) -> NDArray[np.float32]:
    """What is left of boxes as shares of the picture: float32 [faces, 5], in px, with scores."""
    top = torch.argsort(scores, stable=True)[-MOST_BEFORE_NMS:]
    shares, scores = boxes[top], scores[top]
    kept = nms(shares.numpy(), scores.numpy(), FIRST_NMS)[:MOST_AFTER_NMS]
    faces = torch.cat([shares[kept] * to_pixels, scores[kept, None]], dim=1).numpy()
    wide = faces.astype(np.float64)  # as there: the second round is NumPy's
    return np.asarray(faces[nms(wide[:, :4], wide[:, 4], SECOND_NMS)], dtype=np.float32)


@functools.cache
def _network(on: torch.device) -> S3FDNet:
    network: S3FDNet = load_s3fd(locate(ASSET)).to(on, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


class S3FDFaces:
    """The faces of every frame, highest score first.

    Rows: ``count`` int32 [n], how many were seen; ``faces`` float32 [n, 8, 5], columns as in
    :func:`detect_faces`, NaN where there are fewer. A ninth face is counted and not kept.
    """

    id = "s3fd/1"
    uses: tuple[AnyExtractor, ...] = ()

    def extract(self, frames: Frames, tracks: Mapping[str, Track]) -> Track:  # noqa: ARG002
        """Rows for uint8 RGB frames [n, H, W, 3]; every frame stands for itself.

        Raises:
            AssetMissingError: The weights are not on this machine.
            UnscorableError: See :func:`detect_faces`.
        """
        seen = detect_faces(frames, _network(device()))
        count = np.array([len(found) for found in seen], dtype=np.int32)
        faces = np.full((len(seen), MOST_FACES, 5), np.nan, dtype=np.float32)
        for row, found in zip(faces, seen, strict=True):
            kept = found[:MOST_FACES]
            row[: len(kept)] = kept
        return {"count": count, "faces": faces}


S3FD = S3FDFaces()
