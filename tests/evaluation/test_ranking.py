"""Ranks as intervals, tie groups that need not be transitive, and who gets no rank."""

import dataclasses
import itertools
import json

import numpy as np
import pytest
from scipy import stats

from evaluation.ranking import compact_letters, marks, rank, rank_intervals, trained_on
from evaluation.registry import load_metrics
from evaluation.stats import Scored
from metrics import Measurement, UnscorableError

METRIC, LOWER = load_metrics(["psnr", "lpips"])


def clips(values, per_speaker=1):
    return {
        f"c{i:03}": Scored(f"p{i // per_speaker:02}", Measurement(float(v), 1))
        for i, v in enumerate(values)
    }


def columns(seed=0, speakers=12, **levels):
    rng = np.random.default_rng(seed)
    shared = rng.normal(30, 3, speakers)
    return {
        name: clips(shared + level + 0.3 * stats.zscore(rng.normal(size=speakers)))
        for name, level in levels.items()
    }


def ranks(ranking):
    return {s.generator: (s.shown.replace("\N{EN DASH}", "-"), s.letters) for s in ranking.ranked}


def test_clear_systems_are_ranked_and_alike_ones_share():
    found = rank(METRIC, columns(low=-3, one=0, top=5, other=0.02), {})
    assert ranks(found)["one"] == ranks(found)["other"] == ("2-3", "b")
    assert ranks(found)["top"] == ("1", "a")
    assert ranks(found)["low"] == ("4", "c")
    assert found.basis == "4 rows on 12 common clips of 12 speakers"
    assert "all 6 pairs together: max-t" in found.rule
    assert marks(found) == {"top": "best", "one": "second", "other": "second"}


def test_direction_is_the_cards():
    given = columns(a=0, b=5)
    assert ranks(rank(METRIC, given, {})) == {"b": ("1", "a"), "a": ("2", "b")}
    assert ranks(rank(LOWER, given, {})) == {"a": ("1", "a"), "b": ("2", "b")}


def test_ties_are_not_passed_on():
    """The middle one touches both ends, which are apart."""
    found = rank(METRIC, columns(3, 8, high=0.3, middle=0.0, low=-0.3), {})
    assert ranks(found) == {"high": ("1-2", "a"), "middle": ("1-3", "ab"), "low": ("2-3", "b")}
    # The middle one shares the mark; the low one is next, and nobody is pulled up by a chain.
    assert marks(found) == {"high": "best", "middle": "best", "low": "second"}


def test_four_speakers_tell_nobody_apart():
    found = rank(METRIC, columns(speakers=4, a=0, b=50, c=100), {})
    assert {r for r, _ in ranks(found).values()} == {"1-3"}
    assert "With fewer than 5 speakers nothing can be told apart" in found.rule
    assert marks(found) == {"c": "best", "b": "second"}
    five = rank(METRIC, columns(speakers=5, a=0, b=50, c=100), {})
    assert [r for r, _ in ranks(five).values()] == ["1", "2", "3"]


def test_speakers_count_and_not_clips():
    """40 clips of 4 speakers are 4 speakers; of 10, the speaker is left out, not the clip."""
    rng = np.random.default_rng(5)
    base = rng.normal(30, 1, 40)
    given = {"a": clips(base, 10), "b": clips(base + 9, 10)}
    assert rank(METRIC, given, {}).speakers == 4
    assert not any(p.separated for p in rank(METRIC, given, {}).pairs)
    taste = np.repeat(stats.zscore(rng.normal(0, 1, 10)), 4)
    liked = {"a": clips(base, 4), "b": clips(base + taste + 0.4, 4)}
    assert not rank(METRIC, liked, {}).pairs[0].separated
    by_clip = {"a": clips(base), "b": clips(base + taste + 0.4)}
    assert rank(METRIC, by_clip, {}).pairs[0].separated


def test_only_common_clips_count():
    given = columns(a=0, b=1)
    given["a"] |= {"z1": Scored("p00", Measurement(9000.0, 1))}
    found = rank(METRIC, given, {})
    assert found.clips == 12
    assert ranks(found) == {"b": ("1", "a"), "a": ("2", "b")}


