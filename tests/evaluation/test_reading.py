"""Tracks are made in as few passes as they need, from the right frames, and kept."""

from fractions import Fraction

import numpy as np
import pytest

from evaluation.generate import file_sha256
from evaluation.reading import Reading, Sampling, VideoFile
from evaluation.score_pair import score_pair
from evaluation.store import TrackStore
from metrics import Measurement, MetricSpec, UnscorableError, mean_of_clips


class Mean:
    """Mean grey of every frame; counts the frames it was shown."""

    id = "mean/1"
    uses = ()

    def __init__(self):
        self.asked = 0

    def extract(self, frames, tracks):
        self.asked += len(frames)
        return {"grey": frames.mean((1, 2, 3))}


class Brightest:
    """Needs the clip's end: each frame's grey over the brightest frame's."""

    id = "brightest/1"

    def __init__(self, mean):
        self.uses = (mean,)

    def follow(self, tracks):
        grey = tracks["mean/1"]["grey"]
        return {"share": grey / grey.max()}


class Scaled:
    """Reads frames again, with what the whole clip said."""

    id = "scaled/1"

    def __init__(self, brightest):
        self.uses = (brightest,)

    def extract(self, frames, tracks):
        share = tracks["brightest/1"]["share"]
        return {"scaled": frames.mean((1, 2, 3)) * share}


class Window:
    """Mean of five frames from each on."""

    id = "window/1"
    uses = ()
    lookahead = 4

    def extract(self, frames, tracks):
        grey = frames.mean((1, 2, 3))
        rows = np.full(len(grey), np.nan)
        for i in range(len(grey) - 4):
            rows[i] = grey[i : i + 5].mean()
        return {"mean": rows}


class Loud:
    """Two numbers about the sound."""

    id = "loud/1"

    def listen(self, sound):
        return {"n": np.array([len(sound), np.abs(sound.astype(int)).max()])}


def reading(path, extractors, root, sampling=None):
    file = VideoFile(path, file_sha256(path))
    return Reading(file, "generated", sampling or Sampling(1), extractors, TrackStore(root))


def read(side, piece=50):
    side.listen()
    for number in range(side.passes):
        footage = side.sampling.footage(side.file, piece)
        for frames in side.pieces(footage):
            side.feed(number, frames)
        side.finish(number, footage.frames)
    return side


@pytest.mark.parametrize("piece", [1, 3, 5, 12, 50])
def test_pieces_do_not_matter(tmp_path, write_clip, piece):
    frames = write_clip(tmp_path / "a.mp4")
    grey = frames.mean((1, 2, 3))
    mean = Mean()
    extractors = (Scaled(Brightest(mean)), Window())
    side = read(reading(tmp_path / "a.mp4", extractors, tmp_path / "run"), piece)
    assert side.passes == 2
    assert mean.asked == 12
    np.testing.assert_allclose(side.tracks["scaled/1"]["scaled"], grey * grey / grey.max())
    windows = side.tracks["window/1"]["mean"]
    np.testing.assert_allclose(windows[:8], np.convolve(grey, np.full(5, 0.2), "valid"))
    assert np.isnan(windows[8:]).all()
    assert side.frames == 12


def test_what_is_kept_is_not_read_again(tmp_path, write_clip):
    write_clip(tmp_path / "a.mp4")
    mean = Mean()
    read(reading(tmp_path / "a.mp4", (Brightest(mean),), tmp_path / "run"))
    side = reading(tmp_path / "a.mp4", (Scaled(Brightest(mean)),), tmp_path / "run")
    assert side.passes == 1  # the whole tracks are there: one pass for the last extractor
    read(side)
    assert mean.asked == 12
    assert reading(tmp_path / "a.mp4", (Scaled(Brightest(mean)),), tmp_path / "run").passes == 0


def test_every_nth_and_steady_rates_are_kept_apart(tmp_path, write_clip):
    write_clip(tmp_path / "a.mp4", fps=Fraction(50))
    mean = Mean()
    for sampling, rows in ((Sampling(1), 12), (Sampling(5), 3), (Sampling(1, fps=25), 8)):
        side = read(reading(tmp_path / "a.mp4", (mean,), tmp_path / "run", sampling))
        assert len(side.tracks["mean/1"]["grey"]) == rows
    assert mean.asked == 23


def test_a_file_at_that_rate_is_read_once_for_both(tmp_path, write_clip):
    write_clip(tmp_path / "a.mp4", fps=Fraction(25))
    mean = Mean()
    for sampling in (Sampling(1), Sampling(3, fps=25), Sampling(1, fps=25)):
        side = read(reading(tmp_path / "a.mp4", (mean,), tmp_path / "run", sampling))
        assert len(side.tracks["mean/1"]["grey"]) == 12
    assert mean.asked == 12


