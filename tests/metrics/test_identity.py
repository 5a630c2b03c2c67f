"""CSIM: against OpenCV's own recogniser, dlib's users and vico's pairing, and its laws."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from metrics.assets import ASSETS
from metrics.backbones.arcface import ARCFACE_WHOLE_FRAME
from metrics.backbones.face_mesh import FACE_MESH
from metrics.backbones.faces import FACE
from metrics.backbones.sface import SFACE
from metrics.backbones.yunet import YUNET
from metrics.base import STATED, Inputs, Measurement, Metric, Side, UnscorableError
from metrics.csim import cosines, cosines_with_all, units
from metrics.identity import CSIM

CARDS = {m.spec.name: m for m in CSIM}
METRIC = CSIM[0]
ALL_PAIRS = CARDS["csim@sface@all-pairs"]
VICO = CARDS["csim@vico-16424c0"]
VICO_SET = CARDS["csim@vico-a282472"]
CLIPS = ("RD_Radio8_000", "RD_Radio42_000", "WRA_PeterRoskam0_000")


def networks(test):
    """Runs the real weights."""
    return pytest.mark.assets(pytest.mark.usefixtures("weights")(test))


@pytest.fixture(scope="module")
def weights(asset):
    for name in METRIC.spec.assets:
        asset(name)


def read(frames):
    tracks = {YUNET.id: YUNET.extract(frames, {})}
    tracks[FACE.id] = FACE.follow(tracks)
    return {e.id: e.extract(frames, tracks) for e in (SFACE, FACE_MESH)}


def inputs(generated, reference):
    return Inputs(Side(tracks=generated), Side(tracks=reference))


def score(generated, reference, metric=METRIC):
    return metric.measure(inputs(generated, reference))


def rows(features, found=None, seen=None):
    features = np.asarray(features, np.float32)
    everywhere = np.ones(len(features), bool)
    return {
        SFACE.id: {"found": everywhere if found is None else found, "features": features},
        FACE_MESH.id: {"found": everywhere if seen is None else seen},
    }


def whole(features):
    return {ARCFACE_WHOLE_FRAME.id: {"features": np.asarray(features, np.float32)}}


def embeddings(seed, frames, dimensions=512):
    """As networks make them: of any length, leaning to one side."""
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(frames, dimensions)) * 3 + 1).astype(np.float32)


# ---- against others --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hdtf(weights, data, decode):
    """(system, clip) -> track of every N-th frame, each video read once."""
    kept = {}

    def get(system, clip, every=5):
        key = (system, clip, every)
        if key not in kept:
            frames = decode(data / "hdtf_mini" / system / f"{clip}.mp4", every=every)
            kept[key] = read(frames)
        return kept[key]

    return get


KEYS = {"csim_sface_paired": METRIC, "csim_sface_allpairs": ALL_PAIRS}


@networks
@pytest.mark.data
def test_golden(hdtf, golden, golden_per_frame):
    system, clip = "iplap", CLIPS[0]
    sides = hdtf(system, clip), hdtf("gt", clip)
    paired, all_pairs = (score(*sides, metric) for metric in (METRIC, ALL_PAIRS))
    assert paired.frames == all_pairs.frames == 51
    assert not paired.notes
    # OpenCV 4.11 rounds the crop's source coordinates to 1/32 px, OpenCV 5 does not.
    expected = golden_per_frame["csim"][system][clip]["paired"]
    np.testing.assert_allclose(paired.per_frame, expected, atol=5e-3)
    for measured, key in zip((paired, all_pairs), KEYS, strict=True):
        assert measured.value == pytest.approx(golden[key][system][clip], abs=5e-4)
        assert measured.value == pytest.approx(measured.per_frame.mean())


@pytest.mark.data
@pytest.mark.parametrize("key", KEYS)
def test_recorded_clips_pool_to_the_recorded_value(golden, key):
    recorded, metric = golden[key]["iplap"], KEYS[key]
    clips = [Measurement(recorded[clip], 51) for clip in CLIPS]
    assert metric.aggregate(clips) == pytest.approx(recorded["pooled"], abs=1e-6)
    assert metric.aggregate(clips[::-1]) == metric.aggregate(clips)


@networks
@pytest.mark.data
@pytest.mark.parametrize("system", ["iplap", "wav2lip", "diffdub"])
def test_golden_of_every_fifth_frame(hdtf, golden_per_frame, system):
    """Every fifth of the frames that were recorded."""
    for clip in CLIPS[::2]:
        measured = score(hdtf(system, clip, 25), hdtf("gt", clip, 25))
        expected = golden_per_frame["csim"][system][clip]["paired"][::5]
        np.testing.assert_allclose(measured.per_frame, expected, atol=5e-3)
        assert measured.value == pytest.approx(np.mean(expected), abs=1e-3)


@networks
@pytest.mark.data
def test_golden_ladder(hdtf, golden, data, decode):
    reference = hdtf("gt", "RD_Radio8_000")
    frames = decode(data / "hdtf_mini" / "gt" / "RD_Radio8_000.mp4")
    blurred = frames[::5].copy()
    for frame in blurred:
        frame[170:] = cv2.GaussianBlur(frame, (0, 0), 2)[170:]
    still = {
        name: {key: np.repeat(rows[:1], 51, axis=0) for key, rows in track.items()}
        for name, track in reference.items()
    }
    damaged = {
        "identity": reference,
        "still_first_frame": still,
        "shift_plus3": read(frames[np.minimum(np.arange(0, 251, 5) + 3, 250)]),
        "blur_s2_lower_third": read(blurred),
    }
    for name, track in damaged.items():
        expected = golden["perturbed_gt"][name]["csim"]
        for metric, key in ((METRIC, "paired"), (ALL_PAIRS, "allpairs")):
            value = score(track, reference, metric).value
            assert value == pytest.approx(expected[key], abs=5e-4), (name, key)


@pytest.mark.reference
def test_all_pairs_of_a_set_as_sklearn_has_them():
    from sklearn.metrics.pairwise import cosine_similarity

    generated = [embeddings(seed, frames) for seed, frames in ((0, 7), (1, 20), (2, 3))]
    reference = [embeddings(seed + 10, len(g)) for seed, g in enumerate(generated)]
    clips = [score(whole(g), whole(r), VICO_SET) for g, r in zip(generated, reference, strict=True)]
    expected = cosine_similarity(np.concatenate(reference), np.concatenate(generated)).mean()
    # sklearn divides and sums in float32 here.
    assert VICO_SET.aggregate(clips) == pytest.approx(float(expected), abs=1e-6)
    assert VICO_SET.aggregate(clips[:1]) == pytest.approx(
        float(cosine_similarity(reference[0], generated[0]).mean()), abs=1e-6
    )


def test_paired_frames_of_a_set_as_torch_has_them():
    generated = [embeddings(0, 7), embeddings(1, 20)]
    reference = [embeddings(2, 7), embeddings(3, 20)]
    clips = [score(whole(g), whole(r), VICO) for g, r in zip(generated, reference, strict=True)]
    expected = F.cosine_similarity(
        *(torch.from_numpy(np.concatenate(side)) for side in (reference, generated))
    )
    np.testing.assert_allclose(np.concatenate([c.per_frame for c in clips]), expected, atol=1e-6)
    assert VICO.aggregate(clips) == pytest.approx(expected.mean().item(), abs=1e-6)
    # Frames are pooled, not clips: 20 frames weigh more than 7.
    assert VICO.aggregate(clips) != pytest.approx(np.mean([c.value for c in clips]), abs=1e-4)


# ---- on faces --------------------------------------------------------------------------------


@networks
def test_a_video_looks_like_itself_and_less_so_when_damaged(asset, decode):
    frames = decode(asset("clip-carphone"), every=12)
    reference = read(frames)
    assert score(reference, reference).value == pytest.approx(METRIC.spec.perfect, abs=1e-12)
    blurred = [score(read(blur(frames, s)), reference).value for s in (0.5, 1, 1.6)]
    assert 1 > blurred[0] > blurred[1] > blurred[2] > 0


def blur(frames, sigma):
    return np.stack([cv2.GaussianBlur(f, (0, 0), sigma) for f in frames])


@networks
def test_another_man_does_not_pass(asset, decode):
    driver = read(decode(asset("clip-carphone"), limit=8))
    speaker = read(decode(asset("clip-speaker"), limit=8))
    for metric in (METRIC, ALL_PAIRS):
        assert score(driver, speaker, metric).value < 0.3


@networks
def test_a_playing_card_is_nobody(asset, decode):
    """While the singer looks down, all that the detector finds is a card on his wall.

    It looks like itself for ever: without the mesh's word a clip of it alone would be perfect.
    """
    tracks = read(decode(asset("clip-singer"), limit=32)[24:])
    assert tracks[SFACE.id]["found"].all()
    assert cosines(*[tracks[SFACE.id]["features"]] * 2) == pytest.approx(1)
    with pytest.raises(UnscorableError, match="no face in the reference"):
        score(tracks, tracks)


@networks
def test_breaking_faces_does_not_pay(asset, decode):
    frames = decode(asset("clip-carphone"), limit=10)
    broken = frames.copy()
    broken[4:6] = 0
    for metric in (METRIC, ALL_PAIRS):
        with pytest.raises(UnscorableError, match="no face in 2 of 10 generated frames"):
            score(read(broken), read(frames), metric)
        with pytest.raises(UnscorableError, match="no face in the reference"):
            score(read(frames[:2]), read(np.zeros_like(frames[:2])), metric)


# ---- arithmetic ------------------------------------------------------------------------------


def test_frames_are_paired_and_averaged():
    a = rows([[1, 0], [0, 2], [3, 4]])
    b = rows([[1, 0], [0, -1], [4, 3]])
    measured = score(a, b)
    np.testing.assert_allclose(measured.per_frame, [1, -1, 0.96])
    assert measured.value == pytest.approx(0.32)
    assert score(b, a).value == measured.value


def test_all_pairs_of_a_clip():
    a, b = [[1, 0], [0, 2], [3, 4]], [[0, 5], [1, 0]]
    # Each generated frame against both of the reference: (0 + 1) / 2, (1 + 0) / 2, (0.8 + 0.6) / 2.
    np.testing.assert_allclose(cosines_with_all(np.array(a), np.array(b)), [0.5, 0.5, 0.7])
    x, y = (units(embeddings(seed, 12)) for seed in (0, 1))
    measured = score(rows(x), rows(y), ALL_PAIRS)
    np.testing.assert_allclose(measured.per_frame, (x @ y.T).mean(axis=1), atol=1e-6)
    shuffled = score(rows(x[::-1]), rows(np.roll(y, 3, axis=0)), ALL_PAIRS)
    assert shuffled.value == pytest.approx(measured.value, abs=1e-12)


def test_cosine_stays_in_its_bounds():
    x = np.random.default_rng(0).normal(size=(1000, 128)).astype(np.float32)
    for compare in (cosines, cosines_with_all):
        assert compare(x, x).max() <= 1
        assert compare(x, -x).min() >= -1
    assert cosines_with_all(x[:1], x[:1]).max() <= 1
    np.testing.assert_allclose(cosines(x, 7 * x), 1, atol=1e-12)
    np.testing.assert_allclose(cosines_with_all(4 * x, 8 * x), cosines_with_all(x, x), atol=1e-12)
    assert cosines(np.zeros((1, 4)), np.ones((1, 4))).tolist() == [0]


def test_frames_without_a_face_are_left_out_and_counted():
    found = np.ones(12, bool)
    reference = rows(np.eye(12), found & (np.arange(12) > 1))
    generated = rows(np.eye(12), found & (np.arange(12) != 5))
    for side in (reference[SFACE.id], generated[SFACE.id]):
        side["features"][~side["found"]] = np.nan
    for metric, value in ((METRIC, 1), (ALL_PAIRS, 1 / 9)):
        measured = score(generated, reference, metric)
        assert (measured.value, measured.frames) == (pytest.approx(value), 9)
        assert measured.notes == {"no face in reference": 2, "no face in generated": 1}


def test_what_the_mesh_does_not_take_for_a_face_does_not_count():
    unseen = np.arange(12) == 3
    measured = score(rows(np.eye(12)), rows(np.eye(12), seen=~unseen))
    assert measured.frames == 11
    assert measured.notes == {"no face in reference": 1}


def test_a_set_has_no_value_per_clip_and_needs_frames():
    clip = score(whole(embeddings(0, 5)), whole(embeddings(1, 5)), VICO_SET)
    assert (clip.value, clip.frames) == (None, 5)
    assert {side: x.shape for side, x in clip.features.items()} == {
        "generated": (1, 512),
        "reference": (1, 512),
    }
    with pytest.raises(UnscorableError, match="no frame"):
        VICO_SET.aggregate([])
    for metric in (VICO, VICO_SET):
        with pytest.raises(ValueError, match="5 generated frames do not fit 4"):
            score(whole(embeddings(0, 5)), whole(embeddings(1, 4)), metric)


def test_the_order_of_clips_does_not_show_in_the_last_bit():
    clips = [
        score(whole(embeddings(i, 3)), whole(embeddings(i + 99, 3)), VICO_SET) for i in range(40)
    ]
    orders = [np.random.default_rng(seed).permutation(40) for seed in range(10)]
    assert len({VICO_SET.aggregate([clips[i] for i in order]) for order in orders}) == 1


def test_a_set_of_strangers_is_worse_than_each_of_its_clips():
    """What the card warns of: over all pairs, people are compared with each other."""
    clips = [
        Measurement(None, 1, features={"generated": e, "reference": e}) for e in np.eye(4)[:, None]
    ]
    assert [VICO_SET.aggregate([c]) for c in clips] == [1, 1, 1, 1]
    assert VICO_SET.aggregate(clips) == pytest.approx(1 / 4)


# ---- cards -----------------------------------------------------------------------------------


def test_family():
    assert list(CARDS) == [
        "csim@sface",
        "csim@sface@all-pairs",
        "csim@arcface",
        "csim@arcface-yunet",
        "csim@arcface-r100",
        "csim@dlib",
        "csim@vico-16424c0",
        "csim@vico-a282472",
    ]
    assert len({m.spec.title for m in CSIM}) == len(CSIM)
    assert METRIC.spec.id == "csim@sface/2"
    assert METRIC.extractors == (SFACE, FACE_MESH)


@pytest.mark.parametrize("metric", CSIM, ids=lambda m: m.spec.name)
def test_card(metric):
    assert isinstance(metric, Metric)
    spec = metric.spec
    assert (spec.direction, spec.bounds) == ("higher", (-1, 1))
    assert not spec.needs_frames
    # Where everything is compared with everything, a video against itself is not best.
    assert spec.perfect == (None if "all pairs" in spec.title else 1)
    whole_frames = "vico" in spec.name
    assert spec.needs == (() if whole_frames else ("face",))
    assert spec.per_clip == (spec.name != "csim@vico-a282472")
    assert spec.packages == (("dlib",) if spec.name == "csim@dlib" else ())
    assert set(STATED) <= spec.protocol.keys()
    words = " ".join(spec.protocol.values())
    assert all(ASSETS[name].sha256[:8] in words for name in spec.assets)
    assert ("10%" in words) != whole_frames
    assert closure_assets(metric) == set(spec.assets)


def closure_assets(metric):
    """What a card's extractors load, read off their ids."""
    loads = {
        "yunet": {"yunet"},
        "sface": {"sface"},
        "face-mesh": {"face-mesh"},
        "scrfd": {"scrfd-10g"},
        "dlib-68": {"dlib-68"},
        "dlib-identity": {"dlib-resnet"},
        "arcface-r50": {"arcface-r50"},
        "arcface-r100": {"arcface-r100"},
        "clip-face": set(),
    }
    waiting, needed = list(metric.extractors), set()
    while waiting:
        extractor = waiting.pop()
        needed |= loads[extractor.id.partition("/")[0].partition("@")[0]]
        waiting += extractor.uses
    return needed
