"""What happens in a clip: I3D features of 16 frames, as the field's FVD reads them.

Carreira and Zisserman, CVPR 2017, trained on Kinetics-400; the file is StyleGAN-V's port of
tf.hub's network to TorchScript (fvd-comparison: outputs apart by 2.6e-4 in L2, FVD by 1e-6). It is
called as its users call it: ``network(x, rescale=..., resize=..., return_features=True)`` for x
[n, 3, T, H, W] gives [n, 400], the scores before the softmax. ``rescale`` is x / 255 * 2 - 1,
``resize`` goes to 224x224; without ``resize`` it must get 224x224, or it returns a map.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from metrics.assets import locate
from metrics.backbones.device import device, exact
from metrics.backbones.faces import FACE
from metrics.base import AnyExtractor, Frames, Track

ASSET = "i3d"
LENGTH = 16
SIDE = 224
WIDTH = 400


@functools.cache
def _network(on: torch.device) -> Any:  # noqa: ANN401 - a TorchScript module takes what it takes
    with warnings.catch_warnings():
        # torch 2.13 would rather have a torch.export file, but this is the one that was published.
        warnings.filterwarnings("ignore", "`torch.jit.load`", DeprecationWarning)
        network = torch.jit.load(locate(ASSET), map_location=on)  # type: ignore[no-untyped-call]
    return network.eval()


def whole_frames(clip: Frames) -> NDArray[np.float32]:
    """float32 [400] for uint8 RGB [16, H, W, 3], resized and scaled to -1..1 by the network.

    Raises:
        AssetMissingError: The network is not on this machine.
    """
    return _features(_planes(clip), rescale=True, resize=True)


def faces_zero_to_one(clip: Frames, boxes: NDArray[np.floating]) -> NDArray[np.float32] | None:
    """float32 [400] for the faces of uint8 RGB [16, H, W, 3], in the range 0..1.

    The network was trained on -1..1; LatentSync feeds it 0..1.

    Args:
        clip: The frames.
        boxes: [16, 4], x y w h in px; NaN where there is no face.

    Returns:
        None where a frame has no face.

    Raises:
        AssetMissingError: The network is not on this machine.
    """
    faces = []
    for frame, box in zip(clip, boxes, strict=True):
        face = cut(frame, box)
        if face is None:
            return None
        faces.append(cv2.resize(face, (SIDE, SIDE), interpolation=cv2.INTER_AREA))
    return _features(_planes(np.stack(faces)) / 255.0, rescale=False, resize=False)


def cut(frame: NDArray[np.uint8], box: NDArray[np.floating]) -> NDArray[np.uint8] | None:
    """The part of a frame [H, W, 3] in a box x y w h, by LatentSync's rounding; None if empty.

    Corner and size are cut to whole pixels, then the box at the edges of the frame: one that
    begins outside it keeps its size.
    """
    if not np.isfinite(box).all():
        return None
    x, y, w, h = (int(v) for v in box)
    x, y = max(0, x), max(0, y)
    face = frame[y : y + h, x : x + w]
    return face if face.size else None


def _planes(clip: Frames) -> torch.Tensor:
    """uint8 [T, H, W, 3] -> uint8 [1, 3, T, H, W] on the device."""
    return torch.from_numpy(np.array(clip.transpose(3, 0, 1, 2)[None], order="C")).to(device())


def _features(x: torch.Tensor, *, rescale: bool, resize: bool) -> NDArray[np.float32]:
    with exact():
        found = _network(device())(x, rescale=rescale, resize=resize, return_features=True)
    return np.asarray(found[0].float().cpu().numpy(), dtype=np.float32)


@dataclass(frozen=True)
class Seen:
    """One row per frame: ``seen`` bool [n]."""

    id: str = "seen/1"
    uses: tuple[AnyExtractor, ...] = ()

    def extract(self, frames: Frames, tracks: Mapping[str, Track]) -> Track:  # noqa: ARG002
        """All true."""
        return {"seen": np.ones(len(frames), dtype=np.bool_)}


SEEN = Seen()


@dataclass(frozen=True)
class FrameNumbers:
    """Which frame of the video a row stands for: ``number`` int32 [T]."""

    id: str = "frame-numbers/1"
    uses: tuple[AnyExtractor, ...] = (SEEN,)

    def follow(self, tracks: Mapping[str, Track]) -> Track:
        """0 to T - 1."""
        return {"number": np.arange(len(tracks[SEEN.id]["seen"]), dtype=np.int32)}


FRAME_NUMBERS = FrameNumbers()


@dataclass(frozen=True)
class I3dFeatures:
    """Extractor of one clip of 16 frames: ``features`` float32 [n, 400].

    They stand in the row of the clip's first frame. All other rows are NaN, and that one is where
    the video ends before the clip does, or a frame of it shows no face.

    Attributes:
        start: First frame of the clip.
        of_faces: Faces in 0..1 (``faces_zero_to_one``) instead of whole frames.
    """

    start: int = 0
    of_faces: bool = False
    lookahead: int = LENGTH - 1

    @property
    def id(self) -> str:
        """Name and version."""
        return f"i3d{'@face' if self.of_faces else ''}-from-{self.start}/1"

    @property
    def uses(self) -> tuple[AnyExtractor, ...]:
        """The frames' numbers, and the face where it is cut out."""
        return (FRAME_NUMBERS, FACE) if self.of_faces else (FRAME_NUMBERS,)

    def extract(self, frames: Frames, tracks: Mapping[str, Track]) -> Track:
        """One row per frame of uint8 RGB [n, H, W, 3]."""
        rows = np.full((len(frames), WIDTH), np.nan, dtype=np.float32)
        for first in np.flatnonzero(tracks[FRAME_NUMBERS.id]["number"] == self.start):
            span = slice(first, first + LENGTH)
            clip = frames[span]
            if len(clip) < LENGTH:
                continue
            if self.of_faces:
                boxes = np.asarray(tracks[FACE.id]["boxes"], dtype=np.float64)[span]
                found = faces_zero_to_one(clip, boxes)
            else:
                found = whole_frames(clip)
            if found is not None:
                rows[first] = found
        return {"features": rows}
