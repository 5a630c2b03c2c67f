"""Every metric gets an outcome, whatever the two files are."""

import errno
import json
import shutil
from fractions import Fraction

import numpy as np
import pytest

from evaluation.generate import file_sha256
from evaluation.machine import MachineError
from evaluation.reading import VideoFile
from evaluation.registry import load_metrics
from evaluation.score_pair import measure_again, score_pair
from evaluation.store import TrackStore
from metrics import Measurement, MetricSpec, mean_of_clips


class Average:
    """Mean colour of every frame; counts how often it is asked."""

    id = "average/1"
    uses = ()

    def __init__(self):
        self.asked = 0

    def extract(self, frames, tracks):
        del tracks
        self.asked += len(frames)
        return {"colour": frames.mean((1, 2)).astype(np.float32)}


class Redder:
    """Reads a track of a track."""

    id = "redder/1"

    def __init__(self, average):
        self.uses = (average,)

    def extract(self, frames, tracks):
        del frames
        colour = tracks["average/1"]["colour"]
        return {"red": colour[:, 0] - colour[:, 1]}


def spec(name, **changes):
    return MetricSpec(
        **{
            "name": name,
            "version": "1",
            "title": name,
            "direction": "lower",
            "protocol": {"rule": "a test's"},
            "source": "a test",
        }
        | changes
    )


class Colour:
    """A track metric on two chained extractors."""

    def __init__(self, *, paired=True):
        self.average = Average()
        self.extractors = (Redder(self.average), self.average)
        self.spec = spec("colour", needs_frames=False, paired=paired)

    def measure(self, inputs):
        sides = [s.tracks["redder/1"]["red"] for s in (inputs.generated, inputs.reference)]
        return Measurement.of_frames(np.abs(sides[0].mean() - sides[1])[:3])

    def aggregate(self, measurements):
        return mean_of_clips(measurements)


class Broken:
    """Raises in the middle."""

    extractors = ()
    spec = spec("broken")

    def measure(self, inputs):
        raise ZeroDivisionError("a bug of the plug-in")

    def aggregate(self, measurements):
        return mean_of_clips(measurements)


def file(path) -> VideoFile:
    return VideoFile(path, file_sha256(path))


@pytest.fixture
def pair(tmp_path, write_clip):
    """A call that scores clips written with the given differences."""

    def score(metrics, every=1, generated=None, reference=None):
        gen, ref = tmp_path / "gen.mp4", tmp_path / "ref.mp4"
        write_clip(ref, **{"seed": 1} | (reference or {}))
        write_clip(gen, **{"seed": 2} | (generated or {}))
        return score_pair(file(gen), file(ref), metrics, every, TrackStore(tmp_path / "run"))

    return score


def test_numbers_and_frames(pair):
    psnr, ssim = pair(load_metrics(["psnr", "ssim"]), every=5)
    assert (psnr.status, ssim.status) == ("ok", "ok")
    assert psnr.measurement.frames == 3  # 0, 5, 10 of 12
    assert 3 < psnr.measurement.value < 20
    assert psnr.seconds > 0


@pytest.mark.parametrize(
    ("generated", "words"),
    [
        ({"frames": 11}, "generated has 11 frames, reference 12"),
        ({"frames": 13}, "generated has 13 frames, reference 12"),
        ({"width": 32}, "generated is 32x48 pixels, reference 64x48"),
        ({"fps": Fraction(24)}, "generated runs at 24 fps, reference at 25"),
    ],
)
def test_a_misfit_fails_paired_metrics_only(pair, generated, words):
    psnr, paired, unpaired = pair(
        [*load_metrics(["psnr"]), Colour(), renamed(Colour(paired=False), "free")],
        generated=generated,
    )
    assert (psnr.status, paired.status, unpaired.status) == ("failed", "failed", "ok")
    assert words in psnr.reason
    assert words in paired.reason


def renamed(metric, name):
    metric.spec = spec(name, needs_frames=False, paired=metric.spec.paired)
    return metric


def test_a_rate_written_in_two_ways_is_one_rate(pair):
    (psnr,) = pair(
        load_metrics(["psnr"]),
        generated={"fps": Fraction(2997, 100)},
        reference={"fps": Fraction(30000, 1001)},
    )
    assert psnr.status == "ok"


def test_silence_is_no_fault_of_a_metric_that_does_not_listen(pair):
    (psnr,) = pair(load_metrics(["psnr"]), generated={"audio": False})
    assert psnr.status == "ok"


def test_a_bug_in_one_metric_is_one_failed_record(pair):
    broken, psnr = pair([Broken(), *load_metrics(["psnr"])])
    assert (broken.status, psnr.status) == ("failed", "ok")
    assert broken.reason == "ZeroDivisionError: a bug of the plug-in"


def test_missing_weights_are_unavailable_and_say_what_to_do(pair, monkeypatch, tmp_path):
    monkeypatch.setenv("TALKBENCH_CACHE", str(tmp_path / "empty"))
    lpips, psnr = pair(load_metrics(["lpips", "psnr"]))
    assert (lpips.status, psnr.status) == ("unavailable", "ok")
    assert "talkbench assets get lpips-alex" in lpips.reason


class Careless(Colour):
    """An extractor that loses a row."""

    def __init__(self):
        super().__init__()
        lossy = Average()
        lossy.extract = lambda frames, tracks: {"colour": frames.mean((1, 2))[1:]}
        self.extractors = (lossy,)


