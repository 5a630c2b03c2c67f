"""Whose face a clip is about: linking, choosing, and both rules on real clips."""

from __future__ import annotations

import pickle

import cv2
import numpy as np
import pytest
import skimage.data
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.backbones import faces
from metrics.backbones.detections import COLUMNS, MOST_FACES
from metrics.backbones.faces import (
    FACE,
    LEAST_SHARE,
    LONGEST_GAP,
    SAME_FACE_IOU,
    TALKING_FACE,
    choose,
    link,
    overlap,
)
from metrics.backbones.mouths import MOUTHS
from metrics.backbones.yunet import YUNET
from metrics.base import TrackExtractor

BOTH = (FACE, TALKING_FACE)


def networks(test):
    """Runs the real weights."""
    return pytest.mark.assets(pytest.mark.usefixtures("weights")(test))


@pytest.fixture(scope="module")
def weights(asset):
    for name in ("yunet", "face-mesh"):
        asset(name)


def boxes(*rows):
    """Frames as tuples of (x, y, w, h) or None: float32 [T, most, 4], NaN where none."""
    most = max((len(row) for row in rows), default=0)
    table = np.full((len(rows), most, 4), np.nan, np.float32)
    for t, row in enumerate(rows):
        for slot, box in enumerate(row):
            if box is not None:
                table[t, slot] = box
    return table


def square(x, side=10, y=0):
    return (x, y, side, side)


def detector_track(*rows):
    """What the detector says of such frames, largest first, as its contract has it."""
    track = np.full((len(rows), MOST_FACES, COLUMNS), np.nan, np.float32)
    for t, row in enumerate(rows):
        for slot, box in enumerate(sorted(row, key=lambda b: -b[2] * b[3])):
            track[t, slot] = [*box, *np.arange(10), 0.9]
    count = np.array([len(row) for row in rows], np.int32)
    return {YUNET.id: {"faces": track, "count": count}}


# ---- linking ---------------------------------------------------------------------------------


def test_overlap_is_intersection_over_union():
    a = np.array([0, 0, 10, 10.0])
    assert overlap(a, a) == 1
    assert overlap(a, np.array([5, 0, 10, 10.0])) == pytest.approx(50 / 150)
    assert overlap(a, np.array([5, 5, 10, 20.0])) == pytest.approx(25 / 275)
    assert overlap(a, np.array([20, 0, 5, 5.0])) == 0
    empty = np.array([3, 3, 0, 0.0])
    assert overlap(empty, empty) == 0


def test_a_face_that_moves_keeps_its_number():
    numbers = link(boxes(*[(square(3 * t), square(100 - 2 * t)) for t in range(12)]))
    np.testing.assert_array_equal(numbers, [[0, 1]] * 12)


def test_a_jump_is_another_face():
    # 6 of 10 px further: the overlap is 4 / 16. 5 px: 5 / 15.
    assert 4 / 16 < SAME_FACE_IOU < 5 / 15
    assert link(boxes([square(0)], [square(6)])).ravel().tolist() == [0, 1]
    assert link(boxes([square(0)], [square(5)])).ravel().tolist() == [0, 0]


def test_it_is_looked_for_where_it_was_last_not_first():
    assert link(boxes(*[[square(5 * t)] for t in range(9)])).ravel().tolist() == [0] * 9


@pytest.mark.parametrize(("away", "numbers"), [(LONGEST_GAP, 1), (LONGEST_GAP + 1, 2)])
def test_a_face_may_be_away_for_a_second(away, numbers):
    linked = link(boxes([square(0)], *[[None]] * away, [square(0)]))
    assert len(set(linked[linked >= 0].tolist())) == numbers


def test_one_number_stands_for_one_face_in_a_frame():
    # Two boxes on one face's last place: the better overlap is not both.
    numbers = link(boxes([square(0)], [square(0), square(1)]))
    assert numbers.tolist() == [[0, -1], [0, 1]]


def test_the_nearest_of_two_open_faces_takes_the_box():
    numbers = link(boxes([square(0), square(7)], [square(5), None]))
    assert numbers.tolist() == [[0, 1], [1, -1]]


def test_clips_without_faces_or_frames():
    assert link(boxes([None, None], [None, None])).tolist() == [[-1, -1], [-1, -1]]
    assert link(np.empty((0, MOST_FACES, COLUMNS), np.float32)).shape == (0, MOST_FACES)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1))
