"""SyncNet against arrays that the official code printed, under weights made by a formula."""

from __future__ import annotations

import itertools
import json
import pickle

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.sound import read_sound
from metrics import assets
from metrics.assets import AssetMissingError
from metrics.backbones import sync_features, syncnet
from metrics.backbones.mfcc import mfcc
from metrics.backbones.speaker_crops import LIFT, crop_face, jpeg_copies
from metrics.backbones.sync_features import (
    AUDIO_WINDOWS,
    WHOLE_SOUND,
    LipFeatures,
    TrackSound,
    stretches,
    windows_in,
)
from metrics.base import AudioExtractor, LooksAhead, TrackExtractor, UnscorableError

# joonson/syncnet_python @ 6efbb1c on PyTorch 2.13, CPU. Features reach 90; the folded, flat
# networks are within 2e-4 of them here, and another machine may move the last digits a bit more.
CLOSE = 1e-3


@pytest.fixture(scope="module")
def recorded(data):
    """What the official code printed for pictures as decoded, and for ffmpeg's JPEGs of them."""
    return {
        path: dict(np.load(data / "golden" / f"syncnet_{path}.npz"))
        for path in ("opencv", "ffmpegjpg", "mfcc")
    }


@pytest.fixture(scope="module")
def keys(data):
    return json.loads((data / "golden" / "syncnet_keys.json").read_text())


@pytest.fixture(scope="module")
def weights(official_weights):
    return official_weights("syncnet")


@pytest.fixture(scope="module")
def network(weights):
    return syncnet.load_syncnet(weights)


@pytest.fixture(scope="module")
def folded(network):
    return syncnet.Folded(network, torch.device("cpu"))


@pytest.fixture
def formula(folded, monkeypatch):
    """What runs where the true weights would."""
    monkeypatch.setattr(syncnet, "_networks", lambda on: folded)
    return folded


@pytest.fixture(scope="module")
def example(data, decode):
    """The official example: uint8 RGB [317, 224, 224, 3]."""
    return decode(data / "clips" / "syncnet_example.avi")


@pytest.fixture(scope="module")
def sound(data):
    """Its sound: int16 [202880]."""
    return read_sound(data / "clips" / "syncnet_example.avi")


@pytest.fixture(scope="module")
def begin(sound):
    """Its first 80 frames' worth."""
    return sound[: 640 * 80]


class Places:
    """Tracks that a test makes up."""

    id = "places/1"
    uses = ()

    def follow(self, tracks):
        raise AssertionError("made by the test")


PLACES = Places()
CROPPED = LipFeatures(PLACES)


def places(*lanes, x=112.0, y=100.0, s=60.0):
    """Rows of tracks from lists of numbers, one a frame."""
    numbers = np.array(lanes, dtype=np.int32).T
    empty = np.where(numbers < 0, np.nan, 0.0)
    return {PLACES.id: {"x": empty + x, "y": empty + y, "s": empty + s, "track": numbers}}


