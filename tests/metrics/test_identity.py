"""CSIM: against OpenCV's own recogniser, and its laws."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from metrics.assets import ASSETS
from metrics.backbones.face_mesh import FACE_MESH
from metrics.backbones.sface import SFACE
from metrics.backbones.yunet import YUNET
from metrics.base import Inputs, Metric, Side, UnscorableError
from metrics.identity import CSIM, cosines

METRIC = CSIM[0]
SYSTEMS = ("wav2lip", "iplap", "diffdub")
CLIPS = ("RD_Radio8_000", "RD_Radio42_000", "WRA_PeterRoskam0_000")


def networks(test):
    """Runs the real weights."""
    return pytest.mark.assets(pytest.mark.usefixtures("weights")(test))


@pytest.fixture(scope="module")
def weights(asset):
    for name in METRIC.spec.assets:
        asset(name)


def read(frames):
    faces = {YUNET.id: YUNET.extract(frames, {})}
    return {e.id: e.extract(frames, faces) for e in (SFACE, FACE_MESH)}


def score(generated, reference):
    return METRIC.measure(Inputs(Side(tracks=generated), Side(tracks=reference)))


def rows(features, found=None, seen=None):
    features = np.asarray(features, np.float32)
    everywhere = np.ones(len(features), bool)
    return {
        SFACE.id: {"found": everywhere if found is None else found, "features": features},
        FACE_MESH.id: {"found": everywhere if seen is None else seen},
    }


@pytest.fixture(scope="module")
def hdtf(weights, data, decode):
    """(system, clip) -> track of every 5th frame, each video read once."""
    kept = {}

    def get(system, clip):
        if (system, clip) not in kept:
            kept[system, clip] = read(decode(data / "hdtf_mini" / system / f"{clip}.mp4", every=5))
        return kept[system, clip]

    return get


@networks
@pytest.mark.data
@pytest.mark.parametrize("clip", CLIPS)
def test_golden(hdtf, golden, golden_per_frame, clip):
    for system in SYSTEMS:
        measured = score(hdtf(system, clip), hdtf("gt", clip))
        expected = golden_per_frame["csim"][system][clip]["paired"]
        assert measured.frames == 51
        assert not measured.notes
        # OpenCV 4.11 rounds the crop's source coordinates to 1/32 px, OpenCV 5 does not.
        assert measured.value == pytest.approx(golden["csim_sface_paired"][system][clip], abs=5e-4)
        np.testing.assert_allclose(measured.per_frame, expected, atol=5e-3)


@networks
@pytest.mark.data
def test_golden_pooled(hdtf, golden):
    for system in SYSTEMS:
        clips = [score(hdtf(system, clip), hdtf("gt", clip)) for clip in CLIPS]
        expected = golden["csim_sface_paired"][system]["pooled"]
        assert METRIC.aggregate(clips) == pytest.approx(expected, abs=3e-4)
        assert METRIC.aggregate(clips[::-1]) == METRIC.aggregate(clips)


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
        expected = golden["perturbed_gt"][name]["csim"]["paired"]
        assert score(track, reference).value == pytest.approx(expected, abs=5e-4), name


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
    assert score(driver, speaker).value < 0.3


def test_frames_are_paired_and_averaged():
    a = rows([[1, 0], [0, 2], [3, 4]])
    b = rows([[1, 0], [0, -1], [4, 3]])
    measured = score(a, b)
    np.testing.assert_allclose(measured.per_frame, [1, -1, 0.96])
    assert measured.value == pytest.approx(0.32)
    assert score(b, a).value == measured.value


def test_cosine_stays_in_its_bounds():
    x = np.random.default_rng(0).normal(size=(1000, 128)).astype(np.float32)
    assert cosines(x, x).max() <= 1
    assert cosines(x, -x).min() >= -1
    np.testing.assert_allclose(cosines(x, 7 * x), 1, atol=1e-12)


def test_frames_without_a_face_are_left_out_and_counted():
    found = np.ones(12, bool)
    reference = rows(np.eye(12), found & (np.arange(12) > 1))
    generated = rows(np.eye(12), found & (np.arange(12) != 5))
    for side in (reference[SFACE.id], generated[SFACE.id]):
        side["features"][~side["found"]] = np.nan
    measured = score(generated, reference)
    assert (measured.value, measured.frames) == (1, 9)
    assert measured.notes == {"no face in reference": 2, "no face in generated": 1}


def test_what_the_mesh_does_not_take_for_a_face_does_not_count():
    unseen = np.arange(12) == 3
    measured = score(rows(np.eye(12)), rows(np.eye(12), seen=~unseen))
    assert measured.frames == 11
    assert measured.notes == {"no face in reference": 1}


@networks
def test_a_playing_card_is_nobody(asset, decode):
    """While the singer looks down, the detector's largest face is a card on his wall."""
    tracks = read(decode(asset("clip-singer"), every=4))
    found, seen = tracks[SFACE.id]["found"], tracks[FACE_MESH.id]["found"]
    assert found.sum() - (found & seen).sum() >= 4
    assert score(tracks, tracks).frames == (found & seen).sum()


@networks
def test_breaking_faces_does_not_pay(asset, decode):
    frames = decode(asset("clip-carphone"), limit=10)
    broken = frames.copy()
    broken[4:6] = 0
    with pytest.raises(UnscorableError, match="no face in 2 of 10 generated frames"):
        score(read(broken), read(frames))
    with pytest.raises(UnscorableError, match="no face in the reference"):
        score(read(frames[:2]), read(np.zeros_like(frames[:2])))


def test_card():
    assert isinstance(METRIC, Metric)
    spec = METRIC.spec
    assert spec.id == "csim@sface/1"
    assert (spec.direction, spec.bounds, spec.perfect) == ("higher", (-1, 1), 1)
    assert not spec.needs_frames
    assert METRIC.extractors == (SFACE, FACE_MESH)
    words = " ".join(spec.protocol.values())
    assert all(ASSETS[name].sha256[:8] in words for name in spec.assets)
    assert "10%" in words
