"""The video that is driven: where its face is, frame by frame, and the frames in playing order."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from evaluation.generate import file_sha256
from evaluation.reading import Reading, Sampling, VideoFile
from evaluation.store import TrackStore
from evaluation.video import FrameReader, frames_per_piece, probe
from method.refined_mesh import REFINED_MESH, lacking
from method.topology import CONTOUR, LANDMARKS, LOWER_LIP, POSE, UPPER_LIP
from metrics.backbones.face_mesh import FACE_MESH
from metrics.base import AnyExtractor, Frames

FPS = 25
MARGIN = 25  # px around the landmarks
LONGEST_SIDE = 1280
"""Frames with a longer side, px, are looked at smaller: YuNet's boxes end at about 500 px, and the
mesh in them misses the jaw (by a quarter of the face where it is 1100 px wide). A frame of
4320x7680 would also cost 10 s and 2.6 GB. The mesh's network sees 192 px at any size."""
MOST_LOST = 0.1
"""Share of a video's frames in which its face may be away: that of the frame before is used."""

Frame = NDArray[np.uint8]

MeshKind = Literal["plain", "refined"]
MeshChoice = Literal["auto", "plain", "refined"]
"""``auto``: the refined one where its package is installed."""

_MESHES: dict[MeshKind, AnyExtractor] = {"plain": FACE_MESH, "refined": REFINED_MESH}


class UndrivableError(ValueError):
    """This video cannot be driven; the text says why."""


@dataclass(frozen=True)
class Mesh:
    """A face's mesh in n frames of 25 a second.

    Attributes:
        points: float32 [n, K, 2] px, NaN in the frames where the face is not seen; K is 468 for
            the plain mesh, 478 for the refined one.
        kind: Which network's: the plain one, or the one that looks at lips and eyes once more.
    """

    points: NDArray[np.float32]
    kind: MeshKind

    def __len__(self) -> int:
        return len(self.points)


@dataclass(frozen=True)
class Driving:
    """A face in n frames of 25 a second.

    Attributes:
        path: The video.
        boxes: int64 [n, 4]: top, bottom, left, right in px; the 131 landmarks and 25 px around,
            cut at the frame's edges.
        landmarks: float32 [n, 2, 131]: x and y over the box, 0..1.
        openings: float64 [n]: of the mouth, as shares of the frame's width and height.
        contour: float32 [n, K, 2] px: around the face below the brows.
        lost: Frames in which the face was away.
        mesh: What it was found by.
    """

    path: Path
    boxes: NDArray[np.int64]
    landmarks: NDArray[np.float32]
    openings: NDArray[np.float64]
    contour: NDArray[np.float32]
    lost: int
    mesh: MeshKind

    def __len__(self) -> int:
        return len(self.boxes)

    @property
    def pose(self) -> NDArray[np.float32]:
        """float32 [n, 2, 74]."""
        return self.landmarks[:, :, : len(POSE)]

    @property
    def content(self) -> NDArray[np.float32]:
        """float32 [n, 2, 57]."""
        return self.landmarks[:, :, len(POSE) :]

    def size(self, frame: int) -> tuple[int, int]:
        """Height and width of a box."""
        top, bottom, left, right = self.boxes[frame]
        return int(bottom - top), int(right - left)


def read_driving(path: Path, wanted: MeshChoice = "auto", most_lost: float = MOST_LOST) -> Driving:
    """Find the face that a video is about.

    Args:
        path: The video, or a still image.
        wanted: By which mesh.
        most_lost: Share of the frames in which the face may be away.

    Raises:
        VideoError: Not a readable video.
        UndrivableError: No face, or away too often.
        ModuleNotFoundError: As :func:`mesh_kind`.
    """
    info = probe(path)
    seen = mesh_of(path, wanted)
    mesh = seen.points
    found = np.isfinite(mesh).all(axis=(1, 2))
    boxes, usable = face_boxes(mesh[:, list(LANDMARKS)], info.width, info.height)
    found &= usable
    lost = int((~found).sum())
    if not found.any():
        raise UndrivableError(f"{path}: no face in any of {len(found)} frames")
    if lost > most_lost * len(found):
        first = int((~found).argmax())
        raise UndrivableError(
            f"{path}: no face in {lost} of {len(found)} frames (first in frame {first}, by the "
            f"{seen.kind} mesh); at most {most_lost:.0%} may lack it"
        )
    shown = _last_found(found)
    mesh, boxes = mesh[shown], boxes[shown]
    scale = np.array([info.width, info.height], dtype=np.float64)
    apart = (mesh[:, UPPER_LIP] - mesh[:, LOWER_LIP]) / scale
    return Driving(
        path=path,
        boxes=boxes,
        landmarks=over_boxes(mesh[:, list(LANDMARKS)], boxes),
        openings=np.linalg.norm(apart, axis=1),
        contour=mesh[:, list(CONTOUR)],
        lost=lost,
        mesh=seen.kind,
    )


