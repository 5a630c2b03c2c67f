"""Intervals of all pairs that hold together, held against other people's implementations."""

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from evaluation.registry import load_metrics
from evaluation.simultaneous import DRAWS, all_pairs, bonferroni
from evaluation.stats import Scored, paired_difference
from metrics import Measurement

METRIC = load_metrics(["psnr"])[0]


def of_means(values):
    """Means over speakers, and with one left out: values [S, k]."""
    total = values.sum(axis=0)
    return all_pairs(values.mean(axis=0), (total - values) / (len(values) - 1))


def speakers(count, systems, seed, spread=1.0):
    """Speakers who share most of what varies; nobody is better than anybody."""
    rng = np.random.default_rng(seed)
    own = np.geomspace(0.3, 3, systems)
    return rng.normal(0, 3, (count, 1)) + spread * own * rng.normal(size=(count, systems))


def test_one_pair_is_a_paired_t_test():
    values = speakers(9, 2, 1)
    pair = of_means(values).pairs[0]
    theirs = stats.ttest_rel(values[:, 0], values[:, 1])
    assert pair.p == pytest.approx(theirs.pvalue)
    interval = theirs.confidence_interval(0.95)
    assert (pair.lo, pair.hi) == pytest.approx((interval.low, interval.high))


def test_alike_systems_of_many_speakers_have_tukeys_range():
    """Where all variances are one and nothing is shared, scipy has the answer."""
    found = of_means(np.random.default_rng(2).normal(size=(3000, 5)))
    assert found.method == "max-t"
    tukey = stats.studentized_range.ppf(0.95, 5, 2999) / np.sqrt(2)
    # The 95 % point of 10 000 draws has a standard error of 0.017 here.
    assert found.critical == pytest.approx(tukey, abs=0.05)
    for pair, other in zip(found.pairs, combinations(range(5), 2), strict=True):
        assert (pair.one, pair.other) == other


def test_as_many_systems_as_speakers_are_bonferronis():
    values = speakers(6, 6, 3)
    found = of_means(values)
    assert found.method == "bonferroni"
    single = [
        stats.ttest_rel(values[:, i], values[:, j]).pvalue for i, j in combinations(range(6), 2)
    ]
    assert [p.p for p in found.pairs] == pytest.approx(np.minimum(15 * np.array(single), 1))
    assert found.critical == pytest.approx(stats.t.ppf(1 - 0.05 / 30, 5))


def test_errors_are_those_of_a_paired_difference():
    values = speakers(7, 3, 4)
    clips = [
        {f"c{i}": Scored(f"p{i}", Measurement(float(v), 1)) for i, v in enumerate(column)}
        for column in values.T
    ]
    found = of_means(values)
    for pair in found.pairs:
        alone, _ = paired_difference(METRIC, clips[pair.one], clips[pair.other])
        assert pair.value == pytest.approx(alone.value)
        wider = found.critical / stats.t.ppf(0.975, 6)
        assert pair.hi - pair.lo == pytest.approx(wider * (alone.hi - alone.lo))


@pytest.mark.parametrize(("count", "systems"), [(5, 4), (12, 3), (12, 6), (40, 8)])
def test_laws(count, systems):
    values = speakers(count, systems, count + systems)
    found = of_means(values)
    least = stats.t.ppf(0.975, count - 1)
    assert least < found.critical <= bonferroni(count, systems)
    for pair in found.pairs:
        assert pair.separated == (pair.lo > 0 or pair.hi < 0)
        assert 0 < pair.p <= 1
        if abs(pair.p - 0.05) > 2 / DRAWS:
            assert pair.separated == (pair.p < 0.05)
    # The same whatever the unit, the zero, and what all systems share.
    moved = of_means(1000 * values + np.arange(count)[:, None])
    assert moved.critical == pytest.approx(found.critical, rel=1e-6)
    assert of_means(values) == found


def test_no_spread_is_equality_or_certainty():
    values = np.array([[1.0, 1.0, 2.0]] * 6) + np.arange(6)[:, None] / 10
    found = {(p.one, p.other): p for p in of_means(values + 1e-16).pairs}
    assert not found[0, 1].separated
    assert found[0, 2].separated
    assert found[0, 2].value == pytest.approx(-1)
    rounded = np.stack([np.arange(6) / 3, np.arange(6) / 3 * (1 + 2e-16), np.ones(6)], axis=1)
    assert not of_means(rounded).pairs[0].separated


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match="two systems and two speakers or more"):
        all_pairs([1.0], np.ones((5, 1)))
    with pytest.raises(ValueError, match="not finite"):
        all_pairs([1.0, np.nan], np.ones((5, 2)))


def test_false_separations_are_as_rare_as_promised():
    """12 speakers with 1 to 8 clips, six equal systems: how often is any pair called apart?

    By clip, pair by pair, nearly always. By speaker, pair by pair, in about a third of tables. All
    pairs together in about 5 %.
    """
    rng = np.random.default_rng(11)
    sizes = rng.integers(1, 9, 12)
    of = np.repeat(np.arange(12), sizes)
    runs, systems = 150, 6
    by_clip = by_speaker = together = 0
    pairs = list(combinations(range(systems), 2))
    for _ in range(runs):
        likes = rng.normal(size=(12, systems)) * np.geomspace(0.5, 2, systems)
        clips = (
            3 * rng.normal(size=(len(of), 1)) + likes[of] + rng.normal(0, 0.5, (len(of), systems))
        )
        sums = np.stack([np.bincount(of, clips[:, k]) for k in range(systems)], axis=1)
        without = (sums.sum(axis=0) - sums) / (len(of) - sizes)[:, None]
        found = all_pairs(clips.mean(axis=0), without)
        together += any(p.separated for p in found.pairs)
        by_speaker += any(
            abs(p.value) > stats.t.ppf(0.975, 11) * (p.hi - p.lo) / 2 / found.critical
            for p in found.pairs
        )
        apart = np.stack([clips[:, i] - clips[:, j] for i, j in pairs], axis=1)
        by_clip += (stats.ttest_1samp(apart, 0).pvalue < 0.05).any()
    assert by_clip / runs > 0.8
    assert by_speaker / runs > 0.2
    assert 0.0 < together / runs <= 0.09
