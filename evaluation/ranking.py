"""Who is ahead of whom, and who cannot be told apart: ranks as far as the data carry them.

A rank is an interval. A system is behind those that are *apart* from it and better, and before
those apart and worse; with all others it may change places, so it holds any rank from ``1 +
better`` to ``k - worse``. Since the intervals of all pairs hold together
(``evaluation.simultaneous``), so do all ranks of a column: each covers the true one with 95 %
probability at once (Al Mohamad, Goeman and van Zwet, Biometrics 78, 2022, for Tukey's intervals).

Letters say the same pair by pair: two systems share one exactly where they are not apart (Piepho,
Journal of Computational and Graphical Statistics 13, 2004). Not being apart is not passed on: a
may touch b and b touch c while a and c are apart, and then b has two letters.
"""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from evaluation.simultaneous import AllPairs, all_pairs
from evaluation.stats import LEVEL, Scored, without_each
from metrics import Direction, Metric, UnscorableError

Mark = Literal["", "best", "second"]

MIN_SPEAKERS = 5
"""With fewer speakers an interval is so wide that nothing is told apart; marks then go by value."""

_METHODS = {
    "t": "Student's t",
    "max-t": "max-t",
    "bonferroni": "Bonferroni",
}


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two ranked systems, the one ahead first.

    Attributes:
        one: By value the better.
        other: The worse, or an equal.
        metric: Card name.
        value: Number of ``one`` minus number of ``other``, on the common clips.
        lo: Lower end of the interval that holds together with those of all other pairs.
        hi: Upper end.
        p: Adjusted for all pairs.
        separated: They are apart: the interval leaves zero out, there are enough speakers, and the
            gap is not below the card's noise floor.
    """

    one: str
    other: str
    metric: str
    value: float
    lo: float
    hi: float
    p: float
    separated: bool


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One generator's place in a metric's column.

    Attributes:
        generator: Row.
        metric: Card name.
        value: Its number on the common clips; None without a rank.
        highest: The best rank that it may hold, from 1; None without a rank.
        lowest: The worst.
        letters: Tie groups: it is apart from whom it shares no letter with.
        trained_on: Data sets of its training that the split is of.
        optimises: It was trained with this metric's own network or score.
        why: Why there is no rank; empty where there is one.
    """

    generator: str
    metric: str
    value: float | None = None
    highest: int | None = None
    lowest: int | None = None
    letters: str = ""
    trained_on: tuple[str, ...] = ()
    optimises: bool = False
    why: str = ""

    @property
    def shown(self) -> str:
        """``2``, ``2-4`` with an en dash, or empty."""
        if self.highest is None or self.lowest is None:
            return ""
        if self.highest == self.lowest:
            return str(self.highest)
        return f"{self.highest}\N{EN DASH}{self.lowest}"


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """One metric's column, ranked.

    Attributes:
        metric: Card name.
        direction: Which way is better.
        standings: Ranked ones by value, best first; then those without a rank.
        pairs: Of the ranked, in the order of the standings; empty where no interval could be made.
        clips: That all ranked systems have.
        speakers: Of those clips.
        method: ``t``, ``max-t``, ``bonferroni`` (see ``evaluation.simultaneous``) or empty.
        critical: What an error is multiplied with; None without pairs.
        basis: ``4 rows on 20 common clips of 10 speakers``; empty where nobody is ranked.
        rule: How it was ranked, or why nothing could be told apart: a sentence without its point.
    """

    metric: str
    direction: Direction
    standings: tuple[Standing, ...]
    pairs: tuple[Pair, ...] = ()
    clips: int = 0
    speakers: int = 0
    method: str = ""
    critical: float | None = None
    basis: str = ""
    rule: str = ""

    @property
    def ranked(self) -> tuple[Standing, ...]:
        """Those with a rank, best first."""
        return tuple(s for s in self.standings if s.highest is not None)

    def apart(self, one: str, other: str) -> bool:
        """Whether two ranked systems are told apart."""
        return any(p.separated and {p.one, p.other} == {one, other} for p in self.pairs)


