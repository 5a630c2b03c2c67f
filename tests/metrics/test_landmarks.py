"""LMD: order and size against dlib's 68 points, and its laws."""

from __future__ import annotations

import io

import av
import cv2
import numpy as np
import pytest
import skimage.data

from metrics.assets import ASSETS
from metrics.backbones.face_mesh import FACE_MESH
from metrics.backbones.yunet import YUNET
from metrics.base import Inputs, Metric, Side, UnscorableError
from metrics.landmarks import INNER_LIP, LMD, MOUTH, OUTER_LIP, distances

METRIC = LMD[0]
SYSTEMS = ("iplap", "diffdub", "wav2lip")
CLIPS = ("RD_Radio8_000", "RD_Radio42_000", "WRA_PeterRoskam0_000")


def networks(test):
    """Runs the real weights."""
    return pytest.mark.assets(pytest.mark.usefixtures("weights")(test))


@pytest.fixture(scope="module")
def weights(asset):
    for name in METRIC.spec.assets:
        asset(name)


def read(frames):
    return FACE_MESH.extract(frames, {YUNET.id: YUNET.extract(frames, {})})


def score(generated, reference):
    return METRIC.measure(
        Inputs(Side(tracks={FACE_MESH.id: generated}), Side(tracks={FACE_MESH.id: reference}))
    )


def rows(landmarks, found=None):
    found = np.ones(len(landmarks), bool) if found is None else found
    return {"found": found, "landmarks": np.asarray(landmarks, np.float32)}


@pytest.fixture(scope="module")
def faces():
    """Any 12 frames of 468 points."""
    return np.random.default_rng(0).uniform(0, 256, size=(12, 468, 2))


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
def test_systems_stand_in_the_order_of_dlibs_points(hdtf, golden, golden_per_frame):
    """Another finder of landmarks, so other values; but the same story."""
    ours = {(s, c): score(hdtf(s, c), hdtf("gt", c)) for s in SYSTEMS for c in CLIPS}
    theirs = golden["lmd_mouth_abs_yunetbox"]
    pooled = [METRIC.aggregate([ours[s, c] for c in CLIPS]) for s in SYSTEMS]
    assert pooled == sorted(pooled)
    for clip in CLIPS:
        assert sorted(SYSTEMS, key=lambda s: ours[s, clip].value) == sorted(
            SYSTEMS, key=lambda s: theirs[s][clip]
        )
    ratios = [ours[s, c].value / theirs[s][c] for s in SYSTEMS for c in CLIPS]
    assert 0.6 < min(ratios) < max(ratios) < 1.2
    assert 0.85 < np.mean(ratios) < 0.95
    frames = [
        (ours[s, c].per_frame, golden_per_frame["lmd_yunet"][s][c]["mouth_abs"])
        for s in SYSTEMS
        for c in CLIPS
    ]
    assert np.corrcoef(*(np.concatenate(side) for side in zip(*frames, strict=True)))[0, 1] > 0.75


@networks
@pytest.mark.data
def test_damage_stands_in_order(hdtf, golden, data, decode):
    reference = hdtf("gt", "RD_Radio8_000")
    frames = decode(data / "hdtf_mini" / "gt" / "RD_Radio8_000.mp4")
    blurred = frames[::5].copy()
    for frame in blurred:
        frame[170:] = cv2.GaussianBlur(frame, (0, 0), 2)[170:]
    value = {
        "identity": score(reference, reference).value,
        "x264_crf35": score(read(squeezed(frames, crf=35)[::5]), reference).value,
        "blur_s2_lower_third": score(read(blurred), reference).value,
        "shift_plus3": score(
            read(frames[np.minimum(np.arange(0, 251, 5) + 3, 250)]), reference
        ).value,
        "still_first_frame": score(
            {k: np.repeat(v[:1], 51, axis=0) for k, v in reference.items()}, reference
        ).value,
    }
    assert value["identity"] == METRIC.spec.perfect == 0
    slight = value["x264_crf35"], value["blur_s2_lower_third"]
    assert min(slight) > 0
    assert 2 * max(slight) < value["shift_plus3"]
    assert 2 * value["shift_plus3"] < value["still_first_frame"]
    for name in ("shift_plus3", "still_first_frame"):
        expected = golden["perturbed_gt"][name]["lmd_yunet"]["mouth_abs"]
        assert value[name] == pytest.approx(expected, rel=0.06)


