"""The statistics of studies against other people's packages, against laws, and by simulation."""

import math
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leaderboards.study import design
from leaderboards.study.agreement import icc, krippendorff
from leaderboards.study.correlation import kendall, spearman
from leaderboards.study.opinions import mean
from leaderboards.study.preferences import Duel, NoStrengthsError, strengths

NAN = math.nan

# Krippendorff's own example (Computing Krippendorff's Alpha-Reliability, 2011), 4 raters, 12 units.
GAPS = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
        [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
    ]
)
WHOLE = np.array(
    [
        [5, 2, 5, 4, 5, 4, 3, 5, 4],
        [5, 1, 4, 4, 2, 3, 2, 2, 2],
        [5, 1, 3, 3, 1, 3, 1, 1, 2],
        [5, 1, 2, 2, 2, 4, 1, 3, 3],
        [5, 1, 4, 3, 2, 2, 1, 1, 2],
    ],
    dtype=float,
)


class TestAgreement:
    @pytest.mark.parametrize(
        ("data", "level", "value"),  # krippendorff 0.9.0
        [
            (GAPS, "nominal", 0.743421052631579),
            (GAPS, "ordinal", 0.8153875037548814),
            (GAPS, "interval", 0.8491071428571428),
            (WHOLE, "ordinal", 0.47395151097322763),
            (WHOLE, "interval", 0.4738415545590433),
        ],
    )
    def test_alpha_is_that_of_the_package_krippendorff(self, data, level, value):
        assert krippendorff(data, level) == pytest.approx(value, rel=1e-12)

    def test_icc_is_that_of_pingouin(self):
        found = icc(WHOLE)  # pingouin 0.7.0, intraclass_corr
        assert found.one == pytest.approx(0.4976452119309262, rel=1e-12)
        assert found.two == pytest.approx(0.5211970074812968, rel=1e-12)
        assert found.one_mean == pytest.approx(0.8320209973753281, rel=1e-12)
        assert found.two_mean == pytest.approx(0.8447857720291027, rel=1e-12)
        assert found.k == 5

    def test_with_gaps_there_is_no_two_way(self):
        found = icc(GAPS)
        assert found.two is None
        assert 0 < found.one < found.one_mean < 1
        assert 2 < found.k < 4

    def test_nothing_to_agree_about(self):
        assert krippendorff(np.full((3, 4), 2.0), "interval") is None
        assert krippendorff(np.array([[1.0, NAN], [NAN, 2.0]]), "interval") is None
        assert icc(np.array([[1.0], [2.0]])) is None
        assert krippendorff(np.array([[1.0, 5.0], [1.0, 5.0]]), "ordinal") == 1


def duels(wins, ties=()):
    names = "abcd"
    found = [
        (names[i], names[j], 1.0)
        for i, row in enumerate(wins)
        for j, count in enumerate(row)
        for _ in range(count)
    ] + [(names[i], names[j], 0.5) for i, j, n in ties for _ in range(n)]
    return [Duel(a, b, won, rater=i % 7, clip=i % 5) for i, (a, b, won) in enumerate(found)]


WINS = [[0, 7, 3, 9], [4, 0, 5, 6], [5, 4, 0, 8], [2, 3, 1, 0]]


