"""KID against its definition and against torchmetrics."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

from metrics import kid
from metrics.backbones.inception import features
from metrics.base import STATED, Inputs, Measurement, Metric, Side, UnscorableError
from metrics.kid import KID

CARD = KID[0]
# Means of values near 1 in float64; what is left of them is about 1e-3.
ROUNDING = 1e-12


def rows(seed: int, n: int, width: int = 16, shift: float = 0.0) -> np.ndarray:
    return (np.random.default_rng(seed).normal(size=(n, width)) + shift).astype(np.float32)


def clip(generated: np.ndarray, reference: np.ndarray) -> Measurement:
    sides = [Side(tracks={CARD.inception.id: {"features": x}}) for x in (generated, reference)]
    return CARD.measure(Inputs(*sides))


def by_definition(a: np.ndarray, b: np.ndarray) -> float:
    """Binkowski et al. 2018, equation 4, pair by pair."""

    def k(x: np.ndarray, y: np.ndarray) -> float:
        return (float(x.astype(np.float64) @ y) / len(x) + 1) ** 3

    def within(z: np.ndarray) -> float:
        n = len(z)
        return sum(k(z[i], z[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))

    return within(a) + within(b) - 2 * np.mean([k(x, y) for x in a for y in b])


@pytest.mark.parametrize(("n1", "n2"), [(2, 2), (9, 5), (5, 9)])
def test_equals_its_definition(n1, n2):
    a, b = rows(0, n1), rows(1, n2, shift=0.5)
    assert CARD.aggregate([clip(a, b)]) == pytest.approx(by_definition(a, b), abs=ROUNDING)


@pytest.fixture(scope="module")
def torchmetrics_kid(official):
    """torchmetrics on features as they are: one subset of all frames, float64."""
    module = official("torchmetrics.image.kid")

    class AsTheyAre(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    def compute(a: np.ndarray, b: np.ndarray) -> float:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that it keeps all features
            theirs = module.KernelInceptionDistance(AsTheyAre(), subsets=1, subset_size=len(a))
        theirs.update(torch.from_numpy(a).double(), real=False)
        theirs.update(torch.from_numpy(b).double(), real=True)
        return theirs.compute()[0].item()

    return compute


@pytest.mark.reference
@pytest.mark.parametrize("shift", [0, 0.2, 3])
def test_equals_torchmetrics(torchmetrics_kid, shift):
    a, b = rows(0, 60, 64), rows(1, 60, 64, shift=shift)
    expected = torchmetrics_kid(a, b)
    ours = CARD.aggregate([clip(a[:7], b[:11]), clip(a[7:], b[11:])])
    assert ours == pytest.approx(expected, rel=1e-10, abs=ROUNDING)


@pytest.mark.reference
def test_equals_torchmetrics_on_real_features(torchmetrics_kid, asset, carphone, blurred):
    asset("inception-fid")
    a, b = features(blurred(carphone[:4], 2))[2048], features(carphone[:4])[2048]
    expected = torchmetrics_kid(a, b)
    assert expected > 0.01
    assert CARD.aggregate([clip(a, b)]) == pytest.approx(expected, abs=ROUNDING)


def test_is_zero_on_average_over_sets_of_one_kind():
    """Unbiased at any N, where FID is above 0."""
    values = [CARD.aggregate([clip(rows(2 * i, 6), rows(2 * i + 1, 4))]) for i in range(400)]
    error = np.std(values) / np.sqrt(len(values))
    assert abs(np.mean(values)) < 3 * error
    assert error < 0.05  # pairs of a frame with itself would add 1 and more


def test_a_set_against_itself_is_below_zero():
    a = rows(0, 20)
    value = CARD.aggregate([clip(a, a)])
    assert value == pytest.approx(by_definition(a, a), abs=ROUNDING)
    assert value < 0


def test_sides_may_change_places():
    a, b = rows(0, 9), rows(1, 5, shift=1)
    assert CARD.spec.symmetric
    swapped = CARD.aggregate([clip(b, a)])
    assert CARD.aggregate([clip(a, b)]) == pytest.approx(swapped, abs=ROUNDING)


def test_further_is_worse():
    a, b = rows(0, 30), rows(1, 30, shift=1)
    ladder = [CARD.aggregate([clip((1 - t) * a + t * b, a)]) for t in (0.25, 0.5, 1)]
    assert ladder == sorted(ladder)
    assert ladder[-1] > 0.1


class TestClips:
    def clips(self) -> list[Measurement]:
        return [clip(rows(i, 3 + i % 4, shift=i / 9), rows(50 + i, 2 + i % 3)) for i in range(12)]

    def anew(self, clips: list[Measurement]) -> float:
        return by_definition(
            *(np.concatenate([c.features[s] for c in clips]) for s in ("generated", "reference"))
        )

    @pytest.mark.parametrize("at_once", [1, 7, 10**6])
    def test_how_many_rows_are_taken_at_once_does_not_matter(self, monkeypatch, at_once):
        monkeypatch.setattr(kid, "_AT_ONCE", at_once)
        clips = self.clips()
        assert CARD.aggregate(clips) == pytest.approx(self.anew(clips), abs=ROUNDING)

    def test_leaving_out_equals_computing_it_anew_and_takes_no_kernel(self, monkeypatch):
        clips = self.clips()
        value = CARD.aggregate(clips)
        monkeypatch.setattr(kid, "kernel", None)
        for out in (0, 5, 11):
            left = clips[:out] + clips[out + 1 :]
            assert CARD.aggregate(left) == pytest.approx(self.anew(left), abs=ROUNDING)
        assert CARD.aggregate(clips[::-1]) == pytest.approx(value, abs=ROUNDING)
        assert CARD.aggregate(clips[3:4]) == pytest.approx(self.anew(clips[3:4]), abs=ROUNDING)

    def test_a_clip_that_comes_twice_counts_twice(self):
        clips = self.clips()
        twice = [*clips, clips[0]]
        for some in (clips, twice, clips, twice[1:]):
            assert CARD.aggregate(some) == pytest.approx(self.anew(some), abs=ROUNDING)


@pytest.mark.parametrize(("generated", "reference"), [(1, 5), (5, 1)])
def test_one_frame_has_no_pair(generated, reference):
    why = f"2 frames on each side: generated {generated}, reference {reference}"
    with pytest.raises(UnscorableError, match=why):
        CARD.aggregate([clip(rows(0, generated), rows(1, reference))])


def test_no_clip_no_value():
    with pytest.raises(UnscorableError, match="2 frames on each side"):
        CARD.aggregate([])


def test_a_video_without_frames_is_unscorable():
    with pytest.raises(UnscorableError, match="the generated video has no frame"):
        clip(rows(0, 0), rows(1, 3))


def test_the_card_says_what_is_asked_of_it():
    spec = CARD.spec
    assert isinstance(CARD, Metric)
    assert set(STATED) <= spec.protocol.keys()
    assert (spec.per_clip, spec.paired, spec.perfect, spec.bounds[0]) == (
        False,
        False,
        None,
        -np.inf,
    )
    assert spec.assets == ("inception-fid",)
    assert clip(rows(0, 3), rows(1, 5)).notes == {"reference frames": 5}
