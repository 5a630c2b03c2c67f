"""dlib's and face-alignment's 68 points: against the packages as others run them."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from metrics.backbones import fan
from metrics.backbones.device import device
from metrics.backbones.dlib68 import DLIB68
from metrics.backbones.faces import FACE
from metrics.backbones.fan import FAN, FAN_BOX, FAN_FLIP
from metrics.backbones.yunet import YUNET
from metrics.base import Inputs, Side
from metrics.landmarks import LMD

CARDS = {card.spec.name: card for card in LMD}
SYSTEMS = ("iplap", "diffdub")
CLIP = "RD_Radio8_000"

# Values that SyncTalk's LMDMeter @ d2427a3 computed from dlib's points of these frames (boxes as
# here), region "mouth" and "face". It works in float32.
LMD_METER = {"iplap": (1.138392, 1.178356), "diffdub": (1.091938, 1.432052)}


@pytest.fixture(scope="module")
def dlib_points(data, asset, decode):
    """System -> track of every 5th frame."""
    pytest.importorskip("dlib", reason="dlib is not installed (pip install 'talkbench[faces]')")
    for name in ("yunet", "dlib-68"):
        asset(name)
    kept = {}

    def get(system):
        if system not in kept:
            frames = decode(data / "hdtf_mini" / system / f"{CLIP}.mp4", every=5)
            face = FACE.follow({YUNET.id: YUNET.extract(frames, {})})
            kept[system] = DLIB68.extract(frames, {FACE.id: face})
        return kept[system]

    return get


def score(name, generated, reference):
    sides = (Side(tracks={DLIB68.id: track}) for track in (generated, reference))
    return CARDS[name].measure(Inputs(*sides))


@pytest.mark.assets
@pytest.mark.data
@pytest.mark.parametrize("system", SYSTEMS)
def test_dlibs_points_give_the_recorded_values(dlib_points, golden, golden_per_frame, system):
    sides = dlib_points(system), dlib_points("gt")
    frames = golden_per_frame["lmd_yunet"][system][CLIP]
    # Points are whole px: equal means equal.
    for name, key, value in (
        ("lmd@vico@dlib", "mouth_abs", "lmd_mouth_abs_yunetbox"),
        ("lmd@vico@dlib@face", "face_abs", "lmd_face_abs_yunetbox"),
    ):
        measured = score(name, *sides)
        np.testing.assert_allclose(measured.per_frame, frames[key], rtol=0, atol=1e-12)
        assert measured.value == pytest.approx(golden[value][system][CLIP], abs=1e-12)
    a, b = (track["landmarks"][:, 48:].astype(float) for track in sides)
    euclidean = np.linalg.norm(a - b, axis=2).mean(axis=1)
    np.testing.assert_allclose(euclidean, frames["mouth_eucl"], rtol=0, atol=1e-12)
    for name, value in zip(
        ("lmd@synctalk@dlib", "lmd@synctalk@dlib@face"), LMD_METER[system], strict=True
    ):
        assert score(name, *sides).value == pytest.approx(value, abs=5e-6)


@pytest.mark.assets
@pytest.mark.data
def test_dlib_says_nothing_where_the_clips_face_is_away(dlib_points):
    frames = np.zeros((2, 64, 64, 3), np.uint8)
    face = {"found": np.array([False, True]), "boxes": np.array([[np.nan] * 4, [8, 8, 40, 40]])}
    track = DLIB68.extract(frames, {FACE.id: face})
    assert track["found"].tolist() == [False, True]
    assert np.isnan(track["landmarks"][0]).all()
    assert np.isfinite(track["landmarks"][1]).all()


@pytest.fixture(scope="module")
def package(formula_weights, tmp_path_factory):
    """face-alignment's own download folder, filled by formula, which our extractors read too.

    One hourglass of its four: a quarter of the time, and nothing else of the path is different.
    """
    numba = pytest.importorskip("numba")
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")
        # Compiling its two small functions takes longer than all that is tested here.
        patch.setattr(numba.config, "DISABLE_JIT", True)
        official = pytest.importorskip(
            "face_alignment", reason="not installed (pip install 'talkbench[faces]')"
        )
        from face_alignment.detection.sfd.net_s3fd import s3fd
        from face_alignment.models import FAN as Network  # noqa: N811

    def one_hourglass(size):
        assert size == 4
        return Network(1)

    home = tmp_path_factory.mktemp("torch")
    checkpoints = home / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    files = {
        "fan-2d": checkpoints / "2DFAN4-11f355bf06.pth.tar",
        "fan-s3fd": checkpoints / "s3fd-619a316812.pth",
    }
    torch.save(formula_weights(Network(1).state_dict()), files["fan-2d"])
    found = formula_weights(s3fd().state_dict())
    sharper = {k: 40 * v if "mbox_conf" in k else v for k, v in found.items()}
    torch.save(sharper, files["fan-s3fd"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCH_HOME", str(home))
        patch.setattr("face_alignment.api.FAN", one_hourglass)
        patch.setattr("face_alignment.models.FAN", one_hourglass)
        patch.setattr(fan, "locate", files.__getitem__)
        fan._load.cache_clear()
        yield official
    fan._load.cache_clear()


@pytest.fixture(scope="module")
def picture(carphone):
    return carphone[:1, 20:116, 40:136].copy()


@pytest.fixture(scope="module")
def boxes(package, picture):
    """The first and the last of the package's detections: nonsense, but a choice."""
    aligner = as_others_have_it(package, flip=False)
    seen = np.array(aligner.face_detector.detect_from_image(picture[0].copy()))
    assert len(seen) > 2
    return seen[[0, -1]]


