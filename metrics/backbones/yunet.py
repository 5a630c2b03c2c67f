"""Where faces are: YuNet by OpenCV, every face of every frame.

Wu, Peng, Yu, "YuNet: A Tiny Millisecond-level Face Detector", MIR 2023; weights of the OpenCV
zoo. Detection runs at the frame's own size, so a frame costs what it measures.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from metrics.assets import locate, lookup
from metrics.backbones.detections import COLUMNS, MOST_FACES, largest_of_each
from metrics.backbones.per_thread import per_thread
from metrics.base import AnyExtractor, Frames, Track

SCORE_THRESHOLD = 0.6
NMS_THRESHOLD = 0.3
TOP_K = 5000

IN_WORDS = (
    f"YuNet 2023-03, int8 blockwise, sha256 {lookup('yunet').sha256[:8]}, by OpenCV 5's "
    f"FaceDetectorYN on BGR at the frame's own size; score >= {SCORE_THRESHOLD}, "
    f"NMS {NMS_THRESHOLD}; of a frame's faces the {MOST_FACES} with the largest boxes"
)


def detect(frame: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Every face of one uint8 RGB frame [H, W, 3].

    Returns:
        float32 [faces, 15] in px: box x, y, w, h; right eye, left eye, nose, right and left
        corner of the mouth (the person's right) as x, y each; score in the last column.
    """
    detector = _detector(locate("yunet"))
    height, width = frame.shape[:2]
    detector.setInputSize((width, height))
    _, faces = detector.detect(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    # OpenCV says None where it saw no face.
    found = np.empty((0, COLUMNS)) if faces is None else faces
    return np.asarray(found, dtype=np.float32).reshape(-1, COLUMNS)


@per_thread
def _detector(path: Path) -> cv2.FaceDetectorYN:
    logging = cv2.utils.logging
    level = logging.getLogLevel()
    # OpenCV 5 warns at every load that it ignores the target its own constructor sets.
    logging.setLogLevel(logging.LOG_LEVEL_ERROR)
    try:
        return cv2.FaceDetectorYN.create(
            str(path), "", (320, 320), SCORE_THRESHOLD, NMS_THRESHOLD, TOP_K
        )
    finally:
        logging.setLogLevel(level)


class YuNet:
    """The faces of every frame, largest box first.

    Rows: those of :func:`metrics.backbones.detections.largest_of_each`, columns as in
    :func:`detect`.
    """

    id = "yunet/2"
    uses: tuple[AnyExtractor, ...] = ()

    def extract(self, frames: Frames, tracks: Mapping[str, Track]) -> Track:  # noqa: ARG002
        """Rows for uint8 RGB frames [n, H, W, 3]; every frame stands for itself."""
        return largest_of_each(frames, detect)


YUNET = YuNet()
