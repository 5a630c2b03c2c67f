"""FID: how far the generated frames, as a set, are from the reference frames, as a set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metrics import words
from metrics.backbones.inception import (
    ASSET,
    RESIZE_IN_WORDS,
    InceptionFeatures,
    in_words,
    row_name,
)
from metrics.base import AnyExtractor, Inputs, Measurement, MetricSpec, UnscorableError
from metrics.crops import FACE_REGION
from metrics.face_frames import MOST_LOST
from metrics.gaussians import Gaussian, frechet, frechet_distance
from metrics.newton_schulz import BLOWN, STEADY, newton_schulz_distance
from metrics.pooling import gaussian, pooled

__all__ = ["FID", "Fid", "frechet_distance", "measure_features"]

_POOL3 = InceptionFeatures()
_SMALL = InceptionFeatures((64, 192, 768))
_FACES = InceptionFeatures(region=FACE_REGION)


@dataclass(frozen=True)
class Fid:
    """A distance between the Gaussians of all clips' frames, as a set metric.

    Attributes:
        spec: The card.
        inception: Whose rows are pooled.
        tap: Which of them, by width.
        distance: Between the generated and the reference Gaussian.
    """

    spec: MetricSpec
    inception: InceptionFeatures
    tap: int = 2048
    distance: Callable[[Gaussian, Gaussian], float] = frechet

    @property
    def extractors(self) -> tuple[AnyExtractor, ...]:
        """The network."""
        return (self.inception,)

    def measure(self, inputs: Inputs) -> Measurement:
        """Both sides' features; a clip has no value of its own.

        Raises:
            UnscorableError: A side has no frame, or none that shows a face where faces are cut
                out, or the generated side has lost too many of them.
        """
        return measure_features(inputs, self.inception, self.tap)

    def aggregate(self, measurements: Sequence[Measurement]) -> float:
        """The distance between all generated and all reference frames.

        Raises:
            UnscorableError: Fewer than 2 frames on a side, or ``distance`` has no value.
        """
        counts = {
            side: sum(map(len, pooled(measurements, side))) for side in ("generated", "reference")
        }
        if min(counts.values()) < 2:
            raise UnscorableError(
                f"a Fréchet distance needs 2 frames on each side: generated {counts['generated']}, "
                f"reference {counts['reference']}"
            )
        return self.distance(*(gaussian(measurements, side) for side in counts))


def measure_features(inputs: Inputs, inception: InceptionFeatures, tap: int) -> Measurement:
    """Both sides' rows of a tap, as the share of a clip in a set metric.

    Raises:
        UnscorableError: A side has no frame, or none that shows a face where faces are cut out,
            or the generated side has lost too many of them.
    """
    rows = {
        name: np.asarray(side.tracks[inception.id][row_name(tap)], dtype=np.float32)
        for name, side in (("generated", inputs.generated), ("reference", inputs.reference))
    }
    for name, found in rows.items():
        if not len(found):
            raise UnscorableError(f"the {name} video has no frame")
    notes: dict[str, int] = {}
    if inception.region is not None:
        rows, notes = _with_faces(rows)
    if len(rows["reference"]) != len(rows["generated"]):
        notes["reference frames"] = len(rows["reference"])
    return Measurement(None, len(rows["generated"]), features=rows, notes=notes)


def _with_faces(
    rows: Mapping[str, NDArray[np.float32]],
) -> tuple[dict[str, NDArray[np.float32]], dict[str, int]]:
    """Rows of frames that show a face, and what to note about the others.

    Raises:
        UnscorableError: No face in the reference, or too many fewer in the generated video.
    """
    seen = {side: np.isfinite(r).all(axis=1) for side, r in rows.items()}
    share = {side: float(s.mean()) for side, s in seen.items()}
    if share["reference"] == 0:
        raise UnscorableError("no face in the reference")
    if share["generated"] < (1 - MOST_LOST) * share["reference"]:
        raise UnscorableError(
            f"a face in {share['generated']:.0%} of the generated frames and in "
            f"{share['reference']:.0%} of the reference's"
        )
    missing = {f"no face in {side}": int((~s).sum()) for side, s in seen.items()}
    found = {side: r[seen[side]] for side, r in rows.items()}
    return found, {k: v for k, v in missing.items() if v}


POOLING = (
    "all frames of all scored clips make one set on each side, so a long clip weighs more; there "
    "is no value per clip"
)
_EXACT = (
    "|m1 - m2|^2 + tr S1 + tr S2 - 2 tr sqrt(S1 S2), sample covariances, float64; the trace of the "
    "root as a sum of singular values, no matrix square root, no epsilon"
)
_NEWTON_SCHULZ = (
    "the same formula with piq's root: Newton and Schulz, stopped where |A - Y^2| / |A| <= 1e-5 "
    "(100 steps at most); where that is not finite, once more with 1e-6 added to both diagonals"
)
SET = "hdtf_mini, 153 frames a side"
_USELESS = {
    64: f"{SET}: black 48.8, noise 315, a still frame of each clip 0.018 (IP-LAP 0.034)",
    192: f"{SET}: black 295, noise 329, a still frame of each clip 0.190 (IP-LAP 0.192)",
    768: f"{SET}: black 6.54, noise 4.74, a still frame of each clip 0.138 (IP-LAP 0.067)",
    2048: f"{SET}: black 546, noise 474, a still frame of each clip 24.7 (IP-LAP 12.3)",
}
_FEW = "below {width} frames a side the covariance has not full rank"
_GROWS = "the value falls as N grows: N belongs beside it, and only equal N compare"


def _fid(
    name: str,
    title: str,
    source: str,
    *,
    inception: InceptionFeatures = _POOL3,
    tap: int = 2048,
    between: Callable[[Gaussian, Gaussian], float] = frechet,
    **stated: str,
) -> Fid:
    """A card; ``stated`` overrides and adds to what is common."""
    region = inception.region
    protocol = {
        "decoder": words.DECODED,
        "fps": words.OWN_FPS,
        "crop": words.WHOLE_FRAME if region is None else region.in_words,
        "resize": RESIZE_IN_WORDS,
        "backbone": in_words(tap) + (f"; the face by {region.backbone}" if region else ""),
        "distance": _EXACT,
        "pooling": POOLING,
        "useless": _USELESS[tap],
        "identical": "sets that are the same in any order have 0",
        "failure": "fewer than 2 frames on a side have no value",
        "traps": f"{_GROWS}; {_FEW.format(width=tap + 1)}",
    }
    return Fid(
        MetricSpec(
            name=name,
            version="1",
            title=title,
            direction="lower",
            bounds=(0.0, np.inf),
            perfect=0.0 if between is frechet else None,
            paired=False,
            symmetric=region is None,  # whose faces are lost is not the same
            needs_frames=False,
            per_clip=False,
            needs=("face",) if region is not None else (),
            protocol=protocol | stated,
            source=source,
            assets=(*region.assets, ASSET) if region else (ASSET,),
        ),
        inception,
        tap,
        between,
    )


_PYTORCH_FID = "Heusel et al., NeurIPS 2017; pytorch-fid 0.3.0{dims}, equal to {error}"


def _small(tap: int) -> Fid:
    return _fid(
        f"fid@pytorch-fid-{tap}",
        f"FID ({tap})",
        _PYTORCH_FID.format(dims=f" --dims {tap}", error="1e-6 relative"),
        inception=_SMALL,
        tap=tap,
        traps=f"another scale than 2048-d: values of different widths never compare; low taps see "
        f"texture, hardly faces or motion; {_GROWS}; {_FEW.format(width=tap + 1)}",
    )


FID = (
    _fid(
        "fid@pytorch-fid",
        "FID",
        _PYTORCH_FID.format(
            dims="",
            error="5e-5 relative, which is the error of its matrix square root below 2049 frames",
        )
        + ". clean-fid (antialiased bicubic) is another protocol, 5 to 6 % higher on talking faces "
        "of 256x256",
    ),
    _small(768),
    _small(192),
    _small(64),
    _fid(
        "fid@pytorch-fid@face",
        "FID (face)",
        "fid@pytorch-fid of face crops, as Wav2Lip describes its FID (issue 22: generated faces in "
        "one folder, ground-truth faces in another); its crops are S3FD's, ours another detector's",
        inception=_FACES,
        crop=f"{FACE_REGION.in_words}; each side at its own face",
        useless=f"black and noise: no value (no face); {SET}: a still frame of each clip 57.2 "
        "(IP-LAP 26.5)",
        frames="frames that show no face are left out on their side, and counted",
        failure="no face anywhere in the reference: no value. A face in a share of the generated "
        f"frames more than {MOST_LOST:.0%} below the reference's: no value, so that nobody gains "
        "by breaking faces. Fewer than 2 frames on a side: no value",
    ),
    _fid(
        "fid@vico",
        "FID (vico)",
        "vico_challenge_baseline @ a282472, evaluations/compute_fid.py, that is piq.FID (0.7.0 and "
        "0.8.0 are the same): features equal those of pytorch-fid, value equal to 1e-8 relative. "
        "Differs: frames of clips that failed are not in the sets, where the script ends",
        between=newton_schulz_distance,
        distance=_NEWTON_SCHULZ,
        useless=f"{SET}: black 546, noise 474, a still frame of each clip 24.7 (IP-LAP 15.7)",
        identical=f"not 0, and it depends: the ground truth itself gets 4.6 ({SET})",
        failure="fewer than 2 frames on a side have no value, nor have sets for which rounding "
        f"errors reach {STEADY:g} of piq's root before it stops, with and without the addition "
        f"(added from {BLOWN:g} on): piq prints then what the machine makes of them, not a number "
        "or as in the script's issue 1, 914844765379.4",
        traps="the root is stopped long before its trace has come to rest (piq issue 381), so the "
        "value is above the exact one: 15.7 for 12.3, 4.6 for 0 of a set against itself, and more "
        f"with more frames; {_GROWS}",
    ),
)
