"""FID against pytorch-fid and piq, the Fréchet distance against its textbook form."""

from __future__ import annotations

import contextlib
import functools
import io
import warnings
from types import ModuleType

import cv2
import numpy as np
import pytest
import scipy.linalg
import torch

from metrics import newton_schulz
from metrics.backbones.faces import FACE
from metrics.backbones.inception import InceptionFeatures, features
from metrics.backbones.yunet import YUNET
from metrics.base import STATED, Inputs, Measurement, Metric, Side, UnscorableError
from metrics.crops import FACE_REGION
from metrics.frechet import FID, frechet_distance
from metrics.gaussians import Gaussian

CARDS = {card.spec.name: card for card in FID}
METRIC = FID[0]
VICO = CARDS["fid@vico"]
FACES = CARDS["fid@pytorch-fid@face"]

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


def clip(generated: np.ndarray, reference: np.ndarray, card=METRIC) -> Measurement:
    def side(found: np.ndarray) -> Side:
        return Side(tracks={card.inception.id: {"features": found.astype(np.float32)}})

    return card.measure(Inputs(side(generated), side(reference)))


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


@pytest.mark.parametrize("card", FID, ids=CARDS)
def test_cards_say_what_is_asked_of_them(card):
    assert isinstance(card, Metric)
    assert set(STATED) <= card.spec.protocol.keys()
    assert "inception-fid" in card.spec.assets
    assert ("yunet" in card.spec.assets) == (card.spec.needs == ("face",)) == (card is FACES)
    assert (card.spec.perfect is None) == (card is VICO)


@pytest.mark.parametrize("card", [METRIC, VICO], ids=lambda c: c.spec.name)
@pytest.mark.parametrize("n", [100, 6])
def test_sides_may_change_places(card, n):
    a, b = rows(0, n, 20), rows(1, n + 3, 20)
    assert card.spec.symmetric
    swapped = card.aggregate([clip(b, a, card)])
    assert card.aggregate([clip(a, b, card)]) == pytest.approx(swapped, rel=1e-9)


def test_each_width_reads_its_own_rows():
    taps = {64: "features-64", 192: "features-192", 768: "features-768", 2048: "features"}
    for tap, name in taps.items():
        card = METRIC if tap == 2048 else CARDS[f"fid@pytorch-fid-{tap}"]
        side = Side(tracks={card.inception.id: {n: np.full((3, t), t) for t, n in taps.items()}})
        assert card.measure(Inputs(side, side)).features["generated"].shape == (3, tap)
        assert name in {n for t, n in taps.items() if t in card.inception.taps}


class TestFaceCrops:
    def sides(self, generated: str, reference: str) -> Measurement:
        """A clip of which ``x`` frames show a face and ``.`` frames do not."""

        def found(frames: str, seed: int) -> np.ndarray:
            made = rows(seed, len(frames), 8)
            made[[f == "." for f in frames]] = np.nan
            return made

        return clip(found(generated, 0), found(reference, 1), FACES)

    def test_frames_without_a_face_are_left_out_and_counted(self):
        measured = self.sides("x" * 38 + "..", ".xx" + "x" * 40)
        assert measured.notes == {
            "no face in generated": 2,
            "no face in reference": 1,
            "reference frames": 42,
        }
        assert (measured.frames, len(measured.features["reference"])) == (38, 42)
        assert np.isfinite(measured.features["generated"]).all()

    def test_faces_on_all_frames_leave_no_note(self):
        assert self.sides("xxxx", "xxxx").notes == {}

    @pytest.mark.parametrize(
        ("generated", "reference", "why"),
        [
            ("xx", "...", "no face in the reference"),
            ("x" * 8 + "..", "x" * 10, "a face in 80% of the generated frames and in 100%"),
            ("...", "xxx", "a face in 0% of the generated frames"),
        ],
    )
    def test_nobody_gains_by_breaking_faces(self, generated, reference, why):
        with pytest.raises(UnscorableError, match=why):
            self.sides(generated, reference)

    def test_a_tenth_may_be_lost(self):
        assert self.sides("x" * 18 + "..", "x" * 20).frames == 18

    @pytest.mark.assets
    def test_each_frame_is_cut_before_the_resize(self, asset, carphone):
        asset("inception-fid")
        found = np.array([True, False, True])
        boxes = np.array([[40, 20, 50, 60], [0, 0, 9, 9], [-20, 90, 70, 40]], np.float32)
        track = {FACE.id: {"found": found, "boxes": boxes}}
        extractor = InceptionFeatures((64,), FACE_REGION)
        assert (extractor.id, extractor.uses) == ("inception-fid-64@face/1", (FACE,))
        ours = extractor.extract(carphone[:3], track)["features-64"]
        # By hand: squares of 78 and 91 px around (65, 50) and (15, 110), cut at 176x144.
        expected = [carphone[0, 11:89, 26:104], carphone[2, 64:144, 0:61]]
        for row, part in zip(ours[found], expected, strict=True):
            # One picture at a time and in a batch, float32.
            np.testing.assert_allclose(row, features(part[None], (64,))[64][0], rtol=0, atol=1e-5)
        assert np.isnan(ours[1]).all()

    @pytest.mark.assets
    def test_the_whole_chain_on_a_face(self, asset, carphone):
        for name in FACES.spec.assets:
            asset(name)
        seen = YUNET.extract(carphone[:2], {})
        face = FACE.follow({YUNET.id: seen})
        track = FACES.inception.extract(carphone[:2], {FACE.id: face})
        assert face["found"].all()
        assert np.isfinite(track["features"]).all()
        assert np.abs(track["features"] - features(carphone[:2])[2048]).max() > 0.1