def squeezed(frames, crf):
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as out:
        stream = out.add_stream("libx264", rate=25, options={"crf": str(crf), "preset": "medium"})
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        out.mux(stream.encode())
    buffer.seek(0)
    with av.open(buffer) as file:
        return np.stack([f.to_ndarray(format="rgb24") for f in file.decode(video=0)])


@networks
def test_a_moved_picture_is_as_far_as_it_moved():
    picture = skimage.data.astronaut()[20:212, 130:322]
    canvas = np.full((2, 448, 576, 3), 128, np.uint8)
    canvas[0, 96:288, 128:320] = picture
    canvas[1, 96:288, 192:384] = picture
    still, moved = (read(frame[None]) for frame in canvas)
    # 64 px in x, none in y: the mean over both axes is 32.
    assert score(moved, still).value == pytest.approx(32, abs=0.03)


@networks
def test_a_still_mouth_is_worse_than_a_late_one(asset, decode):
    frames = decode(asset("clip-carphone"), limit=60)
    track = read(frames)
    late = {k: np.concatenate([v[:1], v[:-1]]) for k, v in track.items()}
    still = {k: np.repeat(v[:1], 60, axis=0) for k, v in track.items()}
    assert score(track, track).value == 0
    assert 0 < score(late, track).value < 0.5 * score(still, track).value


def test_the_rule(faces):
    moved = faces + np.array([3, -1])
    measured = score(rows(moved), rows(faces))
    np.testing.assert_allclose(measured.per_frame, 2, atol=1e-4)
    assert score(rows(faces), rows(moved)).value == pytest.approx(measured.value)
    one = np.zeros((1, 468, 2))
    one[0, 13] = 6, -2  # one of 20 points, 8 px in all
    assert score(rows(one), rows(np.zeros_like(one))).value == pytest.approx(8 / 40)
    np.testing.assert_allclose(distances(one, 0 * one), 8 / (2 * 468))


def test_only_the_mouth_counts(faces):
    other = faces.copy()
    rest = np.setdiff1d(np.arange(468), MOUTH)
    other[:, rest] += 50
    assert score(rows(other), rows(faces)).value == 0


@networks
def test_mouth_points_run_around_the_lips(asset, decode):
    """48..67: closed curves from the person's right corner, upper points facing lower ones."""
    landmarks = read(decode(asset("clip-carphone"), limit=1))["landmarks"][0]
    for edge in (OUTER_LIP, INNER_LIP):
        curve = landmarks[list(edge)]
        angles = np.unwrap(np.arctan2(*(curve - curve.mean(0)).T[::-1]))
        assert (np.diff(angles) > 0).all()
        assert angles[-1] - angles[0] < 2 * np.pi
        assert curve[:, 0].argmin() == 0
        assert curve[:, 0].argmax() == len(edge) // 2
        across = (curve[len(edge) // 2] - curve[0]) / np.sum(
            (curve[len(edge) // 2] - curve[0]) ** 2
        )
        upper, lower = curve[1 : len(edge) // 2], curve[: len(edge) // 2 : -1]
        assert np.abs((upper - lower) @ across).max() < 0.05  # of the edge's width
    assert len(set(MOUTH)) == 20
    outer, inner = (cv2.contourArea(landmarks[list(e)]) for e in (OUTER_LIP, INNER_LIP))
    assert outer > 2 * inner


def test_frames_without_a_face_are_left_out_and_counted(faces):
    found = np.ones(12, bool)
    reference = rows(faces.copy(), found & (np.arange(12) > 1))
    generated = rows(faces + 1, found & (np.arange(12) != 5))
    for side in (reference, generated):
        side["landmarks"][~side["found"]] = np.nan
    measured = score(generated, reference)
    assert measured.frames == 9
    assert measured.value == pytest.approx(1, abs=1e-5)
    assert measured.notes == {"no face in reference": 2, "no face in generated": 1}
    generated["found"][6] = False
    with pytest.raises(UnscorableError, match="no face in 2 of 10 generated frames"):
        score(generated, reference)


def test_card():
    assert isinstance(METRIC, Metric)
    spec = METRIC.spec
    assert spec.id == "lmd@vico/1"
    assert (spec.direction, spec.unit, spec.perfect) == ("lower", "px", 0)
    assert spec.bounds == (0, np.inf)
    assert not spec.needs_frames
    assert METRIC.extractors == (FACE_MESH,)
    words = " ".join(spec.protocol.values())
    assert all(ASSETS[name].sha256[:8] in words for name in spec.assets)
    assert "61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181" in words
    assert "10%" in words