def rank(
    metric: Metric,
    entrants: Mapping[str, Mapping[str, Scored]],
    outside: Mapping[str, str],
    floor: float | None = None,
) -> Ranking:
    """Rank a column.

    Args:
        metric: The card.
        entrants: Generator -> sample id -> clip, of those that may be ranked.
        outside: Generator -> why it may not.
        floor: Gaps below it say nothing.
    """
    spec = metric.spec
    unranked = tuple(Standing(generator=g, metric=spec.name, why=w) for g, w in outside.items())
    nobody = Ranking(metric=spec.name, direction=spec.direction, standings=unranked)
    if len(entrants) < 2:
        alone = (
            Standing(generator=g, metric=spec.name, why="nobody to be ranked against")
            for g in entrants
        )
        return replace(nobody, standings=(*alone, *unranked))
    common = sorted(set.intersection(*(set(clips) for clips in entrants.values())))
    names, of = list(entrants), {g: [clips[i] for i in common] for g, clips in entrants.items()}
    people = sorted({of[names[0]][i].speaker for i in range(len(common))})
    try:
        values = [_number(metric, of[g], people) for g in names]
    except UnscorableError as error:
        out = (
            Standing(generator=g, metric=spec.name, why=f"no common number: {error}") for g in names
        )
        return replace(nobody, standings=(*out, *unranked))
    sign = -1 if spec.direction == "higher" else 1
    order = sorted(range(len(names)), key=lambda i: (sign * values[i], names[i]))
    names, values = [names[i] for i in order], [values[i] for i in order]
    found, why = _compared(metric, [of[g] for g in names], values, people)
    pairs = tuple(
        Pair(
            one=names[p.one],
            other=names[p.other],
            metric=spec.name,
            value=p.value,
            lo=p.lo,
            hi=p.hi,
            p=p.p,
            separated=p.separated
            and len(people) >= MIN_SPEAKERS
            and (floor is None or abs(p.value) >= floor),
        )
        for p in (found.pairs if found else ())
    )
    separated = {(p.one, p.other) for p in pairs if p.separated}
    spans, letters = rank_intervals(names, separated), compact_letters(names, separated)
    return Ranking(
        metric=spec.name,
        direction=spec.direction,
        standings=(
            *(
                Standing(
                    generator=g,
                    metric=spec.name,
                    value=v,
                    highest=spans[g][0],
                    lowest=spans[g][1],
                    letters=letters[g],
                )
                for g, v in zip(names, values, strict=True)
            ),
            *unranked,
        ),
        pairs=pairs,
        clips=len(common),
        speakers=len(people),
        method=found.method if found else "",
        critical=found.critical if found else None,
        basis=_basis(len(names), len(common), len(people)),
        rule=_rule(len(people), found, why, floor),
    )


def rank_intervals(
    names: Sequence[str], separated: set[tuple[str, str]]
) -> dict[str, tuple[int, int]]:
    """The highest and lowest rank that each may hold.

    Args:
        names: All of them.
        separated: (better, worse), told apart.
    """
    return {
        name: (
            1 + sum(worse == name for _, worse in separated),
            len(names) - sum(better == name for better, _ in separated),
        )
        for name in names
    }


def compact_letters(names: Sequence[str], separated: set[tuple[str, str]]) -> dict[str, str]:
    """Letters that two share exactly where they are not separated; ``a`` goes to the first.

    By insertion and absorption (Piepho 2004), without his sweep: every largest set of mutually
    unseparated names is a letter.

    Args:
        names: Best first.
        separated: Pairs, in either order.
    """
    columns = [frozenset(names)]
    for one, other in separated:
        split: list[frozenset[str]] = []
        for column in columns:
            both = one in column and other in column
            split += [column - {one}, column - {other}] if both else [column]
        distinct = set(split)
        columns = [c for c in distinct if not any(c < larger for larger in distinct)]
    place = {name: i for i, name in enumerate(names)}
    columns.sort(key=lambda c: sorted(place[name] for name in c))
    return {
        name: "".join(_letter(i) for i, column in enumerate(columns) if name in column)
        for name in names
    }


