"""From records to numbers: coverage, marks, ties, differences, what is gone."""

import shutil
from fractions import Fraction

import numpy as np
import pytest

from evaluation.finished import FinishedVideos
from evaluation.plan import Plan, UnusableInputError
from evaluation.ranking import MIN_SPEAKERS
from evaluation.registry import load_metrics
from evaluation.results import build
from evaluation.run import execute
from evaluation.sample import Sample
from evaluation.suite import Suite
from evaluation.video_writer import VideoWriter
from metrics import Measurement, MetricSpec, mean_of_clips

SUITE = Suite(name="t", version="1", dataset="folder", setting="reconstruction", metrics=())


class Given:
    """Returns the value that a test wrote into the first pixel of the generated video."""

    extractors = ()

    def __init__(self, **changes):
        self.spec = MetricSpec(
            **{
                "name": "given",
                "version": "1",
                "title": "Given",
                "direction": "higher",
                "protocol": {"rule": "a test's"},
                "source": "a test",
            }
            | changes
        )

    def measure(self, inputs):
        return Measurement.of_frames(inputs.generated.frames[:, 0, 0, 0].astype(np.float64))

    def aggregate(self, measurements):
        return mean_of_clips(measurements)


@pytest.fixture
def results(tmp_path, monkeypatch):
    """Results of systems whose clips have the given values, one speaker a clip."""

    def write(path, value):
        path.parent.mkdir(parents=True, exist_ok=True)
        with VideoWriter(path, width=32, height=32, fps=Fraction(25)) as writer:
            writer.add(np.full((2, 32, 32, 3), value, np.uint8))

    def make(metric=None, lacks=None, **systems):
        metric = metric or Given()
        monkeypatch.setattr("evaluation.results.load_metrics", lambda _: [metric])
        count = len(next(iter(systems.values())))
        samples = []
        for i in range(count):
            path = tmp_path / "gt" / f"c{i}.mp4"
            write(path, 0)
            samples.append(
                Sample(
                    id=f"c{i}",
                    speaker=f"p{i}",
                    video=path,
                    audio=None,
                    reference=path,
                    lacks=(lacks or {}).get(i, {}),
                )
            )
        for name, values in systems.items():
            for i, value in enumerate(values):
                if value is not None:
                    write(tmp_path / name / f"c{i}.mp4", value)
        plan = Plan(
            suite=SUITE,
            metrics=(metric,),
            generators=tuple(FinishedVideos.read(n, tmp_path / n) for n in systems),
            samples=tuple(samples),
            every=1,
            settings={},
        )
        execute(plan, tmp_path / "run")
        return build(tmp_path / "run")

    return make


def marks(results):
    return {g: results.estimates[g, "given"].mark for g in results.generators}


def test_few_speakers_are_marked_by_value(results):
    assert MIN_SPEAKERS > 3
    found = results(a=[10, 20, 30], b=[11, 19, 31], c=[9, 9, 9])
    assert marks(found) == {"a": "second", "b": "best", "c": ""}


def test_many_speakers_tie_by_the_paired_interval(results):
    level = [10, 40, 70, 100, 130, 160, 190]
    found = results(
        a=[v + d for v, d in zip(level, [3, 0, 4, 1, 3, 0, 2], strict=True)],
        b=[v + d for v, d in zip(level, [2, 1, 3, 2, 2, 1, 1], strict=True)],
        c=[v - d for v, d in zip(level, [3, 4, 3, 4, 3, 4, 3], strict=True)],
    )
    assert marks(found) == {"a": "best", "b": "best", "c": "second"}


def test_equal_values_share_a_mark(results):
    assert marks(results(a=[5, 6], b=[6, 5], c=[1, 1])) == {"a": "best", "b": "best", "c": "second"}


def test_lower_is_better_where_the_card_says_so(results):
    found = results(Given(direction="lower"), a=[1, 1], b=[9, 9])
    assert marks(found) == {"a": "best", "b": "second"}


def test_partial_coverage_wins_nothing(results):
    found = results(a=[90, 90, None], b=[10, 10, 10], c=[9, 9, 9])
    assert marks(found) == {"a": "", "b": "best", "c": "second"}
    row = found.estimates["a", "given"]
    assert (row.value, row.n_scored, row.n_attempted, row.n_failed) == (90, 2, 3, 1)
    difference = found.differences["b", "given"]
    assert (difference.baseline, difference.value, difference.n_common) == ("a", -80, 2)


