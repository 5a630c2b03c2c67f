"""CPBD and the variance of the Laplacian against the package cpbd, scikit-image and OpenCV."""

from __future__ import annotations

import sys

import cv2
import numpy as np
import pytest
import scipy.ndimage
from skimage.feature import canny

from metrics import cpbd as engine
from metrics.backbones.face_mesh import FACE_MESH
from metrics.backbones.faces import FACE
from metrics.backbones.yunet import YUNET
from metrics.base import STATED, Inputs, Measurement, Metric, Side, UnscorableError
from metrics.cpbd import BLOCK, cpbd, edge_widths
from metrics.crops import FACE_REGION, MOUTH_REGION
from metrics.sharpness import CPBD, SHARPNESS, cpbd_of, grey, laplacian_variance

CPBD_CARD = CPBD[0]
LAPLACIAN, FACE_CARD, MOUTH_CARD = SHARPNESS
WHOLE_FRAMES = (CPBD_CARD, LAPLACIAN)
ALL = (*CPBD, *SHARPNESS)

# A share of whole edges: the same edges give the same share, but for the last bit of a division.
SAME = 1e-12


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def alone(frames: np.ndarray) -> Inputs:
    return Inputs(Side(frames))


def value(metric: Metric, frames: np.ndarray) -> float:
    return metric.measure(alone(frames)).value


def faint_texture(low: int, high: int, ramp: int) -> np.ndarray:
    """Grey 192x192: a pattern of period 3, so faint that Canny's lower threshold decides."""
    y, x = np.mgrid[0:192, 0:192]
    inwards = np.minimum.reduce([x - low, high - x, y - low, high - y])
    height = np.where(inwards < 0, 0, np.where(inwards < ramp, 4, 8))
    pattern = np.cos(2 * np.pi * x / 3) * np.cos(2 * np.pi * y / 3)
    return np.rint(100 + height * pattern).astype(np.uint8)


def dots(count: int) -> np.ndarray:
    """Grey 64x192: dots on flat ground, 8 Canny pixels each; soft edges; flat ground."""
    picture = np.full((64, 192), 100, np.uint8)
    picture[8 : 8 + 12 * count : 12, 20] = 180
    picture[:, 80:110], picture[:, 79], picture[:, 110] = 30, 55, 85
    picture[:, 64:128] = cv2.GaussianBlur(picture[:, 64:128], (0, 0), 3)
    return picture


