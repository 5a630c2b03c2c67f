"""From records to numbers fit to print: estimates, coverage, differences, marks.

Reads a run's folder and nothing else: no video is opened, no network is run.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from evaluation import floors
from evaluation.cost import Cost
from evaluation.floors import CERTIFICATE, Floors
from evaluation.generate import costs
from evaluation.manifest import MANIFEST, read_manifest
from evaluation.plan import UnusableInputError
from evaluation.ranking import Mark, Ranking, marked, marks, rank
from evaluation.records import SCHEMA, Record, RecordLog
from evaluation.registry import load_metrics
from evaluation.run import RECORDS
from evaluation.scored import Clips, Remembering, cells
from evaluation.stats import Interval, estimate, paired_difference
from evaluation.store import TrackStore, write_json
from metrics import Direction, Metric, UnscorableError

RESULTS = "results.json"


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """One cell of the table.

    Attributes:
        generator: Row.
        metric: Card name.
        metric_version: Card version.
        title: Column head.
        value: Over the clips scored; None without any.
        lo: Lower end of the 95 % interval, None with one speaker.
        hi: Upper end.
        n_scored: Clips the value rests on.
        n_attempted: Clips to which the metric applies.
        n_failed: Attempted and without a value.
        n_not_applicable: Clips to which it does not apply.
        n_speakers: Distinct speakers among the scored.
        n_frames: Frames the value rests on.
        direction: Which way is better.
        unit: Of the value.
        mark: ``best`` and ``second`` among comparable rows with full coverage; ties share it.
        note: Why there is no value, or what to know about it.
        floor: Gaps below it say nothing, by a certificate of the card on these data; None where
            there is none.
        near_best: Nearer to the best row's value than ``floor``, and not a best row itself.
    """

    generator: str
    metric: str
    metric_version: str
    title: str
    value: float | None
    lo: float | None
    hi: float | None
    n_scored: int
    n_attempted: int
    n_failed: int
    n_not_applicable: int
    n_speakers: int
    n_frames: int
    direction: Direction
    unit: str
    mark: Mark = ""
    note: str = ""
    floor: float | None = None
    near_best: bool = False


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A generator's number minus the baseline's, on the clips that both have.

    ``below_floor``: smaller than the noise floor that a certificate of the card gives.
    """

    generator: str
    baseline: str
    metric: str
    value: float
    lo: float | None
    hi: float | None
    n_common: int
    n_speakers: int
    below_floor: bool = False


@dataclass(frozen=True)
class Results:
    """All that is printed of a run.

    Attributes:
        manifest: Content of ``run.json``.
        records: The record that counts for each cell.
        generators: Row order.
        metrics: Cards in column order.
        estimates: By (generator, card name).
        differences: By (generator, card name), baseline's own row left out.
        baseline: Whom differences are taken to.
        floors: What a certificate says about the noise of the cards, and why it says nothing.
        costs: By generator, of those whose clips were made in the run.
        rankings: By card name, in column order.
        gone: Clips without the kept features of a set metric: lost or damaged after scoring.
    """

    manifest: Mapping[str, Any]
    records: Sequence[Record]
    generators: tuple[str, ...]
    metrics: tuple[Metric, ...]
    estimates: Mapping[tuple[str, str], Estimate]
    differences: Mapping[tuple[str, str], Difference]
    baseline: str
    floors: Floors = floors.NONE
    costs: Mapping[str, Cost] = field(default_factory=dict)
    rankings: Mapping[str, Ranking] = field(default_factory=dict)
    gone: int = 0

    @property
    def failures(self) -> Sequence[Record]:
        """Records without a value that should have one."""
        return [r for r in self.records if r.status in ("failed", "unavailable")]


