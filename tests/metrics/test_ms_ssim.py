"""MS-SSIM against piq, torchmetrics and pytorch-msssim, and the laws it must obey."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from metrics import similarity
from metrics.base import STATED, Measurement, UnscorableError
from metrics.ms_ssim import MS_SSIM, PIQ, PYTORCH_MSSSIM, TORCHMETRICS, ms_ssim_per_frame

CARDS = {m.spec.name: m for m in MS_SSIM}
WHOLE = [m for m in MS_SSIM if m.region is None]
RULES = {"zeros": PYTORCH_MSSSIM, "repeat": PIQ, "drop": TORCHMETRICS}
# 176 and 192: even at every scale; 178: odd at the second; 177 and 179: odd at once.
SIZES = [(176, 192), (178, 177), (179, 192)]


def pattern(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Two related pictures that differ most where odd sides are padded, [1, H, W, 3]."""
    y, x, c = np.mgrid[0:height, 0:width, 0:3]
    a = 128 + 90 * np.sin((x * (1 + 0.1 * c) + y) / 9) + (x * y) % 23
    b = a + 60 * np.sin(x / 5 + y / 3 + c) * np.exp(-(x + y) / 90) - (x + 2 * y) % 11
    return tuple(np.clip(z, 0, 255).astype(np.uint8)[None] for z in (a, b))


def tensors(*frames: np.ndarray, dtype: torch.dtype) -> list[torch.Tensor]:
    return [torch.from_numpy(z).permute(0, 3, 1, 2).to(dtype) / 255 for z in frames]


@pytest.fixture(scope="module")
def large(carphone) -> np.ndarray:
    """carphone, large enough for five scales."""
    return np.stack([cv2.resize(f, (198, 181), interpolation=cv2.INTER_CUBIC) for f in carphone])


@pytest.mark.reference
@pytest.mark.parametrize("size", SIZES)
class TestAgainstThePackages:
    def test_piq(self, official, size):
        score = official("piq").multi_scale_ssim
        frames = pattern(*size)
        ours = ms_ssim_per_frame(*frames, PIQ)[0]
        # float64: the order of sums; float32, as people call it: lost digits.
        for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 2e-6)):
            theirs = score(*tensors(*frames, dtype=dtype), data_range=1.0, reduction="none")
            assert ours == pytest.approx(float(theirs), abs=tolerance)

    def test_torchmetrics(self, official, size):
        package = official("torchmetrics.image")
        frames = pattern(*size)
        ours = ms_ssim_per_frame(*frames, TORCHMETRICS)[0]
        # Its exponents are float32 even where frames are float64.
        for dtype, tolerance in ((torch.float64, 1e-9), (torch.float32, 2e-6)):
            metric = package.MultiScaleStructuralSimilarityIndexMeasure(data_range=1.0)
            theirs = metric.set_dtype(dtype)(*tensors(*frames, dtype=dtype))
            assert ours == pytest.approx(float(theirs), abs=tolerance)


@pytest.mark.parametrize(
    ("size", "theirs"),
    [
        ((256, 256), 0.9883939726681051),
        ((161, 170), 0.9735130326244218),
        ((200, 177), 0.9792574098616159),
        ((257, 321), 0.990063065258222),
    ],
)
def test_equals_what_pytorch_msssim_printed(size, theirs):
    """pytorch-msssim 1.0.0, ms_ssim(x, y, data_range=1.0) on float64 frames / 255.

    Its window is float32, which is worth 1e-7; any other rule for odd sides 6e-6 and more.
    """
    frames = pattern(*size)
    assert ms_ssim_per_frame(*frames)[0] == pytest.approx(theirs, abs=1.5e-7)
    if size != (256, 256):
        assert ms_ssim_per_frame(*frames, PIQ)[0] != pytest.approx(theirs, abs=5e-6)


def test_without_odd_sides_two_packages_agree_and_the_third_does_not():
    frames = pattern(256, 256)
    zeros, repeat, drop = (ms_ssim_per_frame(*frames, r)[0] for r in RULES.values())
    assert zeros == repeat
    assert abs(drop - zeros) > 1e-5


