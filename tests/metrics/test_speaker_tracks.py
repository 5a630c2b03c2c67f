"""SyncNet's face tracks: the official rule, its edges, lanes, and whose track counts."""

from __future__ import annotations

import pickle
import warnings

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import interp1d
from scipy.signal import medfilt

from metrics.backbones import speaker_tracks
from metrics.backbones.mouths import MOUTHS
from metrics.backbones.s3fd import S3FD
from metrics.backbones.shots import CONTENT
from metrics.backbones.speaker_tracks import SpeakerTrack, SpeakerTracks
from metrics.backbones.yunet import YUNET
from metrics.base import TrackExtractor, UnscorableError

KINDS = "s3fd all, s3fd largest, yunet all, yunet largest, yunet talking"
ALL = [SpeakerTracks(*kind.split(), n) for kind in KINDS.split(", ") for n in (50, 100)]


def still(length, cuts=()):
    """Content values of a clip with these first frames of shots."""
    values = np.zeros(length)
    values[[cut - 1 for cut in cuts]] = 99
    values[-1:] = np.nan
    return values


def box(x, y, width=120, height=None):
    return [x, y, x + width, y + (height or width)]


def clip(length, *people):
    """Faces per frame from dicts frame -> box."""
    rows = [[person[t] for person in people if t in person] for t in range(length)]
    return [np.array(row, dtype=np.float64).reshape(-1, 4) for row in rows]


def s3fd_track(faces):
    rows = np.full((len(faces), 8, 5), np.nan, np.float32)
    for row, here in zip(rows, faces, strict=True):
        row[: len(here)] = np.pad(here, ((0, 0), (0, 1)), constant_values=0.95)
    return {"count": np.array([len(f) for f in faces], np.int32), "faces": rows}


def yunet_track(faces):
    track = s3fd_track(faces)
    x1y1, x2y2 = track["faces"][..., :2], track["faces"][..., 2:4]
    rest = np.zeros((len(faces), 8, 11), np.float32)
    return track | {"faces": np.concatenate([x1y1, x2y2 - x1y1, rest], axis=-1)}


def spans(found):
    return [(track.first, len(track.boxes)) for track in found]


# ---- the official rule -----------------------------------------------------------------------


def official(faces, values, min_track):
    """``run_pipeline.py`` @ 6efbb1c in our words: lists changed while walked, SciPy throughout.

    Held once against that script's own functions on random clips, as was the code under test:
    2,583 and 18,372 tracks, the same to the bit.
    """
    starts = [0, *(np.flatnonzero(values[:-1] >= 30) + 1)]
    frames = [[{"t": t, "box": b.tolist()} for b in here] for t, here in enumerate(faces)]
    out = []
    for start, end in zip(starts, [*starts[1:], len(faces)], strict=True):
        shot = frames[start:end]
        while len(shot) >= min_track:
            track = []
            for here in shot:
                for face in here:
                    if not track:
                        track.append(face)
                        here.remove(face)
                    elif face["t"] - track[-1]["t"] > 25:
                        break
                    elif shared(face["box"], track[-1]["box"]) > 0.5:
                        track.append(face)
                        here.remove(face)
            if not track:
                break
            if len(track) <= min_track:
                continue
            seen = np.array([face["t"] for face in track])
            corners = np.array([face["box"] for face in track])
            every = np.arange(seen[0], seen[-1] + 1)
            boxes = np.stack([interp1d(seen, corners[:, k])(every) for k in range(4)], axis=1)
            sides = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
            if max(np.mean(sides[0]), np.mean(sides[1])) > 100:
                out.append((int(every[0]), boxes, smooth(boxes)))
    return out


def shared(a, b):
    width = max(0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0, min(a[3], b[3]) - max(a[1], b[1]))
    areas = [(c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)]
    return width * height / (areas[0] + areas[1] - width * height)