@pytest.mark.data
class TestNetwork:
    def test_has_the_names_and_order_of_the_official_one(self, network, keys):
        assert list(network.state_dict()) == keys["module_order"]
        assert sum(p.numel() for p in network.parameters()) == keys["n_params"]

    @pytest.mark.parametrize("path", ["opencv", "ffmpegjpg"])
    def test_gives_the_official_features(self, network, folded, recorded, path):
        seen, columns = recorded[path], recorded["mfcc"]["mfcc"]
        bgr = torch.from_numpy(seen["frames_first7_bgr"]).float().permute(3, 0, 1, 2)
        lips = torch.stack([bgr[:, v : v + 5] for v in range(3)])
        heard = torch.stack(
            [torch.from_numpy(columns[4 * v : 4 * v + 20].T)[None] for v in range(3)]
        )
        with torch.inference_mode():
            official = network.lip(lips).numpy(), network.audio(heard.float()).numpy()
        flat = (
            folded.lip_rows(seen["frames_first7_bgr"][..., ::-1]),
            folded.audio_rows(columns[:28]),
        )
        for lip, audio in (official, flat):
            np.testing.assert_allclose(lip, seen["forward_lip"], rtol=0, atol=CLOSE)
            np.testing.assert_allclose(audio, seen["forward_aud"], rtol=0, atol=CLOSE)

    def test_runs_without_dropout_or_batch_statistics(self, network):
        assert not any(m.training for m in network.modules())
        assert not any(p.requires_grad for p in network.parameters())

    def test_loads_a_file_and_only_a_file_of_weights(self, weights, tmp_path, network):
        torch.save(weights, tmp_path / "weights.model")
        loaded = syncnet.load_syncnet(tmp_path / "weights.model").state_dict()
        assert all(torch.equal(loaded[k], v) for k, v in network.state_dict().items())
        torch.save({"code": AssertionError}, tmp_path / "code.model")
        with pytest.raises(pickle.UnpicklingError):
            syncnet.load_syncnet(tmp_path / "code.model")

    @pytest.mark.parametrize("damage", ["one less", "one more", "another shape"])
    def test_refuses_weights_of_another_network(self, weights, damage):
        other = dict(weights)
        if damage == "one less":
            del other["netfclip.0.weight"]
        elif damage == "one more":
            other["netfclip.4.weight"] = torch.zeros(1)
        else:
            other["netfclip.3.weight"] = torch.zeros(512, 512)
        with pytest.raises(RuntimeError, match="netfclip"):
            syncnet.load_syncnet(other)

    def test_says_how_to_get_the_weights(self, monkeypatch, tmp_path):
        monkeypatch.setattr(assets.places, "find", lambda asset: None)
        syncnet._networks.cache_clear()
        with pytest.raises(AssetMissingError, match="talkbench assets get syncnet"):
            syncnet.lip_features(np.zeros((5, 224, 224, 3), np.uint8))


@pytest.mark.data
@pytest.mark.usefixtures("formula")
class TestFeatures:
    def test_all_over_the_clip_are_the_official_ones(self, example, recorded):
        some = range(0, 312, 30)
        lips = np.concatenate([syncnet.lip_features(example[v : v + 5]) for v in some])
        expected = recorded["opencv"]["im_feat_every10"][::3]
        np.testing.assert_allclose(lips, expected, rtol=0, atol=CLOSE)

    def test_of_the_whole_sound_are_the_official_ones(self, sound, recorded):
        rows = AUDIO_WINDOWS.listen(sound)["features"]
        assert rows.shape == (312, 1024)
        expected = recorded["opencv"]["cc_feat_every10"]
        np.testing.assert_allclose(rows[::10], expected, rtol=0, atol=CLOSE)

    def test_do_not_depend_on_the_batch(self, example):
        together = syncnet.lip_features(example[:23])
        assert together.shape == (19, 1024)
        alone = [syncnet.lip_features(example[v : v + 5])[0] for v in (0, 7, 8, 18)]
        np.testing.assert_allclose(together[[0, 7, 8, 18]], alone, rtol=0, atol=CLOSE / 5)

    def test_need_five_frames_and_twenty_columns(self, example):
        assert syncnet.lip_features(example[:4]).shape == (0, 1024)
        assert syncnet.audio_features(np.zeros((19, 13))).shape == (0, 1024)
        assert syncnet.audio_features(np.zeros((23, 13))).shape == (1, 1024)
        assert syncnet.audio_features(np.zeros((24, 13))).shape == (2, 1024)

    def test_see_red_where_it_is_red(self, example):
        swapped = syncnet.lip_features(example[:5, ..., ::-1])
        assert np.abs(swapped - syncnet.lip_features(example[:5])).max() > 1


