"""LMD: how far the generated face's landmarks are from the reference's.

A card is a rule (what is measured between two sets of points), a finder (who says where the
points are) and a part (which points). The rules are those of the two scripts that papers use:

* ``vico``: mean of |dx| and |dy|, nothing centred; a shifted head counts.
* ``synctalk``: mean Euclidean distance after each frame's points were moved to their own mean; a
  shifted head does not count, a turned or nearer one does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metrics import face_frames, words
from metrics.assets import lookup
from metrics.backbones import faces
from metrics.backbones.dlib68 import DLIB68
from metrics.backbones.face_mesh import FACE_MESH
from metrics.backbones.fan import FAN, FAN_FLIP
from metrics.base import AnyExtractor, Inputs, Measurement, MetricSpec, mean_of_clips

# Points 0..67 of the 68-point scheme on the mesh, the table that most public conversions between
# the two use. Held against dlib's predictor on 612 frames of hdtf_mini, 19 of the 20 of the mouth
# are the nearest points of their lip edge (53 has 270 as near), 2-5 % of the distance of the eyes
# away; nose and eyes are as near, brows 5-13 %, and the jaw, where both schemes slide along the
# face's edge, 4-18 %. The other table in use (40 and 270 for 49 and 53, 321 and 91 for 55 and 59,
# 81 311 402 178 inside) is further away and moves clip values of the mouth by 1-4 %.
# fmt: off
JAW = (162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389)  # 0..16
BROWS = (71, 63, 105, 66, 107, 336, 296, 334, 293, 301)  # 17..26
NOSE = (168, 197, 5, 4, 75, 97, 2, 326, 305)  # 27..35
EYES = (33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380)  # 36..47
# fmt: on
OUTER_LIP = (61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181)  # 48..59
INNER_LIP = (78, 82, 13, 312, 308, 317, 14, 87)  # 60..67
MOUTH = OUTER_LIP + INNER_LIP
FACE_68 = JAW + BROWS + NOSE + EYES + MOUTH

Distances = Callable[[NDArray[np.floating], NDArray[np.floating]], NDArray[np.float64]]


def absolute(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.float64]:
    """vico's: mean of ``|dx|`` and ``|dy|`` over points and both axes.

    Args:
        a: [n, K, 2] px.
        b: [n, K, 2] px.

    Returns:
        float64 [n], px. Not Euclidean; neither centred nor scaled.
    """
    apart: NDArray[np.float64] = np.abs(np.asarray(a, dtype=np.float64) - b).mean(axis=(1, 2))
    return apart


def centred(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.float64]:
    """SyncTalk's: mean Euclidean distance of points, each frame's about their own mean.

    Args:
        a: [n, K, 2] px.
        b: [n, K, 2] px.

    Returns:
        float64 [n], px.
    """
    x, y = (np.asarray(p, dtype=np.float64) for p in (a, b))
    apart = (x - x.mean(axis=1, keepdims=True)) - (y - y.mean(axis=1, keepdims=True))
    mean: NDArray[np.float64] = np.linalg.norm(apart, axis=2).mean(axis=1)
    return mean


@dataclass(frozen=True)
class Lmd:
    """Distance of some landmarks that one extractor reads off faces."""

    spec: MetricSpec
    finder: AnyExtractor
    points: tuple[int, ...]
    distances: Distances

    @property
    def extractors(self) -> tuple[AnyExtractor, ...]:
        """The landmark finder."""
        return (self.finder,)

    def measure(self, inputs: Inputs) -> Measurement:
        """Mean over the frames that show a face on both sides."""
        generated = inputs.generated.tracks[self.finder.id]
        reference = inputs.reference.tracks[self.finder.id]
        scored, notes = face_frames.scored_frames(generated["found"], reference["found"])
        a, b = (
            np.asarray(x["landmarks"], dtype=np.float64)[scored][:, list(self.points)]
            for x in (generated, reference)
        )
        return Measurement.of_frames(self.distances(a, b), notes)

    pool = staticmethod(mean_of_clips)

    def aggregate(self, measurements: Sequence[Measurement]) -> float:
        """Mean over clips."""
        return self.pool(measurements)


@dataclass(frozen=True, kw_only=True)
class _Rule:
    name: str
    distances: Distances
    in_words: str
    source: str
    differs: str
    shifted_head: str


@dataclass(frozen=True, kw_only=True)
class _Finder:
    name: str
    of_rule: Mapping[str, AnyExtractor]
    crop: str
    backbone: Mapping[str, str]
    mouth: tuple[int, ...]
    face: tuple[int, ...]
    points: Mapping[str, str]
    traps: str
    assets: tuple[str, ...]
    packages: tuple[str, ...] = ()


_RULES = (
    _Rule(
        name="vico",
        distances=absolute,
        in_words="mean of |dx| and |dy| over the points and both axes: not Euclidean, neither "
        "centred nor scaled",
        source="vico_challenge_baseline @ a282472, evaluations/compute_lmd.py",
        differs="mean of clips instead of frames pooled over clips; frames without a face are "
        "counted instead of ending the run; the clip's face instead of the first one detected",
        shifted_head="a shifted head counts in full",
    ),
    _Rule(
        name="synctalk",
        distances=centred,
        in_words="Euclidean distance after the points of each side were moved to have their mean "
        "at 0, mean over the points; not scaled, not turned",
        source="LMDMeter of ZiqiaoPeng/SyncTalk @ d2427a3, nerf_triplane/utils.py (Fictionarry/"
        "ER-NeRF @ 0cf72d8 has the same)",
        differs="mean of clips (theirs: of the frames of one clip); frames without a face are "
        "counted instead of ending the run; the clip's face instead of the last one detected",
        shifted_head="a shifted head does not count, a turned or nearer one does. Papers have "
        "frames of 512x512",
    ),
)

_MESH_WORDS = (
    f"MediaPipe face mesh, 468 points, sha256 {lookup('face-mesh').sha256[:8]}, float32 by LiteRT; "
    "a face where it says so with probability >= 0.5 both times"
)
_FAN_WORDS = (
    f"2DFAN-4, 68 points, sha256 {lookup('fan-2d').sha256[:8]}, by face-alignment 1.5.0 in float32"
)
_SCHEME_POINTS = {
    "mouth": "the mouth: 48..67 of the 68-point scheme, 20 points",
    "face": "all 68 of the scheme",
}

_FINDERS = (
    _Finder(
        name="",
        of_rule={"vico": FACE_MESH, "synctalk": FACE_MESH},
        crop=f"the clip's face: {faces.IN_WORDS}. Then a square around it, 1.5 times its longer "
        "side, eyes level; bilinear to 192x192, edges repeated; first around the detector's box, "
        "then once more around the landmarks found",
        backbone={"vico": _MESH_WORDS, "synctalk": _MESH_WORDS},
        mouth=MOUTH,
        face=FACE_68,
        points={
            "mouth": f"the mouth, 20 points: mesh {', '.join(map(str, MOUTH))} for 48..67 of the "
            "68-point scheme",
            "face": "68 points of the mesh that stand for the 68-point scheme: "
            f"{', '.join(map(str, JAW + BROWS + NOSE + EYES))} for 0..47, "
            f"{', '.join(map(str, MOUTH))} for 48..67",
        },
        traps="another finder than the papers': systems keep their order, values do not compare "
        "(0.9 times dlib's for the mouth)",
        assets=("yunet", "face-mesh"),
    ),
    _Finder(
        name="dlib",
        of_rule={"vico": DLIB68, "synctalk": DLIB68},
        crop=f"the clip's face: {faces.IN_WORDS}; corners of its box truncated to whole px",
        backbone=dict.fromkeys(
            ("vico", "synctalk"),
            f"dlib's 68-point shape predictor, sha256 {lookup('dlib-68').sha256[:8]}, on RGB",
        ),
        mouth=tuple(range(48, 68)),
        face=tuple(range(68)),
        points=_SCHEME_POINTS,
        traps="points are whole px, and they follow the detector's box: a frame of a still face "
        "can jump by a pixel",
        assets=("yunet", "dlib-68"),
        packages=("dlib",),
    ),
    _Finder(
        name="fan",
        of_rule={"vico": FAN_FLIP, "synctalk": FAN},
        crop=f"the clip's face: {faces.IN_WORDS}; of the boxes of face-alignment's own S3FD "
        f"(sha256 {lookup('fan-s3fd').sha256[:8]}, score > 0.5, the frame's own size) the one "
        "that overlaps it most, IOU > 0.3; crop to 256x256 as the package does",
        backbone={
            "vico": f"{_FAN_WORDS}; heat maps of the face and its mirror image summed "
            "(flip_input=True)",
            "synctalk": f"{_FAN_WORDS}; no mirror image (flip_input=False)",
        },
        mouth=tuple(range(48, 68)),
        face=tuple(range(68)),
        points=_SCHEME_POINTS,
        traps="points are whole px: the package truncates them. Up to 1.4.1 it loads 2DFAN-4 from "
        "another file (TorchScript); whether that holds the same weights was not checked",
        assets=("yunet", "fan-2d", "fan-s3fd"),
        packages=("face_alignment",),
    ),
)

# On RD_Radio8_000 of hdtf_mini (256x256), every 5th frame, against itself: (its first frame
# repeated, itself 3 frames late).
_USELESS = {
    ("vico", "", "mouth"): (7.1, 2.6),
    ("vico", "", "face"): (6.0, 2.1),
    ("vico", "dlib", "mouth"): (7.5, 2.6),
    ("vico", "dlib", "face"): (6.3, 2.2),
    ("synctalk", "", "mouth"): (1.9, 1.1),
    ("synctalk", "", "face"): (4.8, 1.5),
    ("synctalk", "dlib", "mouth"): (1.9, 1.3),
    ("synctalk", "dlib", "face"): (5.0, 1.6),
}


def _useless(rule: _Rule, finder: _Finder, part: str) -> str:
    measured = _USELESS.get((rule.name, finder.name, part))
    numbers = "not measured; with dlib's points: " if measured is None else ""
    still, late = measured or _USELESS[rule.name, "dlib", part]
    return (
        f"black frames have no face and no value. On a clip of 256x256 px: {numbers}its first "
        f"frame throughout {still:.1f} px, the clip itself 3 frames late {late:.1f} px"
    )


def _card(rule: _Rule, finder: _Finder, part: str) -> Lmd:
    extractor = finder.of_rule[rule.name]
    name = "@".join(n for n in ("lmd", rule.name, finder.name, part) if n not in ("", "mouth"))
    return Lmd(
        MetricSpec(
            name=name,
            version="2" if name == "lmd@vico" else "1",
            title="LMD" if part == "mouth" else "LMD face",
            direction="lower",
            unit="px",
            bounds=(0.0, np.inf),
            perfect=0.0,
            needs_frames=False,
            needs=("face",),
            protocol={
                "input": "whole frames as handed over, uint8 RGB; px are those of the frame, so "
                "values compare only at one frame size",
                "decoder": words.DECODED,
                "fps": words.OWN_FPS,
                "crop": finder.crop,
                "backbone": finder.backbone[rule.name],
                "points": finder.points[part],
                "pairing": "frame i of the generated video with frame i of the reference",
                "per frame": rule.in_words,
                "frames": face_frames.IN_WORDS,
                "pooling": words.CLIPS,
                "useless": _useless(rule, finder, part),
                "failure": face_frames.FAILURE_IN_WORDS,
                "traps": f"{rule.shifted_head}; {finder.traps}",
            },
            source=f"{rule.source}. Differs: {_instead(rule, finder)}{rule.differs}",
            assets=finder.assets,
            packages=finder.packages,
        ),
        extractor,
        finder.mouth if part == "mouth" else finder.face,
        rule.distances,
    )


def _instead(rule: _Rule, finder: _Finder) -> str:
    if finder.name == "fan":
        return ""
    theirs = "face-alignment's 2D points"
    if rule.name == "vico":
        theirs += " averaged with the mirror image's"
    elif finder.name == "dlib":
        return "the clip's face instead of dlib's own detector (the backend 'dlib' of the meter); "
    ours = "mesh points" if finder.name == "" else "dlib's"
    return f"{ours} instead of {theirs}; "


LMD = tuple(
    _card(rule, finder, part)
    for rule in _RULES
    for finder in _FINDERS
    for part in ("mouth", "face")
)
