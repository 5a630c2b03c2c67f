"""Whose face a clip is about: faces linked over time, and one of them chosen for the whole clip.

A detector alone decides frame by frame, and then a bystander or the king on a playing card takes
over whenever the speaker turns away. Here faces are linked first and the choice is made once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from metrics.backbones.mouths import MOUTHS
from metrics.backbones.yunet import IN_WORDS as DETECTOR
from metrics.backbones.yunet import YUNET
from metrics.base import AnyExtractor, Track

SAME_FACE_IOU = 0.3
LONGEST_GAP = (
    25  # frames of the track, that is N times as many of the file where every N-th is read
)
LEAST_SHARE = 0.2

Choice = Literal["largest", "talking"]

IN_WORDS = (
    f"{DETECTOR}; boxes of one face are linked over the clip (IOU > {SAME_FACE_IOU} with its last "
    f"box, gaps of at most {LONGEST_GAP} scored frames), and the clip is about the face with the "
    "largest sum of box areas; while it is away (another shot), about the next largest that never "
    f"shares a frame with it and has at least {LEAST_SHARE:.0%} of its sum"
)


def link(faces: NDArray[np.floating]) -> NDArray[np.int32]:
    """Number the faces of a clip: one number for one face over time.

    Greedy, in time order, larger boxes first: a face takes the number of the open track whose
    last box it overlaps most.

    Args:
        faces: [T, F, >= 4], x y w h in px first; NaN where there is none.

    Returns:
        int32 [T, F], -1 where there is no face.
    """
    numbers = np.full(faces.shape[:2], -1, dtype=np.int32)
    last_box: list[NDArray[np.float64]] = []
    last_seen: list[int] = []
    for t, row in enumerate(np.asarray(faces[..., :4], dtype=np.float64)):
        taken: set[int] = set()
        for slot in np.flatnonzero(np.isfinite(row[:, 0])):
            near = [k for k, seen in enumerate(last_seen) if t - seen <= LONGEST_GAP + 1]
            near = [k for k in near if k not in taken]
            overlaps = [overlap(row[slot], last_box[k]) for k in near]
            if overlaps and max(overlaps) > SAME_FACE_IOU:
                number = near[int(np.argmax(overlaps))]
                last_box[number], last_seen[number] = row[slot], t
            else:
                number = len(last_box)
                last_box.append(row[slot])
                last_seen.append(t)
            taken.add(number)
            numbers[t, slot] = number
    return numbers


def overlap(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Intersection over union of two boxes x y w h; 0 where nothing is shared."""
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[:2] + a[2:4], b[:2] + b[2:4])
    shared = float(np.prod(np.maximum(high - low, 0)))
    return shared and shared / (float(a[2] * a[3] + b[2] * b[3]) - shared)


def choose(numbers: NDArray[np.int32], weights: Mapping[int, float]) -> NDArray[np.int64]:
    """The slot of the clip's face in every frame, -1 where it is not seen.

    Args:
        numbers: int32 [T, F], as :func:`link` numbers faces.
        weights: Number -> what the choice goes by; the heaviest wins its frames, then the next
            that shares no frame with those before it and has ``LEAST_SHARE`` of the first.

    Returns:
        int64 [T].
    """
    slots = np.full(len(numbers), -1, dtype=np.int64)
    ranked = sorted(weights, key=lambda k: (-weights[k], k))
    for number in ranked:
        here = numbers == number
        frames = here.any(axis=1)
        if (slots[frames] >= 0).any() or weights[number] < LEAST_SHARE * weights[ranked[0]]:
            continue
        slots[frames] = here[frames].argmax(axis=1)
    return slots


@dataclass(frozen=True)
class ClipFace:
    """The face that a clip is about, in every frame where it is seen.

    Rows: ``found`` bool [T]; ``boxes`` float32 [T, 4], x y w h in px; ``points`` float32
    [T, 5, 2] in px, ordered as in :func:`metrics.backbones.yunet.detect`; ``scores`` float32 [T];
    ``others`` int32 [T], how many more faces were seen; ``slots`` int32 [T], which of YuNet's it
    is. NaN, and -1, where it was not seen.

    Attributes:
        choice: ``largest``: by the sum of its box areas over the clip. ``talking``: by how much
            its mouth moves, the standard deviation of its opening, of faces seen in at least a
            fifth as many frames as the most frequent one.
    """

    choice: Choice = "largest"

    @property
    def id(self) -> str:
        """Name and version."""
        return f"clip-face@{self.choice}/1"

    @property
    def uses(self) -> tuple[AnyExtractor, ...]:
        """The detector, and the mouths where they decide."""
        return (YUNET,) if self.choice == "largest" else (YUNET, MOUTHS)

    def follow(self, tracks: Mapping[str, Track]) -> Track:
        """Rows for all frames, from the whole tracks of the detector (and the mouths)."""
        seen = tracks[YUNET.id]
        faces = np.asarray(seen["faces"], dtype=np.float32)
        count = np.asarray(seen["count"], dtype=np.int32)
        numbers = link(faces)
        slots = choose(numbers, self._weights(numbers, faces, tracks))
        found = slots >= 0
        chosen = np.full((len(faces), faces.shape[2]), np.nan, dtype=np.float32)
        chosen[found] = faces[found, slots[found]]
        return {
            "found": found,
            "boxes": chosen[:, :4],
            "points": chosen[:, 4:14].reshape(-1, 5, 2),
            "scores": chosen[:, 14],
            "others": (count - found).astype(np.int32),
            "slots": slots.astype(np.int32),
        }

    def _weights(
        self, numbers: NDArray[np.int32], faces: NDArray[np.float32], tracks: Mapping[str, Track]
    ) -> dict[int, float]:
        known = [int(k) for k in np.unique(numbers) if k >= 0]
        if self.choice == "largest":
            areas = np.prod(faces[..., 2:4], axis=-1, dtype=np.float64)
            return {k: float(areas[numbers == k].sum()) for k in known}
        opening = np.asarray(tracks[MOUTHS.id]["opening"], dtype=np.float64)
        length = {k: int((numbers == k).sum()) for k in known}
        enough = LEAST_SHARE * max(length.values(), default=0)
        return {k: _spread(opening[numbers == k]) for k in known if length[k] >= enough}


def _spread(values: NDArray[np.float64]) -> float:
    values = values[np.isfinite(values)]
    return float(values.std()) if len(values) else 0.0


FACE = ClipFace()
TALKING_FACE = ClipFace("talking")
