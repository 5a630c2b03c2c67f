"""Structural similarity of two pictures: the arithmetic that SSIM and MS-SSIM cards share.

Wang et al., IEEE TIP 13(4), 2004, equation 13, with K1 = 0.01, K2 = 0.03 and a data range of 255,
in float64. A picture is worked through in bands of rows, so that the processor's cache still has
what one step wrote when the next reads it, and what several cards ask of the same two frames is
computed once.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]
"""uint8 RGB [H, W, 3]."""

Picture = NDArray[np.uint8] | NDArray[np.float64]
"""[H, W, 3], 0..255: a frame, or one made smaller."""

Step = tuple[str, Callable[[Any], NDArray[np.float64]]]
"""How a picture is made smaller: a name that says all of it, and the doing."""

C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2

_BAND = 1 << 17  # values of a band's buffer, 1 MB
_KEPT = 8192  # pairs of pictures, of less than a kilobyte each


@dataclass(frozen=True)
class Window:
    """What a local mean is taken over.

    Attributes:
        weights: Along one axis; the window is their outer product. Odd length, sum 1.
        sample_covariance: Divide (co)variances by N - 1 instead of N, N = pixels of the window.
    """

    weights: tuple[float, ...]
    sample_covariance: bool = False

    @property
    def taps(self) -> int:
        """Pixels along one side."""
        return len(self.weights)


def gaussian(sigma: float, radius: int) -> Window:
    """The Gaussian window of ``2 * radius + 1`` pixels a side."""
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return Window(tuple((weights / weights.sum()).tolist()))


GAUSSIAN = gaussian(sigma=1.5, radius=5)
UNIFORM = Window((1 / 7,) * 7, sample_covariance=True)


@dataclass(frozen=True)
class Similarity:
    """Two pictures in three numbers a channel, each a mean over windows.

    Attributes:
        everywhere: SSIM, one window around every pixel, the picture mirrored at its edges.
        inside: SSIM, only windows that lie inside the picture (NaN where none does).
        contrast: SSIM's second factor (contrast and structure), windows inside.
    """

    everywhere: tuple[float, ...]
    inside: tuple[float, ...]
    contrast: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Pair:
    """One frame of both videos.

    Attributes:
        x: Contiguous.
        y: As ``x``.
        key: What the two pictures are: a hash of the frames, and the steps since.
    """

    x: Picture
    y: Picture
    key: tuple[object, ...]

    @classmethod
    def of_frames(cls, x: Frame, y: Frame) -> Pair:
        """The pair of two frames, known by all their bytes: arrays may be written to."""
        x, y = np.ascontiguousarray(x), np.ascontiguousarray(y)
        content = hashlib.sha256(repr(x.shape).encode())
        content.update(x.data)
        content.update(y.data)
        return cls(x, y, (content.digest(),))

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width, px."""
        height, width, _ = self.x.shape
        return height, width

    def after(self, step: Step) -> Pair:
        """Both pictures made smaller."""
        name, apply = step
        return Pair(apply(self.x), apply(self.y), (*self.key, name))

    def similarity(self, window: Window = GAUSSIAN) -> Similarity:
        """See :func:`similarity`; computed once for all who ask."""
        return _MEMORY.recall((*self.key, window), lambda: similarity(self.x, self.y, window))


def each_pair(
    a: Sequence[Frame], b: Sequence[Frame], score: Callable[[Pair], float]
) -> NDArray[np.float64]:
    """A number for each pair of frames, on as many threads as OpenCV may use.

    Args:
        a: n frames, uint8 RGB [H, W, 3]; their sizes may differ.
        b: n frames, each of the size of its partner.
        score: The number.

    Returns:
        float64 [n].
    """
    pairs = list(zip(a, b, strict=True))
    threads = min(cv2.getNumThreads(), len(pairs))

    def one(pair: tuple[Frame, Frame]) -> float:
        return score(Pair.of_frames(*pair))

    if threads < 2:
        return np.array([one(pair) for pair in pairs], dtype=np.float64)
    with ThreadPoolExecutor(threads) as pool:
        return np.array(list(pool.map(one, pairs)), dtype=np.float64)


def block_means(side: int) -> Step:
    """Means of ``side`` x ``side`` blocks; rows and columns left over are dropped."""

    def apply(picture: Picture) -> NDArray[np.float64]:
        height, width = picture.shape[0] // side, picture.shape[1] // side
        whole = picture[: height * side, : width * side].astype(np.float64, order="C")
        means = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)
        return np.asarray(means, dtype=np.float64)

    return f"means of {side}", apply


def similarity(x: Picture, y: Picture, window: Window = GAUSSIAN) -> Similarity:
    """Compare two pictures.

    Args:
        x: [H, W, 3], both sides longer than half the window.
        y: As ``x``.
        window: What local means are taken over.
    """
    radius = window.taps // 2
    channels = zip(*(_planes(z, radius) for z in (x, y)), strict=True)
    means = [_channel(p, q, window) for p, q in channels]
    return Similarity(*zip(*means, strict=True))


