"""MS-SSIM: structural similarity at five scales, multiplied.

Wang, Simoncelli and Bovik, Asilomar 2003. The libraries of the field agree on windows and weights
and differ in what they do with the edge: of a picture whose side is odd when it is halved, and
(torchmetrics) of the coarsest scale.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from metrics import words
from metrics.base import MetricSpec
from metrics.pixels import WHOLE, Frame, PixelMetric, Useless, protocol, with_regions
from metrics.similarity import Pair, Picture, Step, block_means, each_pair

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)

Odd = Literal["zeros", "repeat", "drop"]


@dataclass(frozen=True)
class MsSsimRule:
    """What MS-SSIM implementations disagree about.

    Attributes:
        odd: Before halving an odd side: put a row (column) of ``zeros`` in front; ``repeat`` the
            first row and column, of both axes where either is odd, then drop what is left over;
            ``drop`` the last one.
        channels_first: Mean over channels at each scale, and SSIM of the coarsest scale mirrored
            at the edges; otherwise the mean of the three channels' products, windows inside.
        smallest: Shorter side that the library accepts, px.
    """

    odd: Odd
    channels_first: bool
    smallest: int

    def __call__(self, a: Sequence[Frame], b: Sequence[Frame]) -> NDArray[np.float64]:
        """See :func:`ms_ssim_per_frame`."""
        return ms_ssim_per_frame(a, b, self)


PYTORCH_MSSSIM = MsSsimRule("zeros", channels_first=False, smallest=161)
PIQ = MsSsimRule("repeat", channels_first=False, smallest=161)
TORCHMETRICS = MsSsimRule("drop", channels_first=True, smallest=176)


def ms_ssim_per_frame(
    a: Sequence[Frame], b: Sequence[Frame], rule: MsSsimRule = PYTORCH_MSSSIM
) -> NDArray[np.float64]:
    """Multi-scale structural similarity of each frame pair.

    Args:
        a: n frames, uint8 RGB [H, W, 3], no side below ``rule.smallest``.
        b: As ``a``.
        rule: Which variant.

    Returns:
        float64 [n]; 1 for identical frames, 0 where the mean at a scale is not positive.
    """
    return each_pair(a, b, partial(_ms_ssim, rule=rule))


def _ms_ssim(pair: Pair, rule: MsSsimRule) -> float:
    scales = []
    for scale in range(len(WEIGHTS)):
        if scale:
            pair = pair.after(_halved(*pair.shape, rule.odd))
        scales.append(pair.similarity())
    last = scales[-1].everywhere if rule.channels_first else scales[-1].inside
    values = np.array([*(s.contrast for s in scales[:-1]), last])
    if rule.channels_first:
        values = values.mean(axis=1, keepdims=True)
    weights = np.array(WEIGHTS)[:, None]
    return float(np.prod(np.maximum(values, 0) ** weights, axis=0).mean())


def _halved(height: int, width: int, odd: Odd) -> Step:
    """Means of 2x2 blocks. Sides that are even are halved alike by all, and under one name."""
    name, halve = block_means(2)
    if odd == "drop" or not (height % 2 or width % 2):
        return name, halve
    top, left = (1, 1) if odd == "repeat" else (height % 2, width % 2)
    border = cv2.BORDER_REPLICATE if odd == "repeat" else cv2.BORDER_CONSTANT

    def padded(picture: Picture) -> Any:  # noqa: ANN401 - what OpenCV's stubs call an array
        return halve(np.asarray(cv2.copyMakeBorder(picture, top, 0, left, 0, border)))

    return f"{odd}, {name}", padded


_LARGE = "WDA_AlexandriaOcasioCortez_000 of HDTF at 512x512, every 10th frame"


def _cards(
    name: str,
    title: str,
    rule: MsSsimRule,
    *,
    odd: str,
    useless: Mapping[str, Useless],
    traps: str,
    source: str,
) -> tuple[PixelMetric, ...]:
    together = rule.channels_first
    choices = {
        "scales": f"five, each half the one before (means of 2x2 blocks); {odd}",
        "weights": f"exponents {', '.join(map(str, WEIGHTS))}: contrast and structure at the "
        "first four scales, SSIM at the last",
        "window": "Gaussian, sigma 1.5, 11x11, at every scale; population covariance",
        "border": "windows that leave the picture do not count"
        + ("; at the last scale they do, the picture mirrored at its edges" if together else ""),
        "channels": "mean of R, G, B at each scale, then the product"
        if together
        else "product for each of R, G, B, then their mean; no conversion to grey",
        "negative": "a scale whose mean is negative counts 0",
        "constants": "K1 0.01, K2 0.03, data range 255; computed in float64 on 0..255",
        "identical frames": "1, by the formula; their number is noted with the clip",
    }
    spec = MetricSpec(
        name=name,
        version="1",
        title=title,
        direction="higher",
        bounds=(0.0, 1.0),
        perfect=1.0,
        symmetric=True,
        protocol=protocol(
            choices,
            smallest=rule.smallest,
            pooling=words.CLIPS,
            useless=useless[WHOLE],
            traps=traps,
        ),
        source=source,
    )
    return with_regions(PixelMetric(spec, rule, rule.smallest), useless)


_PAPER = "Wang, Simoncelli and Bovik, Asilomar 2003"

MS_SSIM = (
    *_cards(
        "ms-ssim@pytorch-msssim",
        "MS-SSIM",
        PYTORCH_MSSSIM,
        odd="before an odd side is halved, a row (column) of zeros is put in front of it",
        useless={
            WHOLE: Useless(0.695, 0.052),
            "face": Useless(0.510, 0.078, clip=_LARGE),
            "mouth": Useless(0.196, 0.061, clip=_LARGE),
        },
        traps="where a side is odd at one of the first four scales (450 px: at the second), "
        "libraries differ, here by zeros that darken the edges of both videos; meters of NeRF "
        "talking heads call it on rendered floats, before any video is encoded",
        source=f"{_PAPER}; pytorch-msssim 1.0.0, ms_ssim(x, y, data_range=1.0), within 1e-6: its "
        "window is float32 whatever its input, ours is float64",
    ),
    *_cards(
        "ms-ssim@piq",
        "MS-SSIM (piq)",
        PIQ,
        odd="where a side is odd, the first row and the first column are repeated once, and what "
        "is left over at the end is dropped",
        useless={
            WHOLE: Useless(0.695, 0.052),
            "face": Useless(0.511, 0.078, clip=_LARGE),
            "mouth": Useless(0.195, 0.061, clip=_LARGE),
        },
        traps="equals ms-ssim@pytorch-msssim where no side is odd at any of the first four scales "
        "(256 and 512 px), and differs where one is",
        source=f"{_PAPER}; piq 0.8.0, piq.multi_scale_ssim(x, y, data_range=1.0), equal on "
        "float64, within 2e-6 on float32",
    ),
    *_cards(
        "ms-ssim@torchmetrics",
        "MS-SSIM (torchmetrics)",
        TORCHMETRICS,
        odd="the last row (column) of an odd side is dropped",
        useless={
            WHOLE: Useless(0.705, 0.057),
            "face": Useless(0.532, 0.084, clip=_LARGE),
            "mouth": Useless(0.215, 0.067, clip=_LARGE),
        },
        traps="the last scale counts windows that leave the picture: at 256 px, 220 of 256; "
        "without data_range torchmetrics takes the range from the data, another number",
        source=f"{_PAPER}; torchmetrics 1.9.0, MultiScaleStructuralSimilarityIndexMeasure("
        "data_range=1.0), within 1e-9 on float64 (its exponents are float32), 2e-6 on float32",
    ),
)
