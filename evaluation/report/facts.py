"""What was scored, in sentences that every format prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evaluation.ranking import MIN_SPEAKERS, trained_on
from evaluation.report.cells import lay_out
from evaluation.report.layout import NEAR, OPTIMISED, Column, Layout
from evaluation.report.numbers import number
from evaluation.report.words import count, ordinal, printable
from evaluation.results import Results
from evaluation.stats import LEVEL
from metrics import MetricSpec
from metrics.assets import ASSETS


@dataclass(frozen=True, kw_only=True)
class Facts:
    """A run in words.

    Attributes:
        suite: ``name/version``.
        about: What the suite shows and what it does not.
        setting: Such as reconstruction, with the data set.
        clips: How many samples.
        speakers: Of how many people.
        every: ``every frame``, ``every 10th frame``.
        values: How many values were asked for.
        failed: How many of them there are not.
        warnings: Why the table is not the whole suite's.
        notes: Cautions that go with the suite's numbers, whoever's they are.
        protocol: The suite's choices (crop, frames, lengths, ...), as (key, text).
        remarks: How to read the table.
        lead: Who is marked best where; empty where nobody is.
    """

    suite: str
    about: str
    setting: str
    clips: int
    speakers: int
    every: str
    values: int
    failed: int
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    protocol: tuple[tuple[str, str], ...]
    remarks: tuple[str, ...]
    lead: str

    @property
    def scored(self) -> str:
        """One line: ``3 clips of 2 speakers, every frame``."""
        return f"{count(self.clips, 'clip')} of {count(self.speakers, 'speaker')}, {self.every}"

    @property
    def failures(self) -> str:
        """One line: ``no failures``, ``3 of 45 values missing``."""
        if not self.failed:
            return "no failures"
        return f"{self.failed} of {count(self.values, 'value')} failed"


def facts(results: Results, layout: Layout) -> Facts:
    """Read them off a run."""
    manifest = results.manifest
    suite = manifest["suite"]
    samples: Mapping[str, Any] = manifest["samples"]
    missing = sum(c.counts.waiting for c in layout.cells.values())
    applicable = sum(r.status != "not-applicable" for r in results.records)
    setting = " on ".join(filter(None, (suite.get("setting", ""), suite.get("dataset", ""))))
    return Facts(
        suite=printable(suite["id"]),
        about=printable(suite.get("about", "")),
        setting=printable(setting[:1].upper() + setting[1:]),
        clips=len(samples),
        speakers=len({s["speaker"] for s in samples.values()}),
        every=_every(manifest["every"]),
        values=applicable + missing,
        failed=len(results.failures),
        warnings=tuple(_warnings(manifest, missing, applicable + missing)),
        notes=tuple(map(printable, suite.get("notes", ()))),
        protocol=tuple((printable(k), printable(v)) for k, v in suite.get("protocol", {}).items()),
        remarks=tuple(_remarks(results, layout)),
        lead=_lead(layout),
    )


def cautions(results: Results) -> tuple[str, ...]:
    """What must be said beside any number of a run: a part of the suite, failures, its notes."""
    said = facts(results, lay_out(results))
    failed = (said.failures,) if said.failed else ()
    return (*said.warnings, *failed, *said.notes)


def card_rows(spec: MetricSpec) -> list[tuple[str, str]]:
    """All that a protocol card says, as (key, text)."""
    lo, hi = spec.bounds
    rows = [(k, printable(v)) for k, v in spec.protocol.items()]
    rows.append(("better", spec.direction))
    rows.append(("range", f"{lo:g} to {hi:g}".replace("inf", "∞")))
    perfect = "depends on the video" if spec.perfect is None else f"{spec.perfect:g} {spec.unit}"
    rows.append(("a perfect video", perfect.strip()))
    rows.append(("held against", _held_against(spec)))
    if spec.packages:
        rows.append(("packages", ", ".join(spec.packages)))
    rows.extend(("asset", _asset(name)) for name in spec.assets)
    rows.append(("source", printable(spec.source)))
    return rows


def _held_against(spec: MetricSpec) -> str:
    if not spec.needs_reference:
        return "nothing: the generated video alone"
    return "the reference, frame by frame" if spec.paired else "the reference, as a set of frames"


def environment_rows(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the numbers were computed with, as (key, text)."""
    environment = manifest.get("environment", {})
    rows = [
        (key, printable(str(environment[key])))
        for key in ("python", "platform", "machine", "cpus", "git")
        if environment.get(key)
    ]
    packages = environment.get("packages", {})
    if packages:
        rows.append(("packages", printable(", ".join(f"{k} {v}" for k, v in packages.items()))))
    rows.append(("seed", str(manifest.get("seed", 0))))
    rows.extend((str(k), printable(str(v))) for k, v in manifest.get("settings", {}).items())
    return rows


