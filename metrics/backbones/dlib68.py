"""The 68 points of dlib's shape predictor on the face that the clip is about.

Kazemi and Sullivan, "One Millisecond Face Alignment with an Ensemble of Regression Trees", CVPR
2014, trained on iBUG 300-W (whose photographs are free for research only). The predictor looks
around a box; here it is the clip's face, not dlib's own detector's.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from metrics.assets import locate
from metrics.backbones.faces import FACE
from metrics.backbones.per_thread import per_thread
from metrics.base import AnyExtractor, Frames, Track

if TYPE_CHECKING:
    import dlib

POINTS = 68


class Dlib68:
    """The 68 points.

    Rows: ``found`` bool [n], where the clip's face is; ``landmarks`` float32 [n, 68, 2], whole
    px, NaN where it is not. The predictor has no opinion on whether a face is there.
    """

    id = "dlib-68/1"
    uses: tuple[AnyExtractor, ...] = (FACE,)

    def extract(self, frames: Frames, tracks: Mapping[str, Track]) -> Track:
        """Rows for uint8 RGB frames [n, H, W, 3], with the face's track of the same frames."""
        import dlib

        face = tracks[FACE.id]
        found = np.asarray(face["found"], dtype=np.bool_)
        boxes = np.asarray(face["boxes"], dtype=np.float32)
        landmarks = np.full((len(frames), POINTS, 2), np.nan, dtype=np.float32)
        predictor = _predictor(locate("dlib-68"))
        for i in np.flatnonzero(found):
            x, y, w, h = boxes[i]
            box = dlib.rectangle(int(x), int(y), int(x + w), int(y + h))
            shape = predictor(np.ascontiguousarray(frames[i]), box)
            landmarks[i] = [(point.x, point.y) for point in shape.parts()]
        return {"found": found, "landmarks": landmarks}


@per_thread
def _predictor(path: Path) -> dlib.shape_predictor:
    import dlib

    return dlib.shape_predictor(str(path))


DLIB68 = Dlib68()
