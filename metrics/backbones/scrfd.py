"""Where faces are: SCRFD, the detector of insightface's model packs.

Guo et al., "Sample and Computation Redistribution for Efficient Face Detection", ICLR 2022;
``det_10g.onnx`` of ``buffalo_l``, run as insightface's ``FaceAnalysis`` runs it at ``det_size``
640x640 (the default up to 0.7.3; 2.x looks at 128x128 as well, unless told not to).
"""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from metrics.assets import locate, lookup
from metrics.backbones import onnx_session
from metrics.backbones.detections import COLUMNS, largest_of_each
from metrics.backbones.faces import LEAST_SHARE, LONGEST_GAP, SAME_FACE_IOU, choose, link
from metrics.base import AnyExtractor, Frames, Track

ASSET = "scrfd-10g"
SIDE = 640
SCORE_THRESHOLD = 0.5
NMS_THRESHOLD = 0.4
STRIDES = (8, 16, 32)
ANCHORS = 2  # boxes that hang on one cell

IN_WORDS = (
    f"SCRFD det_10g of insightface's buffalo_l, sha256 {lookup(ASSET).sha256[:8]}, by onnxruntime "
    f"on the CPU; the frame scaled to fit {SIDE}x{SIDE} (OpenCV's bilinear resize), top left on "
    f"black; RGB, (x - 127.5) / 128; score >= {SCORE_THRESHOLD}, NMS {NMS_THRESHOLD}; boxes of "
    f"one face are linked over the clip (IOU > {SAME_FACE_IOU} with its last box, gaps of at most "
    f"{LONGEST_GAP} scored frames), and the clip is about the face with the largest sum of box "
    "areas; while it is away, about the next largest that never shares a frame with it and has "
    f"at least {LEAST_SHARE:.0%} of its sum"
)


def detect(frame: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Every face of one uint8 RGB frame [H, W, 3], most certain first.

    Returns:
        float32 [faces, 15] in px: box x, y, w, h; right eye, left eye, nose, right and left
        corner of the mouth (the person's right) as x, y each; score in the last column.
    """
    picture, scale = _fitted(frame)
    session = onnx_session.session(locate(ASSET))
    outputs = session.run(None, {session.get_inputs()[0].name: picture})
    found = []
    for layer, stride in enumerate(STRIDES):
        scores, edges, points = (
            np.asarray(outputs[layer + len(STRIDES) * kind], dtype=np.float32).reshape(-1, width)
            for kind, width in enumerate((1, 4, 10))
        )
        here = np.flatnonzero(scores[:, 0] >= SCORE_THRESHOLD)
        centres = _centres(stride)[here]
        # What the network says is how far the edges and the points are, in cells.
        low, high = (
            centres + sign * stride * edges[here, part]
            for sign, part in ((-1, slice(0, 2)), (1, slice(2, 4)))
        )
        marks = np.tile(centres, 5) + stride * points[here]
        found.append(np.concatenate([np.hstack([low, high, marks]) / scale, scores[here]], axis=1))
    rows = np.concatenate(found).astype(np.float32)
    rows = rows[np.argsort(-rows[:, -1], kind="stable")]
    kept = rows[_without_overlaps(rows)]
    kept[:, 2:4] -= kept[:, :2]
    return kept


def _fitted(frame: NDArray[np.uint8]) -> tuple[NDArray[np.float32], float]:
    """The network's input [1, 3, 640, 640], and how much smaller it is than the frame."""
    height, width = frame.shape[:2]
    ratio = height / width
    size = (int(SIDE / ratio), SIDE) if ratio > 1 else (SIDE, int(SIDE * ratio))
    canvas = np.zeros((SIDE, SIDE, 3), dtype=np.uint8)
    canvas[: size[1], : size[0]] = cv2.resize(frame, size)
    scaled = (canvas.astype(np.float32) - np.float32(127.5)) * np.float32(1 / 128)
    return np.ascontiguousarray(scaled.transpose(2, 0, 1)[None]), size[1] / height


def _centres(stride: int) -> NDArray[np.float32]:
    """x, y of every box's cell, [boxes, 2] px: reading order, two boxes a cell."""
    cells = SIDE // stride
    rows, columns = np.divmod(np.arange(cells * cells), cells)
    corners = np.stack([columns, rows], axis=1).astype(np.float32) * stride
    return np.repeat(corners, ANCHORS, axis=0)


def _without_overlaps(rows: NDArray[np.float32]) -> list[int]:
    """Which rows stay, best first: boxes x y x y whose pixels (edges included) hardly overlap."""
    low, high = rows[:, :2], rows[:, 2:4]
    areas = np.prod(high - low + 1, axis=1)
    left = np.arange(len(rows))
    kept = []
    while len(left):
        best, left = left[0], left[1:]
        kept.append(int(best))
        inside = np.minimum(high[best], high[left]) - np.maximum(low[best], low[left]) + 1
        shared = np.prod(np.maximum(inside, 0), axis=1)
        left = left[shared / (areas[best] + areas[left] - shared) <= NMS_THRESHOLD]
    return kept


class Scrfd:
    """The faces of every frame, largest box first.

    Rows: those of :func:`metrics.backbones.detections.largest_of_each`, columns as in
    :func:`detect`.
    """

    id = "scrfd/1"
    uses: tuple[AnyExtractor, ...] = ()

    def extract(self, frames: Frames, tracks: Mapping[str, Track]) -> Track:  # noqa: ARG002
        """Rows for uint8 RGB frames [n, H, W, 3]; every frame stands for itself."""
        return largest_of_each(frames, detect)


class ScrfdFace:
    """The face that a clip is about, of those that SCRFD sees: the largest over the clip.

    Rows: ``found`` bool [T]; ``boxes`` float32 [T, 4], x y w h in px; ``points`` float32
    [T, 5, 2] in px, ordered as in :func:`detect`. NaN where it was not seen.
    """

    id = "clip-face@scrfd/1"

    @property
    def uses(self) -> tuple[AnyExtractor, ...]:
        """The detector."""
        return (SCRFD,)

    def follow(self, tracks: Mapping[str, Track]) -> Track:
        """Rows for all frames, from the whole track of the detector."""
        faces = np.asarray(tracks[SCRFD.id]["faces"], dtype=np.float32)
        numbers = link(faces)
        areas = np.prod(faces[..., 2:4], axis=-1, dtype=np.float64)
        known = [int(k) for k in np.unique(numbers) if k >= 0]
        slots = choose(numbers, {k: float(areas[numbers == k].sum()) for k in known})
        found = slots >= 0
        chosen = np.full((len(faces), COLUMNS), np.nan, dtype=np.float32)
        chosen[found] = faces[found, slots[found]]
        points = chosen[:, 4:14].reshape(-1, 5, 2)
        return {"found": found, "boxes": chosen[:, :4], "points": points}


SCRFD = Scrfd()
SCRFD_FACE = ScrfdFace()
