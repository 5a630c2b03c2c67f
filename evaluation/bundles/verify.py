"""Check a bundle: which link of its chain is broken, and at which file, record or cell."""

from __future__ import annotations

import json
import math
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any, Literal

from evaluation.bundles.archive import Archive, BundleError, check_arrays
from evaluation.bundles.chain import HEAD, LINKS, Head, RecordHash, chained, sha256
from evaluation.events import Told
from evaluation.floors import CERTIFICATE
from evaluation.manifest import MANIFEST
from evaluation.records import Record, RecordLog, RecordsError
from evaluation.registry import BrokenPluginError, UnknownNameError
from evaluation.results import RESULTS, build, write_results
from evaluation.run import RECORDS

Link = Literal["archive", "files", "media", "features", "records", "table"]

FEATURE_BYTES = 2 << 30
SAME = 1e-6
"""Relative difference up to which a derived number is the same: sums may have another order."""

_OWN = (MANIFEST, RECORDS, RESULTS, CERTIFICATE)
_FOLDERS = ("tracks/", "media/")


@dataclass(frozen=True)
class Break:
    """One thing that is not as the bundle says.

    Attributes:
        link: Of the chain.
        where: File, record or cell.
        what: Is wrong with it.
    """

    link: Link
    where: str
    what: str


@dataclass(frozen=True)
class Verified:
    """What a bundle is found to be.

    Attributes:
        path: The file.
        head: What it says about itself; None where even that is broken.
        breaks: In the order of the chain; empty for a sound bundle.
        unchecked: What could not be looked at here, and why.
    """

    path: Path
    head: Head | None
    breaks: Sequence[Break]
    unchecked: Sequence[str]

    @property
    def sound(self) -> bool:
        """Nothing is broken, and the table was derived again."""
        return not self.breaks and not self.unchecked


def verify(path: Path, told: Told = lambda *_: None) -> Verified:
    """Check archive, hashes, chain, and that the table follows from the records.

    Args:
        path: A bundle.
        told: Hears of progress over its files.

    Returns:
        Every break that was found; a broken archive ends the search at once.
    """
    try:
        archive = Archive.open(path)
        head = Head.parse(archive.read(HEAD), str(path))
    except BundleError as error:
        return Verified(path, None, [Break("archive", path.name, str(error))], [])
    breaks = list(_files(archive, head, told))
    spoilt = {b.where for b in breaks}
    for found in (_media(head), _features(archive, head, spoilt)):
        breaks += found
    records, more = _records(archive, head)
    breaks += more
    if not breaks:
        now = chained(head.media, head.features, head.records, head.files)
        wrong = next((name for name in LINKS if now[name] != head.links[name]), None)
        if wrong is not None:
            breaks.append(
                Break("files", HEAD, f"the hash of link {wrong!r} is not that of its parts")
            )
    unchecked: list[str] = []
    if records is not None and not any(b.link in ("files", "features") for b in breaks):
        more, unchecked = _derived(archive, head)
        breaks += more
    elif not any(b.link == "table" for b in breaks):
        unchecked.append("the table was not derived again: what it follows from is broken")
    return Verified(path, head, breaks, unchecked)


def unpack(archive: Archive, head: Head, root: Path) -> None:
    """A bundle as a run's folder, media left out.

    Raises:
        BundleError: A member is damaged.
    """
    for name in head.files:
        if name in archive.sizes and not name.startswith("media/"):
            archive.extract(name, root / name)


def _files(archive: Archive, head: Head, told: Told) -> Iterator[Break]:
    for name in sorted({MANIFEST, RECORDS, RESULTS} - head.files.keys()):
        yield Break("files", name, f"is not listed in {HEAD}")
    for name in sorted(archive.sizes.keys() - head.files.keys() - {HEAD}):
        yield Break("files", name, f"lies in the bundle and is not listed in {HEAD}")
    for number, (name, said) in enumerate(sorted(head.files.items())):
        told(number, len(head.files), name)
        if name not in _OWN and not name.startswith(_FOLDERS):
            yield Break("files", name, "is none of the files of a bundle")
        if name not in archive.sizes:
            yield Break("files", name, "is missing")
            continue
        try:
            found = archive.sha256(name)
        except BundleError as error:
            yield Break("files", name, str(error))
            continue
        if found != said["sha256"]:
            yield Break(_link_of(name), name, f"has sha256 {found[:12]}, not {said['sha256'][:12]}")


def _link_of(name: str) -> Link:
    top = name.split("/", 1)[0]
    known: Mapping[str, Link] = {
        "media": "media",
        "tracks": "features",
        RECORDS: "records",
        RESULTS: "table",
    }
    return known.get(top, "files")


def _media(head: Head) -> Iterator[Break]:
    for medium in head.media:
        where = f"{medium.generator} on {medium.sample}"
        listed = head.files.get(medium.member, {}).get("sha256", medium.sha256)
        if medium.member and medium.member not in head.files:
            yield Break("media", where, f"{medium.member} is not listed in {HEAD}")
        elif listed != medium.sha256:
            yield Break("media", where, f"{medium.member} is another video than was scored")


def _features(archive: Archive, head: Head, spoilt: set[str]) -> Iterator[Break]:
    listed = {f.member for f in head.features}
    for name in sorted(n for n in head.files if n.startswith("tracks/")):
        if name not in listed:
            yield Break("features", name, "belongs to no video")
    for feature in head.features:
        if feature.member not in archive.sizes or feature.member in spoilt:
            continue
        if not feature.member.startswith(f"tracks/{feature.video[:2]}/{feature.video}/"):
            yield Break("features", feature.member, f"is not in the folder of {feature.video[:12]}")
        try:
            problem = check_arrays(archive.read(feature.member, FEATURE_BYTES))
        except BundleError as error:
            problem = str(error)
        if problem:
            yield Break("features", feature.member, f"is no plain .npz: {problem}")


