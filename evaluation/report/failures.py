"""What has no value and why, gathered by reason: fifty clips that fail alike are one line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from evaluation.records import Record
from evaluation.report.words import plain, printable

_FILE = re.compile(r"\S+\.(?:avi|mkv|mov|mp4|mpe?g|webm)\b", re.IGNORECASE)
_COUNT = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True)
class Place:
    """A clip, and the metrics that have no value on it."""

    generator: str
    sample: str
    metrics: tuple[str, ...]


@dataclass(frozen=True)
class Group:
    """Records that have no value for the same reason, up to file names and counts.

    Attributes:
        reason: As the first of them says it.
        status: Of the records.
        values: How many values are missing.
        places: Where, each clip once.
    """

    reason: str
    status: str
    values: int
    places: tuple[Place, ...]


def grouped_by_reason(records: Iterable[Record]) -> list[Group]:
    """The largest group first."""
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        groups.setdefault((record.status, _alike(record.reason)), []).append(record)
    found = [_group(members) for members in groups.values()]
    return sorted(found, key=lambda g: -g.values)


def _alike(reason: str) -> str:
    return _COUNT.sub("0", _FILE.sub("*", plain(reason)))


def _group(members: list[Record]) -> Group:
    texts = {plain(r.reason) for r in members}
    first = plain(members[0].reason) or "no reason was given"
    places: dict[tuple[str, str], list[str]] = {}
    for record in members:
        places.setdefault((record.generator, record.sample), []).append(record.metric)
    return Group(
        reason=first if len(texts) == 1 else f"{first} (and alike)",
        status=members[0].status,
        values=len(members),
        places=tuple(
            Place(printable(generator), printable(sample), tuple(map(printable, metrics)))
            for (generator, sample), metrics in places.items()
        ),
    )