@pytest.mark.data
@pytest.mark.usefixtures("formula")
class TestSound:
    @pytest.mark.parametrize(("frames", "extra"), [(0, 0), (5, 639), (6, 0), (6, 639), (30, 480)])
    def test_has_a_window_a_frame_but_for_the_last_five(self, begin, frames, extra):
        rows = AUDIO_WINDOWS.listen(begin[: 640 * frames + extra])["features"]
        assert rows.shape == (max(0, frames - 5), 1024)
        assert rows.dtype == np.float32

    def test_of_a_track_is_that_of_a_file_cut_there(self, begin):
        """ffmpeg's ``-ss start/25 -to (end + 1)/25`` cuts at these samples."""
        numbers = [-1] * 4 + [0] * 30 + [1] * 20 + [-1] * 3 + [2] * 9
        tracks = places(numbers) | {
            AUDIO_WINDOWS.id: AUDIO_WINDOWS.listen(begin),
            WHOLE_SOUND.id: WHOLE_SOUND.listen(begin),
        }
        rows = TrackSound(PLACES).follow(tracks)["features"]
        assert rows.shape == (len(numbers), 1, 1024)
        for first, last in ((4, 34), (34, 54), (57, 66)):
            cut = AUDIO_WINDOWS.listen(begin[640 * first : 640 * last])["features"]
            ours = rows[first:last, 0]
            assert len(cut) == last - first - 5
            np.testing.assert_allclose(ours[: len(cut)], cut, rtol=0, atol=CLOSE / 5)
            assert np.isnan(ours[len(cut) :]).all()
        assert np.isnan(rows[:4]).all()
        assert np.isnan(rows[54:57]).all()
        whole = AUDIO_WINDOWS.listen(begin)["features"]
        # What the exactness of the first row is worth: 0.05 of 13, under these weights.
        assert np.abs(rows[34, 0] - whole[34]).max() > 10 * CLOSE

    def test_that_ends_early_leaves_rows_empty(self, begin):
        short = begin[: 640 * 20 + 100]
        tracks = places([0] * 12 + [1] * 30) | {
            AUDIO_WINDOWS.id: AUDIO_WINDOWS.listen(short),
            WHOLE_SOUND.id: WHOLE_SOUND.listen(short),
        }
        found = np.isfinite(TrackSound(PLACES).follow(tracks)["features"][:, 0, 0])
        assert np.flatnonzero(found).tolist() == [*range(7), *range(12, 15)]

    def test_is_kept_as_it_is(self, begin):
        assert isinstance(WHOLE_SOUND, AudioExtractor)
        assert isinstance(AUDIO_WINDOWS, AudioExtractor)
        assert isinstance(TrackSound(PLACES), TrackExtractor)
        assert np.array_equal(WHOLE_SOUND.listen(begin)["samples"], begin)

    def test_window_looks_at_its_own_fifth_of_a_second(self, begin):
        row = AUDIO_WINDOWS.listen(begin)["features"][40]
        columns = mfcc(begin)[160:180]
        np.testing.assert_allclose(syncnet.audio_features(columns)[0], row, rtol=0, atol=CLOSE / 5)


