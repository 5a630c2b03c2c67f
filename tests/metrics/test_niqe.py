"""NIQE against scikit-video's own test, and against values of pyiqa, BasicSR and scikit-video."""

from __future__ import annotations

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from metrics import niqe as engine
from metrics.assets import ASSETS
from metrics.base import STATED, Inputs, Measurement, Side, UnscorableError
from metrics.naturalness import NIQE, niqe_of
from metrics.niqe import BASICSR, PYIQA, SCIKIT_VIDEO, brightness, halved, niqe, normalised

RULES = {"pyiqa": PYIQA, "basicsr": BASICSR, "scikit-video": SCIKIT_VIDEO}
CARDS = {m.spec.name.partition("@")[2]: m for m in NIQE}

# What is left between us and each library, relative to the value.
# pyiqa: means of blocks are summed in another order, and 1e-7 of its own sums is single precision.
# BasicSR: the half-size picture is a matrix product in single precision, whose order of sums is
# the machine's; its rounding decides by which sign flat places are counted.
# scikit-video: means of blocks in single precision there, in double here; a shape lies on a grid
# of 0.001, and the difference can move a block's shape by one step.
TOLERANCE = {"pyiqa": 1e-6, "basicsr": 1e-3, "scikit-video": 1e-5}

# By pyiqa 0.1.16 (torch 2.13.0, CPU), BasicSR 1.4.2 and scikit-video 1.1.11 (NumPy 1.23.5, SciPy
# 1.10.1, Pillow 9.5.0): two frames of a singer, 976x528.
SINGER = {
    "pyiqa": [5.011435607006875, 5.051666670637297],
    "basicsr": [5.080139421102094, 5.137746564328306],
    "scikit-video": [9.778270721435547, 9.9632568359375],
}
# The same, frames 0, 50 ... 250 of a generated clip of 256x256.
GENERATED = {
    "pyiqa": [
        4.348603059007429,
        4.515683233551003,
        4.392889245976171,
        3.993234357437583,
        4.50419269030106,
        5.416892784265719,
    ],
    "basicsr": [
        4.435110514194484,
        4.6033716348250975,
        4.393639186874159,
        4.0336438871044304,
        4.594696018568844,
        5.507339564959782,
    ],
    "scikit-video": [
        24.18177604675293,
        33.32154083251953,
        28.603116989135742,
        26.25545883178711,
        20.28815460205078,
        30.11165428161621,
    ],
}
# By pyiqa, one block each: frames 0, 40, 80, 119.
CARPHONE = [5.738287894905705, 5.539297809167596, 5.896516742385045, 6.516787080793412]

# By pyiqa: noise beside a flat ground.
FLAT_BLOCKS = 28.287716140663374

every_rule = pytest.mark.parametrize("name", RULES)
pytestmark = pytest.mark.assets


def alone(frames: np.ndarray) -> Inputs:
    return Inputs(Side(frames))


def value(name: str, frames: np.ndarray) -> float:
    return CARDS[name].measure(alone(frames)).value


@pytest.fixture(scope="module", autouse=True)
def photographs(asset) -> None:
    """What the cards need is here."""
    for card in NIQE:
        for name in card.spec.assets:
            asset(name)


@pytest.fixture(scope="module")
def face(carphone) -> np.ndarray:
    """Three frames of a talking man, made larger: uint8 RGB [3, 288, 352, 3]."""
    return np.stack(
        [cv2.resize(f, (352, 288), interpolation=cv2.INTER_CUBIC) for f in carphone[::50]]
    )