def smooth(boxes):
    columns = [(boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2]
    columns.append([max(b[3] - b[1], b[2] - b[0]) / 2 for b in boxes])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a window longer than the track
        return np.stack([medfilt(np.array(c), kernel_size=13) for c in columns], axis=1)


def people_walking(seed):
    """Up to four faces that move, shake, vanish and come back, in any order; sometimes cuts."""
    rng = np.random.default_rng(seed)
    length, people = int(rng.integers(1, 140)), int(rng.integers(1, 5))
    shake, absent = rng.choice([0.01, 0.05, 0.15]), rng.choice([0, 0.1, 0.5, 0.9])
    size, place = rng.uniform(70, 160, people), rng.uniform(0, 400, (people, 2))
    speed = rng.normal(0, rng.choice([0, 2, 15]), (people, 2))
    faces = []
    for t in range(length):
        low = place + speed * t + rng.normal(0, shake, (people, 2)) * size[:, None]
        sides = size[:, None] * (1 + rng.normal(0, shake / 3, (people, 2)))
        here = np.concatenate([low, low + sides], axis=1)[rng.random(people) >= absent]
        rng.shuffle(here)
        faces.append(here.astype(np.float32).astype(np.float64))
    values = np.zeros(length)
    if rng.random() < 0.3 and length > 40:
        values[int(rng.integers(20, length - 20))] = 50
    values[-1] = np.nan
    return faces, values, int(rng.choice([0, 3, 10, 30]))


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1))
def test_tracks_are_the_official_ones_to_the_bit(seed):
    faces, values, min_track = people_walking(seed)
    expected = official(faces, values, min_track)
    found = speaker_tracks.follow(faces, values, min_track)
    assert spans(found) == [(first, len(boxes)) for first, boxes, _ in expected]
    for track, (_, boxes, smoothed) in zip(found, expected, strict=True):
        np.testing.assert_array_equal(track.boxes, boxes)
        np.testing.assert_array_equal(track.smoothed(), smoothed)
        for t in np.flatnonzero(track.slots >= 0):
            seen = faces[track.first + t][track.slots[t]]
            np.testing.assert_array_equal(seen, track.boxes[t], strict=True)


def test_a_face_behind_a_taken_one_is_not_looked_at():
    """No detector lets two such faces pass; the rule does this all the same."""
    twins = [np.array([box(0, 0), box(2, 0)], dtype=np.float64) for _ in range(6)]
    found = speaker_tracks.follow(twins, still(6), 2)
    assert spans(found) == [(0, 6), (0, 6)]
    assert [track.boxes[0, 0] for track in found] == [0, 2]


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        (range(51), [(0, 51)]),
        (range(50), []),
        # 51 detections, 26 of them after a gap
        ([*range(25), *range(49, 75)], [(0, 75)]),
        ([*range(25), *range(50, 76)], []),
        ([*range(51), *range(76, 127)], [(0, 51), (76, 51)]),
    ],
    ids=["51", "50", "25-on", "26-on", "two"],
)
def test_detections_that_make_a_track(frames, expected):
    faces = clip(130, {t: box(50, 60) for t in frames})
    assert spans(speaker_tracks.follow(faces, still(130), 50)) == expected


@pytest.mark.parametrize(("shift", "tracks"), [(39, 1), (40, 0)])  # IOU 81/159, then 1/2
def test_overlap_must_be_more_than_half(shift, tracks):
    jump = {t: box(0 if t < 30 else shift, 0) for t in range(60)}
    assert len(speaker_tracks.follow(clip(60, jump), still(60), 50)) == tracks


@pytest.mark.parametrize(
    ("sizes", "kept"),
    [
        ([(100, 100)], False),
        ([(101, 60)], True),
        ([(60, 101)], True),
        ([(110, 90), (90, 110)], False),  # the larger of two means, not the mean of the larger
        ([(112, 90), (90, 110)], True),
    ],
)
def test_faces_that_are_large_enough(sizes, kept):
    person = {t: box(10, 10, *sizes[t % len(sizes)]) for t in range(60)}
    assert bool(speaker_tracks.follow(clip(60, person), still(60), 50)) == kept


def test_a_cut_ends_a_track_and_short_shots_have_none():
    faces = clip(180, {t: box(50, 60) for t in range(180)})
    values = still(180, cuts=(60, 100))
    assert spans(speaker_tracks.follow(faces, values, 50)) == [(0, 60), (100, 80)]
    assert spans(speaker_tracks.follow(faces, values, 30)) == [(0, 60), (60, 40), (100, 80)]


def test_the_median_takes_zeros_beyond_the_ends():
    slope = np.arange(1.0, 31.0)
    found = speaker_tracks.running_median(np.stack([slope, -slope], axis=1))
    np.testing.assert_array_equal(found[:, 0], medfilt(slope, 13))
    np.testing.assert_array_equal(found[:, 1], medfilt(-slope, 13))
    assert found[:, 0].tolist() == [*range(1, 25), *[24] * 6]


# ---- real faces ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scene(data, decode, asset):
    """Two men side by side, then a cut to a woman: what YuNet and the cuts say of 130 frames.

    The man on the left is a blur in frames 30 to 32.
    """
    asset("yunet")
    names = {"bbaf2n": 70, "lbax4n": 70, "pwij3p": 60}
    left, right, alone = (
        decode(data / "clips" / f"grid_{name}.mpg", limit=n) for name, n in names.items()
    )
    for t in range(30, 33):
        left[t] = cv2.GaussianBlur(left[t], (0, 0), 25)
    both = np.concatenate([left, right], axis=2)
    frames = np.concatenate([both, np.pad(alone, ((0, 0), (0, 0), (0, 360), (0, 0)))])
    return {e.id: e.extract(frames, {}) for e in (YUNET, CONTENT)}