def _records(archive: Archive, head: Head) -> tuple[list[Record] | None, list[Break]]:
    try:
        content = archive.read(RECORDS)
    except BundleError as error:
        return None, [Break("records", RECORDS, str(error))]
    breaks: list[Break] = []
    lines = content.split(b"\n")
    if lines.pop():
        breaks.append(Break("records", RECORDS, "its last line is cut short"))
    records: list[Record] = []
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / RECORDS
            path.write_bytes(content)
            records = RecordLog(path).read()
    except (RecordsError, RecursionError) as error:
        breaks.append(Break("records", RECORDS, str(error)))
    found = [
        RecordHash(generator=g, sample=s, metric=m, sha256=sha256(line + b"\n"))
        for line in lines
        for g, s, m in [_cell(line)]
    ]
    breaks += _held_against(found, head.records)
    media = {(m.generator, m.sample): m.sha256 for m in head.media}
    videos = {f.video for f in head.features}
    for record in records:
        if record.generated_sha256 != media.get((record.generator, record.sample), ""):
            where = f"{record.generator} on {record.sample}, {record.metric}"
            said = record.generated_sha256[:12] or "no video"
            breaks.append(Break("records", where, f"is of {said}, which is not the chain's video"))
    known = {r.generated_sha256 for r in records} | {r.reference_sha256 for r in records}
    breaks += [
        Break("features", f.member, "was read off a video that no record is of")
        for f in head.features
        if f.video in videos - known
    ]
    return records, breaks


def _cell(line: bytes) -> tuple[str, str, str]:
    try:
        row = json.loads(line)
        return str(row["generator"]), str(row["sample"]), str(row["metric"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return "?", "?", "?"


def _held_against(found: Sequence[RecordHash], said: Sequence[RecordHash]) -> list[Break]:
    """Records changed, missing, new, doubled, or in another order."""
    breaks = []
    for cell, times in Counter(r.cell for r in found).items():
        if times > 1:
            breaks.append(Break("records", cell, f"is there {times} times"))
    now, then = ({r.cell: r.sha256 for r in rows} for rows in (found, said))
    for cell, digest in then.items():
        if cell not in now:
            breaks.append(Break("records", cell, "is missing"))
        elif now[cell] != digest:
            breaks.append(Break("records", cell, "was changed after it was packed"))
    breaks += [Break("records", cell, "is not in the chain") for cell in now if cell not in then]
    if not breaks:
        for number, (one, other) in enumerate(zip(found, said, strict=True), start=1):
            if one.cell != other.cell:
                breaks.append(
                    Break("records", one.cell, f"stands in line {number}, where {other.cell} was")
                )
                break
    return breaks


def _derived(archive: Archive, head: Head) -> tuple[list[Break], list[str]]:
    """The table from the records again."""
    try:
        table = json.loads(archive.read(RESULTS))
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            unpack(archive, head, root)
            write_results(root, build(root, table["baseline"]))
            again = json.loads((root / RESULTS).read_text(encoding="utf-8"))
    except (UnknownNameError, BrokenPluginError) as error:
        return [], [f"the table was not derived again: {error}"]
    except Exception as error:  # noqa: BLE001 - a stranger's files may be anything
        said = f"cannot be derived from the records: {type(error).__name__}: {error}"
        return [Break("table", RESULTS, said[:400])], []
    return list(_differences(again, table)), []


def _differences(again: Mapping[str, Any], table: Any) -> Iterator[Break]:  # noqa: ANN401
    if not isinstance(table, dict):
        yield Break("table", RESULTS, "is no table")
        return
    for key in sorted(again.keys() | table.keys()):
        if key in ("estimates", "differences", "rankings"):
            one, other = (_by_cell(x.get(key)) for x in (again, table))
            for cell in sorted(one.keys() | other.keys()):
                yield from _cells(cell, one.get(cell), other.get(cell))
            if list(one) != list(other) and one.keys() == other.keys():
                yield Break("table", key, "stand in another order")
        elif not same(again.get(key), table.get(key)):
            yield Break(
                "table", key, f"is {table.get(key)!r:.80}, the records say {again.get(key)!r:.80}"
            )


def _by_cell(rows: object) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, dict):
            name = f"{row.get('generator', 'ranks')}, {row.get('metric')}"
            if "baseline" in row:
                name = f"{row.get('generator')} against {row['baseline']}, {row.get('metric')}"
            found[name] = row
    return found


def _cells(
    cell: str, one: Mapping[str, Any] | None, other: Mapping[str, Any] | None
) -> Iterator[Break]:
    if one is None or other is None:
        yield Break(
            "table", cell, "is not derived from any record" if one is None else "is missing"
        )
        return
    for key in sorted(one.keys() | other.keys()):
        if not same(one.get(key), other.get(key)):
            said, derived = other.get(key), one.get(key)
            yield Break("table", cell, f"{key} is {said!r:.60}, the records give {derived!r:.60}")


def same(one: object, other: object, within: float = SAME) -> bool:
    """Equal, or alike but for numbers with a relative difference up to ``within``."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(one[k], other[k], within) for k in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other, repeat(within)))
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=within, abs_tol=1e-12)
    return one == other
