"""Intervals that cover, differences that are paired."""

import math

import numpy as np
import pytest

from evaluation import registry
from evaluation.registry import load_metrics
from evaluation.scored import Remembering
from evaluation.stats import (
    Interval,
    Scored,
    estimate,
    jackknife,
    paired_difference,
    without_each,
)
from metrics import Measurement, UnscorableError, clip_weight, mean_of_clips

METRIC = load_metrics(["psnr"])[0]


def clips(values, speakers) -> list[Scored]:
    return [Scored(s, Measurement(float(v), 1)) for v, s in zip(values, speakers, strict=True)]


def test_the_mean_of_independent_values_has_the_textbook_interval():
    values = np.array([1.0, 2.0, 4.0, 8.0])
    found = jackknife(lambda s: float(np.mean([values[int(i)] for i in s])), list("0123"))
    error = values.std(ddof=1) / 2
    assert found.value == 3.75
    assert found.hi - found.value == pytest.approx(3.1824463 * error, rel=1e-6)  # t(3), 97.5 %
    assert found.value - found.lo == pytest.approx(found.hi - found.value)


def test_one_speaker_has_a_value_and_no_interval():
    found = estimate(METRIC, clips([30, 31, 32], ["p", "p", "p"]))
    assert found == Interval(31.0, None, None, 1)


def test_no_clip_has_no_value():
    with pytest.raises(UnscorableError):
        estimate(METRIC, [])


def test_an_interval_stays_within_the_bounds():
    values = {"a": 0.9, "b": 1.0}
    found = jackknife(lambda s: sum(values[i] for i in s) / len(s), "ab", bounds=(0.94, 1.0))
    assert (found.lo, found.hi) == (0.94, 1.0)


def test_coverage_is_near_nominal_when_speakers_repeat():
    """20 speakers of unequal size: the interval by clip covers about 56 %, by speaker 93-95 %."""
    rng = np.random.default_rng(7)
    sizes = rng.integers(1, 12, 20)
    speakers = [str(i) for i, n in enumerate(sizes) for _ in range(n)]
    by_speaker = by_clip = 0
    runs = 400
    for _ in range(runs):
        means = np.repeat(rng.normal(30, 1, len(sizes)), sizes)
        scored = clips(means + rng.normal(0, 0.3, len(means)), speakers)
        found = estimate(METRIC, scored)
        by_speaker += found.lo <= 30 <= found.hi
        values = np.array([s.measurement.value for s in scored])
        half = 1.98 * values.std(ddof=1) / math.sqrt(len(values))
        by_clip += abs(values.mean() - 30) <= half
    assert by_clip / runs < 0.75
    assert 0.90 <= by_speaker / runs <= 0.98


def test_differences_use_the_common_clips_only():
    ours = dict(zip("abc", clips([30, 31, 50], "xyz"), strict=True))
    theirs = dict(zip("abd", clips([29, 29, 10], "xyw"), strict=True))
    interval, common = paired_difference(METRIC, ours, theirs)
    assert common == 2
    assert interval.value == 1.5


def test_pairing_narrows_the_interval():
    rng = np.random.default_rng(3)
    level = rng.normal(30, 5, 12)
    names = [f"s{i}" for i in range(12)]
    ours = dict(zip(names, clips(level + 1 + rng.normal(0, 0.1, 12), names), strict=True))
    theirs = dict(zip(names, clips(level, names), strict=True))
    interval, _ = paired_difference(METRIC, ours, theirs)
    alone = estimate(METRIC, list(ours.values()))
    assert interval.lo > 0.8
    assert (interval.hi - interval.lo) * 5 < alone.hi - alone.lo


def test_nothing_in_common_is_no_difference():
    assert paired_difference(METRIC, {}, {"a": Scored("p", Measurement(1.0, 1))}) is None


ALL = [card for row in registry.listing("metrics") for card in registry.load("metrics", row.name)]
MEANS = [m for m in ALL if clip_weight(m) is not None]


@pytest.mark.parametrize("metric", MEANS, ids=lambda m: m.spec.name)
def test_what_a_metric_says_of_its_mean_is_what_it_does(metric):
    """Sums over all but one speaker are the numbers that ``aggregate`` gives without that one."""
    rng = np.random.default_rng(5)
    scored = [
        Scored(f"p{i % 7}", Measurement(float(v), int(f)))
        for i, (v, f) in enumerate(zip(rng.normal(30, 9, 23), rng.integers(5, 90, 23), strict=True))
    ]
    scored.append(Scored("p3", Measurement(None, 0)))
    people = [f"p{i}" for i in range(7)]
    fast = without_each(metric, scored, people)
    slow = [
        metric.aggregate([s.measurement for s in scored if s.speaker != left]) for left in people
    ]
    assert fast == pytest.approx(slow, rel=1e-12)
    assert without_each(Remembering(metric), scored, people).tolist() == fast.tolist()
    assert without_each(metric, scored[::-1], people).tolist() == fast.tolist()


def test_means_of_clips_and_of_frames_are_among_them():
    families = {m.spec.name for m in MEANS}
    assert {"psnr", "psnr@vico", "lpips@alex-0.1", "csim@vico-16424c0"} <= families
    assert not {"fid@pytorch-fid", "kid", "csim@vico-a282472"} & families


def test_nobody_left_is_no_number():
    with pytest.raises(UnscorableError, match="no clip has a value"):
        without_each(METRIC, [*clips([1.0], ["a"]), Scored("b", Measurement(None, 0))], ["a", "b"])


def test_a_metric_of_another_rule_is_asked_each_time():
    class Largest:
        spec, pool = METRIC.spec, max

        def aggregate(self, measurements):
            return max(m.value for m in measurements)

    scored = clips([1, 5, 3], "abc")
    assert without_each(Largest(), scored, ["a", "b", "c"]).tolist() == [5, 3, 5]
    assert clip_weight(Largest()) is None
    assert clip_weight(METRIC)(Measurement(1.0, 9)) == 1.0
    assert METRIC.pool is mean_of_clips