class TestEqualsTheLibraries:
    def test_scikit_videos_own_test(self, asset):
        with av.open(str(asset("clip-bunny"))) as file:
            frames = [frame for frame, _ in zip(file.decode(video=0), range(2), strict=False)]
            grey = [frame.to_ndarray(format="gray").astype(np.float64) for frame in frames]
        found = [niqe(picture, SCIKIT_VIDEO) for picture in grey]
        np.testing.assert_allclose(found, [11.197661399841, 11.055174827576], rtol=5e-6)

    @every_rule
    def test_large_frames(self, name, singer):
        found = CARDS[name].measure(alone(singer[:2]))
        np.testing.assert_allclose(found.per_frame, SINGER[name], rtol=TOLERANCE[name])
        assert found.value == pytest.approx(np.mean(SINGER[name]), rel=TOLERANCE[name])

    @pytest.mark.data
    @every_rule
    def test_a_generated_clip(self, name, recorded):
        found = CARDS[name].measure(alone(recorded.generated[::50]))
        np.testing.assert_allclose(found.per_frame, GENERATED[name], rtol=TOLERANCE[name])

    @pytest.mark.data
    @pytest.mark.parametrize(("name", "expected"), [("pyiqa", 6.91399020), ("basicsr", 7.02438094)])
    def test_black_bars(self, name, expected, recorded):
        barred = np.pad(recorded.generated[:1, :, 64:192], ((0, 0), (0, 0), (64, 64), (0, 0)))
        assert value(name, barred) == pytest.approx(expected, rel=TOLERANCE[name])

    def test_flat_blocks(self):
        noise = np.random.default_rng(0).integers(0, 256, (1, 192, 480, 3), dtype=np.uint8)
        noise[:, :, 240:] = 90
        assert value("pyiqa", noise) == pytest.approx(FLAT_BLOCKS, rel=TOLERANCE["pyiqa"])

    def test_frames_of_one_block_have_a_value_by_pyiqa_alone(self, carphone):
        frames = carphone[[0, 40, 80, 119]]
        found = CARDS["pyiqa"].measure(alone(frames)).per_frame
        np.testing.assert_allclose(found, CARPHONE, rtol=TOLERANCE["pyiqa"])
        with pytest.raises(UnscorableError, match="4 frames have fewer blocks than NIQE needs"):
            value("basicsr", frames)

    def test_flat_frames_have_a_value_by_scikit_video_alone(self):
        # Recorded from the package, as above; it is what single precision makes of the edges.
        for level, expected in ((0, 27.07539), (255, 37.87721)):
            flat = np.full((2, 256, 256, 3), level, np.uint8)
            assert value("scikit-video", flat) == pytest.approx(expected, rel=1e-5)
            for name in ("pyiqa", "basicsr"):
                with pytest.raises(UnscorableError, match="2 frames have fewer blocks"):
                    value(name, flat)


class TestParts:
    def test_brightness_of_grey(self):
        level = np.arange(256, dtype=np.uint8).reshape(16, 16)
        frame = np.repeat(level[..., None], 3, axis=2)
        np.testing.assert_array_equal(brightness(frame, PYIQA), level)
        expected = np.rint(16 + 219 * (level / 255))
        np.testing.assert_array_equal(brightness(frame, BASICSR), expected)
        np.testing.assert_allclose(brightness(frame, SCIKIT_VIDEO), 0.9999 * level, rtol=1e-12)

    def test_brightness_of_colours(self):
        primaries = np.eye(3, dtype=np.uint8)[None] * 255
        assert brightness(primaries, PYIQA).tolist() == [[76, 150, 29]]
        assert brightness(primaries, BASICSR).tolist() == [[81, 145, 41]]

    @every_rule
    def test_half_a_flat_picture_is_flat(self, name):
        half = halved(np.full((96, 192), 77.0), RULES[name])
        assert half.shape == (48, 96)
        np.testing.assert_allclose(half, 77, rtol=1e-6)

    @every_rule
    def test_half_a_slope_is_a_slope(self, name):
        # Away from the edges, a pixel of the half is the mean of the two it stands for.
        half = halved(np.tile(np.arange(192.0), (96, 1)), RULES[name])
        inner = slice(2, -2)
        np.testing.assert_allclose(
            half[:, inner], np.tile(np.arange(96) * 2 + 0.5, (48, 1))[:, inner], rtol=1e-5
        )

    def test_half_a_picture_for_scikit_video_is_pillows(self):
        picture = np.random.default_rng(0).integers(0, 256, (96, 192)).astype(np.float32)
        theirs = np.asarray(Image.fromarray(picture).resize((96, 48), Image.Resampling.BICUBIC))
        ours = halved(picture.astype(np.float64), SCIKIT_VIDEO).astype(np.float32)
        np.testing.assert_array_equal(ours, theirs)

    def test_the_grid_of_shapes_ends_at_10_or_just_before(self):
        signs = np.where(np.indices((1, 48, 48)).sum(axis=0) % 2, 1.0, -1.0)
        for name, last in (("pyiqa", 10), ("scikit-video", 9.999)):
            assert engine._fit(signs, RULES[name])[0] == pytest.approx(last, abs=1e-9)

    def test_pyiqas_window_makes_flat_places_dark(self):
        found = normalised(np.full((20, 20), 200.0), PYIQA)
        assert (found < 0).all()
        assert found.min() > -1e-5

    def test_what_lies_beyond_the_edge(self):
        flat = np.full((20, 20), 200.0)
        assert np.abs(normalised(flat, BASICSR)).max() == 0
        beyond = np.abs(normalised(flat, SCIKIT_VIDEO)) > 0.1
        assert beyond[:3].all()
        assert not beyond[3:-3, 3:-3].any()


