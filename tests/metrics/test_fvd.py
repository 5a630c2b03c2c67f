"""FVD: what reaches the network, which frames they are, and the arithmetic behind it.

The network's file is on no package index. A small one that is called alike stands in for it,
through the same loader; where the real one is found, a published value is held.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np
import pytest
import scipy.linalg
import torch

from evaluation.reading import VideoFile
from evaluation.score_pair import score_pair
from evaluation.store import TrackStore
from metrics.assets import AssetMissingError, locate, sha256_of
from metrics.assets.table import ASSETS
from metrics.backbones import i3d
from metrics.backbones.faces import FACE
from metrics.backbones.i3d import FRAME_NUMBERS, SEEN, I3dFeatures
from metrics.base import (
    STATED,
    Extractor,
    Inputs,
    LooksAhead,
    Measurement,
    Metric,
    Side,
    TrackExtractor,
    UnscorableError,
)
from metrics.fvd import FVD
from metrics.gaussians import frechet_distance

STYLEGANV, LATENTSYNC = FVD


class StandIn(torch.nn.Module):
    """Called like the real one: means over 20x20 blocks of the first and the last frame."""

    def forward(
        self,
        x: torch.Tensor,
        rescale: bool = True,
        resize: bool = True,
        return_features: bool = False,
    ) -> torch.Tensor:
        assert return_features
        if rescale:
            x = x.float() / 255 * 2 - 1
        if resize:
            size = [x.shape[2], 224, 224]
            x = torch.nn.functional.interpolate(x, size, mode="trilinear", align_corners=False)
        ends = torch.stack([x[:, :, 0].mean(1), x[:, :, -1].mean(1)], dim=1)
        return torch.nn.functional.adaptive_avg_pool2d(ends, [20, 10]).flatten(1)


@pytest.fixture
def network(tmp_path, monkeypatch) -> Iterator[torch.jit.ScriptModule]:
    """A stand-in in the place of the file, by its own hash."""
    folder = tmp_path / "assets"
    folder.mkdir()
    path = folder / ASSETS["i3d"].file
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        script = torch.jit.script(StandIn().eval())
        script.save(str(path))
    row = replace(ASSETS["i3d"], sha256=sha256_of(path), size=path.stat().st_size)
    monkeypatch.setitem(ASSETS, "i3d", row)
    monkeypatch.setenv("TALKBENCH_ASSETS", str(folder))
    i3d._network.cache_clear()
    yield script
    i3d._network.cache_clear()


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def read(extractor: I3dFeatures, frames: np.ndarray, boxes: np.ndarray | None = None) -> np.ndarray:
    """The extractor's rows on a whole video."""
    numbers = FRAME_NUMBERS.follow({SEEN.id: SEEN.extract(frames, {})})
    tracks = {FRAME_NUMBERS.id: numbers}
    if boxes is not None:
        tracks[FACE.id] = {"boxes": boxes.astype(np.float32)}
    rows = extractor.extract(frames, tracks)["features"]
    assert (rows.dtype, rows.shape) == (np.float32, (len(frames), 400))
    return rows


