"""MediaPipe's refined mesh: 478 points, lips and eyes looked at once more.

What IP-LAP was trained on and is driven by: ``mp.solutions.face_mesh`` of the package mediapipe
0.10.14 (Apache-2.0; the models are inside the wheel), every frame for itself, whole, with the
settings of inference_single.py of Weizhi-Zhong/IP_LAP @ 9b9dc03 but for the number of faces: there
the one face is whichever the detector is surest of, here it is the clip's. With one face in the
frame both give the same points to the last bit.

A frame in which no mesh lies on the clip's face is looked at again, cut to three times the face's
box, where official code gives up: on a stage, with faces of 73 px in 640x360, that finds 162 of 212
faces instead of 108. Where both looks see a face they differ by 1.2 px on that clip, by 0 to 0.7 px
on seven others (mean over the 131 points).

The plain mesh reads the same face elsewhere: by 1.8 to 3.3 % of its width on eight clips (2.1 px
where it is 100 px wide, lips 1.3; 4.9 px where it is 242 px, lips 5.6).
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metrics.backbones.faces import FACE, SAME_FACE_IOU, ClipFace, overlap
from metrics.base import AnyExtractor, Frames, Track

PACKAGE, VERSION = "mediapipe", "0.10.14"
POINTS = 478
FACES = 4  # looked for in a frame
AROUND = 1.0  # widths and heights of the face's box that are kept on each side of it
_LEAST_CONFIDENCE = 0.5


def lacking() -> str:
    """What the refined mesh needs and this machine has not, with the command; empty if nothing."""
    try:
        here = version(PACKAGE)
    except PackageNotFoundError:
        here = ""
    if here == VERSION:
        return ""
    # Later wheels have no mp.solutions and no models in them.
    found = f"there is {here}" if here else "it is not installed"
    return f"needs {PACKAGE} {VERSION}, and {found}: pip install 'talkbench[mesh]'"


@dataclass(frozen=True)
class RefinedMesh:
    """The 478 points of one face.

    Rows: ``found`` bool [n]; ``landmarks`` float32 [n, 478, 2] in px, NaN where not found: where
    the face itself was not, or no mesh lies on it (IOU of their boxes > 0.3).
    """

    face: ClipFace

    @property
    def id(self) -> str:
        """Name and version."""
        return f"refined-face-mesh@{self.face.choice}/1"

    @property
    def uses(self) -> tuple[AnyExtractor, ...]:
        """Whose face."""
        return (self.face,)

    def extract(self, frames: Frames, tracks: Mapping[str, Track]) -> Track:
        """Rows for uint8 RGB frames [n, H, W, 3], with the face's track of the same frames."""
        face = tracks[self.face.id]
        landmarks = np.full((len(frames), POINTS, 2), np.nan, dtype=np.float32)
        for i in np.flatnonzero(face["found"]):
            found = find(frames[i], face["boxes"][i])
            if found is not None:
                landmarks[i] = found
        return {"found": np.asarray(np.isfinite(landmarks[:, 0, 0])), "landmarks": landmarks}


REFINED_MESH = RefinedMesh(FACE)


def find(frame: NDArray[np.uint8], box: NDArray[np.floating]) -> NDArray[np.float32] | None:
    """The mesh of the face at a detector's box, or None.

    Args:
        frame: uint8 RGB [H, W, 3].
        box: [4], x y w h in px.

    Returns:
        float32 [478, 2] px.
    """
    whole = _on_face(meshes_in(frame), box)
    if whole is not None:
        return whole
    x, y, w, h = (float(v) for v in box)
    left, top = max(0, int(x - AROUND * w)), max(0, int(y - AROUND * h))
    cut = frame[top : int(y + (1 + AROUND) * h), left : int(x + (1 + AROUND) * w)]
    origin = np.array([left, top], dtype=np.float32)
    return _on_face([mesh + origin for mesh in meshes_in(cut)], box)


def meshes_in(frame: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    """The mesh of every face in uint8 RGB [H, W, 3], float32 [478, 2] px each."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # mediapipe's protobuf calls are deprecated
        seen = _finder(threading.get_ident()).process(np.ascontiguousarray(frame))
    height, width = frame.shape[:2]
    return [
        np.array([(p.x * width, p.y * height) for p in mesh.landmark], dtype=np.float32)
        for mesh in seen.multi_face_landmarks or ()
    ]


def _on_face(
    meshes: list[NDArray[np.float32]], box: NDArray[np.floating]
) -> NDArray[np.float32] | None:
    overlaps = [overlap(_box(mesh), box) for mesh in meshes]
    if not overlaps or max(overlaps) <= SAME_FACE_IOU:
        return None
    return meshes[int(np.argmax(overlaps))]


def _box(points: NDArray[np.float32]) -> NDArray[np.float32]:
    low, high = points.min(axis=0), points.max(axis=0)
    return np.concatenate([low, high - low])


@cache
def _finder(_thread: int) -> Any:  # noqa: ANN401 - the package has no types
    from mediapipe.python.solutions import face_mesh  # an extra; slow to import

    return face_mesh.FaceMesh(
        static_image_mode=True,
        max_num_faces=FACES,
        refine_landmarks=True,
        min_detection_confidence=_LEAST_CONFIDENCE,
    )