def pictures() -> dict[str, np.ndarray]:
    """Grey pictures that are easy to get wrong."""
    rough = noise(1, 130, 201)
    # A step that is even to both sides has two equal slopes, and no edge: these lean.
    steps = np.tile(np.arange(256) // 16 * 16 + 3 * (np.arange(256) % 16 == 15), (128, 1))
    rising = steps.astype(np.uint8)
    slope = np.interp(
        np.arange(64) % 32, [8, 9, 10, 11, 12, 13, 24, 25], [0, 4, 24, 44, 49, 50, 50, 0]
    )
    even = np.tile(slope, (64, 2)).astype(np.uint8)
    squares = (40 + 170 * ((np.indices((128, 128)) // 11).sum(axis=0) % 2)).astype(np.uint8)
    softer = cv2.resize(squares, (150, 140), interpolation=cv2.INTER_AREA)
    return {
        "noise": rough,
        "smooth": cv2.GaussianBlur(rough, (0, 0), 3),
        "very smooth": cv2.GaussianBlur(rough, (0, 0), 9),
        "few levels": cv2.GaussianBlur(rough, (0, 0), 2) // 16 * 16,
        "low contrast": cv2.GaussianBlur(rough, (0, 0), 2) // 6,
        "only rising": rising,
        "only falling": rising[:, ::-1].copy(),
        "only down": rising.T.copy(),
        "contrast 50": even,
        "contrast 51": even + (even == 50),
        "squares": squares,
        "softer squares": softer,
        "soft squares": cv2.GaussianBlur(softer, (0, 0), 1.5),
        "one dot": dots(1),
        "two dots": dots(2),
        "faint": faint_texture(56, 136, 6),
    }


# By cpbd 1.0.7 on scikit-image 0.26.0 and SciPy 1.17.1.
PACKAGE = {
    "noise": 0.8983942414174972,
    "smooth": 0.138671875,
    "very smooth": 1.0,
    "few levels": 0.9881936245572609,
    "low contrast": 0.9195402298850575,
    "only rising": 0.0,
    "only falling": 1.0,
    "only down": 0.0,
    "contrast 50": 1.0,
    "contrast 51": 0.0,
    "squares": 0.0,
    "softer squares": 1.0,
    "soft squares": 0.0,
    "one dot": 0.0,
    "two dots": 0.08823529411764706,
    "faint": 1.0,
}
# Frames 0, 40, 80, 119 as they are, and blurred by sigma 1.
CARPHONE = [0.49624060150375937, 0.5360824742268042, 0.5357737104825291, 0.5348837209302326]
BLURRED = [0.16964285714285712, 0.15523465703971118, 0.18032786885245902, 0.1785063752276867]
# Frames 0, 50 ... 250 of a generated clip of 256x256.
GENERATED = [
    0.46489421456656055,
    0.4370735405610311,
    0.4728897715988083,
    0.44630872483221473,
    0.45197954157984466,
    0.43071715675904376,
]


class TestCpbdEqualsThePackage:
    @pytest.mark.parametrize("name", PACKAGE)
    def test_pictures(self, name):
        assert cpbd(pictures()[name]) == pytest.approx(PACKAGE[name], abs=SAME)

    @pytest.mark.assets
    def test_a_clip(self, carphone, blurred):
        frames = carphone[[0, 40, 80, 119]]
        for shown, expected in ((frames, CARPHONE), (blurred(frames, 1), BLURRED)):
            found = CPBD_CARD.measure(alone(shown))
            np.testing.assert_allclose(found.per_frame, expected, rtol=0, atol=SAME)
            assert found.value == pytest.approx(np.mean(expected), abs=SAME)

    @pytest.mark.data
    def test_a_generated_clip(self, recorded):
        found = CPBD_CARD.measure(alone(recorded.generated[::50]))
        np.testing.assert_allclose(found.per_frame, GENERATED, rtol=0, atol=SAME)

    @pytest.mark.assets
    @pytest.mark.reference
    def test_live(self, official, monkeypatch, carphone, blurred):
        # The package imports a function that SciPy has dropped, and does not need it.
        monkeypatch.setattr(scipy.ndimage, "imread", None, raising=False)
        monkeypatch.delitem(sys.modules, "cpbd", raising=False)
        package = official("cpbd")
        frames = [grey(f) for f in (*carphone[:2], *blurred(carphone[:2], 0.7))]
        for picture in (*pictures().values(), *frames):
            assert cpbd(picture) == pytest.approx(package.compute(picture), abs=SAME)


class TestEdgeBlocks:
    """Blocks with more than 0.2 % of Canny's edges, held against scikit-image's own Canny."""

    @staticmethod
    def check(picture: np.ndarray) -> None:
        across = picture.shape[1] // BLOCK
        blocks = picture.shape[0] // BLOCK * across
        ours = engine._edge_blocks(picture, np.ones(blocks, dtype=bool))
        edges = canny(picture.astype(np.float64))
        for i, found in enumerate(ours):
            y, x = i // across * BLOCK, i % across * BLOCK
            count = np.count_nonzero(edges[y : y + BLOCK, x : x + BLOCK])
            assert found == (count > BLOCK * BLOCK * 0.002), f"block {i}: {count}"

    @pytest.mark.parametrize("name", PACKAGE)
    def test_pictures(self, name):
        self.check(pictures()[name])

    @pytest.mark.parametrize(
        ("low", "high", "ramp"), [(56, 136, 0), (56, 136, 6), (56, 136, 9), (40, 150, 0)]
    )
    def test_faint_edges_count_where_they_hang_together_with_a_strong_one(self, low, high, ramp):
        self.check(faint_texture(low, high, ramp))

    @pytest.mark.assets
    def test_a_clip(self, carphone):
        for frame in carphone[::40]:
            self.check(cv2.GaussianBlur(grey(frame), (0, 0), 4) // 32)

    def test_blocks_that_do_not_matter_are_not_edge_blocks(self):
        needed = np.array([False, True, False, True, True, False])
        found = engine._edge_blocks(pictures()["noise"], needed)
        np.testing.assert_array_equal(found, needed)


def test_an_edge_is_at_most_202_px_wide():
    # It rises all along, most steeply at column 125.
    level = np.concatenate([np.arange(125), [127], np.arange(129, 253), np.full(40, 252)])
    picture = np.tile(level, (64, 1)).astype(np.uint8)
    picture[:, -20:-10] = 251  # so that some slope points elsewhere
    _, columns, widths = edge_widths(picture)
    assert set(widths[columns == 125]) == {202}


class TestLaplacian:
    @pytest.mark.assets
    def test_equals_the_usual_formula(self, carphone):
        found = LAPLACIAN.measure(alone(carphone[:5])).per_frame
        theirs = [
            cv2.Laplacian(cv2.cvtColor(f, cv2.COLOR_RGB2GRAY), cv2.CV_64F).var()
            for f in carphone[:5]
        ]
        # Both are sums of whole numbers, which rounding enters at their end only.
        np.testing.assert_allclose(found, theirs, rtol=1e-12)

    def test_of_a_single_pixel(self):
        frame = np.full((1, 9, 9, 3), 50, np.uint8)
        frame[0, 4, 4] += 10
        # One pixel of -40 and four of 10 among 81, mean 0.
        assert value(LAPLACIAN, frame) == pytest.approx((40**2 + 4 * 10**2) / 81, rel=1e-12)

    def test_frames_of_one_pixel_have_a_value(self):
        assert value(LAPLACIAN, noise(0, 2, 1, 1, 3)) == 0


@pytest.mark.parametrize("metric", WHOLE_FRAMES, ids=lambda m: m.spec.name)
class TestLaws:
    @pytest.mark.assets
    def test_more_blur_is_lower(self, metric, carphone, blurred):
        clip = carphone[::30]
        ladder = [value(metric, clip), *(value(metric, blurred(clip, s)) for s in (0.5, 1, 2))]
        assert ladder == sorted(ladder, reverse=True)
        assert ladder[-1] < 0.1 * ladder[0]

    @pytest.mark.assets
    def test_noise_is_higher_as_the_card_warns(self, metric, carphone):
        clip = carphone[::30]
        grain = np.random.default_rng(0).normal(0, 12, clip.shape)
        grainy = np.clip(clip + grain, 0, 255).astype(np.uint8)
        assert value(metric, grainy) > 1.1 * value(metric, clip)
        assert "noise" in metric.spec.protocol["traps"]

    @pytest.mark.parametrize("level", [0, 100, 255])
    def test_flat_frames_get_0(self, metric, level):
        found = metric.measure(alone(np.full((3, 80, 70, 3), level, np.uint8)))
        assert found.per_frame.tolist() == [0, 0, 0]

    @pytest.mark.assets
    def test_pieces_join_to_the_whole(self, metric, carphone):
        clip = carphone[:5].copy()
        clip[3] = 0  # so that there is a note to join
        whole = metric.measure(alone(clip))
        cuts = (slice(0, 2), slice(2, 3), slice(3, 5))
        joined = Measurement.join([metric.measure(alone(clip[cut])) for cut in cuts])
        np.testing.assert_array_equal(joined.per_frame, whole.per_frame)
        assert (joined.value, joined.notes) == (whole.value, whole.notes)

    def test_memory_layout_does_not_matter(self, metric):
        frames = noise(0, 2, 140, 150, 3)
        frames.flags.writeable = False
        view = frames[:, 4:-4, ::-1, ::-1]
        assert value(metric, view) == value(metric, view.copy())

    def test_only_bytes_in_rgb_are_frames(self, metric):
        for wrong in (None, np.zeros((2, 80, 80, 3)), np.zeros((2, 80, 80), np.uint8)):
            with pytest.raises(ValueError, match=r"expected uint8 \[n, H, W, 3\], got"):
                metric.measure(Inputs(Side(wrong)))

    def test_all_is_said(self, metric):
        spec = metric.spec
        assert set(STATED) <= set(spec.protocol)
        assert not spec.needs_reference
        assert not spec.paired
        assert spec.direction == "higher"


def test_frames_without_a_narrow_edge_are_noted():
    frames = np.concatenate([noise(0, 2, 64, 64, 3), np.zeros((3, 64, 64, 3), np.uint8)])
    assert CPBD_CARD.measure(alone(frames)).notes == {"frames without a narrow edge": 3}


@pytest.mark.parametrize(("height", "width"), [(63, 200), (200, 63)])
def test_cpbd_needs_a_block(height, width):
    frames = noise(0, 1, height, width, 3)
    with pytest.raises(UnscorableError, match=f"{width}x{height} px: cpbd@vico needs 64 px"):
        CPBD_CARD.measure(alone(frames))
    with pytest.raises(ValueError, match="smaller than one block"):
        cpbd(frames[0, ..., 0])


def test_cpbd_weighs_frames_and_the_laplacian_clips():
    short, long = noise(0, 1, 64, 64, 3), np.zeros((3, 64, 64, 3), np.uint8)
    for metric, share in ((CPBD_CARD, 1 / 4), (LAPLACIAN, 1 / 2)):
        clips = [metric.measure(alone(x)) for x in (short, long)]
        assert metric.aggregate(clips) == pytest.approx(share * clips[0].value, rel=1e-12)
        assert metric.aggregate(clips) == metric.aggregate(clips[::-1])


def tracks_of(frames: np.ndarray) -> dict:
    """What the cards of the face read, of a whole clip."""
    tracks = {YUNET.id: YUNET.extract(frames, {})}
    tracks[FACE.id] = FACE.follow(tracks)
    tracks[FACE_MESH.id] = FACE_MESH.extract(frames, tracks)
    for card in (FACE_CARD, MOUTH_CARD):
        tracks[card.values.id] = card.values.extract(frames, tracks)
    return tracks


def of_tracks(card: Metric, tracks: dict) -> Measurement:
    return card.measure(Inputs(Side(tracks=tracks)))


@pytest.mark.assets
@pytest.mark.data
class TestRegions:
    @pytest.mark.parametrize(
        ("card", "region"),
        [(FACE_CARD, FACE_REGION), (MOUTH_CARD, MOUTH_REGION)],
        ids=["face", "mouth"],
    )
    def test_it_is_the_number_of_the_crop(self, recorded, card, region):
        frames = recorded.generated[:3]
        tracks = tracks_of(frames)
        windows = region.windows(tracks[region.extractor.id], *frames.shape[1:3])
        crops = [f[w] for f, w in zip(frames, windows, strict=True)]
        assert all(0 < c.shape[0] < frames.shape[1] for c in crops)
        expected = [
            cv2.Laplacian(cv2.cvtColor(c, cv2.COLOR_RGB2GRAY), cv2.CV_64F).var() for c in crops
        ]
        np.testing.assert_allclose(of_tracks(card, tracks).per_frame, expected, rtol=1e-12)

    def test_a_generated_mouth_is_softer_even_where_the_frame_is_sharper(self, recorded):
        sides = (recorded.generated[::25], recorded.reference[::25])
        generated, real = (tracks_of(frames) for frames in sides)
        whole = [value(LAPLACIAN, frames) for frames in sides]
        mouths = [of_tracks(MOUTH_CARD, tracks).value for tracks in (generated, real)]
        assert whole[0] > 1.3 * whole[1]
        assert mouths[0] < 0.8 * mouths[1]

    def test_useless_generators_get_what_the_cards_say(self, recorded, blurred):
        clip = recorded.reference[::5]
        tracks, soft = tracks_of(clip), tracks_of(blurred(clip, 2))
        for card in (FACE_CARD, MOUTH_CARD):
            said = card.spec.protocol["useless"]
            found = of_tracks(card, tracks)
            for number in (found.per_frame[0], found.value, of_tracks(card, soft).value):
                assert f"{number:.1f}" in said


@pytest.mark.parametrize("card", [FACE_CARD, MOUTH_CARD], ids=lambda m: m.spec.name)
class TestLostFaces:
    @staticmethod
    def measure(card: Metric, lost: int) -> Measurement:
        values = np.arange(20.0)
        values[:lost] = np.nan
        return of_tracks(card, {card.values.id: {"values": values}})

    def test_a_few_are_left_out_and_counted(self, card):
        found = self.measure(card, 2)
        assert (found.frames, found.notes) == (18, {"no face": 2})
        assert found.value == np.arange(2, 20).mean()

    def test_more_than_a_tenth_is_no_value(self, card):
        with pytest.raises(UnscorableError, match="no face in 3 of 20 frames"):
            self.measure(card, 3)

    def test_its_card(self, card):
        spec = card.spec
        assert set(STATED) <= set(spec.protocol)
        assert spec.needs == ("face",)
        assert "yunet" in spec.assets
        assert not spec.needs_frames


@pytest.mark.data
@pytest.mark.parametrize(
    ("metric", "digits"), [(CPBD_CARD, 2), (LAPLACIAN, 0)], ids=["cpbd", "laplacian"]
)
def test_useless_generators_get_what_the_card_says(metric, digits, recorded, blurred):
    said = metric.spec.protocol["useless"]
    clip = recorded.reference[::5]
    found = metric.measure(alone(clip))
    ladder = ", ".join(f"{value(metric, blurred(clip, s)):.{digits}f}" for s in (1, 2, 4))
    assert f"blurred by sigma 1, 2, 4: {ladder}" in said
    for number in (found.per_frame[0], found.value):
        assert f"{number:.{digits or 1}f}" in said


def test_the_bare_names_mean_the_usual_cards():
    assert [m.spec.id for m in ALL] == [
        "cpbd@vico/1",
        "sharpness@laplacian/1",
        "sharpness@laplacian@face/1",
        "sharpness@laplacian@mouth/1",
    ]
    assert cpbd_of(noise(0, 64, 64, 3)) > 0.5 > cpbd_of(np.zeros((64, 64, 3), np.uint8))
    assert laplacian_variance(noise(0, 64, 64, 3)) > 1000