def _planes(picture: Picture, radius: int) -> Sequence[Picture]:
    """R, G and B [H + 2 radius, W + 2 radius], mirrored without repeating the edge."""
    mirrored = cv2.copyMakeBorder(picture, radius, radius, radius, radius, cv2.BORDER_REFLECT_101)
    planes: Sequence[Any] = cv2.split(mirrored)
    return planes


def _channel(x: Picture, y: Picture, window: Window) -> tuple[float, float, float]:
    """Means of one channel: SSIM everywhere and inside, contrast inside."""
    radius, (rows, columns) = window.taps // 2, x.shape
    height, width = rows - 2 * radius, columns - 2 * radius
    step = max(1, _BAND // columns - 2 * radius)
    totals = np.zeros(3)
    for top in range(0, height, step):
        bottom = min(top + step, height)
        band = slice(top, bottom + 2 * radius)
        ssim, contrast = _maps(x[band], y[band], window)
        # Their row 0 is picture row ``top``; their outermost columns are beyond the picture.
        inside = (
            slice(max(radius - top, 0), max(min(bottom, height - radius) - top, 0)),
            slice(2 * radius, -2 * radius),
        )
        everywhere = ssim[:, radius:-radius]
        totals += everywhere.sum(), ssim[inside].sum(), contrast[inside].sum()
    whole = (height - 2 * radius) * (width - 2 * radius) if min(height, width) > 2 * radius else 0
    counts = [height * width] + [whole or np.nan] * 2
    return tuple((totals / counts).tolist())


def _maps(
    x: Picture, y: Picture, window: Window
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """SSIM and contrast of windows around all rows of a band but the first and last few.

    The results are views of buffers that the next call on this thread writes to.
    """
    mean_x, mean_y, products, squares, mean_product = _moments(x, y, window)
    # SSIM needs the two variances only as a sum: four filters do, not five.
    np.multiply(mean_x, mean_y, out=mean_product)
    np.multiply(mean_x, mean_x, out=mean_x)
    np.multiply(mean_y, mean_y, out=mean_y)
    mean_squares = np.add(mean_x, mean_y, out=mean_x)
    covariance = np.subtract(products, mean_product, out=products)
    variances = np.subtract(squares, mean_squares, out=squares)
    if window.sample_covariance:
        pixels = window.taps**2
        covariance *= pixels / (pixels - 1)
        variances *= pixels / (pixels - 1)
    luminance = _ratio(mean_product, mean_squares, C1)
    contrast = _ratio(covariance, variances, C2)
    return np.multiply(luminance, contrast, out=luminance), contrast


def _ratio(
    half: NDArray[np.float64], other: NDArray[np.float64], constant: float
) -> NDArray[np.float64]:
    """``(2 half + constant) / (other + constant)``, written over ``half``."""
    half *= 2
    half += constant
    other += constant
    half /= other
    return half


def _moments(x: Picture, y: Picture, window: Window) -> list[NDArray[np.float64]]:
    """Local means of x, y, xy and x² + y², and a free buffer, without the outermost rows."""
    mean_x, mean_y, mean_product, mean_squares, a, b, product, squares = _buffers(x.shape)
    a[...], b[...] = x, y
    np.multiply(a, b, out=product)
    np.multiply(a, a, out=squares)
    np.multiply(b, b, out=mean_x)
    squares += mean_x
    for values, mean in (
        (a, mean_x),
        (b, mean_y),
        (product, mean_product),
        (squares, mean_squares),
    ):
        _local_mean(values, window, mean)
    radius = window.taps // 2
    return [z[radius:-radius] for z in (mean_x, mean_y, mean_product, mean_squares, a)]


def _local_mean(values: NDArray[np.float64], window: Window, out: NDArray[np.float64]) -> None:
    if len(set(window.weights)) == 1:
        # Its running sums of bytes, and of their products, are integers: exact.
        cv2.boxFilter(values, cv2.CV_64F, (window.taps, window.taps), dst=out)
    else:
        weights = np.array(window.weights)
        cv2.sepFilter2D(values, cv2.CV_64F, weights, weights, dst=out)


_thread = threading.local()


def _buffers(shape: tuple[int, ...]) -> list[NDArray[np.float64]]:
    """Eight arrays to write to: memory fresh from the system costs as much as the arithmetic."""
    values = shape[0] * shape[1]
    store: NDArray[np.float64] | None = getattr(_thread, "store", None)
    if store is None or store.shape[1] < values:
        store = _thread.store = np.empty((8, max(values, _BAND)))
    return [row[:values].reshape(shape) for row in store]


class _Memory:
    """The latest results by key. Two threads that miss the same one both compute it."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[tuple[object, ...], Similarity] = OrderedDict()
        self._lock = threading.Lock()

    def recall(self, key: tuple[object, ...], compute: Callable[[], Similarity]) -> Similarity:
        """What was computed under this key, now if need be."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        found = compute()
        with self._lock:
            self._kept[key] = found
            if len(self._kept) > self._size:
                self._kept.popitem(last=False)
        return found


_MEMORY = _Memory(_KEPT)