def test_the_order_of_slots_does_not_matter(seed):
    """People who keep apart: shuffling each frame's slots renames them and no more."""
    rng = np.random.default_rng(seed)
    people, frames = int(rng.integers(1, 5)), int(rng.integers(1, 20))
    table = np.full((frames, people, 4), np.nan, np.float32)
    for person in range(people):
        walk = 100 * person + np.cumsum(rng.uniform(-3, 3, frames))
        table[:, person] = np.stack([walk, walk * 0, walk * 0 + 20, walk * 0 + 20], axis=1)
    table[rng.random((frames, people)) < 0.2] = np.nan
    orders = np.argsort(rng.random((frames, people)), axis=1)
    shuffled = np.take_along_axis(table, orders[..., None], axis=1)
    there = np.isfinite(table[..., 0])
    pairs = {
        (a, b)
        for a, b in zip(
            np.take_along_axis(link(table), orders, axis=1)[np.isfinite(shuffled[..., 0])],
            link(shuffled)[np.isfinite(shuffled[..., 0])],
            strict=True,
        )
    }
    renamed = len(pairs)
    assert renamed == len({a for a, _ in pairs}) == len({b for _, b in pairs})
    assert (link(table)[~there] == -1).all()


# ---- choosing --------------------------------------------------------------------------------


def test_the_heaviest_is_chosen():
    numbers = np.array([[0, 1], [1, 0], [0, -1], [-1, -1]], np.int32)
    assert choose(numbers, {0: 2.0, 1: 1.0}).tolist() == [0, 1, 0, -1]
    assert choose(numbers, {0: 1.0, 1: 2.0}).tolist() == [1, 0, -1, -1]


def test_equal_weights_go_by_who_came_first():
    numbers = np.array([[0, 1]], np.int32)
    assert choose(numbers, {1: 1.0, 0: 1.0}).tolist() == [0]


def test_another_shot_has_another_face_but_a_bystander_never_steps_in():
    shots = np.array([[0, -1], [0, -1], [1, 2], [1, 2]], np.int32)
    assert choose(shots, {0: 5.0, 1: 4.0, 2: 3.0}).tolist() == [0, 0, 0, 0]
    beside = np.array([[0, 1], [-1, 1], [-1, 1]], np.int32)  # he turned away; she stayed
    assert choose(beside, {0: 5.0, 1: 4.0}).tolist() == [0, -1, -1]


@pytest.mark.parametrize(("share", "slots"), [(1, [0, 0]), (0.99, [0, -1])])
def test_what_is_hardly_there_is_nobody(share, slots):
    numbers = np.array([[0], [1]], np.int32)
    weights = {0: 1.0, 1: share * LEAST_SHARE}
    assert choose(numbers, weights).tolist() == slots


def test_faces_that_are_not_weighed_are_not_chosen():
    assert choose(np.array([[0, 1]], np.int32), {1: 1.0}).tolist() == [1]
    assert choose(np.array([[0, 1]], np.int32), {}).tolist() == [-1]


# ---- the clip's face -------------------------------------------------------------------------


@pytest.mark.parametrize("face", BOTH, ids=lambda f: f.id)
def test_is_a_track_extractor_and_travels_between_processes(face):
    assert isinstance(face, TrackExtractor)
    assert pickle.loads(pickle.dumps(face)) == face  # noqa: S301


def test_the_sum_over_the_clip_decides_not_one_frame():
    small, large = square(0, 30), square(200, 40)
    track = FACE.follow(detector_track((small,), (small,), (small, large), (small,)))
    np.testing.assert_array_equal(track["boxes"], [small] * 4)
    assert track["slots"].tolist() == [0, 0, 1, 0]
    assert track["others"].tolist() == [0, 0, 1, 0]
    large_longer = detector_track((small,), (small, large), (small, large), (large,))
    np.testing.assert_array_equal(FACE.follow(large_longer)["boxes"][1:], [large] * 3)


def test_everything_said_of_the_chosen_face_is_the_detectors():
    tracks = detector_track((square(0), square(100, 30)), ())
    track = FACE.follow(tracks)
    assert track["found"].tolist() == [True, False]
    np.testing.assert_array_equal(track["points"][0], np.arange(10).reshape(5, 2))
    assert track["scores"][0] == np.float32(0.9)
    assert track["others"].tolist() == [1, 0]
    assert track["slots"].tolist() == [0, -1]
    for key in ("boxes", "points", "scores"):
        assert np.isnan(track[key][1]).all()


@pytest.mark.parametrize("face", BOTH, ids=lambda f: f.id)
@pytest.mark.parametrize("frames", [0, 3])
def test_a_clip_without_faces_is_about_nobody(face, frames):
    tracks = detector_track(*[()] * frames)
    tracks[MOUTHS.id] = {"opening": np.full((frames, MOST_FACES), np.nan, np.float32)}
    track = face.follow(tracks)
    assert len(track["found"]) == frames
    assert not track["found"].any()