class TestPreferences:
    def test_without_ties_strengths_are_those_of_choix(self):
        found, v = strengths(duels(WINS))
        assert v == 0
        # choix 0.4.1: opt_pairwise(4, data, method="Newton-CG", tol=1e-14), mean taken off
        wanted = {
            "a": 0.40674501574174776,
            "b": 0.09577582977159846,
            "c": 0.5080274978751045,
            "d": -1.0105483433884508,
        }
        assert {s.system: s.value for s in found} == pytest.approx(wanted, abs=2e-6)
        assert [s.system for s in found] == ["c", "a", "b", "d"]
        assert next((s.won, s.lost, s.tied) for s in found if s.system == "a") == (19, 11, 0)

    def test_davidson_s_expected_points_are_those_seen(self):
        """What defines the maximum: points of each system, and ties in all, come out again."""
        rows = duels(WINS, [(0, 1, 5), (2, 3, 4), (0, 2, 6)])
        found, v = strengths(rows)
        strength = {s.system: math.exp(s.value) for s in found}
        points, seen = Counter(), Counter()
        tied = 0.0
        for d in rows:
            a, b = strength[d.first], strength[d.second]
            tie = v * math.sqrt(a * b)
            total = a + b + tie
            points[d.first] += (a + tie / 2) / total
            points[d.second] += (b + tie / 2) / total
            seen[d.first] += d.won
            seen[d.second] += 1 - d.won
            tied += tie / total
        assert points == pytest.approx(seen, abs=1e-6)
        assert tied == pytest.approx(15, abs=1e-6)

    def test_sides_and_order_do_not_matter(self):
        rows = duels(WINS, [(0, 1, 5)])
        turned = [Duel(d.second, d.first, 1 - d.won, d.rater, d.clip) for d in reversed(rows)]
        for one, other in zip(strengths(rows)[0], strengths(turned)[0], strict=True):
            assert one.system == other.system
            assert (one.value, one.lo) == pytest.approx((other.value, other.lo), abs=1e-8)

    def test_who_never_lost_has_no_finite_strength(self):
        with pytest.raises(NoStrengthsError, match=r"a / b|b / a"):
            strengths([Duel("a", "b", 1.0, r, r) for r in range(5)])
        with pytest.raises(NoStrengthsError, match="never lost"):
            strengths([Duel("a", "b", 0.5, 1, 1), Duel("c", "d", 0.5, 1, 1)])
        with pytest.raises(NoStrengthsError, match="nobody"):
            strengths([])

    def test_planted_strengths_are_found_and_intervals_hold_them(self):
        rng = np.random.default_rng(2)
        truth = {"a": 0.9, "b": 0.3, "c": -0.3, "d": -0.9}
        v, inside, orders = 0.6, 0, 0
        for turn in range(40):
            rows = []
            for rater, asked in enumerate(design.pairs(range(8), list(truth), 12, 24, turn)):
                for p in asked:
                    a, b = (math.exp(truth[s]) for s in (p.left, p.right))
                    weights = np.array([a, b, v * math.sqrt(a * b)])
                    won = rng.choice([1.0, 0.0, 0.5], p=weights / weights.sum())
                    rows.append(Duel(p.left, p.right, float(won), rater, p.sample))
            found, _ = strengths(rows)
            inside += sum(s.lo <= truth[s.system] <= s.hi for s in found)
            orders += [s.system for s in found] == list(truth)
        assert orders >= 36
        assert inside / 160 >= 0.93

    def test_one_rater_makes_no_interval(self):
        rows = [Duel(d.first, d.second, d.won, "one", d.clip) for d in duels(WINS)]
        assert all(s.lo is None for s in strengths(rows)[0])


def simulated(rng, raters, clips, of_raters=0.5, of_clips=0.5, noise=0.5):
    """Answers around 3 by raters who differ about clips that differ, all crossed."""
    r = rng.normal(0, of_raters, raters)[:, None]
    c = rng.normal(0, of_clips, clips)[None, :]
    values = 3 + r + c + rng.normal(0, noise, (raters, clips))
    who, what = np.indices(values.shape)
    return values.ravel(), who.ravel(), what.ravel()


