"""Where the mouth is in every frame, as far as a run's tracks say it: what the page zooms in on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from evaluation.store import KeptTrack, TrackStore
from metrics.backbones.face_mesh import FACE_MESH
from metrics.backbones.faces import FACE
from metrics.crops import LIPS, MOUTH_SIDE
from metrics.mouth_curves import opening

_BELOW = 0.78  # of a face's box: where the mouth is, where only the box is known
_OF_FACE = 0.62  # of its width: the square around the mouth


@dataclass(frozen=True)
class MouthTrack:
    """A square that follows the mouth, in shares of the picture.

    Attributes:
        seen: ``landmarks`` or ``face``: what it was told from.
        every: Of frames 0, N, 2N, ...
        x: float64 [n], its centre over the width.
        y: float64 [n], its centre over the height.
        side: Its side over the width.
        opening: float64 [n], how far the lips are apart over the distance of the eyes, NaN where
            no face was seen; None where only the face's box is known.
    """

    seen: Literal["landmarks", "face"]
    every: int
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    side: float
    opening: NDArray[np.float64] | None


def mouth_track(
    store: TrackStore, sha256: str, every: int, size: tuple[int, int], fps: float
) -> MouthTrack | None:
    """The mouth of one video by what a run kept of it.

    Args:
        store: The run's tracks.
        sha256: Of the video.
        every: Frames that the run scored.
        size: Of the video, px.
        fps: Of the video: tracks at a steady rate are used where it is this one.

    Returns:
        None where no track of a face is kept, or none shows one.
    """
    samplings = [(str(every), every)]
    if math.isclose(fps, round(fps)):
        samplings.append((f"{round(fps)}fps", 1))
    for extractor, boxes_of in ((FACE_MESH, _lips), (FACE, _face)):
        for tag, step in samplings:
            kept = store.load(sha256, extractor.id, tag)
            if kept is None or not np.asarray(kept.track["found"]).any():
                continue
            centres, side = boxes_of(kept)
            x, y = (_through(centres[:, i] / size[i]) for i in (0, 1))
            known = extractor is FACE_MESH
            curve = (
                opening(np.asarray(kept.track["landmarks"], dtype=np.float64)) if known else None
            )
            if curve is not None:
                curve = np.where(np.asarray(kept.track["found"]), curve, np.nan)
            return MouthTrack("landmarks" if known else "face", step, x, y, side / size[0], curve)
    return None


def _lips(kept: KeptTrack) -> tuple[NDArray[np.float64], float]:
    found = np.asarray(kept.track["found"], dtype=np.bool_)
    lips = np.asarray(kept.track["landmarks"], dtype=np.float64)[:, list(LIPS)]
    lips[~found] = np.nan
    low, high = lips.min(axis=1), lips.max(axis=1)
    return (low + high) / 2, float(MOUTH_SIDE * np.nanmedian((high - low).max(axis=1)))


def _face(kept: KeptTrack) -> tuple[NDArray[np.float64], float]:
    boxes = np.asarray(kept.track["boxes"], dtype=np.float64)
    x, y, w, h = boxes.T
    return np.stack([x + w / 2, y + _BELOW * h], axis=1), float(_OF_FACE * np.nanmedian(w))


def _through(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Frames without a face get a place on the way between those with one: a view, no number."""
    known = np.isfinite(values)
    frames = np.arange(values.size)
    return np.asarray(np.interp(frames, frames[known], values[known]), dtype=np.float64)
