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
from metrics.backbones.detections import MOST_FACES
from metrics.backbones.face_mesh import FACE_MESH
from metrics.backbones.faces import FACE
from metrics.backbones.mesh import EYES, SIZE, square_around
from metrics.backbones.mouths import MOUTHS
from metrics.backbones.sface import SFACE
from metrics.backbones.yunet import YUNET
from metrics.base import Extractor, TrackExtractor, UnscorableError
from metrics.face_frames import scored_frames

PASSES = (YUNET, MOUTHS, SFACE, FACE_MESH)
NEEDS = ("yunet", "face-mesh", "sface", "face-mesh")
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
    """Every extractor's track of a clip, in the order in which they use each other."""
    tracks = {YUNET.id: YUNET.extract(frames, {})}
    tracks[FACE.id] = FACE.follow(tracks)
    for extractor in (MOUTHS, SFACE, FACE_MESH):
        tracks[extractor.id] = extractor.extract(frames, tracks)
    return tracks


def detected(frames):
    """The largest face of every frame: the detector's first slot."""
    return YUNET.extract(frames, {})["faces"][:, 0]


def points_of(faces):
    return faces[:, 4:14].reshape(-1, 5, 2)


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


# ---- all of them ----------------------------------------------------------------------------


@pytest.mark.parametrize("extractor", PASSES, ids=lambda e: e.id)
def test_is_an_extractor_and_travels_between_processes(extractor):
    assert isinstance(extractor, Extractor)
    assert not isinstance(extractor, TrackExtractor)
    assert pickle.loads(pickle.dumps(extractor)).id == extractor.id  # noqa: S301


@networks
def test_rows_do_not_depend_on_how_the_video_is_cut(asset, decode):
    frames = decode(asset("clip-carphone"), every=10)
    whole = run(frames)
    for extractor in PASSES:
        pieces = [
            extractor.extract(
                frames[a:b],
                {e.id: {k: v[a:b] for k, v in whole[e.id].items()} for e in extractor.uses},
            )
            for a, b in ((0, 5), (5, 6), (6, 12))
        ]
        joined = {k: np.concatenate([p[k] for p in pieces]) for k in whole[extractor.id]}
        same(whole[extractor.id], joined)


@networks
def test_no_face_is_a_row_of_nan():
    tracks = run(BLANK)
    assert tracks[YUNET.id]["count"].tolist() == [0]
    assert not any(tracks[e.id]["found"][0] for e in (FACE, SFACE, FACE_MESH))
    nothing = {
        YUNET.id: ("faces",),
        MOUTHS.id: ("opening",),
        FACE.id: ("boxes", "points", "scores"),
        SFACE.id: ("features",),
        FACE_MESH.id: ("landmarks", "scores"),
    }
    for name, keys in nothing.items():
        for key in keys:
            assert np.isnan(tracks[name][key]).all()


@networks
def test_shapes_and_types_with_and_without_frames(person):
    for frames in (person[None], person[None][:0]):
        n, tracks = len(frames), run(frames)
        rows = {(e, k): (v.dtype.name, v.shape) for e, t in tracks.items() for k, v in t.items()}
        assert rows == {
            ("yunet/2", "count"): ("int32", (n,)),
            ("yunet/2", "faces"): ("float32", (n, 8, 15)),
            ("mouths/1", "opening"): ("float32", (n, 8)),
            ("clip-face@largest/1", "found"): ("bool", (n,)),
            ("clip-face@largest/1", "boxes"): ("float32", (n, 4)),
            ("clip-face@largest/1", "points"): ("float32", (n, 5, 2)),
            ("clip-face@largest/1", "scores"): ("float32", (n,)),
            ("clip-face@largest/1", "others"): ("int32", (n,)),
            ("clip-face@largest/1", "slots"): ("int32", (n,)),
            ("sface/2", "found"): ("bool", (n,)),
            ("sface/2", "features"): ("float32", (n, 128)),
            ("face-mesh/2", "found"): ("bool", (n,)),
            ("face-mesh/2", "landmarks"): ("float32", (n, 468, 2)),
            ("face-mesh/2", "scores"): ("float32", (n,)),
        }


@networks
def test_threads_do_not_disturb_each_other(person):
    pictures = [place(person, 8 * i, 4 * i)[: 256 + 16 * i][None] for i in range(8)]
    with ThreadPoolExecutor(4) as pool:
        for a, b in zip(pool.map(run, pictures), map(run, pictures), strict=True):
            for extractor in PASSES:
                same(a[extractor.id], b[extractor.id])


@networks
def test_missing_weights_say_how_to_get_them(person, monkeypatch, tmp_path):
    tracks = run(person[None])
    monkeypatch.setenv("TALKBENCH_CACHE", str(tmp_path))
    monkeypatch.delenv("TALKBENCH_ASSETS", raising=False)
    for extractor, name in zip(PASSES, NEEDS, strict=True):
        with pytest.raises(AssetMissingError, match=f"talkbench assets get {name}"):
            extractor.extract(person[None], tracks)


