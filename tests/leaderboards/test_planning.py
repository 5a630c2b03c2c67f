"""Planning goes by the ranking's own rule, so that what is planned is what is then seen."""

import numpy as np
import pytest

from evaluation.ranking import MIN_SPEAKERS
from evaluation.simultaneous import all_pairs, bonferroni
from leaderboards.planning import needed


def test_more_systems_need_more_speakers():
    counts = [needed(1, 0.4, 0.8, systems) for systems in (2, 3, 5, 10, 20)]
    assert counts == sorted(set(counts))
    assert needed(1, 0.4, 0.8) == counts[0]
    assert needed(1e-6, 1, 0.8, 20) == MIN_SPEAKERS


def test_the_answer_is_the_first_that_does():
    count = needed(1, 0.5, 0.8, 6)
    reach = [(bonferroni(n, 6) + 0.8416212) / np.sqrt(n) for n in (count - 1, count)]
    assert reach[0] > 0.5 >= reach[1]


def test_what_is_planned_is_seen_in_the_ranking():
    """Six systems, one gap of the planned size: it is seen at least as often as promised."""
    rng = np.random.default_rng(8)
    spread, gap, systems = np.sqrt(2), 1.0, 6
    count = needed(spread, gap, 0.8, systems)
    runs = seen = 0
    for _ in range(60):
        values = rng.normal(size=(count, systems))
        values[:, 0] += gap
        without = (values.sum(axis=0) - values) / (count - 1)
        pairs = all_pairs(values.mean(axis=0), without).pairs
        seen += sum(p.separated for p in pairs if p.one == 0)
        runs += systems - 1
    assert seen / runs == pytest.approx(0.83, abs=0.07)
