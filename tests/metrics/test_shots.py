"""Cuts: the values and shots that PySceneDetect 0.5.1 printed, and the rule itself."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from metrics.backbones.shots import CONTENT, content, shots
from metrics.base import LooksAhead

WOMAN = "clips/hdtf_WDA_AlexandriaOcasioCortez_000.mp4"
MAY = "clips/person_May_5s.mp4"
MAN = "clips/hdtf_RD_Radio10_0_clip0.mp4"


@pytest.fixture(scope="module")
def cut_together(data, decode):
    """Six pieces of three clips, uint8 RGB [74, 512, 512, 3]; the third lasts 10 frames only."""

    def take(name, start, end):
        return decode(data / name, limit=end)[start:]

    return np.concatenate(
        [
            *(take(WOMAN, 0, 6), take(MAY, 0, 20), take(MAN, 0, 10)),
            *(take(WOMAN, 50, 62), take(MAY, 60, 76), take(WOMAN, 50, 60)),
        ]
    )


# Printed by scenedetect 0.5.1 (``cv2.split`` made to return a list, as OpenCV of its day did;
# OpenCV 4.11), ``VideoManager`` with ``set_downscale_factor()`` on a lossless file of these
# frames: ``content_val`` of frame i + 1 in row i. Whole grey levels are counted, so nothing but
# the last bit of a division could differ; where FFmpeg decodes the clips otherwise, more would.
EXACT = 1e-9


@pytest.mark.data
def test_values_and_shots_are_those_of_the_official_release(cut_together):
    values = content(cut_together)
    printed = {
        0: 10.337244669596354,
        1: 9.551376342773438,
        5: 60.17034403483073,
        6: 1.1214803059895833,
        25: 46.27178446451823,
        35: 66.21451822916667,
        36: 4.8771616617838545,
        47: 58.581146240234375,
        63: 59.4462890625,
        72: 6.234883626302083,
    }
    np.testing.assert_allclose(values[list(printed)], list(printed.values()), rtol=0, atol=EXACT)
    # The cut at 36 is passed over: the one before lies 10 frames back.
    assert shots(values) == [(0, 6), (6, 26), (26, 48), (48, 64), (64, 74)]


@pytest.mark.data
def test_small_frames_are_looked_at_in_full(data, decode):
    clips = sorted((data / "hdtf_mini" / "gt").iterdir())
    values = content(np.concatenate([decode(clip, limit=12) for clip in clips]))
    printed = {
        0: 0.778900146484375,
        11: 38.504252115885414,
        23: 55.12596130371094,
        34: 4.101704915364583,
    }
    np.testing.assert_allclose(values[list(printed)], list(printed.values()), rtol=0, atol=EXACT)
    assert shots(values) == [(0, 12), (12, 36)]


def test_wide_frames_are_looked_at_in_part():
    i = np.arange(4 * 90 * 1300 * 3, dtype=np.int64)
    noise = (((i * i * 7 + 13 * i) >> 5) % 256).astype(np.uint8).reshape(4, 90, 1300, 3)
    printed = [59.3014245014245, 60.87635327635328, 60.55861823361823]  # every 5th row and column
    np.testing.assert_allclose(content(noise)[:3], printed, rtol=0, atol=EXACT)
    assert shots(content(noise)) == [(0, 1), (1, 4)]


@pytest.mark.parametrize(
    ("width", "step"),
    [
        *((399, 1), (400, 2), (599, 2), (600, 3), (899, 3), (900, 4), (1199, 4), (1200, 5)),
        *((1699, 5), (1700, 6), (2099, 6), (2100, 8), (3199, 8), (3200, 12), (7680, 12)),
    ],
)
def test_which_rows_and_columns_count(width, step):
    frames = np.zeros((3, 40, width, 3), np.uint8)
    frames[1] = 255
    frames[1, ::step, ::step] = 0  # what counts stays black
    frames[2] = frames[1]
    frames[2, step, step] = 255
    looked_at = len(range(0, 40, step)) * len(range(0, width, step))
    np.testing.assert_allclose(content(frames)[:2], [0, 255 / looked_at / 3], rtol=1e-12)


@pytest.mark.data
def test_pieces_do_not_matter_with_one_frame_ahead(cut_together):
    frames = cut_together[:20]
    whole = CONTENT.extract(frames, {})["content"]
    ahead = CONTENT.lookahead
    pieces = [
        CONTENT.extract(frames[a : b + ahead], {})["content"][: b - a]
        for a, b in ((0, 1), (1, 9), (9, 20))
    ]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)
    assert np.isfinite(whole[:-1]).all()
    assert np.isnan(whole[-1])


def test_is_an_extractor_that_looks_one_frame_ahead():
    assert isinstance(CONTENT, LooksAhead)
    assert (CONTENT.id, CONTENT.lookahead) == ("content/1", 1)
    assert pickle.loads(pickle.dumps(CONTENT)).id == CONTENT.id  # noqa: S301
    row = CONTENT.extract(np.zeros((0, 8, 8, 3), np.uint8), {})["content"]
    assert (row.dtype, row.shape) == (np.float64, (0,))


def clip_of(length, **cuts):
    values = np.zeros(length)
    for row, value in cuts.items():
        values[int(row[1:])] = value
    values[-1:] = np.nan
    return values


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (clip_of(0), []),
        (clip_of(1), [(0, 1)]),
        (clip_of(50), [(0, 50)]),
        (clip_of(50, r19=30.0), [(0, 20), (20, 50)]),
        (clip_of(50, r19=np.nextafter(30, 0)), [(0, 50)]),
        (clip_of(50, r0=31), [(0, 1), (1, 50)]),
        (clip_of(50, r9=31, r23=31), [(0, 10), (10, 50)]),
        (clip_of(50, r9=31, r24=31), [(0, 10), (10, 25), (25, 50)]),
        # what was passed over does not hold up the next
        (clip_of(50, r9=31, r23=31, r24=31), [(0, 10), (10, 25), (25, 50)]),
        (clip_of(50, r48=31), [(0, 49), (49, 50)]),
    ],
    ids=[
        *("none", "one", "uncut", "at-threshold", "below", "first-frame", "too-soon"),
        *("soon-enough", "passed", "last"),
    ],
)
def test_where_a_shot_begins(values, expected):
    assert shots(values) == expected


@settings(deadline=None)
@given(arrays(np.float64, st.integers(1, 120), elements=st.sampled_from([0.0, 29.9, 30.0, 80.0])))
def test_shots_follow_the_official_loop(values):
    values[-1] = np.nan
    cuts, last = [], None
    for frame in range(1, len(values)):
        if values[frame - 1] >= 30 and (last is None or frame - last >= 15):
            cuts.append(frame)
            last = frame
    assert shots(values) == list(zip([0, *cuts], [*cuts, len(values)], strict=True))


def test_a_gap_in_the_values_is_an_error():
    with pytest.raises(ValueError, match="no content value"):
        shots(np.array([1.0, np.nan, 1.0, np.nan]))