class TestFeatures:
    def test_kinds(self):
        assert isinstance(STYLEGANV.i3d, Extractor)
        assert isinstance(STYLEGANV.i3d, LooksAhead)
        assert STYLEGANV.i3d.lookahead == 15
        assert isinstance(FRAME_NUMBERS, TrackExtractor)
        assert STYLEGANV.i3d.uses == (FRAME_NUMBERS,)
        assert LATENTSYNC.i3d.uses == (FRAME_NUMBERS, FACE)
        assert (STYLEGANV.i3d.id, LATENTSYNC.i3d.id) == ("i3d-from-0/1", "i3d@face-from-20/1")

    def test_whole_frames_go_in_as_bytes_and_the_network_does_the_rest(self, network):
        frames = noise(0, 18, 40, 60, 3)
        ours = read(STYLEGANV.i3d, frames)
        x = torch.from_numpy(frames[:16]).permute(3, 0, 1, 2)[None]
        theirs = network(x, rescale=True, resize=True, return_features=True)[0]
        np.testing.assert_array_equal(ours[0], theirs.numpy())
        assert np.isnan(ours[1:]).all()
        assert -1 <= ours[0].min() < 0 < ours[0].max() <= 1

    def test_faces_go_in_resized_by_area_in_0_to_1(self, network):
        frames = noise(1, 40, 300, 280, 3)
        boxes = np.tile([10.9, 20.2, 250.7, 260.9], (40, 1))
        ours = read(LATENTSYNC.i3d, frames, boxes)
        # As eval_fvd.py does it.
        faces = [
            cv2.resize(f[20:280, 10:260], (224, 224), interpolation=cv2.INTER_AREA) for f in frames
        ]
        x = torch.from_numpy(np.stack(faces[20:36])) / 255.0
        theirs = network(
            x.permute(3, 0, 1, 2)[None], rescale=False, resize=False, return_features=True
        )[0]
        np.testing.assert_allclose(ours[20], theirs.numpy(), rtol=0, atol=1e-6)
        assert ours[20].min() >= 0
        assert np.isnan(np.delete(ours, 20, axis=0)).all()

    @pytest.mark.parametrize(("frames", "known"), [(36, True), (35, False)])
    def test_a_video_that_ends_before_its_clip_has_no_row(self, network, frames, known):
        boxes = np.tile([0, 0, 30, 30], (frames, 1))
        rows = read(LATENTSYNC.i3d, noise(2, frames, 32, 32, 3), boxes)
        assert np.isfinite(rows).any() == known

    @pytest.mark.parametrize(("frame", "known"), [(19, True), (20, False), (35, False), (36, True)])
    def test_every_frame_of_the_clip_must_show_the_face(self, network, frame, known):
        boxes = np.tile([0.0, 0, 30, 30], (40, 1))
        boxes[frame] = np.nan
        assert np.isfinite(read(LATENTSYNC.i3d, noise(2, 40, 32, 32, 3), boxes)[20]).all() == known

    @pytest.mark.parametrize(
        ("box", "rows", "columns"),
        [
            ((3.9, 2.9, 4.9, 3.9), slice(2, 5), slice(3, 7)),
            ((-2.5, -1.5, 5, 5), slice(0, 5), slice(0, 5)),  # begins outside, keeps its size
            ((8, 6, 9, 9), slice(6, 10), slice(8, 12)),
        ],
    )
    def test_boxes_are_rounded_as_latentsync_rounds_them(self, box, rows, columns):
        frame = noise(3, 10, 12, 3)
        np.testing.assert_array_equal(i3d.cut(frame, np.array(box)), frame[rows, columns])

    @pytest.mark.parametrize("box", [(12, 0, 5, 5), (0, 0, 0.9, 5), (np.nan,) * 4])
    def test_an_empty_box_is_no_face(self, box):
        assert i3d.cut(noise(3, 10, 12, 3), np.array(box)) is None

    def test_a_missing_network_says_how_to_get_it(self, tmp_path, monkeypatch):
        monkeypatch.setenv("TALKBENCH_ASSETS", "")
        monkeypatch.setenv("TALKBENCH_CACHE", str(tmp_path))
        i3d._network.cache_clear()
        with pytest.raises(AssetMissingError, match="talkbench assets get i3d"):
            read(STYLEGANV.i3d, noise(0, 16, 8, 8, 3))


