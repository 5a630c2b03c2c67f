"""Who it is: SFace embeddings of faces aligned by five points.

Zhong et al., "SFace: Sigmoid-Constrained Hypersphere Loss for Robust Face Recognition", TIP
2021; weights of the OpenCV zoo. OpenCV 5 cannot run this file, so the network runs in
onnxruntime; alignment follows ``cv2.FaceRecognizerSF.alignCrop``.

Held against OpenCV 4.11's own FaceRecognizerSF: embeddings of the same crop agree to 5e-6;
crops differ by a grey level or two in 7 % of the values, because OpenCV below 5 rounds source
coordinates to 1/32 px; so on hdtf_mini cosines differ by up to 3.3e-3 for a frame and 2.4e-4 for
a clip of 51 frames.
"""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from metrics.assets import locate
from metrics.backbones import onnx_session
from metrics.backbones.faces import FACE
from metrics.base import AnyExtractor, Frames, Track

SIZE = 112
DIMENSIONS = 128

# ArcFace's 112x112 template (deepinsight/insightface): eyes, nose, corners of the mouth,
# the person's right first.
TEMPLATE = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ]
)


def similarity(source: NDArray[np.floating], target: NDArray[np.floating]) -> NDArray[np.float64]:
    """The rotation, scale and shift that bring ``source`` nearest to ``target``.

    Least squares over point pairs; read as complex numbers the map is ``z -> m z + t``, which
    cannot mirror. This is Umeyama's rule (TPAMI 1991) in the plane.

    Args:
        source: [K, 2].
        target: [K, 2].

    Returns:
        float64 [2, 3], for ``cv2.warpAffine``.
    """
    a, b = (np.asarray(p, dtype=np.float64) @ np.array([1, 1j]) for p in (source, target))
    centred = a - a.mean()
    m = np.vdot(centred, b - b.mean()) / np.vdot(centred, centred)
    t = b.mean() - m * a.mean()
    return np.array([[m.real, -m.imag, t.real], [m.imag, m.real, t.imag]])


def align(frame: NDArray[np.uint8], points: NDArray[np.floating]) -> NDArray[np.uint8]:
    """The face of uint8 RGB [H, W, 3] at ``points`` [5, 2], upright: uint8 RGB [112, 112, 3].

    Bilinear; black beyond the frame.
    """
    upright = cv2.warpAffine(frame, similarity(points, TEMPLATE), (SIZE, SIZE))
    return np.asarray(upright, dtype=np.uint8)


def embed(face: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The identity of an aligned face, uint8 RGB [112, 112, 3]: float32 [128], length 1."""
    session = onnx_session.session(locate("sface"))
    planes = np.ascontiguousarray(face.transpose(2, 0, 1)[None], dtype=np.float32)
    # The graph still lists the weights it had before quantisation as inputs. Nothing reads them,
    # but ``session.run`` insists on them; a binding does not.
    binding = session.io_binding()
    binding.bind_cpu_input("data", planes)
    binding.bind_output("fc1")
    session.run_with_iobinding(binding)
    feature: NDArray[np.float32] = binding.copy_outputs_to_cpu()[0][0]
    return feature / np.linalg.norm(feature)


class SFace:
    """Identity of the face that the clip is about.

    Rows: ``found`` bool [n]; ``features`` float32 [n, 128] of length 1, NaN where no face was.
    """

    id = "sface/2"
    uses: tuple[AnyExtractor, ...] = (FACE,)

    def extract(self, frames: Frames, tracks: Mapping[str, Track]) -> Track:
        """Rows for uint8 RGB frames [n, H, W, 3], with the face's track of the same frames."""
        faces = tracks[FACE.id]
        found = np.asarray(faces["found"], dtype=np.bool_)
        points = np.asarray(faces["points"], dtype=np.float32)
        features = np.full((len(frames), DIMENSIONS), np.nan, dtype=np.float32)
        for i in np.flatnonzero(found):
            features[i] = embed(align(frames[i], points[i]))
        return {"found": found, "features": features}


SFACE = SFace()
