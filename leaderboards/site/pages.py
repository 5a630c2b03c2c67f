"""What the pages of a site show: benchmarks, systems, and how they hang together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evaluation.report.words import printable
from leaderboards.boards import Group, benchmarks, board, readings
from leaderboards.ledger import Published
from leaderboards.printed import notes as notes_of
from leaderboards.site.pictures import Strip, place, source, strips
from leaderboards.site.slugs import slugs
from leaderboards.site.submitted import Submitted

HERO = ("IP-LAP", "fid", "HDTF")
"""The band on the first page: one system, one metric, one name of a benchmark."""

Row = tuple[str, str, Strip]


@dataclass(frozen=True)
class Section:
    """One metric of a benchmark."""

    metric: str
    arrow: str
    anchor: str
    groups: Sequence[Group]


@dataclass(frozen=True)
class BenchmarkPage:
    """A benchmark.

    Attributes:
        name: Of the ledger.
        slug: Of its file.
        rows: Its numbers.
        systems: How many, references left out.
        groups: What may be ranked together.
        sections: The same by metric.
        strips: How far sources differ.
        ours: Runs and bundles that belong here.
    """

    name: str
    slug: str
    rows: Sequence[Published]
    systems: int
    groups: Sequence[Group]
    sections: Sequence[Section]
    strips: Sequence[Strip]
    ours: Sequence[Submitted]

    @property
    def metrics(self) -> list[str]:
        """Those reported most first."""
        return [name for name, _ in Counter(r.metric for r in self.rows).most_common()]

    def strips_by_metric(self, files: Mapping[str, str]) -> list[tuple[str, list[Row]]]:
        """Rows of bands: a system, the address of its page, its strip; by metric."""
        found: dict[str, list[Row]] = {}
        for strip in self.strips:
            row = (strip.system, f"../systems/{files[strip.system]}.html", strip)
            found.setdefault(strip.metric, []).append(row)
        return list(found.items())


@dataclass(frozen=True)
class Standing:
    """A number of a system, with its rank among how many."""

    row: Published
    rank: str
    of: int


@dataclass(frozen=True)
class SystemPage:
    """A system: all that is published of it, by benchmark."""

    name: str
    slug: str
    standings: Sequence[Standing]
    benchmarks: Sequence[str]
    strips: Sequence[tuple[str, Strip]]

    def strips_by_benchmark(self, files: Mapping[str, str]) -> list[tuple[str, list[Row]]]:
        """Rows of bands: a metric, the address of its benchmark, its strip; by benchmark."""
        found: dict[str, list[Row]] = {}
        for name, strip in self.strips:
            row = (strip.metric, f"../benchmarks/{files[name]}.html", strip)
            found.setdefault(name, []).append(row)
        return list(found.items())

    @property
    def sources(self) -> int:
        """How many say something of it."""
        return len({(s.row.paper, s.row.source) for s in self.standings})


@dataclass(frozen=True)
class HeroRow:
    """One dot of the first page's picture."""

    who: str
    where: str
    at: float
    shown: str


@dataclass(frozen=True)
class Site:
    """All pages, and file names by what they are of."""

    ledger: Sequence[Published]
    benchmarks: Sequence[BenchmarkPage]
    systems: Sequence[SystemPage]
    submitted: Sequence[Submitted]
    benchmark_files: Mapping[str, str]
    system_files: Mapping[str, str]
    submitted_files: Mapping[str, str]
    hero: Sequence[HeroRow]

    @property
    def papers(self) -> int:
        """Distinct sources."""
        return len({(r.paper, r.source if not r.paper else "") for r in self.ledger})


