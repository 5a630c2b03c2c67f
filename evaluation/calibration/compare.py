"""Ours, theirs, and the difference, card by card."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from evaluation.calibration.official import BY_CARD, Official
from evaluation.calibration.packages import NotInstalledError
from evaluation.environment import describe
from evaluation.generate import file_sha256
from evaluation.reading import VideoFile
from evaluation.score_pair import score_pair
from evaluation.store import TrackStore, write_json
from evaluation.video import FrameReader
from metrics import Frames, Metric, UnscorableError

SCHEMA = 1

Verdict = Literal["equal", "different", "not compared"]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One card.

    Attributes:
        card: ``name/version``.
        package: Official package with its version, empty where none is known.
        call: What of it was called.
        ours: Our number over the frames.
        theirs: The package's.
        difference: ``|ours - theirs|``, over ``|theirs|`` where that is not 0.
        tolerance: Largest difference that is the same number.
        verdict: ``equal`` within the tolerance, ``different``, or ``not compared``.
        note: Why there is a difference, or no comparison.
        our_seconds: Decoding included.
        their_seconds: The call on decoded frames.
    """

    card: str
    package: str = ""
    call: str = ""
    ours: float | None = None
    theirs: float | None = None
    difference: float | None = None
    tolerance: float | None = None
    verdict: Verdict = "not compared"
    note: str = ""
    our_seconds: float | None = None
    their_seconds: float | None = None


def compare(
    metrics: Sequence[Metric],
    generated: Path,
    reference: Path,
    every: int,
    folder: Path,
    told: Callable[[int, int, str], None] = lambda *_: None,
) -> list[Row]:
    """One row per card that has an official implementation, and one per card that has none.

    Args:
        metrics: Cards.
        generated: Video.
        reference: Video of the same length and size.
        every: Frames 0, N, 2N, ... are compared.
        folder: For tracks; may be empty.
        told: Hears of progress.
    """
    store = TrackStore(folder)
    sides = [VideoFile(p, file_sha256(p)) for p in (generated, reference)]
    frames = [np.concatenate(list(FrameReader(p, every))) for p in (generated, reference)]
    rows = []
    for number, metric in enumerate(metrics):
        told(number, len(metrics), metric.spec.name)
        theirs = BY_CARD.get(metric.spec.name)
        if theirs is None:
            rows.append(Row(card=metric.spec.id, note="no official package computes it"))
            continue
        rows.append(_row(metric, theirs, sides, frames, every, store))
    return rows


def _row(
    metric: Metric,
    official: Official,
    sides: Sequence[VideoFile],
    frames: Sequence[Frames],
    every: int,
    store: TrackStore,
) -> Row:
    card, version = metric.spec.id, official.version
    if not version:
        return Row(
            card=card,
            call=official.call,
            note=f"{official.package} is not installed: pip install 'talkbench[reference]'",
        )
    start = time.perf_counter()
    (outcome,) = score_pair(sides[0], sides[1], [metric], every, store)
    our_seconds = time.perf_counter() - start
    if outcome.measurement is None:
        return Row(card=card, package=version, call=official.call, note=outcome.reason)
    try:
        ours = metric.aggregate([outcome.measurement])
    except UnscorableError as error:
        return Row(card=card, package=version, call=official.call, note=str(error))
    start = time.perf_counter()
    try:
        theirs = official.compute(*frames)
    except NotInstalledError as error:
        return Row(card=card, call=official.call, note=str(error))
    except Exception as error:  # noqa: BLE001 - a foreign package may raise anything
        note = f"the package failed: {type(error).__name__}: {error}"
        return Row(card=card, package=version, call=official.call, ours=ours, note=note)
    their_seconds = time.perf_counter() - start
    difference = abs(ours - theirs) / (abs(theirs) or 1.0)
    equal = difference <= official.tolerance
    return Row(
        card=card,
        package=version,
        call=official.call,
        ours=ours,
        theirs=theirs,
        difference=difference,
        tolerance=official.tolerance,
        verdict="equal" if equal else "different",
        note=official.why,
        our_seconds=round(our_seconds, 3),
        their_seconds=round(their_seconds, 3),
    )


def write(path: Path, rows: Sequence[Row], settings: dict[str, object]) -> None:
    """The table with what it was made of, as JSON."""
    write_json(
        path,
        {
            "schema": SCHEMA,
            "settings": settings,
            "environment": describe(),
            "rows": [asdict(r) for r in rows],
        },
    )