def mesh_kind(wanted: MeshChoice = "auto") -> MeshKind:
    """Which mesh this machine will use.

    Raises:
        ModuleNotFoundError: The refined one is asked for, and its package is not there; says how
            to get it.
    """
    if wanted == "plain":
        return "plain"
    lacks = lacking()
    if lacks and wanted == "refined":
        raise ModuleNotFoundError(f"the refined face mesh {lacks}, or take mesh=plain")
    return "plain" if lacks else "refined"


def mesh_of(path: Path, wanted: MeshChoice = "auto") -> Mesh:
    """The mesh of the face that a video is about, at 25 frames a second.

    Raises:
        VideoError: Not a readable video.
        UndrivableError: It cannot be looked for; no face is no error here, but NaN.
        ModuleNotFoundError: As :func:`mesh_kind`.
    """
    kind = mesh_kind(wanted)
    finder = _MESHES[kind]
    info = probe(path)
    share = min(1.0, LONGEST_SIDE / max(info.width, info.height))
    size = max(1, round(share * info.width)), max(1, round(share * info.height))
    with tempfile.TemporaryDirectory() as scratch:
        file = VideoFile(path, file_sha256(path))
        reading = Reading(file, "driving", Sampling(1, FPS), [finder], TrackStore(Path(scratch)))
        reading.listen()
        for number in range(reading.passes):
            seen = 0
            for piece in FrameReader(path, fps=FPS):
                reading.feed(number, piece if share == 1 else _shrunk(piece, size))
                seen += len(piece)
            reading.finish(number, seen)
        if finder.id in reading.failures:
            raise UndrivableError(f"{path}: {reading.failures[finder.id]}")
        points = np.asarray(reading.tracks[finder.id]["landmarks"], dtype=np.float32)
    scale = np.array([info.width, info.height]) / size
    return Mesh((points * scale).astype(np.float32), kind)


def _shrunk(frames: Frames, size: tuple[int, int]) -> Frames:
    return np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in frames])


def face_boxes(
    points: NDArray[np.floating], width: int, height: int, margin: int = MARGIN
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The box that is cut out of each frame, and whether there is anything in it.

    Args:
        points: [n, 131, 2] px; NaN where there is no face.
        width: Of the frame, px.
        height: Of the frame, px.
        margin: Around the landmarks, px.

    Returns:
        int64 [n, 4]: top, bottom, left, right; bool [n].
    """
    known = np.nan_to_num(points.astype(np.float64), nan=-1e6)
    size = np.array([width, height])
    low = np.maximum(known.min(axis=1) / size - margin / size, 0)
    high = np.minimum(known.max(axis=1) / size + margin / size, 1)
    (left, top), (right, bottom) = (np.trunc(corner * size).T for corner in (low, high))
    boxes = np.stack([top, bottom, left, right], axis=1).astype(np.int64)
    return boxes, (bottom > top) & (right > left)


def over_boxes(points: NDArray[np.floating], boxes: NDArray[np.int64]) -> NDArray[np.float32]:
    """Px in the frame, [n, K, 2], as shares of the boxes, float32 [n, 2, K]."""
    top, bottom, left, right = boxes.T.astype(np.float64)
    origin = np.stack([left, top], axis=1)[:, None]
    size = np.stack([right - left, bottom - top], axis=1)[:, None]
    return np.asarray(((points - origin) / size).transpose(0, 2, 1), dtype=np.float32)


def frames_at(path: Path, numbers: Iterable[int]) -> Iterator[tuple[int, Frame]]:
    """Some frames with their numbers, uint8 RGB [H, W, 3], in order of time, each once."""
    asked = set(numbers)
    for number, frame in enumerate(_forward(path)):
        if number in asked:
            yield number, frame


def played(path: Path, frames: int, count: int) -> Iterator[Frame]:
    """``count`` frames: forward to the end, backward to the start, and so on.

    Backward, as many frames are kept as fit a piece, and the video is read again for the next.
    """
    backward = False
    while count > 0:
        shown = _backward(path, frames) if backward else _forward(path)
        yield from islice(shown, count)
        count -= frames
        backward = not backward


def _forward(path: Path) -> Iterator[Frame]:
    for piece in FrameReader(path, fps=FPS):
        yield from piece


def _backward(path: Path, frames: int) -> Iterator[Frame]:
    block = frames_per_piece(probe(path))
    for stop in range(frames, 0, -block):
        yield from reversed(list(islice(_forward(path), max(0, stop - block), stop)))


def _last_found(found: NDArray[np.bool_]) -> NDArray[np.intp]:
    """For every frame the last one before it that is found; before the first, the first."""
    last = np.maximum.accumulate(np.where(found, np.arange(len(found)), -1))
    return np.where(last < 0, int(found.argmax()), last)