SIDES = {"generated": "iplap", "reference": "gt"}


@pytest.fixture(scope="module")
def recorded_low(data, decode, golden, asset) -> dict[str, list[dict[int, np.ndarray]]]:
    """Every 5th frame of three generated videos and their references: 51 rows of each.

    The two lowest taps, and pool3 of the first.
    """
    asset("inception-fid")
    taps = [(64, 192, 2048), (64, 192), (64, 192)]
    return {
        side: [
            features(decode(data / "hdtf_mini" / of / f"{name}.mp4", every=5), widths)
            for name, widths in zip(golden["_meta"]["clips"], taps, strict=True)
        ]
        for side, of in SIDES.items()
    }


@pytest.fixture(scope="module")
def recorded_clip(recorded_low) -> dict[str, np.ndarray]:
    """Pool3 of the first: 51 rows a side."""
    return {side: found[0][2048] for side, found in recorded_low.items()}


def all_of(low: dict[str, list[dict[int, np.ndarray]]], tap: int) -> list[np.ndarray]:
    """153 rows a side."""
    return [np.concatenate([found[tap] for found in low[side]]) for side in SIDES]


@pytest.mark.data
def test_equals_the_recorded_value(recorded_clip, golden):
    ours = METRIC.aggregate([clip(recorded_clip["generated"], recorded_clip["reference"])])
    # The same formula on the features of pytorch-fid; its own sqrtm is off by 2e-5 here.
    expected = golden["fid_exact_2048"]["iplap"][golden["_meta"]["clips"][0]]
    assert ours == pytest.approx(expected, rel=1e-6)


@pytest.mark.data
def test_64_dimensions_equal_the_recorded_values(recorded_low, golden):
    both = all_of(recorded_low, 64)
    assert [len(x) for x in both] == [golden["fid_pytorchfid_64"]["N"]] * 2
    expected = golden["fid_pytorchfid_64"]["iplap"]["pooled"]
    assert frechet_distance(*both) == pytest.approx(expected, rel=1e-6)
    # Each clip alone has fewer frames than dimensions, where the package's root is less exact.
    for i, name in enumerate(golden["_meta"]["clips"]):
        alone = frechet_distance(*(recorded_low[side][i][64] for side in SIDES))
        assert alone == pytest.approx(golden["fid_exact_64"]["iplap"][name], rel=1e-6)


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


# As ``piq.FID()`` of piq 0.8.0 prints it for the features of ``recorded_clip``, in a minute.
PIQ_RECORDED = 17.410883061283336


@pytest.fixture(scope="module")
def piq(official) -> ModuleType:
    official("piq")
    return official("piq.fid")


def printed_by(piq: ModuleType, a: np.ndarray, b: np.ndarray) -> tuple[float, bool]:
    """piq's FID of two sets of rows, and whether its root was not finite at first."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        value = piq.FID().compute_metric(torch.from_numpy(a), torch.from_numpy(b)).item()
    return value, "singular" in said.getvalue()


def slanted(cosine: float, scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Two sets of 40 rows in 20 of 96 dimensions each, all angles between the two alike."""
    random = np.random.default_rng(0)
    basis = np.linalg.qr(random.normal(size=(96, 40)))[0]
    other = cosine * basis[:, :20] + np.sqrt(1 - cosine**2) * basis[:, 20:]
    a, b = (random.normal(size=(40, 20)) @ axes.T for axes in (basis[:, :20], other))
    return scale * a, scale * b


