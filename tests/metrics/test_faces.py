"""Detector, alignment, embedding and mesh on public pictures; the rule on frames without faces."""

from __future__ import annotations

import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
import skimage.data
from skimage.transform import SimilarityTransform

from metrics.assets import AssetMissingError
from metrics.backbones import sface, yunet
from metrics.backbones.face_mesh import EYES, FACE_MESH, SIZE, square_around
from metrics.backbones.sface import SFACE
from metrics.backbones.yunet import YUNET
from metrics.base import Extractor, UnscorableError
from metrics.face_frames import scored_frames

ALL = (YUNET, SFACE, FACE_MESH)
BLANK = np.zeros((1, 96, 128, 3), np.uint8)


def networks(test):
    """Runs the real weights."""
    return pytest.mark.assets(pytest.mark.usefixtures("weights")(test))


@pytest.fixture(scope="module")
def weights(asset):
    for name in ("yunet", "sface", "face-mesh"):
        asset(name)


@pytest.fixture(scope="module")
def person():
    """One frontal face, about 100 px wide, in 192x192: uint8 RGB."""
    return np.ascontiguousarray(skimage.data.astronaut()[20:212, 130:322])


def run(frames):
    tracks = {}
    for extractor in ALL:
        tracks[extractor.id] = extractor.extract(frames, tracks)
    return tracks


def place(picture, x, y, height=448, width=576, background=128):
    canvas = np.full((height, width, 3), background, np.uint8)
    canvas[y : y + picture.shape[0], x : x + picture.shape[1]] = picture
    return canvas


def eye_distance(landmarks):
    return float(np.linalg.norm(landmarks[EYES[0]] - landmarks[EYES[1]]))


def same(a, b):
    assert a.keys() == b.keys()
    for key in a:
        np.testing.assert_array_equal(a[key], b[key])


# ---- all three -------------------------------------------------------------------------------


@pytest.mark.parametrize("extractor", ALL, ids=lambda e: e.id)
def test_is_an_extractor_and_travels_between_processes(extractor):
    assert isinstance(extractor, Extractor)
    assert pickle.loads(pickle.dumps(extractor)).id == extractor.id  # noqa: S301


@networks
def test_rows_do_not_depend_on_how_the_video_is_cut(asset, decode):
    frames = decode(asset("clip-carphone"), every=10)
    whole = run(frames)
    pieces = [run(frames[a:b]) for a, b in ((0, 5), (5, 6), (6, 12))]
    for extractor in ALL:
        joined = {
            key: np.concatenate([p[extractor.id][key] for p in pieces])
            for key in whole[extractor.id]
        }
        same(whole[extractor.id], joined)


@networks
def test_no_face_is_a_row_of_nan():
    tracks = run(BLANK)
    assert not any(tracks[e.id]["found"][0] for e in ALL)
    assert tracks[YUNET.id]["faces"].tolist() == [0]
    for extractor, keys in ((YUNET, "boxes points scores"), (SFACE, "features")):
        for key in keys.split():
            assert np.isnan(tracks[extractor.id][key]).all()
    assert np.isnan(tracks[FACE_MESH.id]["landmarks"]).all()


@networks
def test_shapes_and_types_with_and_without_frames(person):
    for frames in (person[None], person[None][:0]):
        n, tracks = len(frames), run(frames)
        rows = {(e.id, k): (v.dtype.name, v.shape) for e in ALL for k, v in tracks[e.id].items()}
        assert rows == {
            ("yunet/1", "found"): ("bool", (n,)),
            ("yunet/1", "boxes"): ("float32", (n, 4)),
            ("yunet/1", "points"): ("float32", (n, 5, 2)),
            ("yunet/1", "scores"): ("float32", (n,)),
            ("yunet/1", "faces"): ("int32", (n,)),
            ("sface/1", "found"): ("bool", (n,)),
            ("sface/1", "features"): ("float32", (n, 128)),
            ("face-mesh/1", "found"): ("bool", (n,)),
            ("face-mesh/1", "landmarks"): ("float32", (n, 468, 2)),
            ("face-mesh/1", "scores"): ("float32", (n,)),
        }


