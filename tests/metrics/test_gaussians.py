"""Gaussians of many rows: adding up, leaving out, and what is kept between the two."""

from __future__ import annotations

import gc

import numpy as np
import pytest

from metrics import gaussians, pooling
from metrics.base import Inputs, Measurement, Side
from metrics.frechet import FID, frechet_distance
from metrics.gaussians import LEAST_PIVOT, Gaussian, Moments

METRIC = FID[0]


def rows(seed: int, n: int, width: int, shift: float = 0.0) -> np.ndarray:
    """Correlated rows, every seed with its own covariance."""
    random = np.random.default_rng(seed)
    return random.normal(size=(n, width)) @ random.normal(size=(width, width)) / 4 + shift


def clip(generated: np.ndarray, reference: np.ndarray) -> Measurement:
    def side(found: np.ndarray) -> Side:
        return Side(tracks={METRIC.inception.id: {"features": found.astype(np.float32)}})

    return METRIC.measure(Inputs(side(generated), side(reference)))


class TestMoments:
    """Adding up and leaving out, against all rows at once."""

    @pytest.mark.parametrize("sizes", [(5, 1, 9), (1, 1), (40, 3, 3, 200)])
    def test_parts_add_up_to_the_whole(self, sizes):
        parts = [rows(i, n, 12, shift=30 * i) for i, n in enumerate(sizes)]
        whole = Moments.of([np.concatenate(parts)])
        summed = Moments.of(parts[:1])
        for part in parts[1:]:
            summed = summed.plus(Moments.of([part]))
        together = np.concatenate(parts)
        np.testing.assert_allclose(
            whole.scatter, np.cov(together, rowvar=False) * (len(together) - 1), rtol=1e-9
        )
        for found in (summed, Moments.of(parts), Moments.of(parts[::-1])):
            assert found.count == whole.count
            np.testing.assert_allclose(found.mean, whole.mean, rtol=1e-12)
            np.testing.assert_allclose(found.scatter, whole.scatter, rtol=1e-9, atol=1e-9)

    def test_leaving_out_undoes_adding(self):
        a, b = Moments.of([rows(0, 50, 8)]), Moments.of([rows(1, 20, 8, shift=5)])
        left = a.plus(b).minus(b)
        assert left.count == 50
        np.testing.assert_allclose(left.mean, a.mean, rtol=1e-12)
        np.testing.assert_allclose(left.scatter, a.scatter, rtol=1e-10)

    def test_more_rows_than_are_taken_at_once(self, monkeypatch):
        monkeypatch.setattr(gaussians, "_ROWS_AT_ONCE", 7)
        parts = [rows(i, n, 3, shift=9 * i) for i, n in enumerate((4, 5, 20, 1))]
        together = np.concatenate(parts)
        np.testing.assert_allclose(
            Moments.of(parts).scatter, np.cov(together, rowvar=False) * 29, rtol=1e-9
        )
        root = Gaussian.of_rows(parts).root
        np.testing.assert_allclose(root.T @ root, np.cov(together, rowvar=False), rtol=1e-9)

    def test_a_covariance_too_near_to_singular_is_not_read_off_moments(self):
        whole = np.random.default_rng(0).normal(size=(300, 6))
        for thin, known in ((30 * LEAST_PIVOT, True), (LEAST_PIVOT / 30, False), (0, False)):
            flat = whole.copy()
            flat[:, 5] = whole[:, 0] + np.sqrt(thin) * whole[:, 5]
            assert (Gaussian.of_moments(Moments.of([flat])) is not None) == known

    def test_population_divides_by_n(self):
        a = Gaussian.of_rows([rows(0, 9, 4)]).of_population()
        np.testing.assert_allclose(a.root.T @ a.root, np.cov(rows(0, 9, 4).T, bias=True))

    @pytest.mark.parametrize("n", [5, 40])
    def test_repeats_count_as_often_as_they_come(self, n):
        few = rows(0, n, 12)
        times = np.arange(n) % 4 + 1
        a = Gaussian.of_rows([np.repeat(few, times, axis=0)])
        assert (a.count, len(a.root)) == (times.sum(), min(n, 12))
        np.testing.assert_allclose(
            a.root.T @ a.root, np.cov(np.repeat(few, times, axis=0), rowvar=False), atol=1e-12
        )


