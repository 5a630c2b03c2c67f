"""One unit of work: one generator on one sample, all metrics."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from evaluation.elsewhere.addresses import tell
from evaluation.elsewhere.remote import UnreachableError
from evaluation.generate import file_sha256, forget_failure, generate_once, give_up
from evaluation.generator import Generator
from evaluation.machine import machine_error
from evaluation.reading import Sampling, VideoFile
from evaluation.records import Record, Status
from evaluation.sample import Sample
from evaluation.score_pair import Outcome, kept_track, score_pair
from evaluation.stages import rest_of
from evaluation.store import TrackStore, ValueStore
from metrics import Metric


@dataclass(frozen=True)
class Setting:
    """What is the same for every unit of a run.

    Attributes:
        root: Folder of the run.
        suite: ``name/version``.
        metrics: Cards, in column order.
        every: Frames 0, N, 2N, ... are scored.
        seed: For generators.
        retry_failed: Compute failed records again.
        tracks: Folder or address of tracks that runs share; empty for none.
    """

    root: Path
    suite: str
    metrics: tuple[Metric, ...]
    every: int
    seed: int
    retry_failed: bool = False
    tracks: str = ""


def run_unit(
    setting: Setting, generator: Generator, sample: Sample, known: Mapping[str, Record]
) -> list[Record]:
    """Generate, score, and return the records that are new.

    Args:
        setting: The run.
        generator: Who.
        sample: On what.
        known: Metric name -> the record that the run already has.

    Raises:
        MachineError: The disk is full or read-only.
    """
    blank = Record(
        suite=setting.suite,
        generator=generator.spec.name,
        generator_version=generator.spec.version,
        sample=sample.id,
        speaker=sample.speaker,
        metric="",
        metric_version="",
        value=None,
        status="failed",
        every=setting.every,
    )
    if setting.retry_failed and any(r.status == "failed" for r in known.values()):
        forget_failure(generator, sample, setting.root / "videos")
    with rest_of("generate"):
        made = generate_once(generator, sample, setting.root / "videos", setting.seed)
    if made.video is not None:
        blank = replace(blank, generated_sha256=made.video.sha256)
    reference, unreadable = None, ""
    spoilt_as: Status = "failed"
    held_against = sample.reference or sample.likeness
    if held_against is not None:
        try:
            reference = VideoFile(held_against, file_sha256(held_against))
            blank = replace(blank, reference_sha256=reference.sha256)
        except OSError as error:
            unreadable = f"reference {held_against}: {error.strerror or error}"
        except UnreachableError as error:
            unreadable, spoilt_as = f"reference {error}", "unavailable"

    wanted = [m for m in setting.metrics if not _settled(setting, m, blank, known)]
    beside = {m.spec.name: why for m in wanted if (why := _why_not(m, sample))}
    records = [
        _without_value(blank, m, "not-applicable", beside[m.spec.name])
        for m in wanted
        if m.spec.name in beside
    ]
    wanted = [m for m in wanted if m.spec.name not in beside]
    if unreadable:
        spoilt = [m for m in wanted if m.spec.needs_reference]
        records += [_without_value(blank, m, spoilt_as, unreadable) for m in spoilt]
        wanted = [m for m in wanted if not m.spec.needs_reference]
    if made.video is None:
        return records + [_without_value(blank, m, made.status, made.reason) for m in wanted]
    with rest_of("decode"):
        store = TrackStore(setting.root, setting.tracks)
        try:
            outcomes = score_pair(made.video, reference, wanted, setting.every, store)
        except UnreachableError as error:
            return records + [_without_value(blank, m, "unavailable", str(error)) for m in wanted]
    values = ValueStore(setting.root)
    for outcome in outcomes:
        _keep_values(values, blank, outcome)
    return records + [_record(blank, outcome) for outcome in outcomes]


def lose_unit(
    setting: Setting, generator: Generator, sample: Sample, known: Mapping[str, Record], reason: str
) -> list[Record]:
    """Records of a unit that took its process with it; remembered until failures are retried."""
    videos = setting.root / "videos"
    with suppress(UnreachableError):
        give_up(generator, sample, videos, setting.seed, reason)
    return run_unit(replace(setting, retry_failed=False), generator, sample, known)


def _why_not(metric: Metric, sample: Sample) -> str:
    """Why a metric has no meaning for a sample, or nothing."""
    if sample.reference is None and metric.spec.needs_reference:
        if sample.likeness is None:
            return "this sample has no reference video"
        if metric.spec.paired:
            return "this sample has no reference video to be held against frame by frame"
    if sample.audio is None and "sound" in metric.spec.needs:
        return "this sample has no driving sound"
    return next((sample.lacks[n] for n in metric.spec.needs if n in sample.lacks), "")


def _settled(setting: Setting, metric: Metric, blank: Record, known: Mapping[str, Record]) -> bool:
    """Whether the run already has this answer. What was unavailable is always asked again."""
    before = known.get(metric.spec.name)
    if before is None or before.status == "unavailable":
        return False
    if before.status == "failed" and setting.retry_failed:
        return False
    if before.status == "ok" and not metric.spec.per_clip and not _kept(setting, metric, blank):
        return False
    return before.answers(_of_metric(blank, metric))


def _kept(setting: Setting, metric: Metric, blank: Record) -> bool:
    """Whether the features that a set metric is made of are still on disk."""
    store, sampling = TrackStore(setting.root), Sampling(setting.every, metric.spec.fps)
    sides = [blank.generated_sha256]
    if metric.spec.needs_reference:
        sides.append(blank.reference_sha256)
    return all(
        kept_track(store, sha256, extractor, sampling) is not None
        for extractor in metric.extractors
        for sha256 in sides
    )


def _of_metric(blank: Record, metric: Metric) -> Record:
    return replace(blank, metric=metric.spec.name, metric_version=metric.spec.version)


def _without_value(blank: Record, metric: Metric, status: Status, reason: str) -> Record:
    return replace(_of_metric(blank, metric), status=status, reason=tell(reason))


def _record(blank: Record, outcome: Outcome) -> Record:
    measured = outcome.measurement
    return replace(
        _of_metric(blank, outcome.metric),
        status=outcome.status,
        reason=tell(outcome.reason),
        value=measured.value if measured else None,
        frames=measured.frames if measured else 0,
        notes=dict(measured.notes) if measured else {},
        seconds=round(outcome.seconds, 4),
        stages={stage: round(spent, 4) for stage, spent in outcome.stages.items()},
    )


def _keep_values(values: ValueStore, blank: Record, outcome: Outcome) -> None:
    if outcome.measurement is None or outcome.measurement.per_frame is None:
        return
    try:
        values.save(
            blank.generator, blank.sample, outcome.metric.spec.name, outcome.measurement.per_frame
        )
    except OSError as error:
        raise machine_error(error) from error