def build(
    root: Path,
    baseline: str | None = None,
    certificate: Path | None = None,
    *,
    rank_anchors: bool = False,
) -> Results:
    """Read a run and compute its numbers.

    Args:
        root: Folder of the run.
        baseline: Generator that differences are taken to; by default the first row.
        certificate: Whose noise floors tell which gaps say nothing; by default the run's own
            ``certificate.json``, if it has one.
        rank_anchors: Known damages of the ground truth are ranked among the systems. They are
            references, not competitors, and have no rank otherwise.

    Raises:
        RecordsError: No run there, or its files (or the certificate) are damaged.
        UnknownNameError: A metric of the run is not installed.
        UnusableInputError: No such baseline.
    """
    manifest = read_manifest(root / MANIFEST)
    # A sample that left the split takes its records out of the numbers; they stay in the file.
    samples = manifest["samples"]
    records = [r for r in RecordLog(root / RECORDS).read() if r.sample in samples]
    records.sort(key=lambda r: r.cell)
    generators = tuple(manifest["generators"])
    metrics = tuple(load_metrics(manifest["metrics"]))
    chosen = baseline or generators[0]
    if chosen not in generators:
        raise UnusableInputError(
            f"baseline {chosen!r} is not in this run; it has {', '.join(generators)}"
        )
    if certificate is None and (root / CERTIFICATE).exists():
        certificate = root / CERTIFICATE
    noise = floors.NONE
    if certificate is not None:
        noise = floors.floors(certificate, manifest, records, [m.spec for m in metrics])
    of, store = cells(records), TrackStore(root)
    estimates: dict[tuple[str, str], Estimate] = {}
    differences: dict[tuple[str, str], Difference] = {}
    rankings: dict[str, Ranking] = {}
    gone = 0
    for card in metrics:
        metric, name = Remembering(card), card.spec.name
        clips = {g: Clips.read(metric, of.get((g, name), ()), store) for g in generators}
        gone += sum(c.gone for c in clips.values())
        column = {g: _estimate(metric, g, c) for g, c in clips.items()}
        floor = noise.of.get(name)
        rankings[name], won = _rank(metric, manifest, column, clips, floor, rank_anchors)
        near = _near_best(column, won, floor)
        for g in generators:
            estimates[g, name] = replace(
                column[g], mark=won.get(g, ""), floor=floor, near_best=g in near
            )
            if g != chosen and (found := _difference(metric, g, chosen, clips)) is not None:
                below = floor is not None and abs(found.value) < floor
                differences[g, name] = replace(found, below_floor=below)
    spent = costs(root, generators, samples)
    return Results(
        manifest,
        records,
        generators,
        metrics,
        estimates,
        differences,
        chosen,
        noise,
        spent,
        rankings,
        gone,
    )


def write_results(root: Path, results: Results) -> None:
    """Write ``results.json``."""
    write_json(
        root / RESULTS,
        {
            "schema": SCHEMA,
            "suite": results.manifest["suite"]["id"],
            "every": results.manifest["every"],
            "limit": results.manifest["limit"],
            "baseline": results.baseline,
            "certificate": {"clips": results.floors.clips, "remarks": results.floors.remarks},
            "estimates": [asdict(e) for e in results.estimates.values()],
            "differences": [asdict(d) for d in results.differences.values()],
            "rankings": [asdict(r) for r in results.rankings.values()],
        },
    )


_NOTHING = Interval(0.0, None, None, 0)
_NO_RIVAL = {
    "reference": "the reference itself",
    "anchor": "an anchor: what a known damage does, not a competitor",
}


def _estimate(metric: Metric, generator: str, column: Clips) -> Estimate:
    applicable = [r for r in column.records if r.status != "not-applicable"]
    note = ""
    try:
        interval = estimate(metric, list(column.scored.values()))
        value: float | None = interval.value
    except UnscorableError as error:
        interval, value, note = _NOTHING, None, str(error)
    if value is not None and not math.isfinite(value):
        interval, value, note = _NOTHING, None, f"the aggregate is {value}"
    if value is None and applicable:
        reasons = Counter(r.reason for r in applicable if r.status != "ok")
        note = reasons.most_common(1)[0][0] if reasons else note
    if column.gone:
        note = f"kept features of {column.gone} clips are gone; run the command again"
    spec = metric.spec
    return Estimate(
        generator=generator,
        metric=spec.name,
        metric_version=spec.version,
        title=spec.title,
        value=value,
        lo=interval.lo,
        hi=interval.hi,
        n_scored=len(column.scored),
        n_attempted=len(applicable),
        n_failed=len(applicable) - len(column.scored),
        n_not_applicable=len(column.records) - len(applicable),
        n_speakers=interval.n_speakers,
        n_frames=sum(s.measurement.frames for s in column.scored.values()),
        direction=spec.direction,
        unit=spec.unit,
        note=note,
    )


