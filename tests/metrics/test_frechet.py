"""FID against pytorch-fid, the Fréchet distance against its textbook form."""

from __future__ import annotations

import contextlib
import io

import cv2
import numpy as np
import pytest
import scipy.linalg

from metrics.backbones.inception import features
from metrics.base import Inputs, Measurement, Metric, Side, UnscorableError
from metrics.frechet import FID, frechet_distance

METRIC = FID[0]

# pytorch-fid 0.3.0 calls sqrtm(disp=False), which SciPy 1.18 takes away.
old_scipy = pytest.mark.filterwarnings("ignore:The `disp` argument:DeprecationWarning")


def rows(seed: int, n: int, width: int, shift: float = 0.0) -> np.ndarray:
    """Correlated rows, every seed with its own covariance."""
    random = np.random.default_rng(seed)
    return random.normal(size=(n, width)) @ random.normal(size=(width, width)) / 4 + shift


def textbook(a: np.ndarray, b: np.ndarray) -> float:
    """As it is written: with the matrix square root."""
    first, second = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = scipy.linalg.sqrtm(first @ second)
    gap = a.mean(axis=0) - b.mean(axis=0)
    return float(gap @ gap + np.trace(first + second - 2 * root.real))


def clip(generated: np.ndarray, reference: np.ndarray) -> Measurement:
    def side(found: np.ndarray) -> Side:
        return Side(tracks={"inception-fid/1": {"features": found.astype(np.float32)}})

    return METRIC.measure(Inputs(side(generated), side(reference)))


class TestFrechetDistance:
    @pytest.mark.parametrize(("n1", "n2"), [(200, 300), (30, 25), (16, 17), (18, 400)])
    def test_equals_the_textbook_form_at_full_rank(self, n1, n2):
        a, b = rows(0, n1, 12), rows(1, n2, 12, shift=0.3)
        assert frechet_distance(a, b) == pytest.approx(textbook(a, b), rel=1e-9)

    @pytest.mark.parametrize(("n1", "n2"), [(5, 7), (5, 300), (300, 5)])
    def test_equals_the_textbook_form_below_full_rank(self, n1, n2):
        a, b = rows(0, n1, 40), rows(1, n2, 40, shift=0.3)
        # sqrtm is the one that is off: it takes roots of eigenvalues that ought to be 0.
        assert frechet_distance(a, b) == pytest.approx(textbook(a, b), rel=1e-5)

    def test_known_answer_of_two_gaussians_on_a_line(self):
        a = np.array([[-1.0], [1.0]]) * np.sqrt(0.5) * 3  # mean 0, standard deviation 3
        b = np.array([[-1.0], [1.0]]) * np.sqrt(0.5) * 5 + 10
        assert frechet_distance(a, b) == pytest.approx(10**2 + (5 - 3) ** 2, rel=1e-12)

    @pytest.mark.parametrize("n", [64, 5])
    def test_a_set_against_itself_in_any_order_is_zero(self, n):
        a = rows(0, n, 32, shift=5)
        assert frechet_distance(a, a[::-1]) == pytest.approx(0, abs=1e-9)

    def test_moving_a_set_costs_the_square_of_the_way(self):
        a = rows(0, 50, 8)
        assert frechet_distance(a, a + 2) == pytest.approx(8 * 2**2, rel=1e-9)

    @pytest.mark.parametrize("n", [100, 6])
    def test_symmetric(self, n):
        a, b = rows(0, n, 20), rows(1, n + 3, 20)
        assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-12)

    def test_float32_rows_are_summed_in_float64(self):
        a, b = (rows(s, 400, 4, shift=1000).astype(np.float32) for s in (0, 1))
        exact = frechet_distance(a.astype(np.float64), b.astype(np.float64))
        assert frechet_distance(a, b) == pytest.approx(exact, rel=1e-12)

    @pytest.mark.reference
    @old_scipy
    def test_equals_pytorch_fid(self, official):
        theirs = official("pytorch_fid.fid_score").calculate_frechet_distance
        a, b = rows(0, 300, 64), rows(1, 200, 64, shift=0.1)
        expected = theirs(*(s for x in (a, b) for s in (x.mean(axis=0), np.cov(x, rowvar=False))))
        assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)


