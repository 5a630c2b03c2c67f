"""What a bundle says about itself: ``bundle.json``, and the hashes that chain its links.

Each link is the hash of what it holds and of the link before: media, features read off them,
records, and the table that follows from these. The last one names the bundle. Whoever changes
something must change all that follows; whoever changes all of it is found by scoring the media.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeVar

from evaluation.bundles.archive import BundleError

SCHEMA = 1
HEAD = "bundle.json"
LINKS = ("media", "features", "records", "table")

_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class Medium:
    """A generated video.

    Attributes:
        generator: Row.
        sample: Id.
        sha256: Of the scored file.
        bytes: Its size.
        member: Where it lies in the bundle, empty where the bundle is without media.
    """

    generator: str
    sample: str
    sha256: str
    bytes: int
    member: str = ""


@dataclass(frozen=True, kw_only=True)
class Feature:
    """A track that a set metric is made of: ``member``, read off the video of that ``sha256``."""

    member: str
    video: str


@dataclass(frozen=True, kw_only=True)
class RecordHash:
    """A cell, and the hash of its line."""

    generator: str
    sample: str
    metric: str
    sha256: str

    @property
    def cell(self) -> str:
        """``wav2lip on RD_Radio8_000, psnr``."""
        return f"{self.generator} on {self.sample}, {self.metric}"


@dataclass(frozen=True, kw_only=True)
class Head:
    """``bundle.json``.

    Attributes:
        suite: ``name/version``.
        files: Member -> sha256 and bytes, of all but this one.
        media: Videos that were scored.
        features: Tracks that set metrics are made of.
        records: Hashes of the lines, in their order.
        links: Link -> hash.
    """

    suite: str
    files: Mapping[str, Mapping[str, Any]]
    media: Sequence[Medium]
    features: Sequence[Feature]
    records: Sequence[RecordHash]
    links: Mapping[str, str]

    @property
    def id(self) -> str:
        """The last link: names the submission."""
        return self.links["table"]

    def text(self) -> bytes:
        """As written."""
        content = {"schema": SCHEMA, **asdict(self)}
        return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()

    @classmethod
    def parse(cls, content: bytes, where: str) -> Head:
        """Read it.

        Raises:
            BundleError: Names what is wrong.
        """
        try:
            raw = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise BundleError(f"{where}: {HEAD} is not JSON ({error})") from error
        if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
            found = raw.get("schema") if isinstance(raw, dict) else raw
            raise BundleError(
                f"{where}: {HEAD} has schema {found!r}, this talkbench reads {SCHEMA}"
            )
        try:
            head = cls(
                suite=_text(raw["suite"]),
                files={
                    _text(name): {"sha256": _hash(x["sha256"]), "bytes": _count(x["bytes"])}
                    for name, x in raw["files"].items()
                },
                media=[_row(Medium, x) for x in raw["media"]],
                features=[_row(Feature, x) for x in raw["features"]],
                records=[_row(RecordHash, x) for x in raw["records"]],
                links={name: _hash(raw["links"][name]) for name in LINKS},
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            said = f"{type(error).__name__}: {error}"[:300]
            raise BundleError(f"{where}: {HEAD} is not as it should be ({said})") from error
        return head


_Row = TypeVar("_Row", Medium, Feature, RecordHash)


def _row(kind: type[_Row], raw: Mapping[str, Any]) -> _Row:
    values: dict[str, Any] = {}
    for field in fields(kind):
        value = raw[field.name]
        if field.name == "sha256":
            value = _hash(value)
        values[field.name] = _count(value) if field.name == "bytes" else _text(value)
    return kind(**values)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.80} is no text")
    return value


def _hash(value: object) -> str:
    if not isinstance(value, str) or not _HEX.fullmatch(value):
        raise ValueError(f"{value!r:.80} is no sha256")
    return value


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r:.80} is no size")
    return value


def sha256(content: bytes) -> str:
    """Lower-case hex."""
    return hashlib.sha256(content).hexdigest()


def chained(
    media: Iterable[Medium],
    features: Iterable[Feature],
    records: Iterable[RecordHash],
    files: Mapping[str, Mapping[str, Any]],
) -> dict[str, str]:
    """The links.

    Args:
        media: In any order.
        features: In any order.
        records: In the order of their lines, which counts.
        files: Hashes of the members; those of features, ``run.json`` and ``results.json`` count.
    """
    parts: dict[str, list[list[str]]] = {
        "media": sorted([m.generator, m.sample, m.sha256] for m in media),
        "features": sorted([f.video, f.member, _of(files, f.member)] for f in features),
        "records": [[_of(files, "run.json")], *([r.cell, r.sha256] for r in records)],
        "table": [
            [name, _of(files, name)]
            for name in ("results.json", "certificate.json")
            if name in files
        ],
    }
    before, links = "", {}
    for name in LINKS:
        before = sha256(json.dumps([before, parts[name]]).encode())
        links[name] = before
    return links


def _of(files: Mapping[str, Mapping[str, Any]], member: str) -> str:
    return str(files.get(member, {}).get("sha256", ""))