@networks
def test_networks_are_silent():
    code = """
import numpy, skimage.data
from metrics.backbones.face_mesh import FACE_MESH
from metrics.backbones.faces import FACE
from metrics.backbones.sface import SFACE
from metrics.backbones.yunet import YUNET
frames = skimage.data.astronaut()[None, :256]
tracks = {YUNET.id: YUNET.extract(frames, {})}
tracks[FACE.id] = FACE.follow(tracks)
for e in (SFACE, FACE_MESH):
    assert e.extract(frames, tracks)["found"].all()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# ---- detector --------------------------------------------------------------------------------


@networks
def test_box_and_points_are_where_the_face_is(person):
    face = detected(person[None])[0]
    (x, y, width, height), points, score = face[:4], face[4:14].reshape(5, 2), face[14]
    right_eye, left_eye, nose, right_corner, left_corner = points
    assert 50 < x < 60
    assert 30 < y < 60
    assert 60 < width < 90
    assert 90 < height < 120
    assert right_eye[0] < nose[0] < left_eye[0]
    assert right_corner[0] < nose[0] < left_corner[0]
    assert max(right_eye[1], left_eye[1]) < nose[1] < min(right_corner[1], left_corner[1])
    assert score > 0.8


@networks
@pytest.mark.parametrize("left", [True, False])
def test_every_face_is_kept_largest_first(person, left):
    small = cv2.resize(person, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
    frame = np.hstack([place(p, 0, 0, 192, 192) for p in (person, small)][:: 1 if left else -1])
    track = YUNET.extract(frame[None], {})
    assert track["count"].tolist() == [2]
    larger, smaller = track["faces"][0, :2]
    assert (larger[0] < 192, smaller[0] < 192) == (left, not left)
    assert larger[2] > 60 > smaller[2]
    assert np.isnan(track["faces"][0, 2:]).all()


@networks
def test_faces_beyond_the_eighth_are_counted_only(person):
    small = cv2.resize(person, (96, 96), interpolation=cv2.INTER_AREA)
    row = np.hstack([small] * 5)
    track = YUNET.extract(np.vstack([row, row])[None], {})
    assert track["count"].tolist() == [10]
    assert track["faces"].shape == (1, MOST_FACES, 15)
    assert np.isfinite(track["faces"]).all()


@networks
def test_box_moves_with_the_face(person):
    # Away from the borders and by multiples of its coarsest grid, which is 32 px.
    faces = detected(np.stack([place(person, 128, 96), place(person, 192, 128)]))
    moved = points_of(faces)[1] - points_of(faces)[0]
    np.testing.assert_allclose(moved, [[64, 32]] * 5, atol=0.01)


@networks
def test_portrait_video_of_a_telephone(person):
    frame = place(cv2.resize(person, (800, 800)), 100, 500, height=1920, width=1080)
    tracks = run(frame[None])
    assert all(tracks[e.id]["found"].all() for e in (FACE, SFACE, FACE_MESH))
    # The same face at 192x192, enlarged.
    small = run(person[None])[FACE_MESH.id]["landmarks"][0]
    large = tracks[FACE_MESH.id]["landmarks"][0]
    apart = np.linalg.norm(large - (small * 800 / 192 + [100, 500]), axis=1)
    assert apart.mean() < 0.03 * eye_distance(large)


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
    points = points_of(detected(person[None]))[0]
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
    mesh, points = tracks[FACE_MESH.id]["landmarks"][0], tracks[FACE.id]["points"][0]
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
    face = dict(FACE.follow({YUNET.id: YUNET.extract(frames, {})}))
    true = FACE_MESH.extract(frames, {FACE.id: face})["landmarks"]
    x, y, width, height = face["boxes"].T
    centre = np.stack([x + width * (0.5 + move), y + height / 2])
    size = np.stack([width, height]) * grow
    face["boxes"] = np.concatenate([centre - size / 2, size]).T
    other = FACE_MESH.extract(frames, {FACE.id: face})["landmarks"]
    apart = np.linalg.norm(other - true, axis=2).mean(1) / [eye_distance(p) for p in true]
    assert 0 < apart.mean() < 0.02


@networks
def test_playing_card_is_no_face(asset, decode):
    """Behind the singer hang cards that the detector takes for faces, and the mesh does not.

    While he looks down nothing else is found: a clip of these frames alone is about a card.
    """
    tracks = run(decode(asset("clip-singer"), limit=32)[24:])
    assert tracks[FACE.id]["found"].all()
    assert (tracks[FACE.id]["boxes"][:, 0] < 320).all()  # the man's is right of that
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
