"""The box that is cut out of every frame: a face found, padded, and smoothed over time.

As ``face_detect`` and ``get_smoothened_boxes`` of inference.py, Rudrabha/Wav2Lip @ 5c90fa9.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from baselines.wav2lip import s3fd
from evaluation.video import FrameReader, VideoInfo, probe
from method.driving import LONGEST_SIDE, UndrivableError
from metrics import Frames
from metrics.backbones.faces import FACE
from metrics.backbones.yunet import YUNET

BOTTOM_PAD = 10
SMOOTHED_OVER = 5  # frames, beginning with the one that is smoothed

Detector = Literal["s3fd", "yunet"]
"""``s3fd``: of every frame the face that the official detector is surest of. ``yunet``: the face
that the clip is about, see :mod:`metrics.backbones.faces`."""


def face_boxes(
    path: Path,
    detector: Detector = "s3fd",
    *,
    bottom_pad: int = BOTTOM_PAD,
    smooth: bool = True,
    limit: int | None = None,
) -> NDArray[np.int64]:
    """The boxes of a video's frames.

    Args:
        path: The video, or a still image.
        detector: What looks for faces.
        bottom_pad: Added below, px, for the chin.
        smooth: Average each box with those of the four frames after it.
        limit: Look at so many frames from the start; None at all.

    Returns:
        int64 [n, 4]: top, bottom, left, right in px, inside the frame and not empty.

    Raises:
        VideoError: Not a readable video.
        UndrivableError: A frame without a face, or frames that are too small for the detector.
        AssetMissingError: The detector's weights are not on this machine.
    """
    info = probe(path)
    found = _FINDERS[detector](info, limit)
    boxes = padded(found, info.width, info.height, bottom_pad)
    lost = ~np.isfinite(found).all(axis=1)
    lost |= (boxes[:, 1] <= boxes[:, 0]) | (boxes[:, 3] <= boxes[:, 2])
    if lost.any():
        other = "yunet" if detector == "s3fd" else "s3fd"
        raise UndrivableError(
            f"{path}: no face in {lost.sum()} of {len(lost)} frames ({lost.mean():.1%}; the first "
            f"is frame {int(lost.argmax())}; by {detector}). Wav2Lip needs one in every frame: cut "
            f"the video, or try detector={other}"
        )
    return smoothed(boxes) if smooth else boxes


def padded(
    corners: NDArray[np.floating], width: int, height: int, bottom_pad: int = BOTTOM_PAD
) -> NDArray[np.int64]:
    """Boxes in whole px with room for the chin, cut at the frame's edges.

    Args:
        corners: [n, 4]: x1, y1, x2, y2 in px; of NaN the box is empty.
        width: Of the frame, px.
        height: Of the frame, px.
        bottom_pad: Px added below.

    Returns:
        int64 [n, 4]: top, bottom, left, right.
    """
    left, top, right, bottom = np.nan_to_num(corners).clip(min=0).astype(np.int64).T
    bottom = np.minimum(bottom + np.where(np.isfinite(corners[:, 3]), bottom_pad, 0), height)
    return np.stack([top, bottom, left, np.minimum(right, width)], axis=1)


def smoothed(boxes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Means of boxes over five frames from each on, cut off to whole px.

    At the end the official code takes the last five, of which those before this one are smoothed
    already; a video of three or four frames has their last two or one everywhere. So here.

    Args:
        boxes: int64 [n, 4].
    """
    out = boxes.copy()
    count = len(out)
    for i in range(count):
        start = i if i + SMOOTHED_OVER <= count else count - SMOOTHED_OVER
        out[i] = out[start : i + SMOOTHED_OVER].mean(axis=0)  # negative: from the end
    return out


def _by_s3fd(info: VideoInfo, limit: int | None) -> NDArray[np.float32]:
    if min(info.width, info.height) < s3fd.LEAST_SIDE:
        raise UndrivableError(
            f"{info.path}: frames of {info.size} are too small for S3FD, which needs "
            f"{s3fd.LEAST_SIDE} px a side; try detector=yunet"
        )
    network = s3fd.looked_with()
    return np.concatenate([s3fd.surest_faces(x, network) for x in _pieces(info.path, limit)])


def _by_yunet(info: VideoInfo, limit: int | None) -> NDArray[np.float32]:
    share = min(1.0, LONGEST_SIDE / max(info.width, info.height))
    size = max(1, round(share * info.width)), max(1, round(share * info.height))
    seen = []
    for piece in _pieces(info.path, limit):
        small = piece
        if share < 1:  # larger faces than some 500 px are found cut off
            small = np.stack([cv2.resize(x, size, interpolation=cv2.INTER_AREA) for x in piece])
        seen.append(YUNET.extract(small, {}))
    whole = {key: np.concatenate([track[key] for track in seen]) for key in seen[0]}
    x, y, w, h = FACE.follow({YUNET.id: whole})["boxes"].T
    scale = np.tile(np.array([info.width, info.height]) / size, 2)
    return np.asarray(np.stack([x, y, x + w, y + h], axis=1) * scale, dtype=np.float32)


_FINDERS = {"s3fd": _by_s3fd, "yunet": _by_yunet}


def _pieces(path: Path, limit: int | None) -> Iterator[Frames]:
    seen = 0
    for piece in FrameReader(path):
        yield piece if limit is None else piece[: limit - seen]
        seen += len(piece)
        if limit is not None and seen >= limit:
            return
