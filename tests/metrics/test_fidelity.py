"""PSNR and SSIM against scikit-image, piq and torchmetrics, and the laws they must obey."""

from __future__ import annotations

import math
import pickle

import cv2
import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from metrics import similarity
from metrics.base import STATED, Measurement, UnscorableError
from metrics.fidelity import (
    PIQ,
    PSNR,
    SKIMAGE_UNIFORM,
    SSIM,
    TORCHMETRICS,
    WANG,
    psnr_per_frame,
    ssim_per_frame,
    vico_psnr_per_frame,
)

CARDS = {m.spec.name: m for m in (*PSNR, *SSIM)}
WHOLE = [m for m in CARDS.values() if m.region is None]
RULES = {"wang": WANG, "uniform": SKIMAGE_UNIFORM}
SKIMAGE = {
    "wang": {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False},
    "uniform": {},
}
# Both sides are float64 and differ in the order of their sums only.
ROUNDING = 1e-9
# As people call piq and torchmetrics: in float32, where variance as a difference of squares
# loses digits. Everything here that is wrong by a setting is off by 1e-4 and more.
FLOAT32 = 2e-5


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def similar(seed: int, *shape: int) -> tuple[np.ndarray, np.ndarray]:
    """Two related pictures: noise, and the same with a tenth of its samples replaced."""
    a, other = noise(seed, *shape), noise(seed + 1, *shape)
    return a, np.where(noise(seed + 2, *shape) < 26, other, a)


def tensors(*frames: np.ndarray, dtype: torch.dtype) -> list[torch.Tensor]:
    """[n, H, W, 3] 0..255 -> [n, 3, H, W] 0..1, as the torch packages want them."""
    return [torch.from_numpy(z).permute(0, 3, 1, 2).to(dtype) / 255 for z in frames]


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
class TestAgainstPiq:
    def test_psnr(self, official, carphone, blurred):
        piq = official("piq")
        b = carphone[:4].copy()
        b[0, 0, 0, 0] ^= 1  # nearly identical, where the added 1e-8 matters most
        b[2:] = blurred(b[2:], 2)
        ours = vico_psnr_per_frame(b, carphone[:4])
        # float32 is how vico calls it.
        for dtype, tolerance in ((torch.float64, ROUNDING), (torch.float32, 1e-5)):
            theirs = piq.psnr(*tensors(b, carphone[:4], dtype=dtype), reduction="none")
            np.testing.assert_allclose(ours, theirs.numpy(), rtol=0, atol=tolerance)
        assert ours[1] == pytest.approx(80)

    # 383: last size left alone; 384: round(1.5) = 2; 640: round(2.5) = 2, halves go to even;
    # 650: 3.
    @pytest.mark.parametrize("size", [(144, 176), (383, 400), (384, 401), (640, 643), (650, 661)])
    def test_ssim(self, official, size):
        piq = official("piq")
        a, b = similar(1, 1, *size, 3)
        ours = ssim_per_frame(a, b, PIQ)[0]
        theirs = piq.ssim(*tensors(a, b, dtype=torch.float64), data_range=1.0)
        assert ours == pytest.approx(float(theirs), abs=ROUNDING)
        theirs = piq.ssim(*tensors(a, b, dtype=torch.float32), data_range=1.0)
        assert ours == pytest.approx(float(theirs), abs=FLOAT32)


@pytest.mark.reference
@pytest.mark.parametrize("size", [(6, 9), (11, 40), (97, 144)])
def test_ssim_equals_torchmetrics(official, size):
    metric = official("torchmetrics.image").StructuralSimilarityIndexMeasure(data_range=1.0)
    a, b = similar(2, 1, *size, 3)
    ours = ssim_per_frame(a, b, TORCHMETRICS)[0]
    for dtype, tolerance in ((torch.float64, ROUNDING), (torch.float32, FLOAT32)):
        theirs = metric.set_dtype(dtype)(*tensors(a, b, dtype=dtype))
        assert ours == pytest.approx(float(theirs), abs=tolerance)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "frames", "clip", "tolerance"),
    [
        ("psnr", "psnr_sk", "psnr_skimage", ROUNDING),
        ("ssim@skimage-wang", "ssim_sk_wang", "ssim_skimage_gaussian", ROUNDING),
        ("ssim@skimage-uniform", "ssim_sk_default", "ssim_skimage_uniform7", ROUNDING),
        ("ssim@piq", "ssim_piq", "ssim_piq", FLOAT32),
        ("ssim@vico", "ssim_piq", "ssim_piq", FLOAT32),
        ("ssim@torchmetrics", "ssim_tm", "ssim_torchmetrics", FLOAT32),
    ],
)
def test_equals_the_recorded_values(recorded, pair, name, frames, clip, tolerance):
    ours = CARDS[name].measure(pair(recorded.generated, recorded.reference))
    np.testing.assert_allclose(ours.per_frame, recorded.per_frame(frames), rtol=0, atol=tolerance)
    assert ours.value == pytest.approx(recorded.value(clip), abs=tolerance)
    assert ours.frames == 251


