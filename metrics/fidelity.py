"""PSNR and SSIM: how far each frame's pixels are from the reference's.

Both are exact: PSNR sums squares in integers, SSIM filters in float64. There is one SSIM engine;
the libraries of the field differ in three settings of it (``SsimRule``), worth a few thousandths
on faces of 256x256 and hundredths on larger frames.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from metrics.base import (
    AnyExtractor,
    Frames,
    Inputs,
    Measurement,
    MetricSpec,
    UnscorableError,
    mean_of_clips,
)

CEILING_DB = 100.0


def psnr_per_frame(a: Frames, b: Frames) -> NDArray[np.float64]:
    """Peak signal-to-noise ratio of each frame pair, never above ``CEILING_DB``.

    A useless frame (black for white) gets 0 dB. Identical frames would get infinity, and one
    still frame would make a clip's mean infinite with them: they get the ceiling. So does the
    frame that is nearly identical, which would otherwise beat the identical one: a single
    sample off by one in 256x256 is 101 dB.

    Args:
        a: uint8 RGB [n, H, W, 3].
        b: As ``a``.

    Returns:
        float64 [n], dB.
    """
    # The sum of squares of bytes is an integer, and OpenCV keeps it exact.
    squares = [cv2.norm(x, y, cv2.NORM_L2SQR) for x, y in zip(a, b, strict=True)]
    mse = np.array(squares, dtype=np.float64) / math.prod(a.shape[1:])
    with np.errstate(divide="ignore"):
        psnr: NDArray[np.float64] = 10 * np.log10(255.0**2 / mse)
    return np.minimum(psnr, CEILING_DB)


@dataclass(frozen=True)
class SsimRule:
    """What SSIM implementations disagree about.

    Attributes:
        window: Weights along one axis; the window is their outer product. Odd length, sum 1.
        sample_covariance: Divide (co)variances by N - 1 instead of N, N = pixels of the window.
        shrink: Average blocks of round(min(H, W) / 256) pixels a side first.
    """

    window: tuple[float, ...]
    sample_covariance: bool = False
    shrink: bool = False


def _gaussian(sigma: float, radius: int) -> tuple[float, ...]:
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return tuple((weights / weights.sum()).tolist())


WANG = SsimRule(_gaussian(sigma=1.5, radius=5))
UNIFORM = SsimRule((1 / 7,) * 7, sample_covariance=True)
PIQ = SsimRule(_gaussian(sigma=1.5, radius=5), shrink=True)


def ssim_per_frame(a: Frames, b: Frames, rule: SsimRule = WANG) -> NDArray[np.float64]:
    """Mean structural similarity of each frame pair over channels and whole windows.

    Wang et al. 2004, equation 13, with K1 = 0.01, K2 = 0.03 and a data range of 255. Only
    windows that lie inside the frame count, so no border rule enters.

    Args:
        a: uint8 RGB [n, H, W, 3].
        b: As ``a``.
        rule: Which variant.

    Returns:
        float64 [n]; 1 for identical frames, near 0 for unrelated ones.

    Raises:
        UnscorableError: The frames (after shrinking) are smaller than the window.
    """
    block = max(1, round(min(a.shape[1:3]) / 256)) if rule.shrink else 1
    height, width = a.shape[1] // block, a.shape[2] // block
    taps = len(rule.window)
    if min(height, width) < taps:
        raise UnscorableError(
            f"frames of {width}x{height} px are smaller than the {taps}x{taps} window of SSIM"
        )
    return np.array(
        [
            _similarity(_floats(x, block), _floats(y, block), rule)
            for x, y in zip(a, b, strict=True)
        ],
        dtype=np.float64,
    )


def _floats(frame: NDArray[np.uint8], block: int) -> NDArray[np.float64]:
    """uint8 [H, W, 3] -> float64 [H // block, W // block, 3], means of blocks."""
    if block == 1:
        return frame.astype(np.float64, order="C")
    height, width = frame.shape[0] // block, frame.shape[1] // block
    whole = frame[: height * block, : width * block].astype(np.float64, order="C")
    means = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(means, dtype=np.float64)


def _similarity(x: NDArray[np.float64], y: NDArray[np.float64], rule: SsimRule) -> float:
    weights, radius = np.array(rule.window), len(rule.window) // 2
    inside = slice(radius, -radius)

    def local_mean(z: NDArray[np.float64]) -> NDArray[np.float64]:
        filtered = cv2.sepFilter2D(z, cv2.CV_64F, weights, weights)[inside, inside]
        return np.asarray(filtered, dtype=np.float64)

    # SSIM needs the two variances only as a sum: four filters do, not five.
    mean_x, mean_y = local_mean(x), local_mean(y)
    mean_squares, mean_product = mean_x**2 + mean_y**2, mean_x * mean_y
    pixels = len(rule.window) ** 2
    norm = pixels / (pixels - 1) if rule.sample_covariance else 1.0
    variances = norm * (local_mean(x**2 + y**2) - mean_squares)
    covariance = norm * (local_mean(x * y) - mean_product)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    similarity = ((2 * mean_product + c1) * (2 * covariance + c2)) / (
        (mean_squares + c1) * (variances + c2)
    )
    return float(similarity.mean())


@dataclass(frozen=True)
class Psnr:
    """``psnr_per_frame`` as a metric."""

    spec: MetricSpec
    extractors: tuple[AnyExtractor, ...] = ()

    def measure(self, inputs: Inputs) -> Measurement:
        """Mean over frames; counts the identical ones."""
        a, b = inputs.pixels()
        identical = sum(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
        return Measurement.of_frames(psnr_per_frame(a, b), {"identical frames": identical})

    def aggregate(self, measurements: Sequence[Measurement]) -> float:
        """Mean over clips."""
        return mean_of_clips(measurements)


@dataclass(frozen=True)
class Ssim:
    """``ssim_per_frame`` under one rule as a metric."""

    spec: MetricSpec
    rule: SsimRule
    extractors: tuple[AnyExtractor, ...] = ()

    def measure(self, inputs: Inputs) -> Measurement:
        """Mean over frames."""
        return Measurement.of_frames(ssim_per_frame(*inputs.pixels(), self.rule))

    def aggregate(self, measurements: Sequence[Measurement]) -> float:
        """Mean over clips."""
        return mean_of_clips(measurements)


_POOLING = (
    "mean of the frames' values in a clip, then mean of the clips: a long clip weighs no more"
)

PSNR = (
    Psnr(
        MetricSpec(
            name="psnr",
            version="1",
            title="PSNR",
            direction="higher",
            unit="dB",
            bounds=(0.0, CEILING_DB),
            perfect=CEILING_DB,
            protocol={
                "input": "whole frames as handed over, uint8 RGB; no crop, no resize",
                "per frame": "10 log10(255^2 / MSE), MSE over all pixels and channels together, "
                "summed in integers",
                "identical frames": "100 dB each, by convention (the formula says infinity); "
                "their number is noted with the clip",
                "ceiling": "values above 100 dB count 100, so that no frame beats an identical "
                "one; that takes fewer than 1 sample in 150 000 off by 1",
                "pooling": _POOLING,
                "failure": "none of its own: any two frames of one size have a value",
            },
            source="skimage.metrics.peak_signal_noise_ratio(a, b, data_range=255) of "
            "scikit-image 0.26.0, equal below the ceiling. vico_challenge_baseline @ a282472 "
            "(piq.psnr) adds 1e-8 to the MSE of 0..1 frames, so it stops at 80 dB, and pools "
            "frames, not clips",
        )
    ),
)


def _ssim(
    name: str,
    title: str,
    rule: SsimRule,
    *,
    window: str,
    covariance: str,
    source: str,
    resize: str = "none",
) -> Ssim:
    taps = len(rule.window)
    protocol = {
        "input": "whole frames as handed over, uint8 RGB; no crop",
        "resize": resize,
        "window": f"{window}, {taps}x{taps}",
        "covariance": covariance,
        "border": f"windows that leave the frame do not count: {taps // 2} px on each side",
        "channels": "each of R, G, B for itself, then their mean; no conversion to grey",
        "constants": "K1 0.01, K2 0.03, data range 255; computed in float64 on 0..255",
        "identical frames": "1, by the formula",
        "pooling": _POOLING,
        "failure": f"frames smaller than {taps}x{taps} px (after the resize) have no value",
    }
    return Ssim(
        MetricSpec(
            name=name,
            version="1",
            title=title,
            direction="higher",
            bounds=(-1.0, 1.0),
            perfect=1.0,
            protocol=protocol,
            source=source,
        ),
        rule,
    )


SSIM = (
    _ssim(
        "ssim@skimage-wang",
        "SSIM",
        WANG,
        window="Gaussian, sigma 1.5",
        covariance="population (divided by N)",
        source="Wang et al., IEEE TIP 13(4), 2004; scikit-image 0.26.0, structural_similarity("
        "gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255, "
        "channel_axis=2), equal",
    ),
    _ssim(
        "ssim@skimage-uniform",
        "SSIM (uniform)",
        UNIFORM,
        window="uniform",
        covariance="sample (divided by N - 1)",
        source="scikit-image 0.26.0, structural_similarity(data_range=255, channel_axis=2), that "
        "is its defaults, equal",
    ),
    _ssim(
        "ssim@piq",
        "SSIM (piq)",
        PIQ,
        resize="means of f x f blocks, f = round(min(H, W) / 256) with halves to even, so from "
        "384 px on; rows and columns left over are dropped",
        window="Gaussian, sigma 1.5",
        covariance="population (divided by N)",
        source="piq 0.8.0 (0.7.0 is the same), piq.ssim(x, y, data_range=1.0) on RGB / 255. Ours "
        "is float64; piq computes in its input's precision, and in float32 it is off by up to "
        "1e-5 where frames are flat. vico_challenge_baseline @ a282472 calls piq and pools "
        "frames, not clips",
    ),
)
