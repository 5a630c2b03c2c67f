"""What a card makes of videos that look and sound the same, and of videos that do not.

A run of the ground truth and its perturbations (``plan_certificate``) is read back into one page
of facts (``certify``): per card its noise floor on these data, which damages it sees, and whether
it orders those that come in grades. A card of sound sees no blur and is none the worse for it:
these are facts, not verdicts.

There are two floors, for two questions. *Does it see this damage of the ground truth?* is asked
against ``floor``, what invisible perturbations of the ground truth change. *Are these two rows
apart?* is asked against ``gap_floor``, what they change on a video that is damaged already
(``BASE``): a card under which the ground truth is perfect by definition falls off that peak with
the first changed pixel (PSNR: from 100 dB to 30), and that fall is no measure of gaps between rows
that are all far below it. For a card without a perfect value the ground truth is a row like any
other, and ``gap_floor`` counts its changes too.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from evaluation.chain import Chain
from evaluation.environment import describe
from evaluation.floors import CERTIFICATE_SCHEMA
from evaluation.generator import Generator
from evaluation.manifest import MANIFEST, read_manifest
from evaluation.plan import Plan, UnusableInputError
from evaluation.records import RecordLog
from evaluation.registry import load_generator, load_metrics
from evaluation.run import RECORDS
from evaluation.scored import Clips, Remembering, cells
from evaluation.store import TrackStore
from evaluation.video import has_audio
from metrics import Direction, Metric, UnscorableError

TRUTH = "ground-truth"
BASE = "reencoded"

INVISIBLE = ("invisible-crf18", "invisible-aac", "invisible-remux", "invisible-crop1")

LADDERS: Mapping[str, tuple[str, ...]] = {
    "shift": ("shifted-1", "shifted", "shifted-9"),
    "mouth blur": ("mouth-blur-weak", "mouth-blur", "mouth-blur-strong"),
    "codec": ("reencoded-crf28", "reencoded", "reencoded-crf42"),
}
"""Damages that come in grades, each worse than the one before; the ground truth is before all."""

DAMAGES = ("mouth-frozen", "identity-swap", "swapped-audio")
"""Damages without a grade."""

VISIBLE = (*(rung for rungs in LADDERS.values() for rung in rungs), *DAMAGES)

Sees = Literal["", "yes", "within the floor", "no", "wrong way"]
Step = Literal["", "worse", "tie", "better"]


@dataclass(frozen=True, kw_only=True)
class Floor:
    """The largest change that something invisible makes, and what makes it."""

    value: float
    by: str


@dataclass(frozen=True, kw_only=True)
class Change:
    """What a perturbation makes of a number.

    Attributes:
        perturbation: Generator.
        of: What it is applied to and compared with.
        value: The number of the perturbed clips, None without any.
        change: That minus the number of the clips it is applied to, the same ones.
        n_clips: Clips that both have.
        sees: Of visible damages: ``yes`` where the number is worse by more than the floor,
            ``wrong way`` where it is better by more, ``no`` where it does not move at all.
        reason: Why there is no number, or why it rests on fewer clips than what it is of.
    """

    perturbation: str
    of: str
    value: float | None = None
    change: float | None = None
    n_clips: int = 0
    sees: Sees = ""
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Ladder:
    """Damages of rising strength under one card.

    Attributes:
        rungs: Generators, the ground truth first.
        steps: From each to the next: ``worse`` or ``better`` by more than the floor (of the
            ground truth for the first step, of gaps for the others), or a ``tie``; empty where a
            number is missing.
        changes: Their size, in the unit of the card.
    """

    rungs: tuple[str, ...]
    steps: tuple[Step, ...]
    changes: tuple[float | None, ...]

    @property
    def ordered(self) -> bool | None:
        """Whether every grade is worse than the one before; None where a step is not known.

        That the weakest is worse than the ground truth is not asked here: see ``Change.sees``.
        """
        between = self.steps[1:]
        if "tie" in between or "better" in between:
            return False
        return None if "" in between else True


@dataclass(frozen=True, kw_only=True)
class CardFacts:
    """One card on these data.

    Attributes:
        name: Of the card.
        version: Of the card.
        title: Column head.
        direction: Which way is better.
        unit: Of all numbers here.
        value: Of the ground truth, None without any.
        n_clips: Clips it rests on.
        floor: Largest change by something invisible, of the ground truth.
        gap_floor: The same for gaps between rows of a table.
        invisible: By invisible perturbations, of the ground truth and of ``BASE``.
        visible: By visible damages.
        ladders: By name.
        reason: Why the ground truth has no value.
    """

    name: str
    version: str
    title: str
    direction: Direction
    unit: str
    value: float | None
    n_clips: int
    floor: Floor | None
    gap_floor: Floor | None
    invisible: tuple[Change, ...]
    visible: tuple[Change, ...]
    ladders: Mapping[str, Ladder]
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """What was measured on what.

    Attributes:
        suite: ``name/version``.
        dataset: Its name.
        every: Frames 0, N, 2N, ... were scored.
        limit: How many of the suite's samples were taken, None for all.
        clips: Sample id -> speaker and sha256 of its reference.
        perturbations: Generator -> version and what it does.
        cards: In column order.
        at: When, ISO 8601.
        environment: Versions and machine.
    """

    suite: str
    dataset: str
    every: int
    limit: int | None
    clips: Mapping[str, Mapping[str, str]]
    perturbations: Mapping[str, Mapping[str, str]]
    cards: tuple[CardFacts, ...]
    at: str
    environment: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        """As ``certificate.json`` holds it."""
        content = {"schema": CERTIFICATE_SCHEMA, **asdict(self)}
        for written, card in zip(content["cards"], self.cards, strict=True):
            for name, ladder in card.ladders.items():
                written["ladders"][name]["ordered"] = ladder.ordered
        return content


def plan_certificate(plan: Plan) -> Plan:
    """The same question, asked of the ground truth and its perturbations.

    Raises:
        UnusableInputError: No sample has a ground truth.
    """
    if all(s.reference is None for s in plan.samples):
        raise UnusableInputError(f"suite {plan.suite.name} has no ground truth to perturb")
    generators = {n: load_generator(n) for n in (TRUTH, *INVISIBLE, *VISIBLE)}
    rows: list[Generator] = list(generators.values())
    rows += [Chain(generators[BASE], generators[name]) for name in INVISIBLE]
    samples = []
    for sample in plan.samples:
        if sample.reference is not None and sample.reference != sample.video:
            heard = sample.reference if has_audio(sample.reference) else sample.audio
            sample = replace(sample, video=sample.reference, audio=heard)
        samples.append(sample)
    return replace(plan, generators=tuple(rows), samples=tuple(samples))


def certify(root: Path) -> Certificate:
    """Read a run of such a plan and say what its cards make of it.

    Raises:
        RecordsError: No run there, or its files are damaged.
        UnknownNameError: A metric of the run is not installed.
    """
    manifest = read_manifest(root / MANIFEST)
    records = [r for r in RecordLog(root / RECORDS).read() if r.sample in manifest["samples"]]
    of, store = cells(records), TrackStore(root)
    generators = manifest["generators"]
    cards = []
    for metric in load_metrics(manifest["metrics"]):
        rows = {g: of.get((g, metric.spec.name), ()) for g in generators}
        column = Remembering(metric)
        cards.append(_facts(metric, {g: Clips.read(column, r, store) for g, r in rows.items()}))
    references = {r.sample: r.reference_sha256 for r in records if r.reference_sha256}
    return Certificate(
        suite=manifest["suite"]["id"],
        dataset=manifest["suite"].get("dataset", ""),
        every=manifest["every"],
        limit=manifest["limit"],
        clips={
            name: {"speaker": about["speaker"], "reference_sha256": references.get(name, "")}
            for name, about in manifest["samples"].items()
        },
        perturbations={
            name: {"version": spec["version"], "about": spec["about"]}
            for name, spec in generators.items()
        },
        cards=tuple(cards),
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        environment=describe(),
    )


def _facts(metric: Metric, rows: Mapping[str, Clips]) -> CardFacts:
    spec, column = metric.spec, Remembering(metric)
    stacked = {f"{BASE}+{name}": BASE for name in INVISIBLE}
    invisible = [_change(column, rows, name, TRUTH) for name in INVISIBLE]
    invisible += [_change(column, rows, name, base) for name, base in stacked.items()]
    floor = _floor([c for c in invisible if c.of == TRUTH])
    peak = spec.perfect is not None
    gap_floor = _floor([c for c in invisible if c.of == BASE or not peak])
    damages = [_change(column, rows, name, TRUTH) for name in VISIBLE]
    visible = [replace(c, sees=sees(c.change, floor, spec.direction)) for c in damages]
    ladders = {}
    for name, rungs in LADDERS.items():
        way = (TRUTH, *rungs)
        pairs = itertools.pairwise(way)
        changes = [_change(column, rows, after, before).change for before, after in pairs]
        limits = [floor] + [gap_floor] * (len(rungs) - 1)
        steps = [step(c, limit, spec.direction) for c, limit in zip(changes, limits, strict=True)]
        ladders[name] = Ladder(rungs=way, steps=tuple(steps), changes=tuple(changes))
    truth = rows.get(TRUTH, Clips((), {}, 0))
    value = _number(column, truth, sorted(truth.scored))
    return CardFacts(
        name=spec.name,
        version=spec.version,
        title=spec.title,
        direction=spec.direction,
        unit=spec.unit,
        value=value,
        n_clips=len(truth.scored),
        floor=floor,
        gap_floor=gap_floor,
        invisible=tuple(invisible),
        visible=tuple(visible),
        ladders=ladders,
        reason="" if value is not None else _reason(truth),
    )


def sees(change: float | None, floor: Floor | None, direction: Direction) -> Sees:
    """Whether a card sees a damage that changes its number by so much."""
    if change is None or floor is None:
        return ""
    if change == 0:
        return "no"
    if abs(change) <= floor.value:
        return "within the floor"
    return "yes" if (change < 0) == (direction == "higher") else "wrong way"


def step(change: float | None, floor: Floor | None, direction: Direction) -> Step:
    """Where a ladder goes from one rung to the next."""
    if change is None or floor is None:
        return ""
    if abs(change) <= floor.value:
        return "tie"
    return "worse" if (change < 0) == (direction == "higher") else "better"


def _floor(changes: Sequence[Change]) -> Floor | None:
    sizes = [(abs(c.change), c.perturbation) for c in changes if c.change is not None]
    if not sizes:
        return None
    largest = max(size for size, _ in sizes)
    return Floor(value=largest, by=next(name for size, name in sizes if size == largest))


def _change(metric: Metric, rows: Mapping[str, Clips], name: str, base: str) -> Change:
    """What the perturbed clips' number is, against the number of the same clips unperturbed."""
    ours, theirs = (rows.get(row, Clips((), {}, 0)) for row in (name, base))
    common = sorted(ours.scored.keys() & theirs.scored.keys())
    after, before = (_number(metric, clips, common) for clips in (ours, theirs))
    if after is None or before is None:
        scoreless = next((clips for clips in (ours, theirs) if not clips.scored), None)
        reason = _reason(scoreless) if scoreless else "no number over the clips that both have"
        return Change(perturbation=name, of=base, reason=reason)
    return Change(
        perturbation=name,
        of=base,
        value=after,
        change=after - before,
        n_clips=len(common),
        reason=_reason(ours) if len(common) < len(theirs.scored) else "",
    )


def _number(metric: Metric, clips: Clips, samples: Sequence[str]) -> float | None:
    try:
        value = metric.aggregate([clips.scored[s].measurement for s in samples])
    except UnscorableError:
        return None
    return value if math.isfinite(value) else None


def _reason(clips: Clips) -> str:
    reasons = Counter(r.reason for r in clips.records if r.status != "ok" and r.reason)
    if reasons:
        return reasons.most_common(1)[0][0]
    return "no clip has a value" if clips.records else "not computed"