@pytest.mark.data
def test_a_still_video_has_a_finite_psnr(recorded, pair):
    gt = recorded.reference
    still = CARDS["psnr"].measure(pair(np.repeat(gt[:1], len(gt), axis=0), gt))
    others = recorded.damaged["still_first_frame"]["psnr_sk_mean_over_finite_frames"]
    assert still.notes == {"identical frames": 1}
    assert still.value == pytest.approx((250 * others + 100) / 251, abs=ROUNDING)


class TestPsnr:
    @pytest.mark.parametrize("per_frame", [psnr_per_frame, vico_psnr_per_frame])
    def test_worst_is_zero(self, per_frame):
        black = np.zeros((1, 4, 4, 3), np.uint8)
        assert per_frame(black, ~black) == pytest.approx([0], abs=1e-7)

    @pytest.mark.parametrize("name", ["psnr", "psnr@vico"])
    def test_nothing_is_out_of_bounds(self, name, pair):
        black = np.zeros((1, 4, 4, 3), np.uint8)
        low, high = CARDS[name].spec.bounds
        assert CARDS[name].measure(pair(black, ~black)).value >= low
        assert CARDS[name].measure(pair(black, black)).value == high

    def test_squares_do_not_overflow_on_large_frames(self):
        black = np.zeros((1, 2160, 3840, 3), np.uint8)
        assert psnr_per_frame(black, ~black).tolist() == [0.0]

    def test_identical_frames_count_100_and_are_noted(self, pair):
        a = noise(0, 3, 16, 16, 3)
        b = a.copy()
        b[1] ^= 1  # off by one everywhere
        found = CARDS["psnr"].measure(pair(b, a))
        one_off = 20 * math.log10(255)
        assert found.per_frame == pytest.approx([100, one_off, 100])
        assert found.value == pytest.approx((200 + one_off) / 3)
        assert found.notes == {"identical frames": 2}

    def test_no_frame_beats_an_identical_one(self, pair):
        a = noise(0, 1, 256, 256, 3)
        b = a.copy()
        b[0, 0, 0, 0] ^= 1  # 101 dB by the formula
        found = CARDS["psnr"].measure(pair(b, a))
        assert found.value == 100
        assert found.notes == {}


@pytest.mark.parametrize("metric", WHOLE, ids=lambda m: m.spec.name)
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
        assert metric.spec.symmetric
        np.testing.assert_allclose(there, back, rtol=1e-12)

    def test_pieces_join_to_the_whole(self, metric, carphone, blurred, pair):
        a, b = carphone[:5].copy(), blurred(carphone[:5], 1)
        a[3] = b[3]  # so that there is a note to join
        whole = metric.measure(pair(b, a))
        joined = Measurement.join(
            [metric.measure(pair(b[s], a[s])) for s in (slice(0, 2), slice(2, 3), slice(3, 5))]
        )
        assert joined.value == whole.value
        assert joined.notes == whole.notes == {"identical frames": 1}
        np.testing.assert_array_equal(joined.per_frame, whole.per_frame)

    def test_memory_layout_does_not_matter(self, metric, pair):
        a, b = similar(4, 2, 40, 40, 3)
        a.flags.writeable = False
        views = pair(a[:, 4:-4, ::-1, ::-1], b[:, 4:-4, ::-1, ::-1])
        found = metric.measure(views).value
        similarity._MEMORY._kept.clear()
        copies = pair(*(x[:, 4:-4, ::-1, ::-1].copy() for x in (a, b)))
        assert metric.measure(copies).value == found

    def test_clips_pool_as_the_card_says(self, metric, pair):
        short, long = (metric.measure(pair(*similar(n, n, 32, 32, 3))) for n in (1, 4))
        by_frames = "all frames" in metric.spec.protocol["pooling"]
        assert by_frames == metric.spec.name.endswith("@vico")
        weight = 4 if by_frames else 1
        expected = (short.value + weight * long.value) / (1 + weight)
        assert metric.aggregate([short, long]) == pytest.approx(expected, rel=1e-12)
        assert metric.aggregate([short, long]) == metric.aggregate([long, short])

    def test_frames_below_the_window_are_unscorable(self, metric, pair):
        enough, little = (noise(0, 2, n, 40, 3) for n in (metric.smallest, metric.smallest - 1))
        assert metric.measure(pair(enough, enough)).value == metric.spec.perfect
        if metric.smallest > 1:
            why = f"frames are 40x{metric.smallest - 1} px: {metric.spec.name} needs"
            with pytest.raises(UnscorableError, match=why):
                metric.measure(pair(little, little))