@pytest.mark.data
@pytest.mark.usefixtures("formula")
class TestLips:
    def test_of_whole_frames_are_of_their_copies(self, example):
        whole = LipFeatures()
        assert isinstance(whole, LooksAhead)
        assert (whole.lookahead, whole.uses, whole.id) == (4, (), "syncnet-lip@whole/1")
        rows = whole.extract(example[:12], {})["features"]
        assert rows.shape == (12, 1, 1024)
        expected = syncnet.lip_features(jpeg_copies(example[:12], LIFT))
        np.testing.assert_allclose(rows[:8, 0], expected, rtol=0, atol=CLOSE / 5)
        assert np.isnan(rows[8:]).all()

    def test_of_larger_frames_are_resized_after_the_copy(self, example):
        large = np.stack([cv2.resize(f, (250, 300)) for f in example[:5]])
        copies = np.stack([cv2.resize(c, (224, 224)) for c in jpeg_copies(large, LIFT)])
        rows = LipFeatures().extract(large, {})["features"]
        np.testing.assert_allclose(
            rows[:1, 0], syncnet.lip_features(copies), rtol=0, atol=CLOSE / 5
        )

    def test_of_a_track_are_of_its_crops(self, example):
        tracks = places([-1] * 2 + [0] * 8 + [1] * 6 + [-1] * 2)
        tracks[PLACES.id]["x"][:, 0] += np.arange(18)
        rows = CROPPED.extract(example[:18], tracks)["features"]
        crops = jpeg_copies(np.stack([crop_face(example[i], 112 + i, 100, 60) for i in range(18)]))
        expected = syncnet.lip_features(crops)
        there = [2, 3, 4, 5, 10, 11]  # five frames of one track
        np.testing.assert_allclose(rows[there, 0], expected[there], rtol=0, atol=CLOSE / 5)
        rest = np.setdiff1d(np.arange(18), there)
        assert np.isnan(rows[rest]).all()

    def test_lanes_do_not_touch_each_other(self, example):
        both = places([0] * 9 + [-1] * 3, [-1] * 5 + [1] * 7)
        rows = CROPPED.extract(example[:12], both)["features"]
        assert rows.shape == (12, 2, 1024)
        for lane, numbers in enumerate([[0] * 9 + [-1] * 3, [-1] * 5 + [1] * 7]):
            alone = CROPPED.extract(example[:12], places(numbers))["features"][:, 0]
            np.testing.assert_allclose(rows[:, lane], alone, rtol=0, atol=CLOSE / 5)

    def test_do_not_depend_on_the_piece(self, example, monkeypatch):
        monkeypatch.setattr(sync_features, "_CHUNK", 3)
        tracks = places([0] * 10 + [1] * 8)
        whole = CROPPED.extract(example[:18], tracks)["features"]
        for start, stop in ((0, 9), (5, 18)):
            part = {PLACES.id: {k: v[start:stop] for k, v in tracks[PLACES.id].items()}}
            rows = CROPPED.extract(example[start:stop], part)["features"]
            certain = slice(0, stop - start - CROPPED.lookahead)
            expected = whole[start:stop][certain]
            np.testing.assert_allclose(rows[certain], expected, rtol=0, atol=CLOSE / 5)

    def test_without_a_face_nothing_is_computed(self, example, monkeypatch):
        monkeypatch.setattr(syncnet, "lip_features", None)
        rows = CROPPED.extract(example[:6], places([-1] * 6))["features"]
        assert rows.shape == (6, 1, 1024)
        assert np.isnan(rows).all()


def official_crop(image, x, y, s):
    """``crop_video`` of run_pipeline.py: the frame is padded, then cut."""
    pad = int(s * 1.8)
    padded = np.pad(image, ((pad, pad), (pad, pad), (0, 0)), "constant", constant_values=110)
    down, right = y + pad, x + pad
    face = padded[int(down - s) : int(down + s * 1.8), int(right - s * 1.4) : int(right + s * 1.4)]
    return cv2.resize(face, (224, 224))


@pytest.mark.data
class TestCrop:
    @settings(max_examples=60, deadline=None)
    @given(
        x=st.floats(-20, 250), y=st.floats(-20, 250), s=st.floats(50, 260), frame=st.integers(0, 9)
    )
    def test_is_the_official_one_wherever_the_face_is(self, example, x, y, s, frame):
        image = example[frame][:200]
        assert np.array_equal(crop_face(image, x, y, s), official_crop(image, x, y, s))

    def test_shows_grey_beyond_the_frame(self, example):
        corner = crop_face(example[0], 0, 0, 60)[0, 0]
        assert corner.tolist() == [110, 110, 110]

    @pytest.mark.parametrize("place", [(-90, 100, 60), (100, -90, 60), (100.5, 100.5, 0.2)])
    def test_fails_where_the_official_one_fails(self, example, place):
        with pytest.raises(cv2.error):
            official_crop(example[0], *place)
        with pytest.raises(UnscorableError, match="nothing to crop"):
            crop_face(example[0], *place)


