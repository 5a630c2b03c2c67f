"""What others printed with weights that cannot be shipped: to be checked by whoever has them."""

from __future__ import annotations

from dataclasses import dataclass

from evaluation.calibration.compare import Row
from evaluation.events import Told
from evaluation.generate import file_sha256
from evaluation.reading import VideoFile
from evaluation.registry import load_metrics
from evaluation.score_pair import score_pair
from evaluation.store import TrackStore
from metrics.assets import find, lookup

TOLERANCE = 0.06
"""Published values of one file differ by as much from one stack to the next."""


@dataclass(frozen=True)
class KnownAnswer:
    """A published SyncNet result.

    Attributes:
        asset: The file, by its name in the asset table.
        protocol: Of ours, the one that comes nearest to how it was made.
        offset: Frames, signed.
        confidence: LSE-C.
        distance: LSE-D.
        source: Who printed it.
    """

    asset: str
    protocol: str
    offset: int
    confidence: float
    distance: float
    source: str


KNOWN_ANSWERS = (
    KnownAnswer("clip-syncnet-example", "wav2lip-lrs", 3, 10.021, 5.353, "syncnet_python, README"),
    KnownAnswer("clip-syncnet-example", "wav2lip-lrs", 3, 10.081, 5.348, "MoChaBench, a comment"),
    KnownAnswer("clip-syncnet-example", "syncnet-python", 2, 9.238, 7.093, "its issue 8"),
    KnownAnswer("clip-singer", "syncnet-python", 1, 4.529, 9.237, "syncnet-python 0.2.3, as MP4"),
    KnownAnswer("clip-singer", "syncnet-python", 1, 4.524, 9.291, "syncnet-python 0.2.2, as MP4"),
)


def known_rows(store: TrackStore, told: Told = lambda *_: None) -> list[Row]:
    """Three rows for each known answer: distance, confidence, offset."""
    rows = []
    for number, known in enumerate(KNOWN_ANSWERS):
        told(number, len(KNOWN_ANSWERS), f"{known.asset}, {known.protocol}")
        for family, answer, tolerance in (
            ("lse-d", known.distance, TOLERANCE),
            ("lse-c", known.confidence, TOLERANCE),
            ("av-offset", abs(known.offset), 1.0),
        ):
            rows.append(_row(known, f"{family}@{known.protocol}", answer, tolerance, store))
    return rows


def _row(known: KnownAnswer, card: str, answer: float, tolerance: float, store: TrackStore) -> Row:
    (metric,) = load_metrics([card])
    path = find(lookup(known.asset))
    if path is None:
        return Row(
            card=metric.spec.id,
            note=f"{known.asset} is not here. Run: talkbench assets get {known.asset}",
        )
    (outcome,) = score_pair(VideoFile(path, file_sha256(path)), None, [metric], 1, store)
    if outcome.measurement is None or outcome.measurement.value is None:
        return Row(card=metric.spec.id, call=known.source, note=outcome.reason)
    ours = outcome.measurement.value
    difference = abs(ours - answer)
    return Row(
        card=metric.spec.id,
        package=known.source,
        call=known.asset,
        ours=ours,
        theirs=answer,
        difference=difference,
        tolerance=tolerance,
        verdict="equal" if difference <= tolerance else "different",
        note="absolute difference; other containers and codecs on the way",
    )


def applies(card: str) -> bool:
    """Whether a card has a known answer."""
    family, _, protocol = card.partition("@")
    known = {answer.protocol for answer in KNOWN_ANSWERS}
    return family in ("lse-d", "lse-c", "av-offset") and protocol in known
