"""PSNR and SSIM: how far each frame's pixels are from the reference's.

Both are exact: PSNR sums squares in integers, SSIM filters in float64. There is one SSIM engine
(:mod:`metrics.similarity`); the libraries of the field differ in four settings of it
(``SsimRule``), worth a few thousandths on faces of 256x256 and hundredths on larger frames.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from metrics.base import MetricSpec, Pool, mean_of_clips, mean_of_frames
from metrics.pixels import (
    POOLING,
    WHOLE,
    Frame,
    PerFrame,
    PixelMetric,
    Useless,
    protocol,
    with_regions,
)
from metrics.similarity import GAUSSIAN, UNIFORM, Pair, Window, block_means, each_pair

CEILING_DB = 100.0
VICO_EPSILON = 1e-8
VICO_CEILING_DB = 80.0
VICO_FLOOR_DB = -10 * math.log10(1 + VICO_EPSILON)


def _mean_squares(a: Sequence[Frame], b: Sequence[Frame]) -> NDArray[np.float64]:
    """Mean of squared differences over all samples of each frame pair, [n]."""
    # The sum of squares of bytes is an integer, and OpenCV keeps it exact.
    sums = [cv2.norm(x, y, cv2.NORM_L2SQR) / x.size for x, y in zip(a, b, strict=True)]
    return np.array(sums, dtype=np.float64)


def psnr_per_frame(a: Sequence[Frame], b: Sequence[Frame]) -> NDArray[np.float64]:
    """Peak signal-to-noise ratio of each frame pair, never above ``CEILING_DB``.

    A useless frame (black for white) gets 0 dB. Identical frames would get infinity, and one
    still frame would make a clip's mean infinite with them: they get the ceiling. So does the
    frame that is nearly identical, which would otherwise beat the identical one: a single
    sample off by one in 256x256 is 101 dB.

    Args:
        a: n frames, uint8 RGB [H, W, 3].
        b: As ``a``.

    Returns:
        float64 [n], dB.
    """
    with np.errstate(divide="ignore"):
        psnr: NDArray[np.float64] = 10 * np.log10(255.0**2 / _mean_squares(a, b))
    return np.minimum(psnr, CEILING_DB)


def vico_psnr_per_frame(a: Sequence[Frame], b: Sequence[Frame]) -> NDArray[np.float64]:
    """Peak signal-to-noise ratio as piq has it: 1e-8 is added to the mean square of 0..1 samples.

    Args:
        a: n frames, uint8 RGB [H, W, 3].
        b: As ``a``.

    Returns:
        float64 [n], dB; 80 for identical frames, a hair below 0 for black against white.
    """
    mean_squares = _mean_squares(a, b) / 255.0**2
    psnr: NDArray[np.float64] = -10 * np.log10(mean_squares + VICO_EPSILON)
    return psnr


@dataclass(frozen=True)
class SsimRule:
    """What SSIM implementations disagree about.

    Attributes:
        window: What local means are taken over.
        shrink: Average blocks of round(min(H, W) / 256) pixels a side first.
        mirror: A window around every pixel, the frame mirrored at its edges; otherwise only
            windows that lie inside the frame count.
    """

    window: Window = GAUSSIAN
    shrink: bool = False
    mirror: bool = False

    @property
    def smallest(self) -> int:
        """Shorter side that it needs, px; where frames are shrunk, they are larger."""
        return self.window.taps // 2 + 1 if self.mirror else self.window.taps

    def __call__(self, a: Sequence[Frame], b: Sequence[Frame]) -> NDArray[np.float64]:
        """See :func:`ssim_per_frame`."""
        return ssim_per_frame(a, b, self)


WANG = SsimRule()
SKIMAGE_UNIFORM = SsimRule(UNIFORM)
PIQ = SsimRule(shrink=True)
TORCHMETRICS = SsimRule(mirror=True)


def ssim_per_frame(
    a: Sequence[Frame], b: Sequence[Frame], rule: SsimRule = WANG
) -> NDArray[np.float64]:
    """Mean structural similarity of each frame pair over windows and channels.

    Args:
        a: n frames, uint8 RGB [H, W, 3], no side below ``rule.smallest``.
        b: As ``a``.
        rule: Which variant.

    Returns:
        float64 [n]; 1 for identical frames, near 0 for unrelated ones.
    """
    return each_pair(a, b, partial(_ssim, rule=rule))


def _ssim(pair: Pair, rule: SsimRule) -> float:
    block = max(1, round(min(pair.shape) / 256)) if rule.shrink else 1
    if block > 1:
        pair = pair.after(block_means(block))
    means = pair.similarity(rule.window)
    return float(np.mean(means.everywhere if rule.mirror else means.inside))


def _psnr(
    name: str,
    title: str,
    per_frame: PerFrame,
    bounds: tuple[float, float],
    *,
    choices: Mapping[str, str],
    pool: Pool,
    useless: Mapping[str, Useless],
    traps: str,
    source: str,
) -> tuple[PixelMetric, ...]:
    spec = MetricSpec(
        name=name,
        version="1",
        title=title,
        direction="higher",
        unit="dB",
        bounds=bounds,
        perfect=bounds[1],
        symmetric=True,
        protocol=protocol(
            choices, smallest=1, pooling=POOLING[pool], useless=useless[WHOLE], traps=traps
        ),
        source=source,
    )
    return with_regions(PixelMetric(spec, per_frame, pool=pool), useless)


PSNR = (
    *_psnr(
        "psnr",
        "PSNR",
        psnr_per_frame,
        (0.0, CEILING_DB),
        choices={
            "per frame": "10 log10(255^2 / MSE), MSE over all pixels and channels together, uint8 "
            "RGB, summed in integers",
            "identical frames": "100 dB each, by convention (the formula says infinity); their "
            "number is noted with the clip",
            "ceiling": "values above 100 dB count 100, so that no frame beats an identical one; "
            "at 256x256 that takes fewer than 2 samples off by 1",
        },
        pool=mean_of_clips,
        useless={
            WHOLE: Useless(22.85, 5.91, " dB"),
            "face": Useless(20.34, 5.94, " dB"),
            "mouth": Useless(20.21, 4.66, " dB"),
        },
        traps="libraries differ on identical frames (infinity, 100 dB, 80 dB); the PSNR of a "
        "clip's mean MSE is another number, never a higher one; differences of uint8 arrays wrap "
        "around (TalkLip's visual_quality.py lets them)",
        source="skimage.metrics.peak_signal_noise_ratio(a, b, data_range=255) of "
        "scikit-image 0.26.0, equal below the ceiling",
    ),
    *_psnr(
        "psnr@vico",
        "PSNR (vico)",
        vico_psnr_per_frame,
        (VICO_FLOOR_DB, VICO_CEILING_DB),
        choices={
            "per frame": "-10 log10(MSE + 1e-8), MSE over all pixels and channels together, "
            "RGB / 255, in float64",
            "identical frames": "80 dB each, by the formula; their number is noted with the clip",
        },
        pool=mean_of_frames,
        useless={
            WHOLE: Useless(22.46, 5.91, " dB"),
            "face": Useless(19.95, 5.94, " dB"),
            "mouth": Useless(19.82, 4.66, " dB"),
        },
        traps="identical frames get 80 dB here and 100 dB under psnr; frames below 43 dB agree to "
        "0.001 dB",
        source="vico_challenge_baseline @ a282472, evaluations/compute_base_metrics.py, which is "
        "piq.psnr (piq 0.8.0; 0.7.0 is the same) on float32 frames, within 1e-5 dB of ours",
    ),
)


def _ssim_cards(
    name: str,
    title: str,
    rule: SsimRule,
    *,
    useless: Mapping[str, Useless],
    traps: str,
    source: str,
    pool: Pool = mean_of_clips,
) -> tuple[PixelMetric, ...]:
    taps, sample = rule.window.taps, rule.window.sample_covariance
    choices = {
        "resize": "means of f x f blocks, f = round(min(H, W) / 256) with halves to even, so from "
        "384 px on; rows and columns left over are dropped"
        if rule.shrink
        else "none",
        "window": f"{'Gaussian, sigma 1.5' if rule.window == GAUSSIAN else 'uniform'}, "
        f"{taps}x{taps}",
        "covariance": f"{'sample' if sample else 'population'} (divided by N{' - 1' * sample})",
        "border": "a window around every pixel, the frame mirrored at its edges (the edge itself "
        "not repeated)"
        if rule.mirror
        else f"windows that leave the frame do not count: {taps // 2} px on each side",
        "channels": "each of R, G, B for itself, then their mean; no conversion to grey",
        "constants": "K1 0.01, K2 0.03, data range 255; computed in float64 on 0..255",
        "identical frames": "1, by the formula; their number is noted with the clip",
    }
    spec = MetricSpec(
        name=name,
        version="1",
        title=title,
        direction="higher",
        bounds=(-1.0, 1.0),
        perfect=1.0,
        symmetric=True,
        protocol=protocol(
            choices,
            smallest=rule.smallest,
            pooling=POOLING[pool],
            useless=useless[WHOLE],
            traps=traps,
        ),
        source=source,
    )
    return with_regions(PixelMetric(spec, rule, rule.smallest, pool=pool), useless)


_GAUSSIAN_USELESS = {
    WHOLE: Useless(0.678, 0.000),
    "face": Useless(0.490, 0.000),
    "mouth": Useless(0.458, 0.000),
}
_PIQ = (
    "piq.ssim(x, y, data_range=1.0) of piq 0.8.0 (0.7.0 is the same) on RGB / 255. Ours is "
    "float64; piq computes in its input's precision, and in float32 it is off by up to 2e-5 where "
    "frames are flat"
)

SSIM = (
    *_ssim_cards(
        "ssim@skimage-wang",
        "SSIM",
        WANG,
        useless=_GAUSSIAN_USELESS,
        traps="these are the settings of Wang's paper, not scikit-image's defaults "
        "(ssim@skimage-uniform); libraries differ by thousandths at 256 px",
        source="Wang et al., IEEE TIP 13(4), 2004; scikit-image 0.26.0, structural_similarity("
        "gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255, "
        "channel_axis=2), equal",
    ),
    *_ssim_cards(
        "ssim@skimage-uniform",
        "SSIM (uniform)",
        SKIMAGE_UNIFORM,
        useless={
            WHOLE: Useless(0.663, 0.000),
            "face": Useless(0.460, 0.000),
            "mouth": Useless(0.416, 0.000),
        },
        traps="for float frames scikit-image needs data_range: old versions took 2, whatever the "
        "frames' range",
        source="scikit-image 0.26.0, structural_similarity(data_range=255, channel_axis=2), that "
        "is its defaults, equal",
    ),
    *_ssim_cards(
        "ssim@piq",
        "SSIM (piq)",
        PIQ,
        useless=_GAUSSIAN_USELESS,
        traps="from 384 px on the frame (or the crop) is made smaller first: its values do not "
        "compare with other cards', and crops of one clip may be on both sides of that size",
        source=f"{_PIQ}",
    ),
    *_ssim_cards(
        "ssim@torchmetrics",
        "SSIM (torchmetrics)",
        TORCHMETRICS,
        useless={
            WHOLE: Useless(0.694, 0.000),
            "face": Useless(0.507, 0.000),
            "mouth": Useless(0.496, 0.000),
        },
        traps="without data_range torchmetrics takes the range from the data, another number; "
        "with a Gaussian it ignores kernel_size",
        source="torchmetrics 1.9.0, StructuralSimilarityIndexMeasure(data_range=1.0) on RGB / "
        "255. Ours is float64; in float32 torchmetrics is off by up to 2e-5 where frames are flat",
    ),
    *_ssim_cards(
        "ssim@vico",
        "SSIM (vico)",
        PIQ,
        useless=_GAUSSIAN_USELESS,
        traps="as ssim@piq; and not ssim@piq where clips differ in length",
        source="vico_challenge_baseline @ a282472, evaluations/compute_base_metrics.py, which is "
        f"{_PIQ}",
        pool=mean_of_frames,
    ),
)