@pytest.mark.data
class TestCopies:
    def test_are_near_what_ffmpeg_wrote(self, example, recorded):
        """Frame means are all that is recorded of later frames; the decoder is 1.2 darker."""
        means = recorded["ffmpegjpg"]["frame_means"]
        some = slice(13, 60)
        copies = jpeg_copies(example[some], LIFT).mean(axis=(1, 2, 3))
        assert np.abs(example[some].mean(axis=(1, 2, 3)) - means[some]).min() > 1
        np.testing.assert_allclose(copies, means[some], rtol=0, atol=0.25)

    @pytest.mark.usefixtures("formula")
    def test_bring_features_to_the_official_path(self, example, recorded):
        """Once ffmpeg's rate control stands, at frame 13 of this clip."""
        theirs = recorded["ffmpegjpg"]["im_feat_every10"][2:14:2]
        starts = range(20, 140, 20)
        seen = [example[v : v + 5] for v in starts]
        decoded, copied = (
            np.concatenate([syncnet.lip_features(show(f)) for f in seen])
            for show in (lambda f: f, lambda f: jpeg_copies(f, LIFT))
        )
        assert np.abs(decoded - theirs).mean() > 0.9
        assert np.abs(copied - theirs).mean() < 0.35

    def test_do_not_depend_on_the_frames_around(self, example):
        """An encoder remembers; this one must not."""
        together = jpeg_copies(example[:9])
        alone = np.concatenate([jpeg_copies(f[None]) for f in example[8:3:-1]])
        assert np.array_equal(together[4:][::-1], alone)

    def test_have_the_quantiser_where_ffmpeg_comes_to_rest(self, example, monkeypatch):
        seen = []
        decode = cv2.imdecode
        monkeypatch.setattr(cv2, "imdecode", lambda d, how: (seen.append(d), decode(d, how))[1])
        jpeg_copies(example[:1])
        data = seen[0].tobytes()
        table = list(data[data.index(b"\xff\xdb") + 5 :][:6])
        # MPEG-1's matrix 8 16 16 19 16 19 (zigzag), times 25 / 8; its first value stays.
        assert table == [8, 50, 50, 59, 50, 59]

    @pytest.mark.parametrize("size", [(101, 77), (100, 77), (101, 76), (16, 16)])
    def test_keep_odd_sizes(self, example, size):
        frames = example[:2, : size[0], : size[1]]
        copies = jpeg_copies(frames)
        assert copies.shape == frames.shape
        assert copies.dtype == np.uint8
        assert 0 < np.abs(copies.astype(int) - frames).mean() < 20

    def test_of_nothing_are_nothing(self, example):
        assert jpeg_copies(example[:0]).shape == (0, 224, 224, 3)


class TestCounting:
    def test_windows_are_one_fewer_than_would_fit(self):
        assert windows_in(317, 202_880) == 312
        assert windows_in(100, 640 * 50 + 639) == 45
        assert windows_in(5, 640 * 100) == windows_in(100, 640 * 5) == 0
        assert windows_in(10, -1) == 0

    @given(st.lists(st.integers(-1, 2), max_size=30))
    def test_stretches_cover_the_frames_that_have_a_track(self, numbers):
        found = np.full(len(numbers), -1)
        ends = []
        for number, frames in stretches(np.array(numbers, dtype=np.int32)):
            assert (found[frames] == -1).all()
            found[frames] = number
            ends.append((frames.start, frames.stop, number))
        assert found.tolist() == numbers
        assert all(b[0] > a[1] or b[2] != a[2] for a, b in itertools.pairwise(ends))