@pytest.fixture
def fitted(monkeypatch) -> list[int]:
    """How many rows were gone through, each time."""
    seen: list[int] = []
    of_moments, of_rows = Moments.of, Gaussian.of_rows
    monkeypatch.setattr(
        Moments, "of", lambda parts: (seen.append(sum(map(len, parts))), of_moments(parts))[1]
    )
    monkeypatch.setattr(
        Gaussian, "of_rows", lambda parts: (seen.append(sum(map(len, parts))), of_rows(parts))[1]
    )
    return seen


class TestLeavingOut:
    """What the jackknife does: the same clips again and again, without one speaker's."""

    CLIPS, FRAMES, WIDTH = 20, 9, 16

    def clips(self, seed: int = 0) -> list[Measurement]:
        return [
            clip(rows(seed + i, self.FRAMES, self.WIDTH, i % 3), rows(99 + i, 8, self.WIDTH))
            for i in range(self.CLIPS)
        ]

    def directly(self, clips: list[Measurement]) -> float:
        return frechet_distance(
            *(np.concatenate([c.features[s] for c in clips]) for s in ("generated", "reference"))
        )

    def test_equals_computing_it_anew(self):
        clips = self.clips()
        assert METRIC.aggregate(clips) == pytest.approx(self.directly(clips), rel=1e-9)
        for out in (0, 7, self.CLIPS - 1):
            left = clips[:out] + clips[out + 1 :]
            assert METRIC.aggregate(left) == pytest.approx(self.directly(left), rel=1e-9)
        for few in (clips[:3], clips[5:14], clips[:1]):  # most left out, or nothing to leave out of
            assert METRIC.aggregate(few) == pytest.approx(self.directly(few), rel=1e-9)

    def test_touches_only_what_is_left_out(self, fitted):
        clips = self.clips()
        METRIC.aggregate(clips)
        assert fitted == [self.CLIPS * self.FRAMES, self.CLIPS * 8]
        fitted.clear()
        METRIC.aggregate(clips[::-1])
        assert fitted == []
        METRIC.aggregate(clips[2:])
        assert fitted == [2 * self.FRAMES, 2 * 8]

    def test_two_sets_in_turn_are_both_remembered(self, fitted):
        ours, theirs = self.clips(), self.clips(500)
        values = METRIC.aggregate(ours), METRIC.aggregate(theirs)
        fitted.clear()
        for i in range(3):
            left = METRIC.aggregate(ours[:i] + ours[i + 1 :])
            assert left != pytest.approx(values[0], rel=1e-6)
            METRIC.aggregate(theirs[:i] + theirs[i + 1 :])
        assert max(fitted) == self.FRAMES

    def test_still_videos_are_exact(self):
        """Rank far below the width, at any number of frames."""
        random = np.random.default_rng(0)
        clips = [
            clip(np.repeat(random.normal(size=(1, 16)), 30, axis=0), rows(i, 30, 16))
            for i in range(9)
        ]
        for some in (clips, clips[1:]):
            assert METRIC.aggregate(some) == pytest.approx(self.directly(some), rel=1e-9)

    def test_nearly_singular_sets_are_exact(self):
        clips = self.clips()
        for c in clips:
            c.features["generated"][:, 1] = c.features["generated"][:, 0] * np.float32(1 + 1e-6)
        for some in (clips, clips[1:]):
            assert METRIC.aggregate(some) == pytest.approx(self.directly(some), rel=1e-9)

    def test_a_clip_that_comes_twice_counts_twice(self):
        clips = self.clips()
        twice = [*clips, clips[0]]
        for some in (clips, twice, clips, twice[1:]):
            assert METRIC.aggregate(some) == pytest.approx(self.directly(some), rel=1e-9)

    def test_what_is_gone_is_forgotten(self):
        clips = self.clips()
        METRIC.aggregate(clips)
        clips = self.clips(500)
        gc.collect()
        METRIC.aggregate(clips)
        assert all(kept.is_whole for kept in pooling._MOMENTS._sets)