def test_sound_is_heard_once_whatever_the_sampling(tmp_path, write_clip):
    write_clip(tmp_path / "a.mkv")
    for sampling in (Sampling(1), Sampling(5), Sampling(1, fps=25)):
        side = read(reading(tmp_path / "a.mkv", (Loud(),), tmp_path / "run", sampling))
        assert side.tracks["loud/1"]["n"][0] == 12 * 640
    assert len(list((tmp_path / "run").rglob("*.npz"))) == 1


class Listens:
    """Needs no reference, no frames: the sound alone."""

    extractors = (Loud(),)
    spec = MetricSpec(
        name="listens",
        version="1",
        title="listens",
        direction="higher",
        needs_reference=False,
        paired=False,
        needs_frames=False,
        fps=25,
        protocol={"rule": "a test's"},
        source="a test",
    )

    def measure(self, inputs):
        assert not inputs.reference.tracks
        return Measurement(float(inputs.generated.tracks["loud/1"]["n"][1]), 1)

    def aggregate(self, measurements):
        return mean_of_clips(measurements)


def score(path, metrics, root, reference=None):
    files = [None if p is None else VideoFile(p, file_sha256(p)) for p in (path, reference)]
    return score_pair(*files, metrics, 1, TrackStore(root))


def test_a_metric_without_reference_is_scored_without_one(tmp_path, write_clip):
    write_clip(tmp_path / "a.mkv")
    (outcome,) = score(tmp_path / "a.mkv", [Listens()], tmp_path / "run")
    assert outcome.status == "ok"
    assert 0.25 < outcome.measurement.value / 32768 < 0.35


def test_a_mute_video_fails_with_the_reason(tmp_path, write_clip):
    write_clip(tmp_path / "a.mp4", audio=False)
    (outcome,) = score(tmp_path / "a.mp4", [Listens()], tmp_path / "run")
    assert (outcome.status, outcome.reason) == ("failed", "generated video has no sound")


def test_a_damaged_reference_spoils_only_what_needs_it(tmp_path, write_clip):
    write_clip(tmp_path / "a.mkv")
    (tmp_path / "b.mp4").write_bytes(b"no video")

    class Paired(Listens):
        extractors = ()
        spec = MetricSpec(
            name="paired",
            version="1",
            title="",
            direction="lower",
            protocol={},
            source="",
        )

    listens, paired = score(
        tmp_path / "a.mkv", [Listens(), Paired()], tmp_path / "run", tmp_path / "b.mp4"
    )
    assert (listens.status, paired.status) == ("ok", "failed")
    assert "reference" in paired.reason


class Weighted:
    """Pixels of both sides, weighted by what the whole reference clip says."""

    def __init__(self, mean):
        self.extractors = (Brightest(mean),)
        self.spec = MetricSpec(
            name="weighted",
            version="1",
            title="",
            direction="lower",
            protocol={},
            source="",
        )

    def measure(self, inputs):
        a, b = inputs.pixels()
        share = inputs.reference.tracks["brightest/1"]["share"]
        assert len(share) == len(a)
        return Measurement.of_frames(share * np.abs(a.astype(float) - b).mean((1, 2, 3)))

    def aggregate(self, measurements):
        return mean_of_clips(measurements)


def test_pixels_with_rows_of_the_whole_clip(tmp_path, write_clip, monkeypatch):
    a = write_clip(tmp_path / "a.mp4", seed=1).astype(float)
    b = write_clip(tmp_path / "b.mp4", seed=2).astype(float)
    grey = b.mean((1, 2, 3))
    expected = grey / grey.max() * np.abs(a - b).mean((1, 2, 3))
    monkeypatch.setattr("evaluation.video.PIECE_BYTES", 5 * 64 * 48 * 3)
    mean = Mean()
    for _ in range(2):  # the second time every track is kept, and the pixels are read all the same
        (outcome,) = score(
            tmp_path / "a.mp4", [Weighted(mean)], tmp_path / "run", tmp_path / "b.mp4"
        )
        assert outcome.status == "ok", outcome.reason
        np.testing.assert_allclose(outcome.measurement.per_frame, expected)
    assert mean.asked == 24


class Refuses(Mean):
    """Has a reason of its own."""

    def extract(self, frames, tracks):
        raise UnscorableError("too dark to see")


def test_a_refusal_reaches_what_hangs_on_it(tmp_path, write_clip):
    write_clip(tmp_path / "a.mp4")
    side = read(reading(tmp_path / "a.mp4", (Scaled(Brightest(Refuses())),), tmp_path / "run"))
    assert set(side.failures.values()) == {"too dark to see"}
    assert not side.tracks