class TestFvd:
    @pytest.mark.parametrize("card", FVD, ids=lambda c: c.spec.name)
    def test_cards_say_what_is_asked_of_them(self, card):
        assert isinstance(card, Metric)
        assert set(STATED) <= card.spec.protocol.keys()
        assert (card.spec.per_clip, card.spec.paired, card.spec.fps) == (False, False, 25)
        assert ("yunet" in card.spec.assets) == card.i3d.of_faces == (card.spec.needs == ("face",))

    @staticmethod
    def clips(card, a: np.ndarray, b: np.ndarray) -> list[Measurement]:
        """Each row as one video's only one."""

        def side(row: np.ndarray) -> Side:
            rows = np.full((40, len(row)), np.nan)
            rows[card.i3d.start] = row
            return Side(tracks={card.i3d.id: {"features": rows.astype(np.float32)}})

        return [card.measure(Inputs(side(x), side(y))) for x, y in zip(a, b, strict=True)]

    @pytest.mark.parametrize(
        ("card", "ddof"), list(zip(FVD, (0, 1), strict=True)), ids=["styleganv", "latentsync"]
    )
    def test_equals_the_formula_of_the_source(self, card, ddof):
        """Theirs, with scipy's root: StyleGAN-V divides by N, LatentSync (np.cov) by N - 1."""
        random = np.random.default_rng(0)
        a, b = (
            (random.normal(size=(30, 8)) @ random.normal(size=(8, 8))).astype(np.float32)
            for _ in range(2)
        )
        first, second = (np.cov(x.astype(np.float64), rowvar=False, ddof=ddof) for x in (a, b))
        root = scipy.linalg.sqrtm(first @ second)
        gap = a.mean(axis=0, dtype=np.float64) - b.mean(axis=0, dtype=np.float64)
        expected = gap @ gap + np.trace(first + second - 2 * root.real)
        clips = self.clips(card, a, b)
        assert card.aggregate(clips) == pytest.approx(expected, rel=1e-9)
        assert card.spec.symmetric
        assert card.aggregate(self.clips(card, b, a)) == pytest.approx(expected, rel=1e-9)
        assert card.aggregate(clips[::-1]) == pytest.approx(expected, rel=1e-9)
        left = card.aggregate(clips[1:])
        if ddof:
            assert left == pytest.approx(frechet_distance(a[1:], b[1:]), rel=1e-9)

    @pytest.mark.parametrize("card", FVD, ids=lambda c: c.spec.name)
    def test_known_answer_of_two_pairs_on_a_line(self, card):
        a, b = np.array([[-3.0], [3.0]]), np.array([[7.0], [17.0]])
        deviations = np.std(b, ddof=card.i3d.of_faces) - np.std(a, ddof=card.i3d.of_faces)
        expected = 12**2 + deviations**2
        assert card.aggregate(self.clips(card, a, b)) == pytest.approx(expected, rel=1e-9)

    @pytest.mark.parametrize("card", FVD, ids=lambda c: c.spec.name)
    def test_a_set_against_itself_is_zero(self, card):
        a = np.random.default_rng(0).normal(size=(5, 40))
        clips = self.clips(card, a, a[::-1])
        assert card.aggregate(clips) == pytest.approx(0, abs=1e-9)
        assert {c.frames for c in clips} == {16}

    def test_one_video_is_no_distribution(self):
        one = self.clips(STYLEGANV, np.ones((1, 4)), np.zeros((1, 4)))
        with pytest.raises(UnscorableError, match="needs 2 clips, there is 1"):
            STYLEGANV.aggregate(one)
        with pytest.raises(UnscorableError, match="needs 2 clips, there is none"):
            STYLEGANV.aggregate([])

    @pytest.mark.parametrize(
        ("card", "generated", "reference", "why"),
        [
            (STYLEGANV, 15, 40, "the generated video has 15 frames, its clip is frames 0 to 15"),
            (STYLEGANV, 40, 3, "the reference video has 3 frames, its clip is frames 0 to 15"),
            (LATENTSYNC, 35, 40, "the generated video has 35 frames, its clip is frames 20 to 35"),
            (LATENTSYNC, 36, 40, "generated video has no face in one of frames 20 to 35"),
            (STYLEGANV, 40, 40, "generated video has no finite feature in one of frames 0 to 15"),
        ],
    )
    def test_what_has_no_clip_has_no_value(self, card, generated, reference, why):
        def side(frames: int) -> Side:
            value = np.nan if "no " in why else 1.0
            return Side(tracks={card.i3d.id: {"features": np.full((frames, 400), value)}})

        with pytest.raises(UnscorableError, match=why):
            card.measure(Inputs(side(generated), side(reference)))


def test_from_files_to_the_network(network, tmp_path, write_clip):
    """Through the harness: a suite that reads every 5th frame does not thin out the clip."""
    frames = write_clip(tmp_path / "a.mp4", frames=30, seed=1)
    short = write_clip(tmp_path / "b.mp4", frames=12, seed=2)
    assert len(short) == 12
    store = TrackStore(tmp_path / "run")
    files = [VideoFile(tmp_path / n, sha256_of(tmp_path / n)) for n in ("a.mp4", "b.mp4")]
    (same,) = score_pair(files[0], files[0], [STYLEGANV], 5, store)
    assert (same.status, same.measurement.frames) == ("ok", 16)
    expected = i3d.whole_frames(frames[:16])
    np.testing.assert_allclose(same.measurement.features["generated"], expected[None], atol=1e-6)
    (failed,) = score_pair(files[1], files[0], [STYLEGANV], 5, store)
    assert failed.reason == "the generated video has 12 frames, its clip is frames 0 to 15"


def test_black_against_white_as_published():
    """README of common_metrics_on_video_quality @ 5f75173: sixteen frames, the real network."""
    try:
        locate("i3d")
    except AssetMissingError as error:
        pytest.skip(str(error))
    black, white = (np.full((16, 64, 64, 3), shade, np.uint8) for shade in (0, 255))
    gap = i3d.whole_frames(black).astype(np.float64) - i3d.whole_frames(white)
    # It says itself that versions of PyTorch move the value by about 1.
    assert gap @ gap == pytest.approx(152.91750309134142, abs=1.5)
