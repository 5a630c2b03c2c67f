"""Boards: which published numbers may stand in one ranking, and the ranks.

Numbers are comparable where one source measured them in one table, on one split, in one setting, by
one metric: that is a *group*. Between groups a rule is drawn and no rank crosses it. What a site
pools from several papers is a group without ranks.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from leaderboards.ledger import Published


class NoBoardError(LookupError):
    """No benchmark or metric of that name; says which there are."""


@dataclass(frozen=True)
class Entry:
    """A number in its group.

    Attributes:
        published: The number.
        rank: ``1``, or ``2-3`` for those that print the same number; empty where there is none: for
            references, pooled groups, ranges, and metrics without a direction.
    """

    published: Published
    rank: str


@dataclass(frozen=True)
class Group:
    """Numbers of one metric that may be compared, best first.

    Attributes:
        metric: As printed.
        direction: Which way is better, empty where nobody says.
        source: The paper and table, or the site.
        split: Of the benchmark.
        setting: What was asked.
        pooled: A site put it together from several papers: no ranks.
        entries: The numbers.
        cautions: What must be said beside them, in sentences without their points.
    """

    metric: str
    direction: str
    source: str
    split: str
    setting: str
    pooled: bool
    entries: tuple[Entry, ...]
    cautions: tuple[str, ...] = ()

    @property
    def head(self) -> str:
        """One line that says what may be compared here, and why no more."""
        parts = [self.source, self.split, self.setting]
        text = ", ".join(part for part in parts if part)
        return f"{text} (pooled from several papers: no ranks)" if self.pooled else text


@dataclass(frozen=True)
class Band:
    """What one system is said to reach on a benchmark, over all groups of a metric.

    Attributes:
        system: Whose.
        metric: Family, or as printed where it has none.
        least: Smallest number.
        most: Largest.
        count: Numbers.
    """

    system: str
    metric: str
    least: float
    most: float
    count: int


@dataclass(frozen=True)
class Reading:
    """The numbers behind a band: one of each group."""

    system: str
    metric: str
    numbers: tuple[Published, ...]


def benchmarks(ledger: Sequence[Published]) -> Mapping[str, list[Published]]:
    """Rows by benchmark, those with most numbers first."""
    found: dict[str, list[Published]] = {}
    for row in ledger:
        found.setdefault(row.benchmark, []).append(row)
    return dict(sorted(found.items(), key=lambda item: (-len(item[1]), item[0])))


def board(ledger: Sequence[Published], benchmark: str, metric: str | None = None) -> list[Group]:
    """All groups of a benchmark, or of one metric of it.

    Args:
        ledger: Numbers.
        benchmark: Its name, in any case.
        metric: As printed, or our family (``lse-c`` finds ``Sync-C``); every metric if not given.

    Returns:
        By metric, the largest groups first.

    Raises:
        NoBoardError: No such benchmark, or no such metric on it.
    """
    by_name = {name.lower(): rows for name, rows in benchmarks(ledger).items()}
    rows = by_name.get(benchmark.lower())
    if rows is None:
        near = difflib.get_close_matches(benchmark.lower(), by_name, n=3, cutoff=0.4)
        names = {name.lower(): name for name in benchmarks(ledger)}
        hint = f" Did you mean {' or '.join(names[n] for n in near)}?" if near else ""
        raise NoBoardError(
            f"no published number is on a benchmark called {benchmark!r}.{hint} "
            "See: talkbench board list"
        )
    if metric is not None:
        wanted = metric.lower()
        chosen = [r for r in rows if wanted in (r.metric.lower(), r.family)]
        if not chosen:
            known = ", ".join(sorted({r.metric for r in rows}))
            raise NoBoardError(f"nobody reports {metric!r} on {benchmark}; reported are {known}")
        rows = chosen
    groups: dict[tuple[str, ...], list[Published]] = {}
    for row in rows:
        groups.setdefault(_key(row), []).append(row)
    made = [_group(rows) for rows in groups.values()]
    order = {m: i for i, m in enumerate(dict.fromkeys(g.metric for g in _largest_first(made)))}
    return sorted(made, key=lambda g: (order[g.metric], -len(g.entries), g.head))


def readings(rows: Iterable[Published]) -> list[Reading]:
    """What each system is said to reach, over all groups of a metric.

    References and ranges are left out; of what one group says of a system, the last row counts.

    Args:
        rows: Of one benchmark.
    """
    found: dict[tuple[str, str], dict[tuple[str, ...], Published]] = {}
    for row in rows:
        if not row.reference and row.value_to is None:
            name = row.family or row.metric
            found.setdefault((row.system, name), {})[_key(row)] = row
    return [Reading(system, m, tuple(by.values())) for (system, m), by in found.items()]


def bands(rows: Iterable[Published], least: int = 2) -> list[Band]:
    """Systems that different sources give different numbers on one metric, widest first.

    Args:
        rows: Of one benchmark.
        least: Sources from which on a system is shown.
    """
    made = []
    for reading in readings(rows):
        values = [row.value for row in reading.numbers]
        if len(values) >= least:
            made.append(Band(reading.system, reading.metric, min(values), max(values), len(values)))
    return sorted(made, key=lambda b: (-b.count, b.metric, b.system))


def _key(row: Published) -> tuple[str, ...]:
    where = site(row) if row.measured_by == "board" else f"{row.paper} {row.source}"
    return (row.metric, where, row.table, row.split, row.setting, row.printed_benchmark)


def site(row: Published) -> str:
    """The site that a number was read on."""
    return re.sub(r"^https?://(www\.)?", "", row.source).split("/")[0].split(" ")[0]


def _largest_first(groups: Iterable[Group]) -> list[Group]:
    return sorted(groups, key=lambda g: (-len(g.entries), g.metric))


def _group(rows: list[Published]) -> Group:
    first = rows[0]
    direction = first.direction
    pooled = first.measured_by == "board"
    sign = -1 if direction == "higher" else 1
    rows = sorted(rows, key=lambda r: (sign * r.value if direction else 0, r.system))
    rivals = [r for r in rows if not r.reference and r.value_to is None]
    ranks: dict[int, str] = {}
    if direction and not pooled and len(rivals) > 1:
        for row in rivals:
            before = sum(sign * r.value < sign * row.value for r in rivals)
            same = sum(r.value == row.value for r in rivals)
            ranks[id(row)] = str(before + 1) if same == 1 else f"{before + 1}-{before + same}"
    name = first.paper or "paper not named"
    source = f"{name}, {first.table}" if first.table else name
    if pooled:
        source = f"board of {site(first)}"
    elif first.measured_by == "somebody else":
        source = f"{source} ({first.source})"
    return Group(
        metric=first.metric,
        direction=direction,
        source=source,
        split=first.split,
        setting=first.setting,
        pooled=pooled,
        entries=tuple(Entry(row, ranks.get(id(row), "")) for row in rows),
    )