@pytest.mark.data
@pytest.mark.assets
def test_tracks_of_real_faces_are_the_official_ones(scene):
    rows = SpeakerTracks("yunet", "all", 50).follow(scene)
    assert {v.shape for v in rows.values()} == {(130, 2)}
    types = {k: v.dtype.name for k, v in rows.items()}
    assert types == dict.fromkeys("xys", "float64") | dict.fromkeys(("track", "slot"), "int32")
    # Printed by run_pipeline.py's track_shot and the smoothing of its crop_video, of the same
    # faces: first frame, then means over the track of x, y and s. YuNet's own numbers move a
    # little from machine to machine.
    printed = {
        0: (0, 70, (547.651, 156.717, 88.624)),
        1: (0, 70, (154.031, 172.093, 73.300)),
        2: (70, 60, (185.727, 170.046, 77.767)),
    }
    for number, (first, length, means) in printed.items():
        here = rows["track"] == number
        assert np.flatnonzero(here.any(axis=1)).tolist() == list(range(first, first + length))
        assert (here.sum(axis=1) <= 1).all()
        found = [rows[k][here].mean() for k in "xys"]
        np.testing.assert_allclose(found, means, rtol=0, atol=0.02)
    # of the blurred man there is a box, but no face
    blurred = rows["track"] == 1
    assert np.flatnonzero(rows["slot"][blurred] < 0).tolist() == [30, 31, 32]
    empty = rows["track"] < 0
    assert empty.sum() == 60
    assert all(np.isnan(rows[k][empty]).all() for k in "xys")
    assert (rows["slot"][empty] == -1).all()


@pytest.mark.data
@pytest.mark.assets
def test_one_track_at_a_time(scene):
    every = SpeakerTracks("yunet", "all", 50).follow(scene)
    largest = SpeakerTracks("yunet", "largest", 50).follow(scene)
    talks = np.zeros((130, 8), np.float32)
    talks[:70, 1] = np.arange(70) % 5  # the smaller man's mouth moves
    talking = SpeakerTracks("yunet", "talking", 50).follow({**scene, MOUTHS.id: {"opening": talks}})
    for rows, shot_1 in ((largest, 0), (talking, 1)):
        assert rows["track"].shape == (130, 1)
        assert rows["track"][:, 0].tolist() == [0] * 70 + [1] * 60
        for key in "xys":
            both = [every[key][every["track"] == number] for number in (shot_1, 2)]
            np.testing.assert_array_equal(rows[key][:, 0], np.concatenate(both))


# ---- whose track counts ----------------------------------------------------------------------


def track(first, length, side=100.0, slot=0):
    boxes = np.tile(np.array([0.0, 0.0, side, side]), (length, 1))
    return SpeakerTrack(first, boxes, np.full(length, slot, np.int32))


def test_the_largest_is_measured_over_its_whole_length():
    short_large, long_small, later = track(0, 20, 200), track(10, 100, 100), track(110, 5, 10)
    found = [short_large, long_small, later]
    assert speaker_tracks.most(found, lambda t: (t.area,)) == [long_small, later]
    assert short_large.area == 20 * 200**2


def test_what_the_winner_leaves_free_goes_to_the_next():
    a, b, c = track(0, 60, 100), track(50, 60, 120), track(100, 60, 110)
    # b wins against both, though a and c would fit together
    assert speaker_tracks.most([a, b, c], lambda t: (t.area,)) == [b]
    c = track(110, 60, 130)  # b's last frame is 109
    assert speaker_tracks.most([a, b, c], lambda t: (t.area,)) == [b, c]  # in the clip's order
    a, b = track(0, 60), track(0, 60, slot=1)
    assert speaker_tracks.most([a, b], lambda t: (t.area,)) == [a]  # of equals the first


def test_how_much_a_mouth_moves():
    opening = np.full((40, 8), np.nan)
    opening[:, 0], opening[:, 2] = 5, np.arange(40) ** 2 % 11
    face = track(10, 20, slot=2)
    assert speaker_tracks.mouth_movement(face, opening) == pytest.approx(opening[10:30, 2].std())
    face.slots[5:] = -1  # interpolated: no face, no mouth
    face.slots[4] = 7  # seen, but the mesh sees no face there
    assert speaker_tracks.mouth_movement(face, opening) == pytest.approx(opening[10:14, 2].std())
    face.slots[:4] = (0, 2, 0, 2)
    known = [5, opening[11, 2], 5, opening[13, 2]]
    assert speaker_tracks.mouth_movement(face, opening) == pytest.approx(np.std(known))
    face.slots[:] = 7
    assert speaker_tracks.mouth_movement(face, opening) == 0


