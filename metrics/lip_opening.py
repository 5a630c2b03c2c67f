"""LipLMD as an opening: is the generated mouth as open as the reference's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metrics import face_frames, words
from metrics.assets import lookup
from metrics.backbones import faces
from metrics.backbones.face_mesh import FACE_MESH
from metrics.backbones.frame_size import FRAME_SIZE
from metrics.base import AnyExtractor, Inputs, Measurement, MetricSpec, Track, mean_of_clips

UPPER, LOWER = 0, 17  # of the mesh: middle of the outer edge of the upper and the lower lip


def openings(landmarks: NDArray[np.floating], size: NDArray[np.integer]) -> NDArray[np.float64]:
    """Length from lip to lip in a frame that measures 1 by 1.

    Args:
        landmarks: [n, 468, 2] px.
        size: int [n, 2], width and height of the frame in px.

    Returns:
        float64 [n], NaN where there are no landmarks.
    """
    points = np.asarray(landmarks, dtype=np.float64)
    apart = (points[:, UPPER] - points[:, LOWER]) / size
    return np.asarray(np.linalg.norm(apart, axis=1), dtype=np.float64)


@dataclass(frozen=True)
class LipOpening:
    """Difference of lip openings."""

    spec: MetricSpec
    extractors: tuple[AnyExtractor, ...] = (FACE_MESH, FRAME_SIZE)

    def measure(self, inputs: Inputs) -> Measurement:
        """Mean over the frames that show a face on both sides."""
        sides = (inputs.generated.tracks, inputs.reference.tracks)
        scored, notes = face_frames.scored_frames(*(t[FACE_MESH.id]["found"] for t in sides))
        a, b = (_of_side(t[FACE_MESH.id], t[FRAME_SIZE.id])[scored] for t in sides)
        return Measurement.of_frames(np.abs(a - b), notes)

    pool = staticmethod(mean_of_clips)

    def aggregate(self, measurements: Sequence[Measurement]) -> float:
        """Mean over clips."""
        return self.pool(measurements)


def _of_side(mesh: Track, frame: Track) -> NDArray[np.float64]:
    return openings(
        np.asarray(mesh["landmarks"], dtype=np.float64), np.asarray(frame["size"], dtype=np.int64)
    )


LIPLMD = (
    LipOpening(
        MetricSpec(
            name="liplmd@opening",
            version="1",
            title="LipLMD",
            direction="lower",
            bounds=(0.0, np.inf),
            perfect=0.0,
            needs_frames=False,
            needs=("face",),
            protocol={
                "input": "whole frames as handed over, uint8 RGB",
                "decoder": words.DECODED,
                "fps": words.OWN_FPS,
                "crop": f"the clip's face: {faces.IN_WORDS}",
                "backbone": "MediaPipe face mesh, 468 points, sha256 "
                f"{lookup('face-mesh').sha256[:8]}, float32 by LiteRT",
                "points": "0 and 17, the middle of the upper and the lower lip's outer edge; x "
                "over the frame's width, y over its height",
                "pairing": "frame i of the generated video with frame i of the reference",
                "per frame": "|opening - the reference's|, opening = Euclidean distance of the "
                "two points",
                "frames": face_frames.IN_WORDS,
                "pooling": words.CLIPS,
                "useless": "black frames have no face and no value. On a clip of 256x256 px: its "
                "first frame throughout 0.0128, the clip itself 3 frames late 0.0106",
                "failure": face_frames.FAILURE_IN_WORDS,
                "traps": "one number a frame: a mouth of the wrong shape, place or head can have "
                "the right opening. It scales with the face's share of the frame: the code named "
                "below has face crops of 128x128, so hand over such crops to compare with it. "
                "Papers also call LMD in px LipLMD (lmd@vico)",
            },
            source="the re-evaluation of IP-LAP in the fork TalkingFace-BST (get_norm_lip_dis), "
            "which takes IP-LAP's own measure of a lip's opening. Differs: the plain mesh instead "
            "of the one with refined lips (clips get 0.7-1.2 times its values, the order stays "
            "alike: rank correlation 0.83 over 9 clips); frames without a face are counted "
            "instead of skipped",
            assets=("yunet", "face-mesh"),
        ),
    ),
)
