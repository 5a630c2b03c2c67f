"""PSNR and SSIM against scikit-image and piq, and the laws they must obey."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from metrics.base import Measurement, UnscorableError
from metrics.fidelity import (
    PIQ,
    PSNR,
    SSIM,
    UNIFORM,
    WANG,
    psnr_per_frame,
    ssim_per_frame,
)

PSNR_CARD = PSNR[0]
RULES = {"wang": WANG, "uniform": UNIFORM, "piq": PIQ}
SKIMAGE = {
    "wang": {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False},
    "uniform": {},
}
# Both sides are float64 and differ in the order of their sums only.
ROUNDING = 1e-9


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def similar(seed: int, *shape: int) -> tuple[np.ndarray, np.ndarray]:
    """Two related pictures: noise, and the same with a tenth of its samples replaced."""
    a, other = noise(seed, *shape), noise(seed + 1, *shape)
    return a, np.where(noise(seed + 2, *shape) < 26, other, a)


class TestAgainstScikitImage:
    def test_psnr(self, carphone, blurred):
        a, b = carphone[:6], blurred(carphone[:6], 1.5)
        theirs = [peak_signal_noise_ratio(y, x, data_range=255) for x, y in zip(a, b, strict=True)]
        np.testing.assert_allclose(psnr_per_frame(a, b), theirs, rtol=0, atol=ROUNDING)

    @pytest.mark.parametrize("rule", SKIMAGE)
    def test_ssim_of_a_clip(self, carphone, blurred, rule):
        a, b = carphone[:4], blurred(carphone[:4], 1.5)
        theirs = [
            structural_similarity(x, y, data_range=255, channel_axis=2, **SKIMAGE[rule])
            for x, y in zip(a, b, strict=True)
        ]
        np.testing.assert_allclose(ssim_per_frame(a, b, RULES[rule]), theirs, rtol=0, atol=ROUNDING)

    @pytest.mark.parametrize("rule", SKIMAGE)
    @pytest.mark.parametrize("size", [(11, 11), (11, 40), (23, 17), (64, 65)])
    def test_ssim_of_noise_at_odd_sizes(self, rule, size):
        a, b = similar(0, 1, *size, 3)
        theirs = structural_similarity(a[0], b[0], data_range=255, channel_axis=2, **SKIMAGE[rule])
        assert ssim_per_frame(a, b, RULES[rule])[0] == pytest.approx(theirs, abs=ROUNDING)


@pytest.mark.reference
# 383: last size left alone; 384: round(1.5) = 2; 640: round(2.5) = 2, halves go to even; 650: 3.
@pytest.mark.parametrize("size", [(144, 176), (383, 400), (384, 401), (640, 643), (650, 661)])
def test_ssim_equals_piq(official, size):
    piq = official("piq")
    a, b = similar(1, 1, *size, 3)

    def theirs(dtype: torch.dtype) -> float:
        x, y = (torch.from_numpy(z).permute(0, 3, 1, 2).to(dtype) / 255 for z in (a, b))
        return float(piq.ssim(x, y, data_range=1.0, reduction="none"))

    ours = ssim_per_frame(a, b, PIQ)[0]
    assert ours == pytest.approx(theirs(torch.float64), abs=ROUNDING)
    # As people call it, in float32: variance as a difference of squares loses digits.
    assert ours == pytest.approx(theirs(torch.float32), abs=2e-5)


@pytest.mark.data
@pytest.mark.parametrize(
    ("metric", "frames", "clip", "tolerance"),
    [
        (PSNR[0], "psnr_sk", "psnr_skimage", ROUNDING),
        (SSIM[0], "ssim_sk_wang", "ssim_skimage_gaussian", ROUNDING),
        (SSIM[1], "ssim_sk_default", "ssim_skimage_uniform7", ROUNDING),
        (SSIM[2], "ssim_piq", "ssim_piq", 2e-5),  # recorded in float32
    ],
    ids=["psnr", "wang", "uniform", "piq"],
)
def test_equals_the_recorded_values(recorded, pair, metric, frames, clip, tolerance):
    ours = metric.measure(pair(recorded.generated, recorded.reference))
    np.testing.assert_allclose(ours.per_frame, recorded.per_frame(frames), rtol=0, atol=tolerance)
    assert ours.value == pytest.approx(recorded.value(clip), abs=tolerance)
    assert ours.frames == 251


@pytest.mark.data
def test_a_still_video_has_a_finite_psnr(recorded, pair):
    gt = recorded.reference
    still = PSNR_CARD.measure(pair(np.repeat(gt[:1], len(gt), axis=0), gt))
    others = recorded.damaged["still_first_frame"]["psnr_sk_mean_over_finite_frames"]
    assert still.notes == {"identical frames": 1}
    assert still.value == pytest.approx((250 * others + 100) / 251, abs=ROUNDING)


class TestPsnr:
    def test_worst_is_zero(self):
        black = np.zeros((1, 4, 4, 3), np.uint8)
        assert psnr_per_frame(black, ~black).tolist() == [0.0]

    def test_squares_do_not_overflow_on_large_frames(self):
        black = np.zeros((1, 2160, 3840, 3), np.uint8)
        assert psnr_per_frame(black, ~black).tolist() == [0.0]

    def test_identical_frames_count_100_and_are_noted(self, pair):
        a = noise(0, 3, 16, 16, 3)
        b = a.copy()
        b[1] ^= 1  # off by one everywhere
        found = PSNR_CARD.measure(pair(b, a))
        one_off = 20 * math.log10(255)
        assert found.per_frame == pytest.approx([100, one_off, 100])
        assert found.value == pytest.approx((200 + one_off) / 3)
        assert found.notes == {"identical frames": 2}

    def test_no_frame_beats_an_identical_one(self, pair):
        a = noise(0, 1, 256, 256, 3)
        b = a.copy()
        b[0, 0, 0, 0] ^= 1  # 101 dB by the formula
        found = PSNR_CARD.measure(pair(b, a))
        assert found.value == 100
        assert found.notes == {}


@pytest.mark.parametrize("metric", [*PSNR, *SSIM], ids=lambda m: m.spec.name)
class TestLaws:
    def test_a_video_against_itself_is_perfect(self, metric, carphone, pair):
        assert metric.measure(pair(carphone[:3], carphone[:3])).value == metric.spec.perfect

    def test_more_blur_is_worse(self, metric, carphone, blurred, pair):
        gt = carphone[:3]
        ladder = [metric.measure(pair(blurred(gt, s), gt)).value for s in (0.5, 1, 2, 4)]
        assert ladder == sorted(ladder, reverse=True)
        assert ladder[0] - ladder[-1] > 0.1

    def test_symmetric(self, metric, pair):
        a, b = similar(3, 2, 32, 48, 3)
        there, back = (metric.measure(p).per_frame for p in (pair(a, b), pair(b, a)))
        np.testing.assert_allclose(there, back, rtol=1e-12)

    def test_pieces_join_to_the_whole(self, metric, carphone, blurred, pair):
        a, b = carphone[:5].copy(), blurred(carphone[:5], 1)
        a[3] = b[3]  # so that there is a note to join
        whole = metric.measure(pair(b, a))
        joined = Measurement.join(
            [metric.measure(pair(b[s], a[s])) for s in (slice(0, 2), slice(2, 3), slice(3, 5))]
        )
        assert joined.value == whole.value
        assert joined.notes == whole.notes
        np.testing.assert_array_equal(joined.per_frame, whole.per_frame)

    def test_memory_layout_does_not_matter(self, metric, pair):
        a, b = similar(4, 2, 40, 40, 3)
        a.flags.writeable = False
        views = pair(a[:, 4:-4, ::-1, ::-1], b[:, 4:-4, ::-1, ::-1])
        copies = pair(*(x[:, 4:-4, ::-1, ::-1].copy() for x in (a, b)))
        assert metric.measure(views).value == metric.measure(copies).value

    def test_every_clip_counts_the_same(self, metric, pair):
        short, long = (metric.measure(pair(*similar(n, n, 32, 32, 3))) for n in (1, 4))
        expected = (short.value + long.value) / 2
        assert metric.aggregate([short, long]) == pytest.approx(expected, rel=1e-12)
        assert metric.aggregate([short, long]) == metric.aggregate([long, short])


class TestSsim:
    def test_unrelated_noise_is_near_zero(self):
        value = ssim_per_frame(noise(0, 1, 128, 128, 3), noise(1, 1, 128, 128, 3))[0]
        assert abs(value) < 0.05

    def test_the_inverse_is_negative(self):
        a = noise(0, 1, 64, 64, 3)
        assert -1 <= ssim_per_frame(a, ~a)[0] < -0.8

    @pytest.mark.parametrize(
        ("metric", "size"), [(SSIM[0], (10, 64)), (SSIM[1], (64, 6)), (SSIM[2], (10, 10))]
    )
    def test_frames_below_the_window_are_unscorable(self, metric, size, pair):
        frames = noise(0, 2, *size, 3)
        taps = len(metric.rule.window)
        why = f"frames of {size[1]}x{size[0]} px are smaller than the {taps}x{taps} window"
        with pytest.raises(UnscorableError, match=why):
            metric.measure(pair(frames, frames))


def test_the_bare_names_mean_the_usual_cards():
    assert PSNR[0].spec.id == "psnr/1"
    assert [m.spec.id for m in SSIM] == [
        "ssim@skimage-wang/1",
        "ssim@skimage-uniform/1",
        "ssim@piq/1",
    ]
