"""How small a gap says nothing: the noise floors of a certificate, where it speaks of a run's data.

A certificate (``talkbench certify``) is measured with certain cards on certain clips. Here it is
held against a run: what it says of other versions, other frames or other clips is left out, and
said to be.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType
from typing import Any

from evaluation.json_form import Form, misfit
from evaluation.limits import parsed_json, text_of
from evaluation.records import Record, RecordsError
from metrics import MetricSpec

CERTIFICATE = "certificate.json"
CERTIFICATE_SCHEMA = 1

_FORM: Form = {
    "suite": str,
    "dataset": str,
    "every": int,
    "clips": {"*": dict},
    "cards": [{"gap_floor?": (dict, NoneType)}],
}


@dataclass(frozen=True)
class Floors:
    """What a run's tables take from a certificate.

    Attributes:
        of: Card name -> gaps below this say nothing.
        clips: How many clips that was measured on.
        remarks: What of the certificate does not apply, and why.
    """

    of: Mapping[str, float] = field(default_factory=dict)
    clips: int = 0
    remarks: tuple[str, ...] = ()


NONE = Floors()


def read_certificate(path: Path) -> dict[str, Any]:
    """The content of a certificate.

    Raises:
        RecordsError: It is not there, or it is none.
    """
    try:
        content = parsed_json(text_of(path))
    except OSError as error:
        raise RecordsError(f"{path}: {error.strerror or error}") from error
    except ValueError as error:
        raise RecordsError(f"{path} is not readable: {error}") from error
    schema = content.get("schema") if isinstance(content, dict) else None
    if schema != CERTIFICATE_SCHEMA:
        raise RecordsError(
            f"{path}: certificate schema {schema!r}, this talkbench reads {CERTIFICATE_SCHEMA}; "
            "talkbench certify writes a new one"
        )
    wrong = misfit(content, _FORM)
    if wrong:
        raise RecordsError(f"{path} is no certificate, or a damaged one: {wrong}; certify again")
    return dict(content)


def floors(
    path: Path,
    manifest: Mapping[str, Any],
    records: Sequence[Record],
    cards: Iterable[MetricSpec],
) -> Floors:
    """The floors of the cards that a certificate and a run share.

    It applies to a run of the same suite, or another suite of the same data set, that scores the
    same frames, on at least one of its clips and on no other content under a clip's name; and to
    those cards whose version is the same.

    Raises:
        RecordsError: The certificate cannot be read.
    """
    content = read_certificate(path)
    beside = _why_beside(content, manifest, records)
    if beside:
        return Floors(remarks=(f"{path.name} is not used: it {beside}",))
    known = {str(card.get("name")): card for card in content["cards"]}
    found: dict[str, float] = {}
    other: list[str] = []
    without: list[str] = []
    for spec in cards:
        card = known.get(spec.name)
        if card is None or card.get("version") != spec.version:
            (without if card is None else other).append(spec.id)
            continue
        floor = (card.get("gap_floor") or {}).get("value")
        if isinstance(floor, int | float):
            found[spec.name] = float(floor)
        else:
            without.append(spec.id)
    remarks = []
    if other:
        remarks.append(f"{path.name} knows another version of {', '.join(other)}")
    if without:
        remarks.append(f"{path.name} has no noise floor of {', '.join(without)}")
    return Floors(found, len(content["clips"]), tuple(remarks))


def _why_beside(
    content: Mapping[str, Any], manifest: Mapping[str, Any], records: Sequence[Record]
) -> str:
    """Why a certificate says nothing about a run, or nothing."""
    suite = manifest["suite"]
    if content["suite"] != suite["id"] and content["dataset"] != suite.get("dataset"):
        return f"was measured on {content['suite']}, not on {suite['id']}"
    if content["every"] != manifest["every"]:
        return f"scored one frame in {content['every']}, this run one in {manifest['every']}"
    ours = {r.sample: r.reference_sha256 for r in records if r.reference_sha256}
    theirs = {i: c.get("reference_sha256") for i, c in content["clips"].items()}
    common = ours.keys() & theirs.keys()
    if not common or any(ours[i] != theirs[i] for i in common):
        return "was measured on other clips"
    return ""