class TestSsim:
    @pytest.mark.parametrize("rule", [WANG, SKIMAGE_UNIFORM, PIQ, TORCHMETRICS])
    def test_unrelated_noise_is_near_zero(self, rule):
        value = ssim_per_frame(noise(0, 1, 128, 128, 3), noise(1, 1, 128, 128, 3), rule)[0]
        assert abs(value) < 0.05

    def test_the_inverse_is_negative(self):
        a = noise(0, 1, 64, 64, 3)
        assert -1 <= ssim_per_frame(a, ~a)[0] < -0.8

    def test_libraries_differ_in_what_the_rules_say_only(self):
        a, b = similar(5, 1, 96, 96, 3)
        values = {n: ssim_per_frame(a, b, r)[0] for n, r in RULES.items()}
        values["mirrored"] = ssim_per_frame(a, b, TORCHMETRICS)[0]
        assert len({round(v, 5) for v in values.values()}) == 3
        assert ssim_per_frame(a, b, PIQ)[0] == values["wang"]  # too small to be made smaller


class TestTheEngine:
    """What is only there for speed moves no digit."""

    @pytest.fixture
    def clip(self, carphone, blurred):
        similarity._MEMORY._kept.clear()
        return carphone[:6], blurred(carphone[:6], 1)

    @pytest.mark.parametrize("rule", [WANG, SKIMAGE_UNIFORM, TORCHMETRICS])
    def test_bands_do_not_matter(self, clip, monkeypatch, rule):
        usual = ssim_per_frame(*clip, rule)
        similarity._MEMORY._kept.clear()
        monkeypatch.setattr(similarity, "_BAND", 3000)  # a few rows, and of them not all alike
        np.testing.assert_allclose(ssim_per_frame(*clip, rule), usual, rtol=1e-13)

    def test_threads_do_not_matter(self, clip):
        before = cv2.getNumThreads()
        try:
            found = []
            for threads in (1, 4):
                cv2.setNumThreads(threads)
                similarity._MEMORY._kept.clear()
                found.append(ssim_per_frame(*clip).tolist())
        finally:
            cv2.setNumThreads(before)
        assert found[0] == found[1]

    def test_what_was_computed_before_does_not_matter(self, clip):
        a, b = clip
        similarity._MEMORY._kept.clear()
        ssim_per_frame(a, b, PIQ)
        after_piq = ssim_per_frame(a, b, TORCHMETRICS)
        similarity._MEMORY._kept.clear()
        np.testing.assert_array_equal(ssim_per_frame(a, b, TORCHMETRICS), after_piq)

    def test_frames_that_were_written_to_are_new_frames(self, clip):
        a, b = clip[0].copy(), clip[1]
        before = ssim_per_frame(a, b)
        a[:] = b
        assert ssim_per_frame(a, b).tolist() == [1.0] * 6
        assert (before < 0.999).all()

    def test_the_same_bytes_in_another_shape_are_another_frame(self):
        flat = [z.reshape(1, 24, 54, 3) for z in similar(6, 1, 36, 36, 3)]
        tall = [z.reshape(1, 54, 24, 3) for z in flat]
        assert ssim_per_frame(*flat)[0] != ssim_per_frame(*tall)[0]

    def test_it_remembers_no_more_than_it_is_to(self, clip, monkeypatch):
        monkeypatch.setattr(similarity, "_MEMORY", similarity._Memory(4))
        usual = ssim_per_frame(*clip)
        assert len(similarity._MEMORY._kept) == 4
        np.testing.assert_array_equal(ssim_per_frame(*clip), usual)


@pytest.mark.data
@pytest.mark.parametrize("metric", WHOLE, ids=lambda m: m.spec.name)
def test_useless_generators_get_what_the_card_says(metric, recorded, pair):
    gt = recorded.reference[::5]
    still, black = (
        metric.measure(pair(z, gt)).value for z in (gt[:1].repeat(len(gt), 0), np.zeros_like(gt))
    )
    digits, unit = (2, " dB") if metric.spec.unit else (3, "")
    stated = metric.spec.protocol["useless"]
    assert f"all along: {still:.{digits}f}{unit}; black frames: {black:.{digits}f}{unit}" in stated


def test_every_card_states_what_it_must():
    for metric in CARDS.values():
        assert set(STATED) <= metric.spec.protocol.keys()
        assert all(metric.spec.protocol.values())


def test_workers_can_be_sent_the_cards():
    assert pickle.loads(pickle.dumps((*PSNR, *SSIM))) == (*PSNR, *SSIM)  # noqa: S301


def test_the_bare_names_mean_the_usual_cards():
    assert [m.spec.id for m in PSNR if not m.region] == ["psnr/1", "psnr@vico/1"]
    assert [m.spec.id for m in SSIM if not m.region] == [
        "ssim@skimage-wang/1",
        "ssim@skimage-uniform/1",
        "ssim@piq/1",
        "ssim@torchmetrics/1",
        "ssim@vico/1",
    ]
    assert (PSNR[0].spec.name, SSIM[0].spec.name) == ("psnr", "ssim@skimage-wang")