class TestLaws:
    @pytest.mark.parametrize("name", ["pyiqa", "basicsr"])
    def test_strong_blur_is_worse(self, name, face, blurred):
        ladder = [value(name, face), *(value(name, blurred(face, s)) for s in (2, 4))]
        assert ladder == sorted(ladder)
        assert ladder[-1] > 1.5 * ladder[0]

    @every_rule
    def test_noise_is_worse(self, name, face):
        noise = np.random.default_rng(0).integers(0, 256, face.shape, dtype=np.uint8)
        assert value(name, noise) > 1.5 * value(name, face)

    @every_rule
    def test_pieces_join_to_the_whole(self, name, face):
        card = CARDS[name]
        whole = card.measure(alone(face))
        joined = Measurement.join([card.measure(alone(face[cut])) for cut in ([0], [1, 2])])
        np.testing.assert_array_equal(joined.per_frame, whole.per_frame)
        assert joined.value == whole.value

    @every_rule
    def test_memory_layout_does_not_matter(self, name, face):
        view = face[:, 4:-4, ::-1, ::-1]
        assert value(name, view) == value(name, view.copy())

    @every_rule
    def test_what_is_beyond_the_last_whole_block_does_not_count(self, name, face):
        other = face.copy()
        other[:, :, 288:] = 255 - other[:, :, 288:]
        assert value(name, other) == value(name, face)

    @every_rule
    def test_small_frames_have_no_value(self, name):
        least = {"pyiqa": 96, "basicsr": 96, "scikit-video": 194}[name]
        frames = np.zeros((1, least - 1, 400, 3), np.uint8)
        with pytest.raises(UnscorableError, match=f"niqe@{name} needs {least} px"):
            value(name, frames)

    @every_rule
    def test_one_black_frame_leaves_a_clip_without_a_value_but_by_scikit_video(self, name, face):
        dipped = face.copy()
        dipped[1] = 0
        if name == "scikit-video":
            assert np.isfinite(value(name, dipped))
            return
        with pytest.raises(UnscorableError, match="1 frames have fewer blocks"):
            value(name, dipped)

    @every_rule
    def test_every_clip_counts_the_same(self, name, face):
        card = CARDS[name]
        clips = [card.measure(alone(face[:1])), card.measure(alone(face[1:]))]
        assert card.aggregate(clips) == pytest.approx((clips[0].value + clips[1].value) / 2)
        assert card.aggregate(clips) == card.aggregate(clips[::-1])


@pytest.mark.data
class TestCards:
    @every_rule
    def test_useless_generators_get_what_the_card_says(self, name, recorded, blurred):
        said = CARDS[name].spec.protocol["useless"]
        clip, digits = recorded.reference[::5], 1 if name == "scikit-video" else 2
        found = CARDS[name].measure(alone(clip))
        for number in (found.per_frame[0], found.value):
            assert f"{number:.{digits}f}" in said
        ladder = ", ".join(f"{value(name, blurred(clip, s)):.1f}" for s in (1, 2, 4))
        assert f"blurred by sigma 1, 2, 4: {ladder}" in said

    def test_a_slight_blur_improves_it_as_the_card_warns(self, recorded, blurred):
        said = CARDS["pyiqa"].spec.protocol["traps"]
        clip = recorded.reference[::5]
        soft, plain = value("pyiqa", blurred(clip, 0.5)), value("pyiqa", clip)
        assert soft < plain
        assert f"{soft:.2f} for {plain:.2f}" in said

    def test_the_libraries_are_a_factor_of_three_apart(self, data, decode):
        clip = decode(data / "clips" / "person_May_5s.mp4", every=40, limit=2)
        assert value("scikit-video", clip) > 2.5 * value("pyiqa", clip)
        assert abs(value("basicsr", clip) / value("pyiqa", clip) - 1) < 0.05


@every_rule
def test_all_is_said(name):
    spec = CARDS[name].spec
    assert set(STATED) <= set(spec.protocol)
    assert all(ASSETS[a].sha256[:8] in spec.protocol["photographs"] for a in spec.assets)
    assert spec.assets == (RULES[name].photographs,)
    assert (spec.direction, spec.perfect) == ("lower", None)
    assert not spec.needs_reference
    assert not spec.paired


def test_the_bare_name_means_pyiqa():
    assert [m.spec.id for m in NIQE] == [
        "niqe@pyiqa/1",
        "niqe@basicsr/1",
        "niqe@scikit-video/1",
    ]
    frame = np.random.default_rng(0).integers(0, 256, (192, 192, 3), dtype=np.uint8)
    assert niqe_of(frame, PYIQA) == value("pyiqa", frame[None])
