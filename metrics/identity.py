"""CSIM: does the generated face look like the person of the reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metrics import face_frames
from metrics.assets import lookup
from metrics.backbones import yunet
from metrics.backbones.face_mesh import FACE_MESH
from metrics.backbones.sface import SFACE
from metrics.base import AnyExtractor, Inputs, Measurement, MetricSpec, mean_of_clips


def cosines(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.float64]:
    """Cosine of the angle between paired rows.

    Args:
        a: [n, D].
        b: [n, D].

    Returns:
        float64 [n], in [-1, 1].
    """
    x, y = (np.asarray(rows, dtype=np.float64) for rows in (a, b))
    lengths = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    cosine: NDArray[np.float64] = np.einsum("nd,nd->n", x, y) / lengths
    return np.clip(cosine, -1.0, 1.0)


@dataclass(frozen=True)
class Csim:
    """Paired cosine of the embeddings that one extractor reads off faces.

    Attributes:
        spec: The card.
        embedder: Reads ``features`` where the detector ``found`` a face.
        witness: Must have ``found`` a face there too. A detector alone takes the king on a
            playing card for a face, and its identity is always kept.
    """

    spec: MetricSpec
    embedder: AnyExtractor
    witness: AnyExtractor

    @property
    def extractors(self) -> tuple[AnyExtractor, ...]:
        """The embedder and the witness."""
        return (self.embedder, self.witness)

    def measure(self, inputs: Inputs) -> Measurement:
        """Mean over the frames that show a face on both sides."""
        sides = (inputs.generated.tracks, inputs.reference.tracks)
        seen = [
            np.asarray(t[self.embedder.id]["found"], dtype=np.bool_)
            & np.asarray(t[self.witness.id]["found"], dtype=np.bool_)
            for t in sides
        ]
        scored, notes = face_frames.scored_frames(*seen)
        a, b = (np.asarray(t[self.embedder.id]["features"], dtype=np.float64) for t in sides)
        return Measurement.of_frames(cosines(a[scored], b[scored]), notes)

    def aggregate(self, measurements: Sequence[Measurement]) -> float:
        """Mean over clips."""
        return mean_of_clips(measurements)


CSIM = (
    Csim(
        MetricSpec(
            name="csim@sface",
            version="1",
            title="CSIM",
            direction="higher",
            bounds=(-1.0, 1.0),
            perfect=1.0,
            needs_frames=False,
            needs=("face",),
            protocol={
                "input": "whole frames as handed over, uint8 RGB",
                "detector": f"{yunet.IN_WORDS}; a face counts where the face mesh (MediaPipe, 468 "
                f"points, sha256 {lookup('face-mesh').sha256[:8]}) sees one too",
                "alignment": "rotation, scale and shift that bring eyes, nose and corners of the "
                "mouth nearest to ArcFace's 112x112 template (least squares); bilinear, black "
                "beyond the frame",
                "backbone": "SFace 2021-12, 128-d, int8 blockwise weights with float32 "
                f"arithmetic, sha256 {lookup('sface').sha256[:8]}, by onnxruntime on the CPU; RGB "
                "0..255",
                "pairing": "frame i of the generated video with frame i of the reference",
                "per frame": "cosine of the two embeddings",
                "frames": face_frames.IN_WORDS,
                "pooling": "mean of the scored frames in a clip, then mean of the clips",
                "failure": face_frames.FAILURE_IN_WORDS,
            },
            source="Zhong et al., IEEE TIP 2021 (SFace); OpenCV 4.11's FaceDetectorYN, "
            "FaceRecognizerSF.alignCrop and .feature, within 3e-4 for a clip of 51 frames (it "
            "rounds the crop's source coordinates to 1/32 px). Pairing as in "
            "vico_challenge_baseline @ 16424c0; that code (and, over all pairs, a282472) resizes "
            "the whole frame without alignment and uses ArcFace r100 ms1mv3: values are not "
            "comparable with it",
            assets=("yunet", "sface", "face-mesh"),
        ),
        SFACE,
        FACE_MESH,
    ),
)
