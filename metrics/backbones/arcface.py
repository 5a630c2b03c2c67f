"""Who it is: ArcFace embeddings, of aligned faces or, as one script has it, of whole frames.

Deng et al., "ArcFace: Additive Angular Margin Loss for Deep Face Recognition", CVPR 2019. Two
published files: ``w600k_r50.onnx`` of insightface's ``buffalo_l`` (ResNet-50, WebFace600K), and
``ms1mv3_arcface_r100_fp16/backbone.pth`` of its ``arcface_torch`` (ResNet-100, MS1MV3). Faces are
aligned by five points to ArcFace's own template (:func:`metrics.backbones.sface.align`), which is
what insightface's ``norm_crop`` does.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from metrics.assets import locate
from metrics.backbones import onnx_session
from metrics.backbones.device import device, exact, to_tensor
from metrics.backbones.faces import FACE, ClipFace
from metrics.backbones.iresnet import DIMENSIONS, SIDE, IResNet, load_iresnet
from metrics.backbones.scrfd import SCRFD_FACE, ScrfdFace
from metrics.backbones.sface import align
from metrics.base import AnyExtractor, Frames, Track

R50, R100 = "arcface-r50", "arcface-r100"

Network = Literal["arcface-r50", "arcface-r100"]


def embed_r50(pictures: Frames) -> NDArray[np.float32]:
    """What insightface's ``ArcFaceONNX.get_feat`` answers, picture by picture.

    Args:
        pictures: uint8 RGB [n, 112, 112, 3]; (x - 127.5) / 127.5 goes in.

    Returns:
        float32 [n, 512], not of length 1.
    """
    session = onnx_session.session(locate(R50))
    name = session.get_inputs()[0].name
    rows = np.empty((len(pictures), DIMENSIONS), dtype=np.float32)
    for i, picture in enumerate(pictures):
        scaled = (picture.astype(np.float32) - np.float32(127.5)) * np.float32(1 / 127.5)
        planes = np.ascontiguousarray(scaled.transpose(2, 0, 1)[None])
        rows[i] = np.asarray(session.run(None, {name: planes})[0])[0]
    return rows


def embed_r100(pictures: Frames) -> NDArray[np.float32]:
    """What ``arcface_torch`` answers in float32.

    Args:
        pictures: uint8 RGB [n, 112, 112, 3]; (x / 255 - 0.5) / 0.5 goes in.

    Returns:
        float32 [n, 512], not of length 1.
    """
    on = device()
    network = _r100(on)
    batch = 8 if on.type == "cpu" else 64
    rows = np.empty((len(pictures), DIMENSIONS), dtype=np.float32)
    with exact():
        for start in range(0, len(pictures), batch):
            piece = slice(start, start + batch)
            x = to_tensor(pictures[piece], on).div_(255).sub_(0.5).div_(0.5)
            rows[piece] = network(x).cpu().numpy()
    return rows


@functools.cache
def _r100(on: torch.device) -> IResNet:
    return load_iresnet(locate(R100)).to(on)


_EMBED: dict[str, Callable[[Frames], NDArray[np.float32]]] = {R50: embed_r50, R100: embed_r100}


@dataclass(frozen=True)
class ArcFace:
    """Identity of the face that the clip is about.

    Rows: ``found`` bool [n]; ``features`` float32 [n, 512], not of length 1, NaN where no face
    was.
    """

    network: Network
    face: ClipFace | ScrfdFace

    @property
    def id(self) -> str:
        """Name and version."""
        return f"{self.network}@{self.face.id.replace('/', '-')}/1"

    @property
    def uses(self) -> tuple[AnyExtractor, ...]:
        """Whose face."""
        return (self.face,)

    def extract(self, frames: Frames, tracks: Mapping[str, Track]) -> Track:
        """Rows for uint8 RGB frames [n, H, W, 3], with the face's track of the same frames."""
        face = tracks[self.face.id]
        found = np.asarray(face["found"], dtype=np.bool_)
        points = np.asarray(face["points"], dtype=np.float32)
        features = np.full((len(frames), DIMENSIONS), np.nan, dtype=np.float32)
        if found.any():
            upright = [align(frames[i], points[i]) for i in np.flatnonzero(found)]
            features[found] = _EMBED[self.network](np.stack(upright))
        return {"found": found, "features": features}


class WholeFrameArcFace:
    """What the ResNet-100 makes of frames squeezed to 112x112: nobody looks for a face.

    Rows: ``features`` float32 [n, 512], not of length 1.
    """

    id = "arcface-r100@whole-frame/1"
    uses: tuple[AnyExtractor, ...] = ()

    def extract(self, frames: Frames, tracks: Mapping[str, Track]) -> Track:  # noqa: ARG002
        """Rows for uint8 RGB frames [n, H, W, 3], by ``cv2.resize``'s bilinear default."""
        small = [cv2.resize(frame, (SIDE, SIDE)) for frame in frames]
        pictures = np.array(small, dtype=np.uint8).reshape(-1, SIDE, SIDE, 3)
        return {"features": embed_r100(pictures)}


ARCFACE = ArcFace("arcface-r50", SCRFD_FACE)
ARCFACE_YUNET = ArcFace("arcface-r50", FACE)
ARCFACE_R100 = ArcFace("arcface-r100", FACE)
ARCFACE_WHOLE_FRAME = WholeFrameArcFace()
