"""LSE-D, LSE-C, AV offset: the arithmetic, the cards' rules, and the cards on real clips."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.generate import file_sha256
from evaluation.reading import VideoFile, closure
from evaluation.score_pair import score_pair
from evaluation.sound import read_sound
from evaluation.store import TrackStore
from evaluation.video import Audio, FrameReader, read_audio
from evaluation.video_writer import LOSSLESS, VideoWriter
from metrics import assets
from metrics.backbones import syncnet
from metrics.backbones.shots import CONTENT
from metrics.backbones.speaker_tracks import SpeakerTracks
from metrics.backbones.sync_features import AUDIO_WINDOWS, LipFeatures, TrackSound
from metrics.backbones.yunet import YUNET
from metrics.base import (
    STATED,
    AudioExtractor,
    Inputs,
    Measurement,
    Metric,
    MetricSpec,
    Side,
    TrackExtractor,
    UnscorableError,
)
from metrics.lipsync import AV_OFFSET, LSE_C, LSE_D
from metrics.sync_distance import LipSync, counted_tracks, sync_of

CARDS = {card.spec.name: card for card in (*LSE_D, *LSE_C, *AV_OFFSET)}

# The official arithmetic is float32: means of about 5, summed over 140 windows.
CLOSE = 1e-5


def random_rows(windows, width=24, seed=0):
    return np.random.default_rng(seed).normal(size=(windows, width))


def synced(windows, ahead, noise=0.05, seed=0):
    """Lips, and a sound that is ``ahead`` frames ahead of them."""
    rows = random_rows(windows + 30, seed=seed)
    lips = rows[15 : 15 + windows]
    sound = rows[15 + ahead : 15 + ahead + windows]
    return lips, sound + noise * random_rows(windows, seed=seed + 1)


def official(lip, audio, vshift=15):
    """``calc_pdist`` and what follows it in SyncNetInstance.py, in torch and doubles."""
    lip, audio = torch.from_numpy(lip), torch.from_numpy(audio)
    padded = torch.nn.functional.pad(audio, (0, 0, vshift, vshift))
    rows = [
        torch.nn.functional.pairwise_distance(lip[[i]].repeat(31, 1), padded[i : i + 31])
        for i in range(len(lip))
    ]
    means = torch.stack(rows, 1).mean(1)
    least, place = means.min(0)
    confidence = means.median() - least
    return least.item(), confidence.item(), vshift - place.item(), torch.stack(rows).numpy()


class TestArithmetic:
    @pytest.mark.data
    def test_equals_what_the_official_code_printed(self, data):
        recorded = np.load(data / "golden" / "syncnet_arithmetic.npz")
        sync = sync_of(recorded["im_feat"], recorded["cc_feat"])
        np.testing.assert_allclose(sync.table, recorded["dist_table"], rtol=0, atol=CLOSE)
        assert sync.distance == pytest.approx(recorded["min_dist"], abs=CLOSE)
        assert sync.confidence == pytest.approx(recorded["conf"], abs=CLOSE)
        assert sync.offset == recorded["offset"] == recorded["audio_leads_by"]

    @pytest.mark.data
    def test_equals_what_the_official_code_printed_for_the_example(self, data):
        """Lips of every 10th window are recorded, and their rows of the table of distances."""
        recorded = np.load(data / "golden" / "syncnet_opencv.npz")
        rows = zip(
            *(recorded[k] for k in ("im_feat_every10", "cc_feat_every10")),
            recorded["dist_table"][::10],
            strict=True,
        )
        for lip, sound, row in rows:
            table = sync_of(lip[None], sound[None]).table
            # The middle of a row is the distance to the sound of the same moment. Of 670, in
            # float32 there.
            assert table[0, 15] == pytest.approx(row[15], abs=1e-3)

    @settings(max_examples=25, deadline=None)
    @given(windows=st.integers(1, 50), seed=st.integers(0, 99))
    def test_equals_the_official_lines_at_any_length(self, windows, seed):
        lip, audio = random_rows(windows, seed=seed), random_rows(windows, seed=seed + 100)
        least, confidence, offset, table = official(lip, audio)
        sync = sync_of(lip, audio)
        np.testing.assert_allclose(sync.table, table, rtol=0, atol=1e-9)
        assert (sync.distance, sync.confidence) == pytest.approx((least, confidence), abs=1e-9)
        assert sync.offset == offset

    @settings(max_examples=31, deadline=None)
    @given(ahead=st.integers(-15, 15), seed=st.integers(0, 9))
    def test_sound_that_is_ahead_moves_the_offset_by_as_much(self, ahead, seed):
        sync = sync_of(*synced(80, ahead, seed=seed))
        assert sync.offset == ahead
        assert sync.confidence > 1

    def test_more_noise_is_less_confident_and_further_away(self):
        syncs = [sync_of(*synced(80, 0, noise)) for noise in (0.0, 0.5, 1.0, 2.0)]
        assert [s.distance for s in syncs] == sorted(s.distance for s in syncs)
        confidences = [s.confidence for s in syncs]
        assert confidences == sorted(confidences, reverse=True)

    def test_lips_that_follow_their_sound_are_at_no_distance(self):
        lips, _ = synced(80, 0)
        assert sync_of(lips, lips).distance == pytest.approx(0, abs=1e-4)

    def test_beyond_the_sound_there_is_the_zero_vector(self):
        lip, audio = random_rows(3), random_rows(3, seed=1)
        table = sync_of(lip, audio).table
        lengths = np.linalg.norm(lip + 1e-6, axis=1)
        np.testing.assert_allclose(table[0, :15], lengths[0], atol=1e-9)
        np.testing.assert_allclose(table[2, 16:], lengths[2], atol=1e-9)
        assert abs(table[0, 15] - lengths[0]) > 1e-3

    def test_refuses_what_does_not_fit(self):
        for windows in (4, 0):
            with pytest.raises(ValueError, match="do not fit"):
                sync_of(random_rows(windows), random_rows(max(0, windows - 1)))


SPEC = MetricSpec(
    name="lse@made-up", version="1", title="LSE", direction="lower", protocol={}, source=""
)


class Places:
    id = "places/1"
    uses = ()

    def follow(self, tracks):
        raise AssertionError("made by the test")


PLACES = Places()
LIPS = LipFeatures(PLACES)


def clip(*offsets, frames=60, gaps=0, lost=0):
    """Tracks one after the other, each with the sound so far ahead of its lips."""
    total = frames * len(offsets)
    lips, sound = (np.full((total, 1, 24), np.nan, np.float32) for _ in range(2))
    numbers = np.repeat(np.arange(len(offsets), dtype=np.int32), frames)[:, None]
    slots = np.zeros((total, 1), np.int32)
    for i, offset in enumerate(offsets):
        start = i * frames
        x, y = synced(frames - 4, offset, noise=0.1 * (i + 1), seed=i)
        lips[start : start + frames - 4, 0] = x
        sound[start : start + frames - 5 - lost, 0] = y[: frames - 5 - lost]
        slots[start + 10 : start + 10 + gaps] = -1
    tracks = {
        LIPS.id: {"features": lips},
        TrackSound(PLACES).id: {"features": sound},
        PLACES.id: {"track": numbers, "slot": slots},
    }
    return Inputs(Side(tracks=tracks))


def syncs_of(inputs):
    tracks = inputs.generated.tracks
    sound = tracks[TrackSound(PLACES).id]["features"][:, 0]
    numbers = tracks[PLACES.id]["track"][:, 0]
    heard = np.isfinite(sound[:, 0])
    return [
        sync_of(
            tracks[LIPS.id]["features"][heard & (numbers == k), 0], sound[heard & (numbers == k)]
        )
        for k in range(numbers.max() + 1)
    ]


class TestRules:
    @pytest.mark.parametrize(
        ("rule", "distance", "confidence", "offset"),
        [
            ("mean", np.mean, np.mean, (2 + 7 + 3) / 3),
            ("last", lambda v: v[-1], lambda v: v[-1], 3),
            ("best", min, max, 2),
            ("mean offset", np.mean, np.mean, 2),  # (2 - 7 - 3) / 3 = -2.67, cut to -2
        ],
    )
    def test_pool_tracks_as_they_say(self, rule, distance, confidence, offset):
        inputs = clip(2, -7, -3)
        syncs = syncs_of(inputs)
        assert [s.offset for s in syncs] == [2, -7, -3]
        for reads, expected in (
            ("distance", distance([s.distance for s in syncs])),
            ("confidence", confidence([s.confidence for s in syncs])),
            ("offset", offset),
        ):
            measured = LipSync(SPEC, reads, LIPS, rule).measure(inputs)
            assert measured.value == pytest.approx(expected, rel=1e-12)
            assert measured.frames == 3 * 55
            assert measured.notes == {"tracks": 3, "offset 1": 2, "offset 2": -7, "offset 3": -3}

    def test_the_sign_of_one_track_is_in_the_notes(self):
        measured = LipSync(SPEC, "offset", LIPS).measure(clip(-4))
        assert (measured.value, measured.notes) == (4.0, {"offset": -4})

    def test_best_takes_the_best_of_each(self):
        """The least distance and the greatest confidence may be those of two tracks."""
        near, far = clip(0), clip(0)
        tracks = {k: dict(v) for k, v in near.generated.tracks.items()}
        for key in (LIPS.id, TrackSound(PLACES).id):
            rows = far.generated.tracks[key]["features"] * 3
            tracks[key] = {"features": np.concatenate([tracks[key]["features"], rows])}
        numbers = np.repeat(np.array([0, 1], np.int32), 60)[:, None]
        tracks[PLACES.id] = {"track": numbers, "slot": np.zeros_like(numbers)}
        syncs = syncs_of(inputs := Inputs(Side(tracks=tracks)))
        assert syncs[0].distance < syncs[1].distance
        assert syncs[0].confidence < syncs[1].confidence
        distance = LipSync(SPEC, "distance", LIPS, "best").measure(inputs).value
        confidence = LipSync(SPEC, "confidence", LIPS, "best").measure(inputs).value
        assert (distance, confidence) == pytest.approx((syncs[0].distance, syncs[1].confidence))

    def test_only_windows_with_sound_are_scored(self):
        whole, short = (LipSync(SPEC, "distance", LIPS).measure(clip(0, lost=k)) for k in (0, 20))
        assert (whole.frames, short.frames) == (55, 35)
        assert whole.value != short.value

    def test_tracks_with_too_few_detections_do_not_count(self):
        for gaps, counted in ((9, True), (10, False), (11, False)):
            inputs = clip(0, gaps=gaps)
            metric = LipSync(SPEC, "offset", LIPS, min_track=50)
            if counted:
                assert metric.measure(inputs).value == 0
            else:
                with pytest.raises(UnscorableError, match="no face is seen in more than 50"):
                    metric.measure(inputs)

    def test_a_track_without_sound_has_no_value(self):
        inputs = clip(0, 0)
        inputs.generated.tracks[TrackSound(PLACES).id]["features"][60:] = np.nan
        with pytest.raises(UnscorableError, match=r"the sound ends before.* frames 60 to 119"):
            LipSync(SPEC, "distance", LIPS).measure(inputs)

    @pytest.mark.parametrize(("frames", "windows"), [(5, 40), (40, 0), (0, 0)])
    def test_a_whole_clip_that_is_too_short_has_no_value(self, frames, windows):
        whole = LipFeatures()
        tracks = {
            whole.id: {"features": np.zeros((frames, 1, 24), np.float32)},
            AUDIO_WINDOWS.id: {"features": np.zeros((windows, 24), np.float32)},
        }
        with pytest.raises(UnscorableError, match="too short"):
            LipSync(SPEC, "distance", whole).measure(Inputs(Side(tracks=tracks)))

    @pytest.mark.parametrize(("frames", "windows", "scored"), [(60, 40, 40), (30, 40, 25)])
    def test_a_whole_clip_is_scored_as_far_as_both_go(self, frames, windows, scored):
        whole = LipFeatures()
        lips, sound = synced(60, 3)
        tracks = {
            whole.id: {"features": lips[:frames, None].astype(np.float32)},
            AUDIO_WINDOWS.id: {"features": sound[:windows].astype(np.float32)},
        }
        measured = LipSync(SPEC, "offset", whole).measure(Inputs(Side(tracks=tracks)))
        assert (measured.frames, measured.value) == (scored, 3.0)

    def test_the_number_over_clips_is_their_mean(self):
        clips = [Measurement(1.0, 10), Measurement(4.0, 1000)]
        assert LipSync(SPEC, "distance", LIPS).aggregate(clips) == 2.5


class TestSharedTracks:
    """Cards of 50 and of 100 detections read the same lips."""

    @settings(max_examples=40, deadline=None)
    @given(
        lengths=st.lists(st.integers(40, 140), min_size=1, max_size=5),
        holes=st.integers(0, 30),
        cuts=st.booleans(),
    )
    def test_the_long_ones_are_those_a_greater_least_length_leaves(self, lengths, holes, cuts):
        total = sum(lengths)
        faces = np.full((total, 8, 15), np.nan, np.float32)
        content, start = np.zeros(total), 0
        for i, length in enumerate(lengths):
            faces[start : start + length, 0, :4] = [50 + 150 * (i % 3), 40, 120, 130]
            faces[start + 5 : start + 5 + min(holes, 20), 0] = np.nan
            start += length
            if cuts:
                content[start - 1] = 99
        content[-1] = np.nan
        seen = {
            YUNET.id: {"faces": faces, "count": np.isfinite(faces[:, :, 0]).sum(axis=1)},
            CONTENT.id: {"content": content},
        }
        short, long = (SpeakerTracks("yunet", "all", n).follow(seen) for n in (50, 100))
        ours, theirs = counted_tracks(short, 100), counted_tracks(long, 0)
        assert [
            [(f.start, f.stop), *(short[k][f, lane].tolist() for k in "xys")] for f, lane in ours
        ] == [
            [(f.start, f.stop), *(long[k][f, lane].tolist() for k in "xys")] for f, lane in theirs
        ]


class TestCards:
    def test_are_three_families_of_the_same_protocols(self):
        protocols = [card.spec.name.split("@", 1)[1] for card in LSE_D]
        assert protocols[0] == "syncnet-python"
        for family, cards in (("lse-d", LSE_D), ("lse-c", LSE_C), ("av-offset", AV_OFFSET)):
            assert [card.spec.name for card in cards] == [f"{family}@{p}" for p in protocols]

    @pytest.mark.parametrize("name", CARDS)
    def test_say_everything(self, name):
        card = CARDS[name]
        assert isinstance(card, Metric)
        assert [key for key in STATED if not card.spec.protocol.get(key)] == []
        assert (card.spec.fps, card.spec.needs_reference, card.spec.paired) == (25, False, False)
        assert not card.spec.needs_frames
        used = [e.id.split("@")[0].split("/")[0] for e in closure(card.extractors)]
        assert ("s3fd" in card.spec.assets) == ("s3fd" in used)
        assert ("yunet" in card.spec.assets) == ("yunet" in used)
        assert ("face-mesh" in card.spec.assets) == ("mouths" in used)

    @pytest.mark.parametrize(
        ("protocol", "min_track", "rule"),
        [
            ("syncnet-python", 100, "mean"),
            ("syncnet-python@last", 100, "last"),
            ("syncnet-python@max", 100, "best"),
            ("wav2lip-lrs", 0, "mean"),
            ("latentsync", 50, "mean offset"),
            ("mochabench", 50, "best"),
            ("yunet", 100, "mean"),
            ("yunet@talking", 100, "mean"),
            ("yunet@all", 100, "mean"),
        ],
    )
    def test_have_the_rule_they_are_named_after(self, protocol, min_track, rule):
        for family in ("lse-d", "lse-c", "av-offset"):
            card = CARDS[f"{family}@{protocol}"]
            assert (card.min_track, card.rule) == (min_track, rule)
            if min_track:
                assert f"more than {min_track} detections" in card.spec.protocol["faces"]

    def test_of_s3fd_read_lips_once(self):
        used = {
            e.id
            for name, card in CARDS.items()
            for e in card.extractors
            if "s3fd" in card.spec.assets and e.id.startswith("syncnet-lip")
        }
        assert used == {LipFeatures(SpeakerTracks("s3fd", "all", 50)).id}


@pytest.fixture(scope="module")
def formula_file(formula_weights, tmp_path_factory):
    """A weight file like the published one."""
    path = tmp_path_factory.mktemp("weights") / "syncnet_v2.model"
    torch.save(formula_weights(syncnet.SyncNet().state_dict()), path)
    return path


@pytest.fixture
def installed(formula_file, monkeypatch):
    """The table names that file, so that everything else is as with the true one."""
    row = replace(assets.lookup("syncnet"), sha256=file_sha256(formula_file))
    monkeypatch.setitem(assets.ASSETS, "syncnet", row)
    monkeypatch.setenv("TALKBENCH_ASSETS", str(formula_file.parent))
    syncnet._networks.cache_clear()
    yield
    syncnet._networks.cache_clear()


@pytest.fixture(scope="module")
def talking(data, tmp_path_factory):
    """24 frames of a clip, at 256x256 with a face of 125 px, and their sound."""
    source = data / "clips" / "vretalk_3.mp4"
    whole = next(iter(FrameReader(source, piece=24)))
    frames = np.stack([cv2.resize(f, (256, 256), interpolation=cv2.INTER_AREA) for f in whole])
    audio = read_audio(source)
    path = tmp_path_factory.mktemp("clips") / "talking.mkv"
    form = {"width": 256, "height": 256, "fps": Fraction(25), "encoding": LOSSLESS}
    sound = Audio(audio.samples[: round(24 / 25 * audio.rate)], audio.rate)
    with VideoWriter(path, **form, audio=sound) as writer:
        writer.add(frames)
    return path


def score(path, folder, *cards):
    file = VideoFile(path, file_sha256(path))
    return score_pair(file, file, list(cards), 8, TrackStore(folder))


@pytest.mark.data
class TestOnRealClips:
    @pytest.mark.usefixtures("installed")
    @pytest.mark.assets
    def test_the_harness_in_pieces_gives_what_the_parts_give(
        self, talking, asset, tmp_path, monkeypatch, decode
    ):
        asset("yunet")
        followed = SpeakerTracks("yunet", "largest", 15)
        lips = LipFeatures(followed)
        cards = [
            replace(CARDS[f"{family}@yunet"], lips=lips, min_track=15)
            for family in ("lse-d", "lse-c", "av-offset")
        ]
        monkeypatch.setattr("evaluation.video.PIECE_BYTES", 10 * 256 * 256 * 3)
        outcomes = score(talking, tmp_path, *cards)
        assert [o.status for o in outcomes] == ["ok"] * 3, [o.reason for o in outcomes]
        distance, confidence, offset = (o.measurement for o in outcomes)

        frames, sound, tracks = decode(talking), read_sound(talking), {}
        for extractor in closure(cards[0].extractors):
            if isinstance(extractor, AudioExtractor):
                tracks[extractor.id] = extractor.listen(sound)
            elif isinstance(extractor, TrackExtractor):
                tracks[extractor.id] = extractor.follow(tracks)
            else:
                tracks[extractor.id] = extractor.extract(frames, tracks)
        assert (tracks[followed.id]["track"] == 0).all()
        audio = AUDIO_WINDOWS.listen(sound)["features"]
        count = min(len(frames), len(sound) // 640) - 5
        sync = sync_of(tracks[lips.id]["features"][:count, 0], audio[:count])
        # Batches end elsewhere in pieces: 2e-4 of features of 90.
        assert distance.value == pytest.approx(sync.distance, abs=1e-3)
        assert confidence.value == pytest.approx(sync.confidence, abs=1e-3)
        assert offset.notes == {"offset": sync.offset}
        assert distance.frames == count >= 18

    @pytest.mark.usefixtures("installed")
    def test_whole_frames_need_no_face(self, tmp_path, write_clip):
        write_clip(tmp_path / "pattern.mkv", frames=11, width=96, height=64)
        (outcome,) = score(tmp_path / "pattern.mkv", tmp_path, CARDS["lse-d@wav2lip-lrs"])
        assert (outcome.status, outcome.measurement.frames) == ("ok", 6)
        assert outcome.measurement.value > 0

    @pytest.mark.usefixtures("installed")
    def test_mute_clips_have_no_value(self, tmp_path, write_clip):
        write_clip(tmp_path / "mute.mkv", frames=7, audio=False)
        (outcome,) = score(tmp_path / "mute.mkv", tmp_path, CARDS["lse-c@wav2lip-lrs"])
        assert (outcome.status, outcome.reason) == ("failed", "generated video has no sound")

    def test_without_weights_every_card_says_how_to_get_them(
        self, tmp_path, write_clip, monkeypatch
    ):
        monkeypatch.setenv("TALKBENCH_CACHE", str(tmp_path))
        monkeypatch.delenv("TALKBENCH_ASSETS", raising=False)
        write_clip(tmp_path / "pattern.mkv", frames=7)
        for outcome in score(tmp_path / "pattern.mkv", tmp_path, *CARDS.values()):
            assert outcome.status == "unavailable"
            assert "talkbench assets get syncnet" in outcome.reason
