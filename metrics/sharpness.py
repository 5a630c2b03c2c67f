"""CPBD and the variance of the Laplacian: how sharp the generated frames are, without a reference.

What raises these numbers need not be detail: noise, ringing and blocks do it, too.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from metrics.base import MetricSpec, mean_of_clips, mean_of_frames
from metrics.cpbd import BLOCK, cpbd
from metrics.crops import FACE_REGION, MOUTH_REGION
from metrics.no_reference import FrameMetric, in_region, protocol
from metrics.pixels import Frame


def grey(frame: Frame) -> NDArray[np.uint8]:
    """Uint8 RGB [H, W, 3] -> uint8 [H, W], OpenCV's 0.299 R + 0.587 G + 0.114 B, rounded."""
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY), np.uint8)


def cpbd_of(frame: Frame) -> float:
    """CPBD of one frame, 0..1; see :func:`metrics.cpbd.cpbd`."""
    return cpbd(grey(frame))


def laplacian_variance(frame: Frame) -> float:
    """Variance of the Laplacian of one frame's grey levels; 0 where it is flat.

    Pech-Pacheco et al., ICPR 2000, as everybody calls it: ``cv2.Laplacian(grey, cv2.CV_64F).var()``
    with its kernel [0 1 0; 1 -4 1; 0 1 0] and the frame mirrored at its edges (the edge itself not
    repeated). Here the Laplacian is taken in whole numbers, which it consists of.
    """
    slopes = cv2.Laplacian(grey(frame), cv2.CV_16S)
    _, deviation = cv2.meanStdDev(slopes)
    return float(deviation[0, 0] ** 2)


_NOT_DETAIL = (
    "noise, ringing and the blocks of a codec raise it, and so does sharpening: a generated video "
    "can beat the real one"
)

CPBD = (
    FrameMetric(
        MetricSpec(
            name="cpbd@vico",
            version="1",
            title="CPBD",
            direction="higher",
            bounds=(0.0, 1.0),
            needs_reference=False,
            paired=False,
            protocol=protocol(
                {
                    "grey": "OpenCV's RGB to grey, rounded to whole levels",
                    "edges": "local maxima, along rows or columns, of the squared horizontal Sobel "
                    "slope (kernel over 8) above twice the root of its mean; those whose gradient, "
                    "rounded to 45 degrees, lies along the row, or that have no horizontal slope",
                    "width": "pixels, along the row, over which the levels keep falling to one "
                    "side and rising to the other; at least 2, at most 202",
                    "blocks": "64x64 px from the upper left, incomplete ones left out; those with "
                    "9 or more pixels of Canny edges (sigma 1, thresholds 0.1 and 0.2 on 0..255)",
                    "per frame": "share of the edges whose probability of being seen as blurred, "
                    "1 - exp(-(width / j)^3.6), rounds to at most 63 %: of those with width <= j. "
                    "j is 5 px in blocks with a contrast up to 50, else 3 px",
                    "frames without an edge": "0",
                },
                useless="black frames: 0; a still frame of a clip: that frame's own value (0.45 "
                "for the first of RD_Radio8_000 of HDTF at 256x256, whose clip has 0.42); uniform "
                "noise: 0.90; the clip blurred by sigma 1, 2, 4: 0.14, 0.01, 0.00",
                failure=f"frames with a side below {BLOCK} px have no value, nor has their clip "
                "(the package gives 0)",
                traps=f"{_NOT_DETAIL}. It counts pixels, so size and resampling move it: the clip "
                "above at 512x512 (bicubic) has 0.18. Backgrounds count as much as faces. Only "
                "slopes along the rows count, and none where a step is even to both sides. Blurred "
                "beyond recognition, the steps between whole levels count as edges (sigma 24: "
                "0.40). The thresholds of Canny are meant for 0..1, so nearly every block with a "
                "slope is an edge block",
                pool=mean_of_frames,
            ),
            source="Narvekar and Karam, IEEE TIP 20(9), 2011, by way of the package cpbd 1.0.7; "
            "vico_challenge_baseline @ a282472, evaluations/compute_cpbd.py (OpenCV's decoder; all "
            "frames of all videos pooled). Equal to the package on scikit-image 0.26.0 with SciPy "
            "1.17.1 and on 0.20.0 with 1.10.1; it needs scipy.ndimage.imread to be put back",
        ),
        cpbd_of,
        least_side=BLOCK,
        noted="frames without a narrow edge",
        pool=mean_of_frames,
    ),
)

_LAPLACIAN = FrameMetric(
    MetricSpec(
        name="sharpness@laplacian",
        version="1",
        title="VL",
        direction="higher",
        bounds=(0.0, float("inf")),
        needs_reference=False,
        paired=False,
        protocol=protocol(
            {
                "grey": "OpenCV's RGB to grey, rounded to whole levels 0..255",
                "kernel": "[0 1 0; 1 -4 1; 0 1 0], the frame (or the crop) mirrored at its edges, "
                "the edge itself not repeated",
                "per frame": "variance of the Laplacian over all pixels (divided by N)",
                "frames without an edge": "0",
            },
            useless="black frames: 0; a still frame of a clip: that frame's own value (584.7 for "
            "the first of RD_Radio8_000 of HDTF at 256x256, whose clip has 575.6); uniform noise "
            "in R, G and B: 48 778; the clip blurred by sigma 1, 2, 4: 44, 7, 2",
            failure="none of its own: any frame has a value",
            traps=f"{_NOT_DETAIL} (outputs of IP-LAP and Wav2Lip for the clip above: 849 and 848; "
            "their mouths are blurred, see @mouth). It grows with the square of the contrast and "
            "falls fast with the size at which a face is shown (the clip above at 512x512: 54), so "
            "only videos of one clip at one size compare. Where nobody says grey, levels 0..255 "
            "and this kernel, VL is another number",
            pool=mean_of_clips,
        ),
        source="Pech-Pacheco et al., ICPR 2000; cv2.Laplacian(grey, cv2.CV_64F).var() of OpenCV "
        "5.0.0, equal but for rounding. KeySync (arXiv 2505.00497) reports a variance of the "
        "Laplacian as VL; its repository @ cfff7cf has no code for it",
    ),
    laplacian_variance,
)

SHARPNESS = (
    _LAPLACIAN,
    in_region(
        _LAPLACIAN,
        "laplacian",
        FACE_REGION,
        "black frames: no face, no value; a still frame of a clip: that frame's own value (284.5 "
        "for the first of RD_Radio8_000 of HDTF at 256x256, whose clip has 256.9); the clip "
        "blurred by sigma 2: 8.0",
    ),
    in_region(
        _LAPLACIAN,
        "laplacian",
        MOUTH_REGION,
        "black frames: no face, no value; a still frame of a clip: that frame's own value (66.1 "
        "for the first of RD_Radio8_000 of HDTF at 256x256, whose clip has 69.9); the clip "
        "blurred by sigma 2: 9.0. A closed mouth has less to show than an open one with teeth",
    ),
)