def test_a_gap_below_the_noise_floor_separates_nobody():
    given = columns(a=0, b=1)
    assert rank(METRIC, given, {}, floor=0.5).pairs[0].separated
    below = rank(METRIC, given, {}, floor=2.0)
    assert ranks(below) == {"b": ("1-2", "a"), "a": ("1-2", "a")}
    assert "not below the metric's noise floor" in below.rule


def test_one_alone_and_those_outside_have_no_rank_and_a_reason():
    found = rank(METRIC, columns(a=0), {"half": "a value on 2 of 3 clips only"})
    assert [(s.generator, s.shown, s.why) for s in found.standings] == [
        ("a", "", "nobody to be ranked against"),
        ("half", "", "a value on 2 of 3 clips only"),
    ]
    assert marks(found) == {}


def test_a_number_that_one_speaker_carries_separates_nobody():
    class Needs12:
        spec = METRIC.spec

        def aggregate(self, measurements):
            if len(measurements) < 12:
                raise UnscorableError("too few frames")
            return float(np.mean([m.value for m in measurements]))

    found = rank(Needs12(), columns(a=0, b=9), {})
    assert ranks(found) == {"b": ("1-2", "a"), "a": ("1-2", "a")}
    assert "without one of the speakers there is no number (too few frames)" in found.rule


@pytest.mark.parametrize("seed", range(12))
def test_letters_and_ranks_say_what_the_pairs_say(seed):
    networkx = pytest.importorskip("networkx")
    rng = np.random.default_rng(seed)
    names = [f"g{i}" for i in range(rng.integers(2, 8))]
    pairs = list(itertools.combinations(names, 2))
    apart = {p for p in pairs if rng.random() < 0.5}
    letters = compact_letters(names, apart)
    for one, other in pairs:
        assert bool(set(letters[one]) & set(letters[other])) == ((one, other) not in apart)
    alike = networkx.Graph()
    alike.add_nodes_from(names)
    alike.add_edges_from(set(pairs) - apart)
    groups = {
        frozenset(n for n in names if x in letters[n]) for x in set("".join(letters.values()))
    }
    assert groups == set(map(frozenset, networkx.find_cliques(alike)))
    assert "a" in letters[names[0]]
    spans = rank_intervals(names, apart)
    # Every order that respects who is apart keeps everybody within the interval, and none is wide
    # for nothing: both ends are reached by some order where the pairs form one.
    orders = [
        order
        for order in itertools.permutations(names)
        if all(order.index(a) < order.index(b) for a, b in apart)
    ]
    for name in names:
        places = [order.index(name) + 1 for order in orders]
        assert spans[name][0] <= min(places) <= max(places) <= spans[name][1]


def test_the_published_example_of_letters():
    """Example 3 of Piepho (2004): eight treatments, five pairs apart."""
    names = [f"T{i}" for i in range(1, 9)]
    apart = {("T1", "T7"), ("T1", "T8"), ("T2", "T4"), ("T2", "T5"), ("T3", "T5")}
    letters = compact_letters(names, apart)
    for pair in itertools.combinations(names, 2):
        assert bool(set(letters[pair[0]]) & set(letters[pair[1]])) == (pair not in apart)
    assert set(letters["T6"]) == set("".join(letters.values()))


def test_training_on_the_data_of_a_split_is_seen():
    spec = {"trained_on": ["hdtf", "lrs2", "h"]}
    assert trained_on(spec, "hdtf") == ("hdtf",)
    assert trained_on(spec, "hdtf-mini") == ("hdtf",)
    assert trained_on(spec, "lrs2-unpaired") == ("lrs2",)
    assert trained_on(spec, "lrs3") == ()
    assert trained_on({}, "hdtf") == ()


def test_json_is_plain():
    found = rank(METRIC, columns(a=0, b=1, c=2), {"x": "an anchor"})
    json.dumps(dataclasses.asdict(found), allow_nan=False)
