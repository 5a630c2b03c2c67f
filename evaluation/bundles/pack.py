"""Pack a run: what counts of it, and the hashes of everything it rests on."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any

from evaluation.bundles.archive import BundleError, Content, write_archive
from evaluation.bundles.chain import (
    HEAD,
    Feature,
    Head,
    Medium,
    RecordHash,
    chained,
    sha256,
)
from evaluation.elsewhere.fetched import here, using
from evaluation.events import Told
from evaluation.floors import CERTIFICATE
from evaluation.generate import file_sha256, video_of
from evaluation.manifest import MANIFEST, read_manifest
from evaluation.reading import Sampling
from evaluation.records import Record, row_of
from evaluation.results import RESULTS, Results, build, write_results
from evaluation.run import RECORDS
from evaluation.store import TrackStore, safe_name


@dataclasses.dataclass(frozen=True)
class Packed:
    """What went into a bundle.

    Attributes:
        head: What it says about itself.
        unseen: Scored videos that are no longer where they were: their hashes are those recorded.
    """

    head: Head
    unseen: Sequence[str]


@using()
def pack(run: Path, out: Path, *, media: bool = False, told: Told = lambda *_: None) -> Packed:
    """Write a run's bundle; the same run gives the same bytes.

    Args:
        run: Folder of the run.
        out: File to write.
        media: Put the generated videos in, too. References never are.
        told: Hears of progress over videos.

    Raises:
        RecordsError: No run there, or damaged.
        BundleError: A video is not the one that was scored, or something needed is gone.
    """
    baseline = _baseline(run)
    results = build(run, baseline)
    members: dict[str, Content] = {
        MANIFEST: _json(_without_folders(read_manifest(run / MANIFEST))),
        RECORDS: b"".join(map(line_of, results.records)),
        RESULTS: _table(results),
    }
    if (run / CERTIFICATE).is_file():
        members[CERTIFICATE] = run / CERTIFICATE
    features = _features(run, results, members)
    videos, unseen = _media(run, results.records, members if media else None, told)
    files = {name: _hashed(content) for name, content in members.items()}
    records = [
        RecordHash(
            generator=r.generator, sample=r.sample, metric=r.metric, sha256=sha256(line_of(r))
        )
        for r in results.records
    ]
    head = Head(
        suite=str(results.manifest["suite"]["id"]),
        files=files,
        media=videos,
        features=features,
        records=records,
        links=chained(videos, features, records, files),
    )
    write_archive(out, members | {HEAD: head.text()})
    return Packed(head, unseen)


def line_of(record: Record) -> bytes:
    """A record's line."""
    return (json.dumps(row_of(record), allow_nan=False) + "\n").encode()


def _json(content: object) -> bytes:
    return (json.dumps(content, indent=2, allow_nan=False) + "\n").encode()


def _baseline(run: Path) -> str | None:
    """That of the table as it is, so that a bundle has the differences which were printed."""
    try:
        return str(json.loads((run / RESULTS).read_text(encoding="utf-8"))["baseline"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _table(results: Results) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        write_results(Path(folder), results)
        return (Path(folder) / RESULTS).read_bytes()


def _without_folders(manifest: dict[str, Any]) -> dict[str, Any]:
    """Where files lay is nobody's business: names of references stay, their folders go."""
    samples = {
        name: sample | {"reference": PurePath(sample["reference"]).name}
        if sample.get("reference")
        else sample
        for name, sample in manifest["samples"].items()
    }
    return manifest | {"samples": samples}


def _features(run: Path, results: Results, members: dict[str, Content]) -> list[Feature]:
    store, found = TrackStore(run), {}
    sets = {m.spec.name: m for m in results.metrics if not m.spec.per_clip}
    for record in results.records:
        metric = sets.get(record.metric)
        if metric is None or record.status != "ok":
            continue
        sampling = Sampling(record.every, metric.spec.fps)
        videos = [record.generated_sha256]
        videos += [record.reference_sha256] if metric.spec.needs_reference else []
        for video in videos:
            for extractor in metric.extractors:
                path = store.path_of(video, extractor.id, sampling.tag_of(extractor))
                if not path.is_file():
                    raise BundleError(
                        f"{run}: the kept features of {record.generator} on {record.sample} for "
                        f"{record.metric} are gone; give the command of the run again, then pack"
                    )
                name = path.relative_to(run).as_posix()
                members[name] = path
                found[name] = Feature(member=name, video=video)
    return [found[name] for name in sorted(found)]


def _media(
    run: Path, records: Sequence[Record], members: dict[str, Content] | None, told: Told
) -> tuple[list[Medium], list[str]]:
    scored: dict[tuple[str, str], str] = {}
    for record in records:
        if not record.generated_sha256:
            continue
        before = scored.setdefault((record.generator, record.sample), record.generated_sha256)
        if before != record.generated_sha256:
            raise BundleError(
                f"{run}: records of {record.generator} on {record.sample} are of two videos; give "
                "the command of the run again with all its metrics, then pack"
            )
    found, unseen = [], []
    for number, ((generator, sample), wanted) in enumerate(sorted(scored.items())):
        told(number, len(scored), f"{generator} · {sample}")
        path = video_of(run, generator, sample)
        where = f"{generator} on {sample}"
        if path is not None and file_sha256(path) != wanted:
            raise BundleError(
                f"{path} is not the video that was scored for {where}; give the command of the "
                "run again, then pack"
            )
        member = ""
        if path is None:
            unseen.append(where)
            if members is not None:
                raise BundleError(f"{run}: the video of {where} is gone, and --media wants it")
        elif members is not None:
            member = f"media/{safe_name(generator)}/{safe_name(sample)}.mp4"
            members[member] = here(path)
        size = path.stat().st_size if path is not None else 0
        found.append(
            Medium(generator=generator, sample=sample, sha256=wanted, bytes=size, member=member)
        )
    return found, unseen


def _hashed(content: Content) -> dict[str, Any]:
    if isinstance(content, bytes):
        return {"sha256": sha256(content), "bytes": len(content)}
    return {"sha256": file_sha256(content), "bytes": content.stat().st_size}