def command_rows(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    """When which command was given."""
    commands = manifest.get("commands", [])
    return [(_moment(printable(c["at"])), printable(c["line"])) for c in commands]


def _moment(at: str) -> str:
    return at.replace("T", " ").replace("+00:00", " UTC")


def _asset(name: str) -> str:
    known = ASSETS.get(name)
    if known is None:
        return printable(name)
    return f"{name}, sha256 {known.sha256}, {known.licence}"


def _every(every: int) -> str:
    return "every frame" if every == 1 else f"every {ordinal(every)} frame"


def _warnings(manifest: Mapping[str, Any], missing: int, values: int) -> list[str]:
    found = []
    limit, clips, whole = manifest["limit"], len(manifest["samples"]), manifest.get("whole", 0)
    if limit is not None:
        found.append(
            f"Partial: only the first {count(limit, 'sample')} of the suite. These are not the "
            "suite's numbers"
        )
    elif whole and clips != whole:
        found.append(
            f"Another split: {count(clips, 'clip')} where the split as published has {whole:,}. "
            "These numbers do not compare with those of the whole"
        )
    if missing:
        found.append(
            f"Unfinished: {missing} of {count(values, 'value')} are not computed yet; the same "
            "command goes on"
        )
    return found


def _remarks(results: Results, layout: Layout) -> list[str]:
    cells = layout.cells.values()
    found = []
    speakers = {c.counts.speakers for c in cells if c.has_value}
    if any(c.interval for c in cells):
        least, most = (f(c.counts.speakers for c in cells if c.interval) for f in (min, max))
        span = str(most) if least == most else f"{least} to {most}"
        found.append(f"± and [ ]: {LEVEL:.0%} interval over {span} speakers, each left out in turn")
    if 1 in speakers:
        found.append("One speaker: no interval. Clips of one person are not independent")
    if layout.marked:
        systems = any(r.kind == "system" for r in layout.rows)
        among = "systems" if systems else "anchors"
        rule = (
            "those that paired differences cannot tell apart share a mark"
            if len({s["speaker"] for s in results.manifest["samples"].values()}) >= MIN_SPEAKERS
            else f"by value, since fewer than {MIN_SPEAKERS} speakers tell no rows apart"
        )
        found.append(f"Best and second are marked among {among} with every clip scored; {rule}")
    if layout.near:
        floors = _and([_floor(results, column) for column in layout.near])
        found.append(
            f"{NEAR} and grey: closer to the best, or to the baseline, than the metric's noise "
            f"floor ({floors}) on {count(results.floors.clips, 'clip')} of these data"
        )
    found += results.floors.remarks
    if any(c.coverage for c in cells):
        found.append("A fraction is clips scored of clips asked for; the mean is over those alone")
    if any(r.trained_on_this for r in layout.rows):
        found.append(f"† says that it was trained on {_and(_trained_on(results))}")
    if any(c.optimised for c in cells):
        found.append(f"{OPTIMISED} was trained with the network or score behind this metric")
    return found


def _trained_on(results: Results) -> list[str]:
    """Data sets of some row's training that the split is of."""
    dataset = results.manifest["suite"].get("dataset", "")
    specs = results.manifest["generators"].values()
    return sorted({printable(name) for spec in specs for name in trained_on(spec, dataset)})


def _floor(results: Results, column: Column) -> str:
    floor = number(results.floors.of[column.spec.name], column.decimals)
    return f"{column.title} {floor} {column.unit}".rstrip()


def _lead(layout: Layout) -> str:
    """Which system is best on what, where there was another to be better than."""
    systems = [r for r in layout.rows if r.kind == "system"]
    best: dict[tuple[str, ...], list[str]] = {}
    partial = False
    for column in layout.columns:
        rivals = {r.name: layout.cells[r.key, column.spec.name] for r in systems}
        valued = [c for c in rivals.values() if c.has_value]
        partial |= any(c.coverage for c in valued)
        leaders = tuple(name for name, c in rivals.items() if c.mark == "best")
        # Where the metric's noise could have decided, the headline claims nothing.
        told_apart = not any(c.near for c in valued)
        if leaders and told_apart and sum(not c.coverage for c in valued) > 1:
            best.setdefault(leaders, []).append(column.title)
    parts = [f"{_and(names)} on {_and(titles)}" for names, titles in best.items()]
    among = "Best of those with every clip scored" if partial else "Best"
    return f"{among}: {'; '.join(parts)}" if parts else ""


def _and(parts: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))