def vico(a: np.ndarray, b: np.ndarray) -> float:
    return newton_schulz.newton_schulz_distance(Gaussian.of_rows([a]), Gaussian.of_rows([b]))


class TestVico:
    @pytest.mark.data
    def test_equals_the_recorded_value(self, recorded_clip):
        ours = VICO.aggregate([clip(recorded_clip["generated"], recorded_clip["reference"], VICO)])
        assert ours == pytest.approx(PIQ_RECORDED, rel=1e-6)  # the features are float32

    @pytest.mark.data
    @pytest.mark.reference
    @pytest.mark.parametrize("tap", [64, 192])
    def test_equals_piq_on_real_features(self, recorded_low, piq, tap):
        """153 frames: more than dimensions, and fewer."""
        a, b = (x.astype(np.float64) for x in all_of(recorded_low, tap))
        assert vico(a, b) == pytest.approx(printed_by(piq, a, b)[0], rel=1e-8)
        assert vico(a, b) > 1.3 * frechet_distance(a, b)  # and that is how far piq is off

    @pytest.mark.reference
    @pytest.mark.parametrize(("n1", "n2"), [(2, 2), (3, 40), (30, 17), (200, 90)])
    def test_equals_piq_on_made_features(self, piq, n1, n2):
        a, b = rows(0, n1, 48), rows(1, n2, 48, shift=0.3)
        assert vico(a, b) == pytest.approx(printed_by(piq, a, b)[0], rel=1e-9)

    @pytest.mark.reference
    @pytest.mark.parametrize("cosine", [1e-5, 1e-6, 0])
    def test_equals_piq_where_it_adds_to_the_diagonals(self, piq, cosine):
        expected, added = printed_by(piq, *slanted(cosine))
        assert added
        assert vico(*slanted(cosine)) == pytest.approx(expected, rel=1e-9)

    @pytest.mark.reference
    def test_equals_piq_on_sets_without_variance(self, piq):
        a, b = np.ones((5, 64)), np.zeros((4, 64))
        assert vico(a, b) == pytest.approx(printed_by(piq, a, b)[0], rel=1e-12)
        assert vico(a, b) < 64  # the square of the way, less what was added

    @pytest.mark.reference
    def test_what_blows_up_has_no_value(self, piq):
        sets = slanted(1e-4, scale=1e3)
        assert np.isnan(printed_by(piq, *sets)[0])
        with pytest.raises(
            UnscorableError, match=r"no stable value here: after \d+ steps rounding"
        ):
            vico(*sets)

    def test_what_rounding_decides_has_no_value(self):
        """With or without the addition, 0.2 % apart: it depends on the machine which piq prints."""
        with pytest.raises(UnscorableError, match="rounding errors have grown to"):
            vico(*slanted(1.2e-4))
        assert vico(*slanted(5e-4)) > vico(*slanted(1e-5)) + 0.01

    @pytest.mark.reference
    def test_reads_the_features_that_piq_reads(
        self, official, pytorch_fid, monkeypatch, carphone, singer
    ):
        del pytorch_fid  # its weight file, under the name by which piq asks for it
        network = official("piq.feature_extractors.fid_inception")
        empty = functools.partial(network.models.inception_v3, init_weights=False)
        monkeypatch.setattr(network.models, "inception_v3", empty)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of torchvision's old arguments
            theirs = network.InceptionV3().eval()
        for frames in (carphone[:2], singer[:1]):
            with torch.inference_mode():
                expected = theirs(torch.from_numpy(frames).permute(0, 3, 1, 2) / 255)[0]
            np.testing.assert_allclose(
                features(frames)[2048], expected.flatten(1).numpy(), rtol=0, atol=2e-5
            )

    def test_a_set_against_itself_is_not_zero(self):
        a = rows(0, 30, 48)
        assert METRIC.aggregate([clip(a, a)]) == pytest.approx(0, abs=1e-9)
        assert VICO.aggregate([clip(a, a, VICO)]) > 0.01

    def test_order_of_clips_does_not_matter(self):
        clips = [clip(rows(n, 9, 64, 0.1 * n), rows(50 + n, 8, 64), VICO) for n in range(6)]
        assert VICO.aggregate(clips[::-1]) == pytest.approx(VICO.aggregate(clips), rel=1e-9)