def _difference(
    metric: Metric, generator: str, baseline: str, clips: Mapping[str, Clips]
) -> Difference | None:
    try:
        found = paired_difference(metric, clips[generator].scored, clips[baseline].scored)
    except UnscorableError:
        return None
    if found is None or not math.isfinite(found[0].value):
        return None
    interval, n_common = found
    return Difference(
        generator=generator,
        baseline=baseline,
        metric=metric.spec.name,
        value=interval.value,
        lo=interval.lo,
        hi=interval.hi,
        n_common=n_common,
        n_speakers=interval.n_speakers,
    )


def _rank(
    metric: Metric,
    manifest: Mapping[str, Any],
    column: Mapping[str, Estimate],
    clips: Mapping[str, Clips],
    floor: float | None,
    anchors: bool,
) -> tuple[Ranking, dict[str, Mark]]:
    """The column's ranking, and who is marked best and second.

    Where there is no system, anchors are marked among themselves and still have no rank.
    """
    systems = any(spec["kind"] == "system" for spec in manifest["generators"].values())
    kinds = {"system", "anchor"} if anchors else {"system"} if systems else {"anchor"}
    why = _contest(metric, manifest, column, kinds)
    entrants = {g: clips[g].scored for g, reason in why.items() if not reason}
    ranking = rank(metric, entrants, {g: w for g, w in why.items() if w}, floor)
    won = marks(ranking)
    if not (systems or anchors):
        ranking = rank(metric, {}, _contest(metric, manifest, column, {"system"}))
    return marked(ranking, manifest), won


def _contest(
    metric: Metric, manifest: Mapping[str, Any], column: Mapping[str, Estimate], kinds: set[str]
) -> dict[str, str]:
    """Generator -> why it is not ranked, empty where it is.

    Only rows with full coverage are: a mean over the survivors wins nothing.
    """
    samples, why = len(manifest["samples"]), {}
    for g, e in column.items():
        kind = manifest["generators"][g]["kind"]
        asked = samples - e.n_not_applicable
        if kind not in kinds:
            why[g] = _NO_RIVAL.get(kind, f"{kind} rows are not ranked beside others")
        elif e.value is None:
            why[g] = "no value"
        elif e.n_scored < asked:
            why[g] = f"a value on {e.n_scored} of {asked} clips only"
        else:
            why[g] = ""
    if not metric.spec.per_clip:  # a set metric depends on how many frames it is over
        most = max((column[g].n_frames for g in why if not why[g]), default=0)
        for g in why:
            if not why[g] and column[g].n_frames < most:
                why[g] = f"over {column[g].n_frames} frames, others over {most}"
    return why


def _near_best(
    column: Mapping[str, Estimate], marks: Mapping[str, Mark], floor: float | None
) -> set[str]:
    """Rows whose gap to the best is smaller than the floor, the rows marked best left out.

    Any other row may be near, on either side: one that is not marked for its kind or its
    coverage too. A second keeps its mark and is near.
    """
    best = [column[g] for g, mark in marks.items() if mark == "best"]
    if floor is None or not best:
        return set()
    values = [e.value for e in best if e.value is not None]
    leader = max(values) if best[0].direction == "higher" else min(values)
    return {
        g
        for g, e in column.items()
        if marks.get(g) != "best" and e.value is not None and abs(e.value - leader) < floor
    }