class Valued:
    """Returns a given measurement for every piece."""

    extractors = ()
    spec = spec("valued")

    def __init__(self, measurement):
        self.measurement = measurement

    def measure(self, inputs):
        return self.measurement

    def aggregate(self, measurements):
        return mean_of_clips(measurements)


def test_what_plugins_return_is_checked(pair):
    (lost,) = pair([Careless()])
    assert lost.status == "failed"
    assert "has 11 rows of float64 for 12 frames" in lost.reason
    (nan,) = pair([Valued(Measurement(float("nan"), 12))])
    assert (nan.status, nan.reason) == ("failed", "the value is nan")
    (plain,) = pair([Valued(Measurement(np.float32(2), np.int64(12), notes={"n": np.int64(3)}))])
    assert plain.status == "ok"
    assert json.dumps([plain.measurement.value, plain.measurement.frames]) == "[2.0, 12]"
    assert json.dumps(dict(plain.measurement.notes)) == '{"n": 3}'


def test_pixel_metrics_never_cut_to_the_shorter_side(pair):
    free = Valued(Measurement(1.0, 1))
    free.spec = spec("free", paired=False)
    (outcome,) = pair([free], generated={"frames": 20})
    assert outcome.status == "failed"
    assert "20 frames, reference 12" in outcome.reason


def test_an_asset_that_is_in_no_table_is_unavailable(pair):
    wanting = Valued(Measurement(1.0, 1))
    wanting.spec = spec("wanting", assets=("my-weights",))
    (outcome,) = pair([wanting])
    assert outcome.status == "unavailable"
    assert "'my-weights', which is not in the asset table" in outcome.reason


def test_a_package_that_is_not_installed_is_unavailable_and_says_what_to_do(pair):
    wanting = Valued(Measurement(1.0, 1))
    wanting.spec = spec("wanting", packages=("numpy", "no_such_package"))
    (outcome,) = pair([wanting])
    assert outcome.status == "unavailable"
    assert outcome.reason == (
        "wanting needs the package no_such_package. Run: pip install 'talkbench[faces]'"
    )


def test_an_unreadable_side_fails_everything_and_is_named(tmp_path, write_clip):
    write_clip(tmp_path / "ref.mp4")
    (tmp_path / "gen.mp4").write_text("text")
    for one, other, label in (("gen", "ref", "generated"), ("ref", "gen", "reference")):
        outcomes = score_pair(
            file(tmp_path / f"{one}.mp4"),
            file(tmp_path / f"{other}.mp4"),
            [*load_metrics(["psnr"]), Colour()],
            1,
            TrackStore(tmp_path / "run"),
        )
        assert {o.status for o in outcomes} == {"failed"}
        assert f"{label} " in outcomes[0].reason
        assert "gen.mp4: not a readable video" in outcomes[0].reason


def test_tracks_are_extracted_once_per_file(tmp_path, write_clip):
    for seed, name in enumerate(("ref", "one", "two")):
        write_clip(tmp_path / f"{name}.mp4", seed=seed)
    store, metric = TrackStore(tmp_path / "run"), Colour()
    first = score_pair(file(tmp_path / "one.mp4"), file(tmp_path / "ref.mp4"), [metric], 1, store)
    assert metric.average.asked == 24
    score_pair(file(tmp_path / "two.mp4"), file(tmp_path / "ref.mp4"), [metric], 1, store)
    assert metric.average.asked == 36
    # A copy under another name is the same content.
    shutil.copy(tmp_path / "one.mp4", tmp_path / "copy.mp4")
    again = score_pair(file(tmp_path / "copy.mp4"), file(tmp_path / "ref.mp4"), [metric], 1, store)
    assert metric.average.asked == 36
    assert again[0].measurement.value == first[0].measurement.value
    kept = measure_again(
        metric, file_sha256(tmp_path / "one.mp4"), file_sha256(tmp_path / "ref.mp4"), 1, store
    )
    assert kept.value == first[0].measurement.value


def test_a_file_against_itself_is_read_once(tmp_path, write_clip):
    write_clip(tmp_path / "a.mp4")
    metric = Colour()
    clip = file(tmp_path / "a.mp4")
    (psnr, colour) = score_pair(
        clip, clip, [*load_metrics(["psnr"]), metric], 1, TrackStore(tmp_path / "run")
    )
    assert metric.average.asked == 12
    assert psnr.measurement.value == 100
    assert colour.status == "ok"


def test_a_damaged_track_file_is_computed_again(tmp_path, write_clip):
    write_clip(tmp_path / "a.mp4")
    store, metric, clip = TrackStore(tmp_path / "run"), Colour(), file(tmp_path / "a.mp4")
    score_pair(clip, clip, [metric], 1, store)
    for path in (tmp_path / "run" / "tracks").rglob("*.npz"):
        path.write_bytes(path.read_bytes()[:100])
    (outcome,) = score_pair(clip, clip, [metric], 1, store)
    assert outcome.status == "ok"
    assert metric.average.asked == 24


def test_a_full_disk_is_nobodys_failed_record(tmp_path, write_clip, monkeypatch):
    write_clip(tmp_path / "a.mp4")
    clip, store = file(tmp_path / "a.mp4"), TrackStore(tmp_path / "run")

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("evaluation.store.np.savez", full)
    with pytest.raises(MachineError, match="No space"):
        score_pair(clip, clip, [Colour()], 1, store)
    assert not list((tmp_path / "run").rglob("*.npz"))