@pytest.mark.parametrize("metric", WHOLE, ids=lambda m: m.spec.name)
class TestLaws:
    def test_a_video_against_itself_is_perfect(self, metric, large, pair):
        found = metric.measure(pair(large[:2], large[:2]))
        assert found.value == metric.spec.perfect == 1
        assert found.notes == {"identical frames": 2}

    def test_more_blur_is_worse(self, metric, large, blurred, pair):
        gt = large[:2]
        ladder = [metric.measure(pair(blurred(gt, s), gt)).value for s in (0.5, 1, 2, 4)]
        assert ladder == sorted(ladder, reverse=True)
        assert ladder[0] - ladder[-1] > 0.03

    def test_forgives_blur_that_ssim_does_not(self, metric, large, blurred, pair):
        from metrics.fidelity import SSIM

        inputs = pair(blurred(large[:1], 2), large[:1])
        assert metric.measure(inputs).value > SSIM[0].measure(inputs).value + 0.03

    def test_symmetric(self, metric, pair):
        a, b = pattern(181, 200)
        there, back = (metric.measure(p).per_frame for p in (pair(a, b), pair(b, a)))
        assert metric.spec.symmetric
        np.testing.assert_allclose(there, back, rtol=1e-12)

    def test_the_inverse_counts_zero(self, metric, pair):
        a, _ = pattern(181, 200)
        assert metric.measure(pair(a, ~a)).value == 0

    def test_pieces_join_to_the_whole(self, metric, large, blurred, pair):
        a, b = large[:4], blurred(large[:4], 1)
        whole = metric.measure(pair(b, a))
        similarity._MEMORY._kept.clear()
        joined = Measurement.join(
            [metric.measure(pair(b[s], a[s])) for s in (slice(0, 1), slice(1, 4))]
        )
        np.testing.assert_array_equal(joined.per_frame, whole.per_frame)
        assert joined.value == whole.value

    def test_every_clip_counts_the_same(self, metric, large, blurred, pair):
        short, long = (metric.measure(pair(blurred(large[:n], n), large[:n])) for n in (1, 3))
        expected = (short.value + long.value) / 2
        assert metric.aggregate([short, long]) == pytest.approx(expected, rel=1e-12)

    def test_frames_too_small_for_five_scales_are_unscorable(self, metric, pair, official):
        side = metric.smallest
        enough, little = (pattern(n, 256)[0] for n in (side, side - 1))
        assert metric.measure(pair(enough, enough)).value == 1
        why = f"frames are 256x{side - 1} px: {metric.spec.name} needs {side} px"
        with pytest.raises(UnscorableError, match=why):
            metric.measure(pair(little, little))
        theirs = {
            "ms-ssim@piq": ("piq", "multi_scale_ssim"),
            "ms-ssim@torchmetrics": (
                "torchmetrics.functional.image",
                "multiscale_structural_similarity_index_measure",
            ),
        }
        if metric.spec.name in theirs:
            package, name = theirs[metric.spec.name]
            score = getattr(official(package), name)
            assert score(*tensors(enough, enough, dtype=torch.float64), data_range=1.0) == 1
            with pytest.raises(ValueError, match=r"height|size"):
                score(*tensors(little, little, dtype=torch.float64), data_range=1.0)


@pytest.mark.data
@pytest.mark.parametrize("metric", WHOLE, ids=lambda m: m.spec.name)
def test_useless_generators_get_what_the_card_says(metric, recorded, pair):
    gt = recorded.reference[::5]
    still, black = (
        metric.measure(pair(z, gt)).value for z in (gt[:1].repeat(len(gt), 0), np.zeros_like(gt))
    )
    stated = metric.spec.protocol["useless"]
    assert f"all along: {still:.3f}; black frames: {black:.3f}" in stated


def test_the_bare_name_means_pytorch_msssim():
    assert MS_SSIM[0].spec.name == "ms-ssim@pytorch-msssim"
    assert [m.spec.id for m in WHOLE] == [
        "ms-ssim@pytorch-msssim/1",
        "ms-ssim@piq/1",
        "ms-ssim@torchmetrics/1",
    ]
    for metric in MS_SSIM:
        assert set(STATED) <= metric.spec.protocol.keys()