def site(ledger: Sequence[Published], submitted: Sequence[Submitted]) -> Site:
    """Put a site together.

    Args:
        ledger: Published numbers.
        submitted: Runs and bundles; their names are distinct.
    """
    by_benchmark = benchmarks(ledger)
    files = slugs(by_benchmark)
    pages = [
        _benchmark(ledger, name, rows, files[name], [s for s in submitted if s.benchmark == name])
        for name, rows in by_benchmark.items()
    ]
    systems = _systems(pages)
    return Site(
        ledger=ledger,
        benchmarks=pages,
        systems=systems,
        submitted=submitted,
        benchmark_files=files,
        system_files={s.name: s.slug for s in systems},
        submitted_files=slugs(s.name for s in submitted),
        hero=_hero(by_benchmark),
    )


def _benchmark(
    ledger: Sequence[Published],
    name: str,
    rows: Sequence[Published],
    slug: str,
    ours: Sequence[Submitted],
) -> BenchmarkPage:
    groups = board(ledger, name)
    by_metric: dict[str, list[Group]] = {}
    for group in groups:
        by_metric.setdefault(group.metric, []).append(group)
    anchors = slugs(by_metric)
    arrows = {"higher": "↑", "lower": "↓", "": ""}
    sections = [
        Section(metric, arrows[found[0].direction], f"m-{anchors[metric]}", found)
        for metric, found in by_metric.items()
    ]
    return BenchmarkPage(
        name=name,
        slug=slug,
        rows=rows,
        systems=len({r.system for r in rows if not r.reference}),
        groups=groups,
        sections=sections,
        strips=strips(readings(rows)),
        ours=ours,
    )


def _systems(pages: Sequence[BenchmarkPage]) -> list[SystemPage]:
    found: dict[str, list[Standing]] = {}
    spread: dict[str, list[tuple[str, Strip]]] = {}
    for page in pages:
        for group in page.groups:
            rivals = sum(bool(e.rank) for e in group.entries)
            for entry in group.entries:
                if not entry.published.reference:
                    standing = Standing(entry.published, entry.rank, rivals)
                    found.setdefault(entry.published.system, []).append(standing)
        for strip in page.strips:
            spread.setdefault(strip.system, []).append((page.name, strip))
    files = slugs(found)
    made = [
        SystemPage(
            name,
            files[name],
            rows,
            list(dict.fromkeys(s.row.benchmark for s in rows)),
            spread.get(name, []),
        )
        for name, rows in found.items()
    ]
    return sorted(made, key=lambda s: (-len(s.standings), s.name.lower(), s.name))


def _hero(by_benchmark: Mapping[str, Sequence[Published]]) -> list[HeroRow]:
    system, metric, benchmark = HERO
    numbers = [
        row
        for reading in readings(by_benchmark.get(benchmark, ()))
        if (reading.system, reading.metric) == (system, metric)
        for row in reading.numbers
    ]
    if len(numbers) < 2:
        return []
    ends = min(r.value for r in numbers), max(r.value for r in numbers)
    rows = sorted(numbers, key=lambda r: (-r.value, source(r)))
    return [
        HeroRow(source(r), r.setting, place(r.value, *ends), f"{r.value:.{r.decimals}f}")
        for r in rows
    ]


def facts_of(group: Group) -> list[str]:
    """Where a group's numbers stand and were read: what holds for all of them."""
    rows = [e.published for e in group.entries]
    first = rows[0]
    measured = {r.measured_by for r in rows} == {"talkbench"}
    read = ", ".join(dict.fromkeys(f"{r.grade} in {r.source}" for r in rows))
    paper = f"{first.paper} ({first.paper_id})" if first.paper_id else first.paper
    parts = [
        "Measured here" if measured else f"Read {read}",
        f"paper: {paper or ('this run' if measured else 'unknown')}",
        f"table: {first.table or ('none' if measured else 'unknown')}",
        f"split: {first.split or 'unknown'}",
        f"setting: {first.setting or 'unknown'}",
        f"protocol: {', '.join(dict.fromkeys(r.protocol for r in rows))}",
    ]
    if first.printed_benchmark:
        parts.append(f"printed as “{first.printed_benchmark}”")
    return [printable(part) for part in parts]


def group_notes(group: Group) -> list[str]:
    """What is to know about some numbers of a group, each once."""
    return [printable(note) for note in notes_of(group)]