def as_others_have_it(package, flip):
    return package.FaceAlignment(
        package.LandmarksType.TWO_D, device=str(device()), flip_input=flip, compile=False
    )


def face_at(box):
    x0, y0, x1, y1 = box[:4]
    return {
        "found": np.array([True]),
        "boxes": np.array([[x0, y0, x1 - x0, y1 - y0]], np.float32),
    }


@pytest.mark.assets
def test_fans_box_is_the_one_of_the_clips_face(package, picture, boxes):
    for box in boxes:
        track = FAN_BOX.extract(picture, {FACE.id: face_at(box)})
        assert track["found"].tolist() == [True]
        np.testing.assert_allclose(track["boxes"][0], box, atol=1e-4)


@pytest.mark.assets
def test_fan_gives_the_packages_points_with_and_without_the_mirror(package, picture, boxes):
    box = boxes[1:]
    tracks = []
    for extractor, flip in ((FAN, False), (FAN_FLIP, True)):
        (theirs,) = as_others_have_it(package, flip).get_landmarks(picture[0], detected_faces=box)
        face = {"found": np.array([True]), "boxes": box}
        tracks.append(extractor.extract(picture, {FAN_BOX.id: face}))
        assert tracks[-1]["found"].tolist() == [True]
        np.testing.assert_array_equal(tracks[-1]["landmarks"][0], theirs)
    once, twice = (track["landmarks"] for track in tracks)
    assert np.abs(once - twice).max() >= 1


@pytest.mark.assets
def test_fan_does_not_take_another_face(package, picture):
    far = {"found": np.array([True]), "boxes": np.array([[4000, 4000, 20, 20]], np.float32)}
    away = {"found": np.array([False]), "boxes": np.full((1, 4), np.nan, np.float32)}
    for face in (far, away):
        box = FAN_BOX.extract(picture, {FACE.id: face})
        assert box["found"].tolist() == [False]
        track = FAN.extract(picture, {FAN_BOX.id: box})
        assert track["found"].tolist() == [False]
        assert np.isnan(track["landmarks"]).all()


def test_the_users_settings_of_torch_come_back(monkeypatch):
    """On a GPU the package turns cuDNN's search on; nothing else does."""
    monkeypatch.setattr(fan, "locate", str)
    monkeypatch.setattr(fan, "_load", lambda *_: SimpleNamespace(flip_input=None))
    before = torch.backends.cudnn.benchmark
    with fan._package(flip=True) as package:
        assert package.flip_input is True
        torch.backends.cudnn.benchmark = not before
    assert torch.backends.cudnn.benchmark == before
