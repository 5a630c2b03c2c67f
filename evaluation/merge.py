"""Shards put together: the run that one command would have made."""

from __future__ import annotations

import filecmp
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.engines.shards import SHARD, Shard, parse
from evaluation.events import EVENTS, Told
from evaluation.folder_lock import holder
from evaluation.manifest import MANIFEST, read_manifest
from evaluation.plan import UnusableInputError
from evaluation.records import Record, RecordLog, RecordsError
from evaluation.run import RECORDS
from evaluation.store import write_json

_KEPT = ("videos", "tracks", "values")
_SAME = ("suite", "every", "seed", "limit", "whole")
_PARTS = ("generators", "metrics", "samples")
_HERE = {"samples": ("speaker", "audio")}
"""What must agree of a part; of a sample not the paths, which are the machine's."""


@dataclass(frozen=True)
class Merged:
    """What came of it.

    Attributes:
        records: In all.
        missing: What is not there, in words; empty where the run is whole.
        remarks: What to know: other packages, features that differ between machines.
    """

    records: int
    missing: tuple[str, ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class _Part:
    """A shard's folder as it was read."""

    folder: Path
    shard: Shard
    manifest: Mapping[str, Any]
    records: Sequence[Record]


def shards_in(folders: Sequence[Path]) -> list[Path]:
    """Folders of runs: those given, and those in a given folder that is none itself."""
    found = []
    for folder in folders:
        inside = sorted(p.parent for p in folder.glob(f"*/{MANIFEST}"))
        found += inside if inside and not (folder / MANIFEST).exists() else [folder]
    return found


def merge(
    folders: Sequence[Path],
    root: Path,
    *,
    incomplete: bool = False,
    told: Told = lambda *_: None,
) -> Merged:
    """Put shards together in a new folder; they stay as they are.

    Files are linked where the file system can, and copied elsewhere.

    Args:
        folders: In any order.
        root: Not there yet, or empty.
        incomplete: Take what there is: the report then says what is missing.
        told: Hears of progress over shards.

    Raises:
        UnusableInputError: They are not the shards of one run, or not all of them.
        RecordsError: A folder holds no run, or its files are damaged.
    """
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise UnusableInputError(f"{root} is there already; merge into a new folder")
    parts = sorted(map(_read, folders), key=lambda p: (p.shard.number, str(p.folder)))
    if not parts:
        raise UnusableInputError("no shards were named")
    first = parts[0]
    for other in parts[1:]:
        _check_same(first, other)
    records = _together(parts)
    missing = tuple(_missing(parts, records))
    if missing and not incomplete:
        raise UnusableInputError(
            f"{'; '.join(missing)}. Finish them with the same commands, or merge what there is "
            "with --incomplete"
        )
    building = root.with_name(f".{root.name}-merging")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    try:
        remarks = [*_other_packages(parts), *_bring(parts, building, told)]
        RecordLog(building / RECORDS).append(records.values())
        write_json(building / MANIFEST, _manifest(parts, missing))
        with suppress(FileNotFoundError):
            root.rmdir()
        building.rename(root)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return Merged(len(records), missing, tuple(remarks))


def _read(folder: Path) -> _Part:
    manifest = read_manifest(folder / MANIFEST)
    if SHARD not in manifest["settings"]:
        raise UnusableInputError(
            f"{folder} is no shard but a whole run. Shards are made with --shard I/N"
        )
    held = holder(folder)
    if held is not None and held.alive:
        raise UnusableInputError(
            f"{folder} is being written by {held}; merge when it has ended. See: talkbench status"
        )
    shard = parse(manifest["settings"][SHARD], {})
    return _Part(folder, shard, manifest, RecordLog(folder / RECORDS).read(stages=True))


def _check_same(one: _Part, other: _Part) -> None:
    """That two are of one run.

    Raises:
        UnusableInputError: They are not; says in what they differ.
    """
    a, b = _question(one), _question(other)
    for key in dict.fromkeys([*a, *b]):
        if a.get(key) != b.get(key):
            said, then = (_short(found.get(key)) for found in (a, b))
            raise UnusableInputError(
                f"{one.folder} and {other.folder} are not shards of one run: {key} is "
                f"{said} in the first and {then} in the other"
            )


def _question(part: _Part) -> dict[str, Any]:
    """What all shards of a run share."""
    manifest = part.manifest
    settings = {f"setting {k}": v for k, v in manifest["settings"].items() if k != SHARD}
    found = settings | {key: manifest.get(key) for key in _SAME}
    found["suite"] = manifest["suite"].get("id")
    found["definition of the suite"] = manifest["suite"]
    found["number of shards"] = part.shard.of
    found["talkbench"] = manifest["environment"].get("packages", {}).get("talkbench")
    for what in _PARTS:
        found[f"list of {what}"] = list(manifest[what])
        for name, content in manifest[what].items():
            keys = _HERE.get(what, content)
            found[f"{what[:-1]} {name}"] = {k: content.get(k) for k in keys}
    return found


def _short(value: Any) -> str:  # noqa: ANN401 - JSON
    text = repr(value)
    return text if len(text) <= 200 else text[:197] + "..."


def _together(parts: Sequence[_Part]) -> dict[tuple[str, str, str], Record]:
    """One record for every cell.

    Raises:
        RecordsError: Two shards have different ones.
    """
    found: dict[tuple[str, str, str], tuple[Record, _Part]] = {}
    for part in parts:
        for record in part.records:
            before = found.get(record.cell)
            if before is None or before[0].status == "unavailable":
                found[record.cell] = record, part
            elif record.status != "unavailable" and not _agree(before[0], record):
                raise RecordsError(
                    f"{before[1].folder} and {part.folder} contradict each other about "
                    f"{' · '.join(record.cell)}: {_said(before[0])} and {_said(record)}. "
                    "Leave out the one that is wrong"
                )
    return {cell: record for cell, (record, _) in found.items()}


def _agree(one: Record, other: Record) -> bool:
    same = (one.value, one.status, one.reason, one.frames, one.notes)
    return one.answers(other) and same == (
        *(other.value, other.status, other.reason, other.frames, other.notes),
    )


def _said(record: Record) -> str:
    return f"{record.status} {record.value if record.status == 'ok' else record.reason}"


def _missing(
    parts: Sequence[_Part], records: Mapping[tuple[str, str, str], Record]
) -> Iterator[str]:
    """Shards that were not given, and what those that were given have not computed."""
    of, manifest = parts[0].shard.of, parts[0].manifest
    there = {p.shard.number: p for p in parts}
    absent = [str(n) for n in range(1, of + 1) if n not in there]
    if absent:
        word = "shard" if len(absent) == 1 else "shards"
        yield f"{word} {', '.join(absent)} of {of} {'is' if len(absent) == 1 else 'are'} missing"
    names, ids = list(manifest["generators"]), list(manifest["samples"])
    for number, part in there.items():
        wanted = [
            (g, s, m)
            for g, s in Shard(number, of).of_names(names, ids)
            for m in manifest["metrics"]
        ]
        lacking = [cell for cell in wanted if cell not in records]
        if lacking:
            yield (
                f"{part.folder} (shard {part.shard}) is not finished: {len(lacking)} of "
                f"{len(wanted)} records are not there"
            )


def _other_packages(parts: Sequence[_Part]) -> Iterator[str]:
    """Where shards were computed with something else than the first."""
    first = parts[0].manifest["environment"]
    for part in parts[1:]:
        here = part.manifest["environment"]
        a, b = ({"git": e.get("git"), **e.get("packages", {})} for e in (first, here))
        differ = [
            f"{k} {a.get(k)} / {b.get(k)}"
            for k in sorted(a.keys() | b.keys())
            if a.get(k) != b.get(k)
        ]
        if differ:
            yield f"{parts[0].folder} and {part.folder} were computed with {', '.join(differ)}"


def _bring(parts: Sequence[_Part], root: Path, told: Told) -> Iterator[str]:
    """Link or copy what shards keep beside their records; of two of a name the first shard's."""
    other = 0
    for number, part in enumerate(parts):
        told(number, len(parts), f"files of {part.folder}")
        for kind in _KEPT:
            for path in sorted((part.folder / kind).rglob("*")):
                if not path.is_file():
                    continue
                target = root / path.relative_to(part.folder)
                if target.exists():
                    other += kind == "tracks" and not filecmp.cmp(path, target, shallow=False)
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                try:
                    os.link(path, target)
                except OSError:
                    shutil.copy2(path, target)
        events = part.folder / EVENTS
        if events.exists():
            with (root / EVENTS).open("ab") as file:
                file.write(events.read_bytes())
    if other:
        yield (
            f"{other} features of videos that several shards read differ between them: their "
            "machines do not compute alike. Those of the first shard are taken"
        )


def _manifest(parts: Sequence[_Part], missing: Sequence[str]) -> dict[str, Any]:
    first = parts[0].manifest
    commands = [c for p in parts for c in p.manifest["commands"]]
    shards = [
        {
            SHARD: str(p.shard),
            "folder": p.folder.name,
            "records": len(p.records),
            "environment": p.manifest["environment"],
        }
        for p in parts
    ]
    return {
        **first,
        "settings": {k: v for k, v in first["settings"].items() if k != SHARD},
        "commands": sorted(commands, key=lambda c: str(c.get("at"))),
        "merged": {"shards": shards, "missing": list(missing)},
    }
