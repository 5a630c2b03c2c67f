"""dlib's identity network against the package that made it known, face_recognition."""

from __future__ import annotations

import pickle
import sys

import numpy as np
import pytest
import skimage.data

from evaluation.score_pair import missing_packages
from metrics.assets import AssetMissingError
from metrics.backbones.dlib68 import DLIB68
from metrics.backbones.dlib_identity import DLIB_IDENTITY, embed
from metrics.backbones.face_mesh import FACE_MESH
from metrics.backbones.faces import FACE
from metrics.backbones.yunet import YUNET
from metrics.base import Extractor, Inputs, Side
from metrics.identity import CSIM

(METRIC,) = [m for m in CSIM if m.spec.name == "csim@dlib"]

# face_recognition 1.3.0 on dlib-bin 20.0.1: every 16th number and the length of
# face_encodings(picture, [box], model="large"), the boxes being YuNet's, corners truncated:
# top, right, bottom, left 45 136 155 50, 34 111 98 63 and 30 101 92 54.
RECORDED = {
    "woman": (
        (
            -0.0845167,
            -0.1499988,
            -0.0993568,
            0.1138058,
            0.1294659,
            -0.0394032,
            -0.1462513,
            0.1205035,
        ),
        1.4557790,
    ),
    "driver": (
        (
            -0.1763626,
            -0.0969883,
            -0.1420604,
            0.1802696,
            0.1525378,
            0.0197065,
            -0.0630624,
            0.2505579,
        ),
        1.4133794,
    ),
    "driver later": (
        (
            -0.1941110,
            -0.0393432,
            -0.1394117,
            0.1379924,
            0.2056350,
            -0.0383485,
            -0.0831552,
            0.1646952,
        ),
        1.4782317,
    ),
}
RECORDED_COSINES = {("driver", "driver later"): 0.9487002, ("driver", "woman"): 0.8145056}
# As printed; other processors sum in another order.
ROUNDING = 1e-5


@pytest.fixture(scope="module")
def dlib(asset):
    for name in METRIC.spec.assets:
        asset(name)
    return pytest.importorskip("dlib", reason="dlib-bin is not installed (talkbench[faces])")


@pytest.fixture(scope="module")
def tracks(dlib, asset, decode):
    """Tracks of three pictures, each a clip of its own."""
    driver = decode(asset("clip-carphone"), every=60)
    woman = np.ascontiguousarray(skimage.data.astronaut()[20:212, 130:322])
    return {
        name: read(frames)
        for name, frames in (
            ("woman", woman[None]),
            ("driver", driver[:1]),
            ("driver later", driver[1:]),
        )
    }


def read(frames):
    seen = {YUNET.id: YUNET.extract(frames, {})}
    seen[FACE.id] = FACE.follow(seen)
    for extractor in (DLIB68, DLIB_IDENTITY, FACE_MESH):
        seen[extractor.id] = extractor.extract(frames, seen)
    return seen


@pytest.mark.assets
@pytest.mark.parametrize("name", RECORDED)
def test_identity_is_that_of_face_recognition(tracks, name):
    track = tracks[name][DLIB_IDENTITY.id]
    assert track["found"].tolist() == [True]
    assert (track["features"].dtype, track["features"].shape) == (np.float64, (1, 128))
    expected, length = RECORDED[name]
    np.testing.assert_allclose(track["features"][0, ::16], expected, atol=ROUNDING)
    assert np.linalg.norm(track["features"][0]) == pytest.approx(length, abs=ROUNDING)


@pytest.mark.assets
@pytest.mark.parametrize("pair", RECORDED_COSINES, ids=" and ".join)
def test_card_is_the_cosine_of_two_such(tracks, pair):
    measured = METRIC.measure(Inputs(*(Side(tracks=tracks[name]) for name in pair)))
    assert measured.value == pytest.approx(RECORDED_COSINES[pair], abs=ROUNDING)


@pytest.mark.assets
def test_the_chip_is_dlibs(dlib, asset, tracks):
    """Aligned as ``get_face_chip`` aligns: 150x150, a quarter of padding."""
    picture = np.ascontiguousarray(skimage.data.astronaut()[20:212, 130:322])
    points = tracks["woman"][DLIB68.id]["landmarks"][0]
    face = dlib.full_object_detection(
        dlib.rectangle(0, 0, 9, 9), [dlib.point(int(x), int(y)) for x, y in points]
    )
    chip = dlib.get_face_chip(picture, face, size=150, padding=0.25)
    network = dlib.face_recognition_model_v1(str(asset("dlib-resnet")))
    np.testing.assert_array_equal(embed(picture, points), network.compute_face_descriptor(chip))


@pytest.mark.assets
def test_no_face_is_a_row_of_nan(dlib):
    track = read(np.zeros((2, 96, 128, 3), np.uint8))[DLIB_IDENTITY.id]
    assert not track["found"].any()
    assert np.isnan(track["features"]).all()
    assert read(np.zeros((0, 96, 128, 3), np.uint8))[DLIB_IDENTITY.id]["features"].shape == (0, 128)


def test_is_an_extractor_and_travels_between_processes():
    assert isinstance(DLIB_IDENTITY, Extractor)
    assert pickle.loads(pickle.dumps(DLIB_IDENTITY)).id == "dlib-identity/1"  # noqa: S301


@pytest.mark.assets
def test_missing_weights_say_how_to_get_them(dlib, tracks, monkeypatch, tmp_path):
    monkeypatch.setenv("TALKBENCH_CACHE", str(tmp_path))
    monkeypatch.delenv("TALKBENCH_ASSETS", raising=False)
    with pytest.raises(AssetMissingError, match="talkbench assets get dlib-resnet"):
        DLIB_IDENTITY.extract(np.zeros((1, 192, 192, 3), np.uint8), tracks["woman"])


def test_without_the_package_the_card_is_unavailable(monkeypatch):
    monkeypatch.setitem(sys.modules, "dlib", None)  # as if it were not installed
    assert missing_packages(METRIC.spec) == ["dlib"]
    assert not any(missing_packages(m.spec) for m in CSIM if m is not METRIC)
