"""Who is apart from whom, pair by pair, as the page unfolds it under its ranks."""

from __future__ import annotations

from dataclasses import dataclass

from evaluation.ranking import Pair, Ranking
from evaluation.report.layout import Column
from evaluation.report.numbers import interval, number
from evaluation.report.ranks import RankTable
from evaluation.report.words import count
from evaluation.results import Results

_LEAST_P = 1e-3


@dataclass(frozen=True, kw_only=True)
class PairRow:
    """Two rows of the table of ranks.

    Attributes:
        one: Name of the one ahead, fit to print.
        other: Name of the other.
        value: Difference of their numbers.
        interval: Of that difference, together with those of all other pairs.
        p: Adjusted for all pairs: ``0.012`` or ``<0.001``.
        apart: They are told apart.
    """

    one: str
    other: str
    value: str
    interval: str
    p: str
    apart: bool


@dataclass(frozen=True, kw_only=True)
class PairTable:
    """All pairs of a column, and how many of them are apart, in words."""

    column: Column
    said: str
    rows: tuple[PairRow, ...]


def pair_tables(results: Results, table: RankTable | None) -> tuple[PairTable, ...]:
    """One for each column of the table of ranks that has pairs."""
    if table is None:
        return ()
    names = {row.key: row.name for row in table.rows}
    rankings = ((column, results.rankings[column.spec.name]) for column in table.columns)
    return tuple(_table(c, ranking, names) for c, ranking in rankings if ranking.pairs)


def _table(column: Column, ranking: Ranking, names: dict[str, str]) -> PairTable:
    apart = sum(pair.separated for pair in ranking.pairs)
    return PairTable(
        column=column,
        said=f"{apart} of {count(len(ranking.pairs), 'pair')} told apart",
        rows=tuple(_row(pair, column.decimals, names) for pair in ranking.pairs),
    )


def _row(pair: Pair, digits: int, names: dict[str, str]) -> PairRow:
    return PairRow(
        one=names[pair.one],
        other=names[pair.other],
        value=number(pair.value, digits, sign=True),
        interval=interval(pair.value, pair.lo, pair.hi, digits),
        p=f"{pair.p:.3f}" if pair.p >= _LEAST_P else f"<{_LEAST_P:g}",
        apart=pair.separated,
    )
