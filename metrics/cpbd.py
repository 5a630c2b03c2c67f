"""CPBD: the share of edges in a picture that are too narrow to look blurred.

Cumulative probability of blur detection (Narvekar and Karam, IEEE TIP 20(9), 2011), with the
arithmetic of the package ``cpbd`` 1.0.7. The package walks over pixels in Python; here all edges
are walked at once, in integers.

The probabilities are gone, too. The package turns a width w and a just noticeable width j into
p = 1 - exp(-(w / j)^3.6), p into a bucket round(100 p), and counts the buckets 0 to 63. Widths
are whole numbers, and p(j) is 63.2 %: these are exactly the edges with w <= j.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Grey = NDArray[np.uint8]
"""uint8 [H, W], 0..255."""

BLOCK = 64
LEAST_CANNY_SHARE = 0.002
LONGEST_WALK = 100

# Just noticeable widths in px of an edge in a block of that much contrast, at most and above.
LOW_CONTRAST = 50
JNB_LOW_CONTRAST, JNB = 5, 3

_TAN_22_5 = float(np.tan(np.pi / 8))
_CANNY_LOW = float(np.float32(0.1))  # scikit-image takes the lower threshold in single precision
_CANNY_HIGH = 0.2


def cpbd(grey: Grey) -> float:
    """CPBD of one picture.

    Args:
        grey: uint8 [H, W], at least 64x64.

    Returns:
        The share of narrow edges, 0..1; higher is sharper. 0 where no edge counts.

    Raises:
        ValueError: Smaller than one block.
    """
    down, across = grey.shape[0] // BLOCK, grey.shape[1] // BLOCK
    if not down or not across:
        raise ValueError(f"{grey.shape[1]}x{grey.shape[0]} px is smaller than one block of CPBD")
    rows, columns, widths = edge_widths(grey)
    inside = (rows < down * BLOCK) & (columns < across * BLOCK)
    block = rows[inside] // BLOCK * across + columns[inside] // BLOCK
    counts = np.bincount(block, minlength=down * across)
    if counts.any():
        counts[~_edge_blocks(grey, needed=counts > 0)] = 0
    if not counts.any():
        return 0.0
    tiles = _tiles(grey)
    contrast = tiles.max(axis=(1, 2)).astype(np.int64) - tiles.min(axis=(1, 2))
    limits = np.where(contrast <= LOW_CONTRAST, JNB_LOW_CONTRAST, JNB)
    narrow = np.bincount(block, weights=widths[inside] <= limits[block], minlength=len(counts))
    return float(narrow[counts > 0].sum() / counts.sum())


def edge_widths(grey: Grey) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.int64]]:
    """Widths of the upright edges of a picture, after Marziliano et al. 2002.

    From an edge the brightness is followed to the left and to the right for as long as it keeps
    falling and rising. As in the package, an edge without any horizontal slope counts as one that
    rises to the right, and a picture in which every slope points exactly to the right has no
    edges at all.

    Args:
        grey: uint8 [H, W].

    Returns:
        Rows, columns and widths in px of the edges, int64 [edges] each.
    """
    at = np.nonzero(_sobel_edges(grey)[1:-1, 1:-1])
    rows, columns = at[0] + 1, at[1] + 1
    if not _slopes_elsewhere(grey):
        return rows[:0], columns[:0], np.zeros(0, dtype=np.int64)
    slope_x = grey[rows, columns + 1].astype(np.int64) - grey[rows, columns - 1]
    slope_y = grey[rows + 1, columns].astype(np.int64) - grey[rows - 1, columns]
    # Angles are rounded to multiples of 45 degrees; 0 and 180 are the upright edges.
    upright = (np.abs(slope_y) < _TAN_22_5 * np.abs(slope_x)) | (slope_x == 0)
    rows, columns = rows[upright], columns[upright]
    way = np.where(slope_x[upright] >= 0, 1, -1).astype(np.int8)
    # steps[r, c] leads from column c - 1 to column c; steps across the frame's edges lead nowhere.
    height, width = grey.shape
    steps = np.zeros((height, width + 1), dtype=np.int8)
    steps[:, 1:-1] = np.sign(np.diff(grey.astype(np.int16), axis=1))
    place = rows * (width + 1) + columns
    widths = 2 + _walk(steps.ravel(), place - 1, -1, way) + _walk(steps.ravel(), place + 2, 1, way)
    return rows, columns, widths


def _walk(
    steps: NDArray[np.int8], place: NDArray[np.intp], side: int, way: NDArray[np.int8]
) -> NDArray[np.int64]:
    """How many steps in a row have the wanted sign, at most ``LONGEST_WALK``.

    Args:
        steps: int8 [places].
        place: [edges], where the first step is.
        side: -1 or 1, which place is next.
        way: int8 [edges], the wanted sign.

    Returns:
        int64 [edges].
    """
    walked = np.zeros(len(place), dtype=np.int64)
    walking = np.arange(len(place))
    for _ in range(LONGEST_WALK):
        on = steps[place] == way
        walking, place, way = walking[on], place[on] + side, way[on]
        if not walking.size:
            break
        walked[walking] += 1
    return walked


def _sobel_edges(grey: Grey) -> NDArray[np.bool_]:
    """Thinned local maxima of the horizontal slope, bool [H, W]; exact in integers."""
    slope = cv2.Sobel(grey, cv2.CV_16S, 1, 0, ksize=3, borderType=cv2.BORDER_REFLECT)
    strength = np.square(slope.astype(np.int32))
    # The package's kernel is an eighth of this one, its threshold twice a root: not homogeneous.
    scale = 64.0
    threshold = 2 * np.sqrt(strength.mean(dtype=np.float64) / scale)
    strength[strength <= threshold * scale] = 0
    framed = np.pad(strength, 1)
    middle = framed[1:-1, 1:-1]
    across = (middle > framed[1:-1, :-2]) & (middle > framed[1:-1, 2:])
    down = (middle > framed[:-2, 1:-1]) & (middle > framed[2:, 1:-1])
    return np.asarray(across | down, dtype=np.bool_)


def _slopes_elsewhere(grey: Grey) -> bool:
    """Some pixel's slope has an angle other than 0."""
    across, down = (_differences(grey, axis) for axis in (1, 0))
    return bool(np.any((across < 0) | ((across > 0) & (down != 0))))