def test_nothing_scored_is_no_value_and_a_reason(results):
    found = results(Given(needs=("face",)), lacks={0: {"face": "x"}}, a=[1, 2], b=[3, None])
    row = found.estimates["b", "given"]
    assert (row.value, row.lo, row.n_scored, row.n_failed) == (None, None, 0, 1)
    assert "has no video called c1" in row.note
    assert ("b", "given") not in found.differences


def test_what_a_sample_lacks_is_not_applicable_and_counted_apart(results):
    metric = Given(needs=("face",))
    found = results(metric, lacks={1: {"face": "turned away"}}, a=[5, 200, 7], b=[1, 2, 3])
    row = found.estimates["a", "given"]
    assert (row.value, row.n_scored, row.n_attempted, row.n_failed) == (6, 2, 2, 0)
    assert row.n_not_applicable == 1
    assert row.mark == "best"
    record = next(r for r in found.records if r.status == "not-applicable")
    assert (record.sample, record.reason) == ("c1", "turned away")


def test_one_speaker_has_no_interval(results):
    row = results(a=[5]).estimates["a", "given"]
    assert (row.value, row.lo, row.hi, row.n_speakers) == (5, None, None, 1)


def test_nobody_is_best_of_one(results):
    assert marks(results(a=[5, 6])) == {"a": ""}


def test_an_unfinished_run_marks_nobody_who_is_not_through(results, tmp_path):
    results(a=[9, 9], b=[5, 5], c=[4, 4])
    log = tmp_path / "run" / "records.jsonl"
    log.write_text("".join(log.read_text().splitlines(keepends=True)[1:]))
    assert marks(build(tmp_path / "run")) == {"a": "", "b": "best", "c": "second"}


def test_a_number_that_is_none_is_no_value(results):
    class Infinite(Given):
        def aggregate(self, measurements):
            return float("inf")

    row = results(Infinite(), a=[1, 2], b=[1, 2]).estimates["a", "given"]
    assert (row.value, row.note) == (None, "the aggregate is inf")


def test_an_aggregate_that_raises_costs_its_cell(results):
    class Broken(Given):
        def aggregate(self, measurements):
            raise ZeroDivisionError("a bug of the plug-in")

    row = results(Broken(), a=[1, 2], b=[1, 2]).estimates["a", "given"]
    assert (row.value, row.note) == (None, "ZeroDivisionError: a bug of the plug-in")


def test_an_unknown_baseline_is_named(results, tmp_path):
    results(a=[1])
    with pytest.raises(UnusableInputError, match="baseline 'zz' is not in this run; it has a"):
        build(tmp_path / "run", "zz")


@pytest.mark.assets
def test_a_set_metric_is_computed_from_kept_features(asset, tmp_path, write_clip):
    asset("inception-fid")
    for seed, name in enumerate(("a_000", "b_000")):
        write_clip(tmp_path / "gt" / f"{name}.mp4", seed=seed)
        write_clip(tmp_path / "out" / f"{name}.mp4", seed=seed + 3)
    samples = tuple(
        Sample(id=p.stem, speaker=p.stem, video=p, audio=None, reference=p)
        for p in sorted((tmp_path / "gt").glob("*.mp4"))
    )
    plan = Plan(
        suite=SUITE,
        metrics=tuple(load_metrics(["fid"])),
        generators=(FinishedVideos.read("mine", tmp_path / "out"),),
        samples=samples,
        every=4,
        settings={},
    )
    records = execute(plan, tmp_path / "run")
    assert [(r.status, r.value, r.frames) for r in records] == [("ok", None, 3), ("ok", None, 3)]
    row = build(tmp_path / "run").estimates["mine", "fid@pytorch-fid"]
    assert row.value > 1
    assert (row.n_frames, row.n_scored) == (6, 2)
    shutil.rmtree(tmp_path / "run" / "tracks")
    gone = build(tmp_path / "run").estimates["mine", "fid@pytorch-fid"]
    assert gone.value is None
    assert "features of 2 clips are gone" in gone.note
    assert len(execute(plan, tmp_path / "run")) == 2
    assert build(tmp_path / "run").estimates["mine", "fid@pytorch-fid"].value == row.value