def test_the_mouth_that_moves_most_decides_but_not_a_passer_by():
    frozen, talker, passer = square(0, 60), square(200, 30), square(400, 20)
    rows = [(frozen, talker, passer) if t < 3 else (frozen, talker) for t in range(20)]
    opening = np.full((20, MOST_FACES), np.nan, np.float32)
    opening[:, 0] = 0.2
    opening[:, 1] = np.tile([0.0, 0.1], 10)
    opening[:3, 2] = (0, 1, 0)  # wide, and for 3 of 20 frames: less than a fifth
    tracks = detector_track(*rows) | {MOUTHS.id: {"opening": opening}}
    assert (TALKING_FACE.follow(tracks)["slots"] == 1).all()
    assert (FACE.follow(tracks)["slots"] == 0).all()


# ---- real clips ------------------------------------------------------------------------------


def looked_at(frames):
    tracks = {YUNET.id: YUNET.extract(frames, {})}
    tracks[MOUTHS.id] = MOUTHS.extract(frames, tracks)
    return tracks


def centres(track):
    return track["boxes"][:, 0] + track["boxes"][:, 2] / 2


@networks
def test_the_silent_man_is_never_mistaken_for_the_speaker(asset, decode):
    tracks = looked_at(decode(asset("clip-speaker"), every=3))
    assert tracks[YUNET.id]["count"].tolist() == [2] * 35
    for face in BOTH:
        track = face.follow(tracks)
        assert track["found"].all()
        assert track["others"].tolist() == [1] * 35
        assert (np.abs(centres(track) - 198) < 20).all()  # the other stands 110 px to the left


@networks
@pytest.mark.parametrize("every", [3, 8])
def test_the_singer_is_never_mistaken_for_a_playing_card(asset, decode, every):
    tracks = looked_at(decode(asset("clip-singer"), every=every))
    for face in BOTH:
        track = face.follow(tracks)
        found = track["found"]
        assert 0.7 < found.mean() < 1  # he looks down
        assert (centres(track)[found] > 400).all()  # the cards' are left of 310
        assert (track["boxes"][found, 2] > 130).all()
        # Cards were there to be taken: in his company, and while he was away.
        others = tracks[YUNET.id]["count"] - found
        assert others[found].any()
        assert others[~found].any()


@pytest.fixture(scope="module")
def talker_and_picture(asset, decode):
    """The man in the car talks; beside him hangs a picture with a larger face."""
    talker = decode(asset("clip-carphone"), every=5)
    woman = skimage.data.astronaut()[20:212, 130:322]
    picture = cv2.resize(woman, (288, 288), interpolation=cv2.INTER_AREA)
    frames = np.full((len(talker), 288, 288 + 192, 3), 128, np.uint8)
    frames[:, :, :288] = picture
    frames[:, 72:216, 296:472] = talker
    return frames


@networks
def test_the_larger_face_and_the_talking_one_can_be_two(talker_and_picture):
    tracks = looked_at(talker_and_picture)
    largest, talking = (face.follow(tracks) for face in BOTH)
    assert (centres(largest) < 288).all()
    assert (centres(talking) > 288).all()
    # Mirrored, and with the order of frames turned, nothing changes but the places.
    for mirrored in (talker_and_picture[:, :, ::-1], talker_and_picture[::-1]):
        again = looked_at(np.ascontiguousarray(mirrored))
        assert (FACE.follow(again)["boxes"][:, 2] > 90).all()
        assert (TALKING_FACE.follow(again)["boxes"][:, 2] < 65).all()


@networks
def test_mouths_are_read_in_the_slots_of_their_faces(talker_and_picture):
    tracks = looked_at(talker_and_picture[::2])
    opening = tracks[MOUTHS.id]["opening"]
    there = np.isfinite(tracks[YUNET.id]["faces"][..., 0])
    np.testing.assert_array_equal(np.isfinite(opening), there)
    picture, talker = opening[:, 0], opening[:, 1]
    assert np.ptp(picture) < 0.01  # the mesh of one picture, found again
    assert picture.min() > 0.05  # she laughs
    assert np.ptp(talker) > 0.1


def test_the_card_says_what_the_code_does():
    for number in (str(SAME_FACE_IOU), str(LONGEST_GAP), f"{LEAST_SHARE:.0%}"):
        assert number in faces.IN_WORDS