def test_silent_mouths_leave_it_to_the_size():
    faces = clip(60, {t: box(0, 0) for t in range(60)}, {t: box(300, 0, 150) for t in range(60)})
    tracks = {YUNET.id: yunet_track(faces), CONTENT.id: {"content": still(60)}}
    tracks[MOUTHS.id] = {"opening": np.full((60, 8), np.nan, np.float32)}
    rows = SpeakerTracks("yunet", "talking", 50).follow(tracks)
    assert (rows["slot"] == 1).all()
    tracks[MOUTHS.id]["opening"][:, 0] = np.arange(60) % 3
    rows = SpeakerTracks("yunet", "talking", 50).follow(tracks)
    assert (rows["slot"] == 0).all()


# ---- rows ------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 40)), max_size=8))
def test_lanes_are_as_many_as_tracks_at_once(spans_):
    spans_ = sorted(spans_, key=lambda s: s[0])
    rows = speaker_tracks.rows([track(first, length) for first, length in spans_], 100)
    at_once = [sum(a <= t < a + n for a, n in spans_) for t in range(100)]
    assert rows["track"].shape == (100, max(1, *at_once))
    for number, (first, length) in enumerate(spans_):
        frames, lanes = np.nonzero(rows["track"] == number)
        assert frames.tolist() == list(range(first, first + length))
        assert len(set(lanes)) == 1
    np.testing.assert_array_equal(rows["track"] >= 0, np.isfinite(rows["x"]))


def test_without_a_face_there_is_one_empty_lane():
    for length in (0, 1, 120):
        tracks = {S3FD.id: s3fd_track(clip(length)), CONTENT.id: {"content": still(length)}}
        rows = SpeakerTracks().follow(tracks)
        assert {v.shape for v in rows.values()} == {(length, 1)}
        assert np.isnan(rows["x"]).all()
        assert (rows["track"] == -1).all()


def test_both_detectors_boxes_mean_the_same():
    faces = clip(60, {t: box(20, 30, 130, 150) for t in range(60)})
    content = {CONTENT.id: {"content": still(60)}}
    a = SpeakerTracks("s3fd", "all", 50).follow({S3FD.id: s3fd_track(faces), **content})
    b = SpeakerTracks("yunet", "all", 50).follow({YUNET.id: yunet_track(faces), **content})
    assert [a[k][30, 0] for k in "xys"] == [85, 105, 75]
    for key in a:
        np.testing.assert_array_equal(a[key], b[key])


def test_more_faces_than_the_track_holds():
    faces = clip(60, *({t: box(130 * k, 0) for t in range(60)} for k in range(8)))
    content = {CONTENT.id: {"content": still(60)}}
    crowd, of_yunet = s3fd_track(faces), yunet_track(faces)
    assert SpeakerTracks(min_track=50).follow({S3FD.id: crowd, **content})["x"].shape == (60, 8)
    crowd["count"][7] = of_yunet["count"][7] = 9
    with pytest.raises(UnscorableError, match="frame 7 shows 9 faces"):
        SpeakerTracks(min_track=50).follow({S3FD.id: crowd, **content})
    # YuNet's rule is the 8 largest
    rows = SpeakerTracks("yunet", min_track=50).follow({YUNET.id: of_yunet, **content})
    assert rows["x"].shape == (60, 8)


@pytest.mark.parametrize("extractor", ALL, ids=lambda e: e.id)
def test_is_a_track_extractor_and_travels_between_processes(extractor):
    assert isinstance(extractor, TrackExtractor)
    assert pickle.loads(pickle.dumps(extractor)) == extractor  # noqa: S301
    uses = {"s3fd": S3FD.id, "yunet": YUNET.id}[extractor.detector], CONTENT.id
    talking = (MOUTHS.id,) if extractor.choice == "talking" else ()
    assert tuple(e.id for e in extractor.uses) == uses + talking
    assert f"more than {extractor.min_track} detections" in extractor.in_words


def test_ids_tell_them_apart_and_s3fd_knows_no_mouths():
    assert SpeakerTracks().id == "speaker-tracks@s3fd,all,100/1"
    assert len({e.id for e in ALL}) == len(ALL)
    assert len({e.in_words for e in ALL}) == len(ALL)
    with pytest.raises(ValueError, match="YuNet"):
        SpeakerTracks("s3fd", "talking")
