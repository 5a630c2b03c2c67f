"""Score a random sample of a bundle's clips again, and hold every value against the record."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from evaluation.bundles.archive import Archive
from evaluation.bundles.chain import Head, Medium
from evaluation.bundles.verify import unpack
from evaluation.generate import file_sha256
from evaluation.plan import UnusableInputError
from evaluation.reading import Sampling, VideoFile
from evaluation.records import Record, RecordLog
from evaluation.registry import load_metrics
from evaluation.run import RECORDS
from evaluation.score_pair import Outcome, kept_track, score_pair
from evaluation.store import TrackStore
from metrics import Metric

Agreement = Literal["exact", "within", "differs", "not scored"]

TOLERANCE = {"psnr": 1e-6, "ssim": 1e-6, "ms-ssim": 1e-6, "cpbd": 1e-6, "sharpness": 1e-6}
"""Largest relative difference by family: arithmetic on pixels, which decoders give exactly."""
OF_NETWORKS = 1e-3
"""And of all others: float32 sums of networks depend on threads, processor and device."""


@dataclass(frozen=True)
class Rescored:
    """One record, and what its clip scores here.

    Attributes:
        generator: Row.
        sample: Id.
        metric: Card.
        recorded: Value in the record; None for set metrics, whose features are compared.
        here: Value here.
        difference: Relative; of features the largest, against the largest feature.
        tolerance: Up to which it is within.
        agreement: ``exact``; ``within`` the tolerance; ``differs``; ``not scored`` where this
            machine lacks something.
        note: Why, where it is not exact.
    """

    generator: str
    sample: str
    metric: str
    recorded: float | None
    here: float | None
    difference: float | None
    tolerance: float
    agreement: Agreement
    note: str = ""


@dataclass(frozen=True)
class Sampled:
    """Clips scored again.

    Attributes:
        rows: One a record.
        clips: How many clips were drawn.
        here: How many clips have their media here, to draw from.
        scored: How many the bundle has.
    """

    rows: Sequence[Rescored]
    clips: int
    here: int
    scored: int


Told = Callable[[int, int, str], None]


def rescore(
    path: Path,
    folders: Sequence[Path],
    count: int,
    seed: int,
    told: Told = lambda *_: None,
) -> Sampled:
    """Draw clips at random and score them anew.

    Args:
        path: A bundle whose chain holds.
        folders: Where videos and references are looked for, by content; videos in the bundle are
            found without.
        count: Clips to draw; all that are here if fewer.
        seed: Of the draw.
        told: Hears of progress.

    Raises:
        BundleError: It is damaged.
        UnusableInputError: Not one clip has its video and its reference here.
    """
    archive = Archive.open(path)
    head = Head.parse(archive.read("bundle.json"), str(path))
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        unpack(archive, head, root)
        records: dict[tuple[str, str], list[Record]] = {}
        for record in RecordLog(root / RECORDS).read():
            records.setdefault((record.generator, record.sample), []).append(record)
        wanted = {m.sha256 for m in head.media}
        wanted |= {r.reference_sha256 for rows in records.values() for r in rows}
        files = _by_content(folders, wanted)
        units = [m for m in head.media if _here(m, records, files)]
        if not units:
            looked = ", ".join(map(str, folders)) or "the bundle alone"
            raise UnusableInputError(
                f"no clip of {path} can be scored again: of none are both the video and the "
                f"reference in {looked}. Name the folders that hold them with --media"
            )
        drawn = random.Random(seed).sample(units, min(count, len(units)))  # noqa: S311
        rows: list[Rescored] = []
        for done, medium in enumerate(drawn, start=1):
            video = files.get(medium.sha256)
            if video is None:
                video = root / "again" / f"{medium.sha256}.mp4"
                archive.extract(medium.member, video)
            rows += _unit(root, medium, video, records[medium.generator, medium.sample], files)
            told(done, len(drawn), f"{medium.generator} · {medium.sample}")
        return Sampled(rows, len(drawn), len(units), len(head.media))


def _by_content(folders: Iterable[Path], wanted: set[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for folder in folders:
        paths = [folder] if folder.is_file() else sorted(folder.rglob("*"))
        for path in paths:
            if path.is_file() and (digest := file_sha256(path)) in wanted:
                found.setdefault(digest, path)
    return found


def _here(
    medium: Medium, records: Mapping[tuple[str, str], list[Record]], files: Mapping[str, Path]
) -> bool:
    if not medium.member and medium.sha256 not in files:
        return False
    rows = records.get((medium.generator, medium.sample), [])
    return bool(rows) and all(not r.reference_sha256 or r.reference_sha256 in files for r in rows)


def _unit(
    root: Path, medium: Medium, video: Path, records: Sequence[Record], files: Mapping[str, Path]
) -> Iterator[Rescored]:
    asked = [r for r in records if r.status in ("ok", "failed")]
    if not asked:
        return
    metrics = load_metrics([r.metric for r in asked])
    reference = asked[0].reference_sha256
    held_against = VideoFile(files[reference], reference) if reference else None
    with tempfile.TemporaryDirectory() as fresh:
        store = TrackStore(Path(fresh))
        outcomes = score_pair(
            VideoFile(video, medium.sha256), held_against, metrics, asked[0].every, store
        )
        for record, outcome in zip(asked, outcomes, strict=True):
            yield _compared(record, outcome, TrackStore(root), store)


def _compared(record: Record, outcome: Outcome, kept: TrackStore, fresh: TrackStore) -> Rescored:
    metric = outcome.metric
    tolerance = TOLERANCE.get(metric.spec.name.split("@", 1)[0], OF_NETWORKS)
    here = outcome.measurement.value if outcome.measurement else None
    difference: float | None = None
    agreement: Agreement = "differs"
    note = ""
    if metric.spec.version != record.metric_version:
        agreement = "not scored"
        note = f"recorded with version {record.metric_version}, {metric.spec.id} is installed"
    elif outcome.status == "unavailable":
        agreement, note = "not scored", outcome.reason
    elif outcome.status != record.status:
        note = f"recorded as {record.status}, here {outcome.status}: {outcome.reason or 'a value'}"
    elif record.status == "failed":
        agreement = "exact" if outcome.reason == record.reason else "within"
        note = "" if agreement == "exact" else f"fails here too: {outcome.reason}"
    elif metric.spec.per_clip:
        difference = _relative(here, record.value)
    else:
        difference = _of_features(metric, record, kept, fresh)
        note = "features"
    if difference is not None:
        within: Agreement = "within" if difference <= tolerance else "differs"
        agreement = "exact" if difference == 0 else within
    return Rescored(
        record.generator,
        record.sample,
        record.metric,
        record.value,
        here,
        difference,
        tolerance,
        agreement,
        note,
    )


def _relative(one: float | None, other: float | None) -> float:
    if one is None or other is None:
        return 0.0 if one is other else float("inf")
    if one == other:
        return 0.0
    return abs(one - other) / max(abs(other), 1e-9)


def _of_features(metric: Metric, record: Record, kept: TrackStore, fresh: TrackStore) -> float:
    sampling = Sampling(record.every, metric.spec.fps)
    videos = [record.generated_sha256]
    videos += [record.reference_sha256] if metric.spec.needs_reference else []
    worst = 0.0
    for video in videos:
        for extractor in metric.extractors:
            one, other = (kept_track(s, video, extractor, sampling) for s in (fresh, kept))
            if one is None or other is None or one.keys() != other.keys():
                return float("inf")
            for name in one:
                a, b = (np.asarray(x[name], dtype=np.float64) for x in (one, other))
                if a.shape != b.shape:
                    return float("inf")
                if a.size and not np.array_equal(a, b, equal_nan=True):
                    gap = np.nanmax(np.abs(a - b)) / max(float(np.nanmax(np.abs(b))), 1e-9)
                    worst = max(worst, float(gap) if np.isfinite(gap) else float("inf"))
    return worst
