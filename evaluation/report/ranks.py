"""The table of ranks, as every format prints it."""

from __future__ import annotations

from dataclasses import dataclass

from evaluation.ranking import Ranking, Standing
from evaluation.report.layout import OPTIMISED, Column, Layout, Row
from evaluation.report.numbers import NOTHING
from evaluation.report.words import listed, printable
from evaluation.results import Results

SAID = (
    "The ranks a row may hold, and in letters its tie groups: rows that share a letter cannot be "
    "told apart"
)


_OUTSIDE = {"reference": "the reference", "anchor": "anchors", "system": "systems"}


@dataclass(frozen=True, kw_only=True)
class Place:
    """One cell.

    Attributes:
        rank: ``1``, ``2-4`` with an en dash, or a dash where there is none.
        letters: Tie groups; empty without a rank.
        standing: What it was made of.
    """

    rank: str = NOTHING
    letters: str = ""
    standing: Standing | None = None


@dataclass(frozen=True, kw_only=True)
class RankTable:
    """Ranks of a run.

    Attributes:
        columns: Metrics in which somebody has a rank.
        rows: Generators that are ranked somewhere, or would be but for a reason of their own.
        places: By (generator, card name).
        remarks: How it was ranked, and who has no rank and why: sentences without points.
    """

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    places: dict[tuple[str, str], Place]
    remarks: tuple[str, ...]


def rank_table(results: Results, layout: Layout) -> RankTable | None:
    """The table; None where nobody has a rank."""
    rankings = {
        c.spec.name: results.rankings[c.spec.name]
        for c in layout.columns
        if c.spec.name in results.rankings and results.rankings[c.spec.name].ranked
    }
    if not rankings:
        return None
    columns = tuple(c for c in layout.columns if c.spec.name in rankings)
    ranked = {s.generator for r in rankings.values() for s in r.ranked}
    kinds = {row.kind for row in layout.rows if row.key in ranked}
    rows = tuple(row for row in layout.rows if row.kind in kinds)
    places = {
        (s.generator, name): Place(
            rank=s.shown + (OPTIMISED if s.optimises else "") if s.shown else NOTHING,
            letters=s.letters,
            standing=s,
        )
        for name, ranking in rankings.items()
        for s in ranking.standings
    }
    titles = {c.spec.name: c.title for c in columns}
    remarks = [*_rules(rankings, titles), *_unranked(rankings, rows, titles)]
    outside = sorted({row.kind for row in layout.rows} - kinds, reverse=True)
    if outside:
        words = " and ".join(_OUTSIDE[kind] for kind in outside)
        are = "which is no competitor" if outside == ["reference"] else "which are no competitors"
        remarks.append(f"Not ranked: {words}, {are}")
    return RankTable(columns=columns, rows=rows, places=places, remarks=tuple(remarks))


def _rules(rankings: dict[str, Ranking], titles: dict[str, str]) -> list[str]:
    """Each rule once, then what it was applied to."""
    by_rule: dict[str, dict[str, list[str]]] = {}
    for name, ranking in rankings.items():
        by_rule.setdefault(ranking.rule, {}).setdefault(ranking.basis, []).append(titles[name])
    found = []
    one = sum(map(len, by_rule.values())) == 1
    for rule, bases in by_rule.items():
        on = (b if one else f"{b} ({listed(cols, len(cols))})" for b, cols in bases.items())
        found.append(f"{rule}: {'; '.join(on)}")
    return found


def _unranked(
    rankings: dict[str, Ranking], rows: tuple[Row, ...], titles: dict[str, str]
) -> list[str]:
    """A sentence for every row and reason."""
    names = {row.key: row.name for row in rows}
    found: dict[tuple[str, str], list[str]] = {}
    for name, ranking in rankings.items():
        for standing in ranking.standings:
            if standing.why and standing.generator in names:
                found.setdefault((standing.generator, standing.why), []).append(titles[name])
    return [
        f"{names[generator]} has no rank by {listed(columns, len(columns))}: {printable(why)}"
        for (generator, why), columns in found.items()
    ]
