"""FID: how far the generated frames, as a set, are from the reference frames, as a set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metrics.assets import ASSETS
from metrics.backbones.inception import ASSET, InceptionFeatures
from metrics.base import Extractor, Inputs, Measurement, MetricSpec, Side, UnscorableError

_INCEPTION = InceptionFeatures()


def frechet_distance(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Fréchet distance of the Gaussians fitted to two sets of rows.

    ``|m1 - m2|^2 + tr S1 + tr S2 - 2 tr sqrt(S1 S2)`` with sample covariances. No matrix square
    root is taken: with ``S = X^T X / (n - 1)``, X centred, the last trace is the sum of the
    singular values of ``X1 X2^T``, over ``sqrt((n1 - 1)(n2 - 1))``. That is exact at any rank,
    where scipy's sqrtm of the rank-deficient product is off by 2e-5 or fails.

    Args:
        a: Rows [n1, D], n1 > 1.
        b: Rows [n2, D], n2 > 1.

    Returns:
        Never negative; 0 for equal sets, in any order.
    """
    mean_a, mean_b = a.mean(axis=0, dtype=np.float64), b.mean(axis=0, dtype=np.float64)
    x, y = _root(a - mean_a), _root(b - mean_b)
    trace_of_root = np.linalg.svd(x @ y.T, compute_uv=False).sum()
    squared = ((mean_a - mean_b) ** 2).sum() + (x**2).sum() + (y**2).sum() - 2 * trace_of_root
    return max(0.0, float(squared))


def _root(centred: NDArray[np.float64]) -> NDArray[np.float64]:
    """R [min(n, D), D] with R^T R = sample covariance of the centred rows [n, D]."""
    n, width = centred.shape
    # An orthogonal factor from the left changes no singular value: drop it where R is smaller.
    root = np.linalg.qr(centred, mode="r") if n > width else centred
    return np.asarray(root / np.sqrt(n - 1), dtype=np.float64)


@dataclass(frozen=True)
class Fid:
    """``frechet_distance`` of all clips' frames as a set metric."""

    spec: MetricSpec
    extractors: tuple[Extractor, ...] = (_INCEPTION,)

    def measure(self, inputs: Inputs) -> Measurement:
        """Both sides' features; a clip has no value of its own.

        Raises:
            UnscorableError: A side has no frame.
        """
        rows = {"generated": _rows(inputs.generated), "reference": _rows(inputs.reference)}
        for side, found in rows.items():
            if not len(found):
                raise UnscorableError(f"the {side} video has no frame")
        return Measurement(value=None, frames=len(rows["generated"]), features=rows)

    def aggregate(self, measurements: Sequence[Measurement]) -> float:
        """The distance between all generated and all reference frames.

        Raises:
            UnscorableError: Fewer than 2 frames on a side.
        """
        a, b = (_pooled(measurements, side) for side in ("generated", "reference"))
        if min(len(a), len(b)) < 2:
            raise UnscorableError(
                f"a Fréchet distance needs 2 frames on each side: generated {len(a)}, "
                f"reference {len(b)}"
            )
        return frechet_distance(a, b)


def _rows(side: Side) -> NDArray[np.float32]:
    return np.asarray(side.tracks[_INCEPTION.id]["features"], dtype=np.float32)


def _pooled(measurements: Sequence[Measurement], side: str) -> NDArray[np.floating]:
    rows = [m.features[side] for m in measurements if m.features is not None]
    return np.concatenate(rows) if rows else np.empty((0, 1))


FID = (
    Fid(
        MetricSpec(
            name="fid@pytorch-fid",
            version="1",
            title="FID",
            direction="lower",
            bounds=(0.0, np.inf),
            perfect=0.0,
            paired=False,
            needs_frames=False,
            per_clip=False,
            protocol={
                "input": "whole frames as handed over, uint8 RGB; no crop; every scored frame",
                "resize": "RGB / 255, bilinear to 299x299 (align_corners=False, no antialiasing, "
                "aspect not kept), then 2x - 1",
                "features": "Inception-v3 of TensorFlow 2015-12-05, pool3, 2048-d; float32",
                "weights": f"{ASSET}, sha256 {ASSETS[ASSET].sha256[:8]}",
                "distance": "Fréchet distance of the two Gaussians, sample covariances, float64; "
                "the trace of the root as a sum of singular values, no matrix square root, no "
                "epsilon",
                "identical frames": "no rule: a set against itself has 0",
                "pooling": "all frames of all scored clips make one set on each side, so a long "
                "clip weighs more; there is no value per clip",
                "frames": "the value falls as N grows, most of all below 2048 frames: N belongs "
                "beside it, and only equal N compare",
                "failure": "fewer than 2 frames on a side have no value",
            },
            source="Heusel et al., NeurIPS 2017; pytorch-fid 0.3.0, equal to 5e-5 relative, which "
            "is the error of its matrix square root below 2049 frames. clean-fid (antialiased "
            "bicubic) is another protocol, 5 to 6 % higher on talking faces of 256x256",
            assets=(ASSET,),
        )
    ),
)