class TestOpinions:
    def test_intervals_cover_what_they_promise(self):
        """95 % of the intervals hold the truth; clustered one way, or not at all, far fewer do."""
        rng = np.random.default_rng(7)
        inside = Counter()
        for _ in range(400):
            values, raters, clips = simulated(rng, 12, 10)
            found = mean(values, raters, clips, (-99, 99))
            alone = mean(values, np.arange(len(values)), np.arange(len(values)), (-99, 99))
            by_rater = mean(values, raters, np.zeros(len(values)), (-99, 99))
            for name, one in (("two", found), ("none", alone), ("rater", by_rater)):
                inside[name] += one.lo <= 3 <= one.hi
            few = mean(*simulated(rng, 12, 3), (-99, 99))
            inside["few"] += few.lo <= 3 <= few.hi
        assert 0.92 <= inside["two"] / 400 <= 0.98
        assert inside["few"] / 400 >= 0.92
        assert inside["none"] / 400 < 0.6
        assert inside["rater"] / 400 < 0.9

    def test_a_mean_is_a_mean_and_is_cut_at_the_scale(self):
        found = mean([5, 5, 5, 4], ["a", "b", "c", "d"], [1, 1, 2, 2])
        assert found.value == 4.75
        assert found.hi == 5
        assert mean([3, 4], ["a", "a"], [1, 2]).lo is None
        with pytest.raises(ValueError, match="no answers"):
            mean([], [], [])


class TestRanks:
    def test_they_are_scipy_s_and_nothing_where_nothing_varies(self):
        x, y = [1, 2, 2, 4, 5], [2, 1, 4, 4, 5]
        assert spearman(x, y) == pytest.approx(0.7631578947368421)  # scipy 1.17.1, spearmanr
        assert kendall(x, y) == pytest.approx(0.6666666666666667)  # scipy 1.17.1, kendalltau
        assert math.isnan(spearman([1, 1, 1], [1, 2, 3]))
        assert math.isnan(kendall([1, 2, 3], [1, 1, 1]))


counts = st.integers(1, 7)


class TestDesign:
    @pytest.mark.parametrize("count", range(2, 9))
    def test_williams_squares_are_balanced(self, count):
        rows = design.williams(count)
        assert len(rows) == count * (1 + count % 2)
        for place in range(count):
            assert set(Counter(row[place] for row in rows).values()) == {len(rows) // count}
        after = Counter(pair for row in rows for pair in pairwise(row))
        assert len(after) == count * (count - 1)
        assert len(set(after.values())) == 1

    @settings(max_examples=60, deadline=None)
    @given(counts, st.integers(2, 6), st.integers(1, 15), st.integers(1, 30), st.integers(0, 9))
    def test_ratings_are_even(self, samples, systems, raters, each, seed):
        s, g = [f"s{i}" for i in range(samples)], [f"g{i}" for i in range(systems)]
        rows = design.ratings(s, g, raters, each, seed)
        assert rows == design.ratings(s, g, raters, each, seed)
        assert {len(row) for row in rows} == {min(each, samples * systems)}
        total = Counter(cell for row in rows for cell in row)
        assert max(total.values()) - min(total.get((a, b), 0) for a in s for b in g) <= 1
        for row in rows:
            assert len(set(row)) == len(row)
            seen = Counter(sample for sample, _ in row)
            assert max(seen.values()) - min(seen.get(x, 0) for x in s) <= 1

    @settings(max_examples=60, deadline=None)
    @given(counts, st.integers(2, 5), st.integers(1, 15), st.integers(1, 20), st.integers(0, 9))
    def test_pairs_are_even_and_so_are_sides(self, samples, systems, raters, each, seed):
        s, g = [f"s{i}" for i in range(samples)], [f"g{i}" for i in range(systems)]
        rows = design.pairs(s, g, raters, each, seed)
        both = Counter((p.left, p.right) for row in rows for p in row)
        for a in g:
            for b in g:
                assert abs(both[a, b] - both[b, a]) <= 1
        cells = Counter((p.sample, *sorted((p.left, p.right))) for row in rows for p in row)
        assert max(cells.values()) - min(cells.values()) <= 1
        assert all(p.left != p.right for row in rows for p in row)

    def test_no_sample_twice_in_a_row_where_it_can_be_avoided(self):
        rows = design.ratings([f"s{i}" for i in range(8)], ["a", "b", "c"], 12, 12, 1)
        assert all(x[0] != y[0] for row in rows for x, y in pairwise(row))