class TestFid:
    def test_is_a_set_metric(self):
        spec = METRIC.spec
        assert isinstance(METRIC, Metric)
        assert (spec.id, spec.paired, spec.needs_frames, spec.per_clip) == (
            "fid@pytorch-fid/1",
            False,
            False,
            False,
        )
        assert [e.id for e in METRIC.extractors] == ["inception-fid/1"]
        found = clip(rows(0, 3, 2048), rows(1, 5, 2048))
        assert (found.value, found.frames) == (None, 3)
        assert {k: v.shape for k, v in found.features.items()} == {
            "generated": (3, 2048),
            "reference": (5, 2048),
        }

    def test_pools_frames_not_clips(self):
        a, b = rows(0, 30, 16), rows(1, 20, 16)
        clips = [clip(a[:3], b[:11]), clip(a[3:], b[11:])]
        expected = frechet_distance(a.astype(np.float32), b.astype(np.float32))
        assert METRIC.aggregate(clips) == pytest.approx(expected, rel=1e-9)

    def test_order_of_clips_does_not_matter(self):
        clips = [clip(rows(n, 9, 64, 0.1 * n), rows(50 + n, 8, 64)) for n in range(12)]
        value = METRIC.aggregate(clips)
        assert value > 1
        for seed in range(3):
            order = np.random.default_rng(seed).permutation(len(clips))
            assert METRIC.aggregate([clips[i] for i in order]) == pytest.approx(value, rel=1e-9)

    def test_a_set_against_itself_is_zero(self):
        a = rows(0, 64, 2048)
        assert METRIC.aggregate([clip(a, a)]) == pytest.approx(0, abs=1e-6)

    def test_further_is_worse(self):
        a, b = rows(0, 60, 32), rows(1, 60, 32)
        ladder = [METRIC.aggregate([clip((1 - t) * a + t * b, a)]) for t in (0, 0.25, 0.5, 1)]
        assert ladder == sorted(ladder)
        assert ladder[-1] > ladder[0] + 1

    @pytest.mark.parametrize(("generated", "reference"), [(1, 5), (5, 1)])
    def test_one_frame_is_no_distribution(self, generated, reference):
        few = clip(rows(0, generated, 8), rows(1, reference, 8))
        why = f"2 frames on each side: generated {generated}, reference {reference}"
        with pytest.raises(UnscorableError, match=why):
            METRIC.aggregate([few])
        assert METRIC.aggregate([few, few]) > 0

    def test_no_clip_no_value(self):
        with pytest.raises(UnscorableError, match="2 frames on each side"):
            METRIC.aggregate([])

    @pytest.mark.parametrize(("side", "counts"), [("generated", (0, 4)), ("reference", (4, 0))])
    def test_a_video_without_frames_is_unscorable(self, side, counts):
        with pytest.raises(UnscorableError, match=f"the {side} video has no frame"):
            clip(*(rows(0, n, 8) for n in counts))


@pytest.fixture(scope="module")
def recorded_clips(data, decode, golden, asset) -> list[dict[str, dict[int, np.ndarray]]]:
    """Features of every 5th frame of three generated videos and their references: 153 a side."""
    asset("inception-fid")
    sides = {"generated": "iplap", "reference": "gt"}
    return [
        {
            side: features(decode(data / "hdtf_mini" / of / f"{name}.mp4", every=5), (64, 2048))
            for side, of in sides.items()
        }
        for name in golden["_meta"]["clips"]
    ]


@pytest.mark.data
def test_equals_the_recorded_value(recorded_clips, golden):
    ours = METRIC.aggregate(
        [clip(c["generated"][2048], c["reference"][2048]) for c in recorded_clips]
    )
    assert sum(len(c["generated"][2048]) for c in recorded_clips) == golden["fid_exact_2048"]["N"]
    # The same formula on the features of pytorch-fid.
    assert ours == pytest.approx(golden["fid_exact_2048"]["iplap"]["pooled"], rel=1e-6)
    # The package itself, whose sqrtm of a rank-deficient product is off by 2e-5.
    assert ours == pytest.approx(golden["fid_pytorchfid_2048"]["iplap"]["pooled"], rel=5e-5)


@pytest.mark.data
def test_64_dimensions_equal_the_recorded_value(recorded_clips, golden):
    a, b = (
        np.concatenate([c[side][64] for c in recorded_clips]) for side in ("generated", "reference")
    )
    expected = golden["fid_pytorchfid_64"]["iplap"]["pooled"]
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-6)


@pytest.mark.reference
@old_scipy
def test_equals_pytorch_fid_from_pictures_to_number(pytorch_fid, carphone, blurred, tmp_path):
    """The whole chain of the package: PNG files, its resize, its network, its distance."""
    sides = {"generated": blurred(carphone[:70], 1), "reference": carphone[:70]}
    for side, frames in sides.items():
        (tmp_path / side).mkdir()
        for i, frame in enumerate(frames):
            cv2.imwrite(str(tmp_path / side / f"{i:03}.png"), frame[..., ::-1])
    with contextlib.redirect_stderr(io.StringIO()):  # its progress bars
        theirs = pytorch_fid.fid_score.calculate_fid_given_paths(
            [str(tmp_path / side) for side in sides], 20, "cpu", 64, num_workers=0
        )
    ours = frechet_distance(*(features(frames, (64,))[64] for frames in sides.values()))
    assert theirs > 0.1
    assert ours == pytest.approx(theirs, rel=1e-5)