@networks
def test_threads_do_not_disturb_each_other(person):
    pictures = [place(person, 8 * i, 4 * i)[: 256 + 16 * i][None] for i in range(8)]
    with ThreadPoolExecutor(4) as pool:
        for a, b in zip(pool.map(run, pictures), map(run, pictures), strict=True):
            for extractor in ALL:
                same(a[extractor.id], b[extractor.id])


@networks
def test_missing_weights_say_how_to_get_them(person, monkeypatch, tmp_path):
    tracks = run(person[None])
    monkeypatch.setenv("TALKBENCH_CACHE", str(tmp_path))
    monkeypatch.delenv("TALKBENCH_ASSETS", raising=False)
    for extractor, name in zip(ALL, ("yunet", "sface", "face-mesh"), strict=True):
        with pytest.raises(AssetMissingError, match=f"talkbench assets get {name}"):
            extractor.extract(person[None], tracks)


@networks
def test_networks_are_silent():
    code = """
import numpy, skimage.data
from metrics.backbones.face_mesh import FACE_MESH
from metrics.backbones.sface import SFACE
from metrics.backbones.yunet import YUNET
tracks = {}
for e in (YUNET, SFACE, FACE_MESH):
    tracks[e.id] = e.extract(skimage.data.astronaut()[None, :256], tracks)
    assert tracks[e.id]["found"].all()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# ---- detector --------------------------------------------------------------------------------


@networks
def test_box_and_points_are_where_the_face_is(person):
    track = YUNET.extract(person[None], {})
    (x, y, width, height), points = track["boxes"][0], track["points"][0]
    right_eye, left_eye, nose, right_corner, left_corner = points
    assert 50 < x < 60
    assert 30 < y < 60
    assert 60 < width < 90
    assert 90 < height < 120
    assert right_eye[0] < nose[0] < left_eye[0]
    assert right_corner[0] < nose[0] < left_corner[0]
    assert max(right_eye[1], left_eye[1]) < nose[1] < min(right_corner[1], left_corner[1])
    assert track["scores"][0] > 0.8


@networks
@pytest.mark.parametrize("left", [True, False])
def test_largest_face_wins_wherever_it_stands(person, left):
    small = cv2.resize(person, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
    frame = np.hstack([place(p, 0, 0, 192, 192) for p in (person, small)][:: 1 if left else -1])
    track = YUNET.extract(frame[None], {})
    assert track["faces"].tolist() == [2]
    assert (track["boxes"][0, 0] < 192) == left
    assert track["boxes"][0, 2] > 60


@networks
def test_box_moves_with_the_face(person):
    # Away from the borders and by multiples of its coarsest grid, which is 32 px.
    frames = np.stack([place(person, 128, 96), place(person, 192, 128)])
    track = YUNET.extract(frames, {})
    np.testing.assert_allclose(track["points"][1] - track["points"][0], [[64, 32]] * 5, atol=0.01)


@networks
def test_portrait_video_of_a_telephone(person):
    frame = place(cv2.resize(person, (800, 800)), 100, 500, height=1920, width=1080)
    tracks = run(frame[None])
    assert all(tracks[e.id]["found"].all() for e in ALL)
    # The same face at 192x192, enlarged.
    small = run(person[None])[FACE_MESH.id]["landmarks"][0]
    large = tracks[FACE_MESH.id]["landmarks"][0]
    apart = np.linalg.norm(large - (small * 800 / 192 + [100, 500]), axis=1)
    assert apart.mean() < 0.03 * eye_distance(large)


@networks
def test_silent_second_man_is_never_mistaken_for_the_speaker(asset, decode):
    frames = decode(asset("clip-speaker"))
    track = YUNET.extract(frames, {})
    assert track["faces"].tolist() == [2] * 105
    centres = track["boxes"][:, 0] + track["boxes"][:, 2] / 2
    assert np.abs(np.diff(centres)).max() < 0.05 * frames.shape[2]  # they stand 0.36 apart


# ---- alignment and embedding -----------------------------------------------------------------


def test_similarity_is_umeyamas():
    rng = np.random.default_rng(0)
    for _ in range(20):
        source, target = rng.normal(size=(2, 5, 2)) * 30
        expected = SimilarityTransform.from_estimate(source, target).params[:2]
        np.testing.assert_allclose(sface.similarity(source, target), expected, atol=1e-9)


def test_aligned_face_is_not_touched(person):
    np.testing.assert_array_equal(sface.align(person, sface.TEMPLATE), person[:112, :112])


@networks
def test_alignment_undoes_rotation_and_scale(person):
    points = YUNET.extract(person[None], {})["points"][0]
    turn = cv2.getRotationMatrix2D((96, 96), 25, 1.4)
    turned = cv2.warpAffine(person, turn, (192, 192))
    a = sface.align(person, points)
    b = sface.align(turned, points @ turn[:, :2].T + turn[:, 2])
    assert np.abs(a[20:92, 20:92].astype(int) - b[20:92, 20:92]).mean() < 4
    assert sface.embed(a) @ sface.embed(b) > 0.97


@networks
def test_embedding_tells_people_apart(person, asset, decode):
    tracks = [
        run(frames)[SFACE.id]["features"]
        for frames in (
            person[None],
            person[None, :, ::-1],
            decode(asset("clip-carphone"), limit=1),
            decode(asset("clip-carphone"), every=60)[1:],
            decode(asset("clip-speaker"), limit=1),
        )
    ]
    woman, mirrored, driver, driver_later, speaker = (t[0] for t in tracks)
    np.testing.assert_allclose([np.linalg.norm(t[0]) for t in tracks], 1, atol=1e-6)
    assert woman @ mirrored > 0.8
    assert driver @ driver_later > 0.7
    assert max(woman @ driver, woman @ speaker, driver @ speaker) < 0.3


# ---- mesh ------------------------------------------------------------------------------------


def test_square_is_half_as_large_again_centred_and_upright():
    box, level = np.array([[100, 50], [140, 130]]), np.array([[110, 70], [130, 70]])
    to_frame = square_around(box, level)
    corners = np.array([[0, 0, 1], [SIZE, SIZE, 1]]) @ to_frame.T
    np.testing.assert_allclose(corners, [[60, 30], [180, 150]])  # side 80 * 1.5 around (120, 90)
    upright = square_around(box, np.array([[120, 60], [120, 100]]))  # eyes one above the other
    corners = np.array([[0, 0, 1], [SIZE, 0, 1]]) @ upright.T
    np.testing.assert_allclose(corners, [[180, 30], [180, 150]])


@networks
def test_mesh_agrees_with_the_detector_on_what_both_know(person):
    tracks = run(person[None])
    mesh, points = tracks[FACE_MESH.id]["landmarks"][0], tracks[YUNET.id]["points"][0]
    own = [mesh[[33, 133]].mean(0), mesh[[362, 263]].mean(0), mesh[1], mesh[61], mesh[291]]
    assert np.linalg.norm(own - points, axis=1).max() < 0.15 * eye_distance(mesh)


@networks
def test_mesh_moves_with_the_face(person):
    frames = np.stack([place(person, x, y) for x, y in ((128, 96), (192, 128), (161, 77))])
    a, b, c = run(frames)[FACE_MESH.id]["landmarks"]
    np.testing.assert_allclose(b - a, [[64, 32]] * 468, atol=0.05)
    apart = np.linalg.norm(c - a - [33, -19], axis=1)
    assert apart.mean() < 0.02 * eye_distance(a)


@networks
def test_mesh_turns_with_the_head(person):
    turn = cv2.getRotationMatrix2D((96, 96), 20, 1)
    turned = cv2.warpAffine(person, turn, (192, 192), borderMode=cv2.BORDER_REPLICATE)
    a, b = run(np.stack([person, turned]))[FACE_MESH.id]["landmarks"]
    apart = np.linalg.norm(a @ turn[:, :2].T + turn[:, 2] - b, axis=1)
    assert apart.mean() < 0.03 * eye_distance(a)


@networks
@pytest.mark.parametrize(("grow", "move"), [(1.1, 0), (0.9, 0), (1, 0.05), (1, -0.05)])
def test_mesh_hardly_depends_on_the_box(asset, decode, grow, move):
    frames = decode(asset("clip-carphone"), every=24)
    faces = dict(YUNET.extract(frames, {}))
    true = FACE_MESH.extract(frames, {YUNET.id: faces})["landmarks"]
    x, y, width, height = faces["boxes"].T
    centre = np.stack([x + width * (0.5 + move), y + height / 2])
    size = np.stack([width, height]) * grow
    faces["boxes"] = np.concatenate([centre - size / 2, size]).T
    other = FACE_MESH.extract(frames, {YUNET.id: faces})["landmarks"]
    apart = np.linalg.norm(other - true, axis=2).mean(1) / [eye_distance(p) for p in true]
    assert 0 < apart.mean() < 0.02


@networks
def test_playing_card_is_no_face(asset, decode):
    """Behind the singer hang cards that the detector takes for faces while he looks down."""
    frames = decode(asset("clip-singer"), limit=25)
    tracks = run(frames[[9, 12, 24]])  # a second look would believe the last one
    assert tracks[YUNET.id]["found"].all()
    assert (tracks[YUNET.id]["boxes"][:, 0] < 300).all()  # the man's is right of 400
    assert not tracks[FACE_MESH.id]["found"].any()
    assert (tracks[FACE_MESH.id]["scores"] < 0.5).all()
    assert np.isnan(tracks[FACE_MESH.id]["landmarks"]).all()


# ---- which frames count ----------------------------------------------------------------------


def test_frames_with_a_face_on_both_sides_count():
    reference = np.array([True] * 20 + [False, False])
    generated = reference.copy()
    generated[[3, 21]] = False, True  # one lost; one invented, which nobody can be paired with
    scored, notes = scored_frames(generated, reference)
    assert np.flatnonzero(~scored).tolist() == [3, 20, 21]
    assert notes == {"no face in reference": 2, "no face in generated": 1}


def test_a_tenth_may_be_lost_but_no_more():
    reference, generated = np.ones(20, bool), np.ones(20, bool)
    generated[:2] = False
    assert scored_frames(generated, reference)[0].sum() == 18
    generated[2] = False
    with pytest.raises(UnscorableError, match="no face in 3 of 20 generated frames"):
        scored_frames(generated, reference)
    # Frames without a face in the reference do not thin the loss out.
    with pytest.raises(UnscorableError, match="no face in 3 of 20 generated frames"):
        scored_frames(*(np.append(x, [False] * 100) for x in (generated, reference)))


def test_no_face_in_the_reference():
    with pytest.raises(UnscorableError, match="no face in the reference"):
        scored_frames(np.ones(3, bool), np.zeros(3, bool))
    with pytest.raises(UnscorableError, match="no face in the reference"):
        scored_frames(np.ones(0, bool), np.ones(0, bool))


def test_sides_must_be_of_one_length():
    with pytest.raises(ValueError, match="3 generated frames do not fit 4"):
        scored_frames(np.ones(3, bool), np.ones(4, bool))


def test_card_says_what_the_code_does():
    for number in (yunet.SCORE_THRESHOLD, yunet.NMS_THRESHOLD):
        assert str(number) in yunet.IN_WORDS