def marks(ranking: Ranking) -> dict[str, Mark]:
    """Best and second by the ranking: the first, and who is not apart from it, share a mark.

    With fewer speakers than ``MIN_SPEAKERS`` nobody is apart, and marks go by value.
    """
    left = list(ranking.ranked)
    by_value = ranking.speakers < MIN_SPEAKERS or not ranking.pairs
    found: dict[str, Mark] = {}
    steps: tuple[Mark, ...] = ("best", "second")
    for mark in steps:
        if not left:
            break
        leader = left[0]
        alike = [
            s.generator
            for s in left
            if s is leader
            or (
                s.value == leader.value
                if by_value
                else not ranking.apart(leader.generator, s.generator)
            )
        ]
        found |= dict.fromkeys(alike, mark)
        left = [s for s in left if s.generator not in found]
    return found


def marked(ranking: Ranking, manifest: Mapping[str, Any]) -> Ranking:
    """The ranking with who was trained on the split's data, or for the metric."""
    dataset = manifest["suite"].get("dataset", "")
    family = ranking.metric.split("@", 1)[0]

    def with_marks(standing: Standing) -> Standing:
        spec = manifest["generators"].get(standing.generator, {})
        return replace(
            standing,
            trained_on=trained_on(spec, dataset),
            optimises=family in spec.get("optimises", ()),
        )

    return replace(ranking, standings=tuple(map(with_marks, ranking.standings)))


def trained_on(spec: Mapping[str, Any], dataset: str) -> tuple[str, ...]:
    """Data sets of a generator's training that a split is of.

    ``hdtf-mini`` is of ``hdtf``: names of splits begin with their data set's.

    Args:
        spec: A generator as in ``run.json``.
        dataset: Of the suite.
    """
    return tuple(t for t in spec.get("trained_on", ()) if t and f"{dataset}-".startswith(f"{t}-"))


def _compared(
    metric: Metric, columns: Sequence[Sequence[Scored]], values: Sequence[float], people: list[str]
) -> tuple[AllPairs | None, str]:
    if len(people) < 2:
        return None, ""
    try:
        without = np.stack([without_each(metric, column, people) for column in columns], axis=1)
        return all_pairs(values, without), ""
    except UnscorableError as error:
        return None, f"without one of the speakers there is no number ({error})"
    except ValueError as error:
        return None, str(error)


def _number(metric: Metric, clips: Sequence[Scored], people: Sequence[str]) -> float:
    chosen = set(people)
    value = metric.aggregate([c.measurement for c in clips if c.speaker in chosen])
    if not np.isfinite(value):
        raise UnscorableError(f"the aggregate is {value}")
    return value


def _basis(systems: int, clips: int, people: int) -> str:
    return f"{systems} rows on {clips} common clips of {people} speaker{'s' * (people != 1)}"


def _rule(people: int, found: AllPairs | None, why: str, floor: float | None) -> str:
    if people < MIN_SPEAKERS:
        return f"With fewer than {MIN_SPEAKERS} speakers nothing can be told apart"
    if found is None:
        return f"Nothing can be told apart, since {why}"
    count = len(found.pairs)
    together = f"all {count} pairs together" if count > 1 else "the one pair"
    beyond = " and the gap is not below the metric's noise floor" if floor is not None else ""
    return (
        f"A pair is apart where the {LEVEL:.0%} interval of its paired difference leaves zero out"
        f"{beyond} (jackknife by speaker; {together}: {_METHODS[found.method]})"
    )


def _letter(index: int) -> str:
    known = string.ascii_letters
    return known[index] if index < len(known) else f"({index + 1})"
