"""One metric over pairs of videos, as a user of its official package would script it.

Run by ``benchmarks/official.py`` in a process of its own for every metric and generator:
decode with OpenCV, call the package, print one JSON line. Nothing is shared between calls,
because nothing is shared between the scripts that papers use.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from evaluation.calibration import official
from evaluation.calibration.packages import need
from metrics import Frames
from metrics.assets import locate

Computed = Callable[[Frames, Frames], float]


def decode(path: Path, every: int) -> Frames:
    """Frames 0, N, 2N, ... as uint8 RGB."""
    capture, index = cv2.VideoCapture(str(path)), 0
    frames: list[Frames] = []
    while True:
        ok, frame = capture.read()
        if not ok:
            return np.stack(frames)
        if index % every == 0:
            frames.append(np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), dtype=np.uint8))
        index += 1


# The official scripts of identity and landmarks ask for weights that their authors alone publish
# (ArcFace, FAN). These do the same with the packages' own models that can be had.


def dlib_lmd() -> Computed:
    """Dlib's frontal face detector and its 68 points."""
    import dlib

    detector = dlib.get_frontal_face_detector()
    predictor = dlib.shape_predictor(str(locate("dlib-68")))

    def mouth(frame: Frames) -> np.ndarray | None:
        boxes = detector(frame, 1)
        if not boxes:
            return None
        shape = predictor(frame, boxes[0])
        return np.array([(shape.part(i).x, shape.part(i).y) for i in range(48, 68)])

    def compute(a: Frames, b: Frames) -> float:
        pairs = [(mouth(x), mouth(y)) for x, y in zip(a, b, strict=True)]
        seen = [(x, y) for x, y in pairs if x is not None and y is not None]
        return float(np.mean([np.abs(x - y).mean() for x, y in seen]))

    return compute


def dlib_csim() -> Computed:
    """Dlib's detector, 68 points and identity network, as face_recognition calls them."""
    import dlib

    detector = dlib.get_frontal_face_detector()
    predictor = dlib.shape_predictor(str(locate("dlib-68")))
    network = dlib.face_recognition_model_v1(str(locate("dlib-resnet")))

    def feature(frame: Frames) -> np.ndarray | None:
        boxes = detector(frame, 1)
        if not boxes:
            return None
        return np.array(network.compute_face_descriptor(frame, predictor(frame, boxes[0])))

    def cosine(x: np.ndarray, y: np.ndarray) -> float:
        return float(x @ y / np.linalg.norm(x) / np.linalg.norm(y))

    def compute(a: Frames, b: Frames) -> float:
        pairs = [(feature(x), feature(y)) for x, y in zip(a, b, strict=True)]
        return float(np.mean([cosine(x, y) for x, y in pairs if x is not None and y is not None]))

    return compute


FACES: dict[str, Callable[[], Computed]] = {
    "csim@dlib": dlib_csim,
    "lmd@vico@dlib": dlib_lmd,
}


def on_device(device: str) -> None:
    """Packages that compute with torch do so there: their tensors and networks are put there.

    Args:
        device: ``cpu`` leaves everything as it is.
    """
    if device == "cpu":
        return
    planes, network = official._planes, official._official_lpips
    official._planes = lambda frames, **how: planes(frames, **how).to(device)
    official._official_lpips = lambda net: network(net).to(device)
    score = need("pytorch_fid.fid_score")
    whole = score.calculate_fid_given_paths
    score.calculate_fid_given_paths = lambda paths, batch, _, width, **how: whole(
        paths, batch, device, width, **how
    )


def main(card: str, every: int, generated: list[Path], reference: list[Path]) -> float:
    """The number over all pairs: a mean of clips, or of one set where the card is one."""
    pairs = [
        (decode(a, every), decode(b, every)) for a, b in zip(generated, reference, strict=True)
    ]
    compute = FACES[card]() if card in FACES else official.BY_CARD[card].compute
    if card.startswith(("fid", "kid")):
        return compute(*(np.concatenate(side) for side in zip(*pairs, strict=True)))
    return float(np.mean([compute(a, b) for a, b in pairs]))


if __name__ == "__main__":
    name, nth, where, *paths = sys.argv[1:]
    official.call_as_users_do()
    on_device(where)
    half = len(paths) // 2
    videos = [Path(p) for p in paths]
    print(json.dumps({"value": main(name, int(nth), videos[:half], videos[half:])}))