def _differences(grey: Grey, axis: int) -> NDArray[np.int16]:
    """Central differences, one-sided at the edges; only their signs are right there."""
    level = np.moveaxis(grey.astype(np.int16), axis, 0)
    found = np.empty_like(level)
    found[1:-1] = level[2:] - level[:-2]
    found[0], found[-1] = level[1] - level[0], level[-1] - level[-2]
    return np.moveaxis(found, 0, axis)


def _tiles(picture: NDArray[np.generic]) -> NDArray[np.generic]:
    """Whole blocks row by row, [blocks, 64, 64]."""
    down, across = picture.shape[0] // BLOCK, picture.shape[1] // BLOCK
    whole = picture[: down * BLOCK, : across * BLOCK]
    return whole.reshape(down, BLOCK, across, BLOCK).transpose(0, 2, 1, 3).reshape(-1, BLOCK, BLOCK)


def _edge_blocks(grey: Grey, needed: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Blocks with more than 0.2 % Canny edges, that is 9 pixels or more.

    Canny of scikit-image (sigma 1, thresholds 0.1 and 0.2), which the package calls on levels of
    0..255, although the thresholds are meant for 0..1: nearly every local maximum passes. So
    most blocks are decided by a few of their rows, and hardly ever one by its weak edges.

    Args:
        grey: uint8 [H, W].
        needed: bool [blocks], where the answer matters; elsewhere it is False.
    """
    slopes = _Slopes.of(grey)
    across = grey.shape[1] // BLOCK
    least = BLOCK * BLOCK * LEAST_CANNY_SHARE

    def maxima(blocks: NDArray[np.bool_], rows: slice, floor: float) -> NDArray[np.intp]:
        """Flat indices of the local maxima that lie in these blocks and rows."""
        mask = np.kron(blocks.reshape(-1, across), np.ones((BLOCK, BLOCK), dtype=np.bool_))
        chosen = np.zeros(grey.shape, dtype=np.bool_)
        chosen[: mask.shape[0], : mask.shape[1]][rows] = mask[rows]
        return slopes.maxima(chosen & (slopes.strength >= floor))

    def has_enough(at: NDArray[np.intp]) -> NDArray[np.bool_]:
        rows, columns = np.divmod(at, grey.shape[1])
        block = rows // BLOCK * across + columns // BLOCK
        return np.asarray(np.bincount(block, minlength=needed.size) > least, dtype=np.bool_)

    found = has_enough(maxima(needed, slice(1, None, 4), _CANNY_HIGH))
    found |= has_enough(maxima(needed & ~found, slice(None), _CANNY_HIGH))
    open_ = needed & ~found
    open_ &= has_enough(maxima(open_, slice(None), _CANNY_LOW))
    if not open_.any():
        return found
    # A weak edge counts where it hangs together with a strong one, wherever that is.
    weak = slopes.maxima(slopes.strength >= _CANNY_LOW)
    edges = np.zeros(grey.shape, dtype=np.uint8)
    edges.ravel()[weak] = 1
    _, labels = cv2.connectedComponents(edges, connectivity=8)
    label = labels.ravel()[weak]
    good = np.unique(label[slopes.strength.ravel()[weak] >= _CANNY_HIGH])
    edges.ravel()[weak[~np.isin(label, good)]] = 0
    found[open_] = np.count_nonzero(_tiles(edges)[open_], axis=(1, 2)) > least
    return found


@dataclass(frozen=True)
class _Slopes:
    """Slopes of the smoothed picture, float64 [H, W] each; x to the right, y down.

    The filters are SciPy's, as in scikit-image: on a plateau rounding decides, and rounding
    depends on the order of the sums.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    strength: NDArray[np.float64]

    @classmethod
    def of(cls, grey: Grey) -> _Slopes:
        smooth = ndimage.gaussian_filter(grey.astype(np.float64), 1.0, mode="constant")
        smooth /= _inside_share(*grey.shape)
        x, y = ndimage.sobel(smooth, axis=1), ndimage.sobel(smooth, axis=0)
        return cls(x, y, np.sqrt(y * y + x * x))

    def maxima(self, candidates: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Those that no neighbour along their own direction exceeds; flat indices.

        Args:
            candidates: bool [H, W]; the outermost pixels are none.
        """
        width = self.x.shape[1]
        inner = np.flatnonzero(candidates[1:-1, 1:-1])
        at = (inner // (width - 2) + 1) * width + inner % (width - 2) + 1
        sx, sy = self.x.ravel()[at], self.y.ravel()[at]
        steep = np.abs(sy) > np.abs(sx)
        weight = np.where(steep, np.abs(sx), np.abs(sy)) / np.where(steep, np.abs(sy), np.abs(sx))
        down = np.where((sx > 0) == (sy > 0), width, -width)
        near, far = np.where(steep, down, 1), down + 1
        flat = self.strength.ravel()
        for side in (1, -1):
            between = flat[at + side * far] * weight + flat[at + side * near] * (1.0 - weight)
            keep = between <= flat[at]
            at, weight, near, far = (z[keep] for z in (at, weight, near, far))
        return np.asarray(at, dtype=np.intp)


@lru_cache(maxsize=8)
def _inside_share(height: int, width: int) -> NDArray[np.float64]:
    """How much of the smoothing window lies inside the picture, float64 [H, W]."""
    ones = np.ones((height, width))
    share = ndimage.gaussian_filter(ones, 1.0, mode="constant")
    return np.asarray(share + np.finfo(np.float64).eps, dtype=np.float64)
