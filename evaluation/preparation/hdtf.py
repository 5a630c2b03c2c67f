"""HDTF: the authors' intervals and crops out of source videos, 512x512 at 25 frames a second.

A clip is done once its note is there; the same command goes on with the others, and every interval
has a line in the report.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from functools import partial
from pathlib import Path

from evaluation.datasets.folder import VIDEO_SUFFIXES, files_below
from evaluation.datasets.hdtf_annotations import Annotations, Clip, Oddity
from evaluation.folder_lock import writing
from evaluation.plan import UnusableInputError
from evaluation.preparation.download import download, downloader
from evaluation.preparation.hdtf_clip import VERSION, Line, known, line_of, prepare_clip, remember
from evaluation.store import write_atomically, write_json
from evaluation.workers import each

CRF = 18
"""Of x264: the finest of the changes that ``talkbench certify`` calls invisible."""

DATASET, REPORT, FINDINGS = "dataset.json", "report.csv", "findings.csv"

Told = Callable[[int, int, str], None]


@dataclass(frozen=True)
class _Job:
    """What a worker does with a clip and its source."""

    folder: Path
    crf: int

    def __call__(self, unit: tuple[Clip, Path]) -> Line:
        return prepare_clip(*unit, self.folder, self.crf)


def prepare(
    annotations: Annotations,
    videos: Path,
    folder: Path,
    *,
    crf: int = CRF,
    fetch: bool = False,
    workers: int = 1,
    retry_failed: bool = False,
    told: Told = lambda *_: None,
) -> list[Line]:
    """Prepare every clip whose source is there, and write the report.

    Clips that are done stay as they are, whether or not their source is still there. Sources that
    were missing are looked for again; clips that failed are tried again where their source has
    changed, or with ``retry_failed``.

    Args:
        annotations: The authors'.
        videos: Sources, named as the authors name them, with or without their subset (``RD_``).
        folder: For the clips, the report, and what the annotations' oddities are.
        crf: Of x264.
        fetch: Download missing sources with yt-dlp first.
        workers: Processes.
        retry_failed: Try failed clips again.
        told: Hears of progress.

    Returns:
        A line for every interval, as in the report.

    Raises:
        UnusableInputError: The folder holds other videos, or is being written; no yt-dlp.
        MachineError: The disk is full; what is done is safe.
    """
    command = downloader() if fetch else []
    if folder.resolve() == videos.resolve():
        raise UnusableInputError(f"{folder} holds the source videos; choose another folder with -o")
    if not fetch and not videos.is_dir():
        raise UnusableInputError(f"{videos} is not a folder")
    folder.mkdir(parents=True, exist_ok=True)
    with writing(folder):
        _check_same(folder, {"name": "hdtf", "version": VERSION, "crf": crf})
        for half in folder.glob(".*.mp4"):  # of a call that was killed
            half.unlink()
        write_atomically(folder / FINDINGS, partial(_write_rows, Oddity, annotations.oddities))
        lines: dict[str, Line] = {}
        todo: list[tuple[Clip, Path]] = []
        for clip, source, line in _sorted_out(
            annotations, videos, folder, command, retry_failed=retry_failed, told=told
        ):
            if source is not None:
                todo.append((clip, source))
            elif line is not None:
                lines[clip.id] = line
        doing = each(_Job(folder, crf), todo, workers, partial(_lost, folder))
        for done, ((clip, _), line) in enumerate(doing, start=1):
            lines[clip.id] = line
            told(done, len(todo), clip.id)
        report = [lines[clip.id] for clip in annotations.clips]
        write_atomically(folder / REPORT, partial(_write_rows, Line, report))
    return report


def _sorted_out(
    annotations: Annotations,
    videos: Path,
    folder: Path,
    command: list[str],
    *,
    retry_failed: bool,
    told: Told,
) -> Iterator[tuple[Clip, Path | None, Line | None]]:
    """Every clip with the source it is to be cut from, or with what became of it already."""
    sources = _sources(videos)
    dead: dict[str, str] = {}
    for number, clip in enumerate(annotations.clips):
        line = known(folder, clip, _named(clip, sources), retry_failed=retry_failed)
        if line is not None:
            yield clip, None, line
            continue
        if command and clip.source not in dead and not _named(clip, sources):
            told(number, len(annotations.clips), f"downloading {clip.source}")
            dead[clip.source] = _fetched(command, annotations, clip, videos)
            sources = _sources(videos)
        found = _named(clip, sources)
        if len(found) == 1:
            yield clip, found[0], None
        else:
            yield clip, None, _without_source(clip, videos, found, dead.get(clip.source, ""))


def _sources(videos: Path) -> dict[str, list[Path]]:
    """Video files below a folder by their name without ending."""
    found: dict[str, list[Path]] = {}
    if videos.is_dir():
        for path in sorted(files_below(videos)):
            if path.suffix.lower() in VIDEO_SUFFIXES and not path.name.startswith("."):
                found.setdefault(path.stem, []).append(path)
    return found


def _named(clip: Clip, sources: Mapping[str, list[Path]]) -> list[Path]:
    return sources.get(clip.source) or sources.get(clip.video) or []


def _fetched(command: list[str], annotations: Annotations, clip: Clip, videos: Path) -> str:
    url = annotations.urls.get(clip.source)
    if url is None:
        return "the authors give no address"
    return download(command, url, videos, clip.source, clip.resolution)


def _without_source(clip: Clip, videos: Path, found: Sequence[Path], dead: str) -> Line:
    if found:
        names = " and ".join(map(str, found))
        return line_of(clip, "failed", note=f"two videos could be {clip.source}: {names}; keep one")
    told = dead or f"{videos} has no video called {clip.video} or {clip.source}"
    return line_of(clip, "missing", note=told)


def _lost(folder: Path, unit: tuple[Clip, Path], reason: str) -> Line:
    clip, source = unit
    return remember(folder, clip, source, "failed", note=f"{source}: {reason}")


def _check_same(folder: Path, about: dict[str, object]) -> None:
    """One folder is of one kind, and nobody's videos are written over."""
    path = folder / DATASET
    if not path.is_file():
        others = sorted(p.name for p in folder.glob("*") if p.suffix.lower() in VIDEO_SUFFIXES)
        if others:
            raise UnusableInputError(
                f"{folder} holds videos that were not prepared here ({others[0]}, ...); "
                "choose another folder with -o"
            )
        write_json(path, about)
        return
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        other = [
            f"{k} {known.get(k)!r} and not {about[k]!r}" for k in about if known.get(k) != about[k]
        ]
    except (ValueError, AttributeError) as error:
        raise UnusableInputError(f"{path} is not readable: {error}") from error
    if other:
        raise UnusableInputError(
            f"{folder} was prepared with {', '.join(other)}; choose another folder with -o"
        )


def _write_rows(
    kind: type[Line] | type[Oddity], rows: Sequence[Line | Oddity], file: io.BufferedIOBase
) -> None:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow([f.name for f in fields(kind)])
    table.writerows(astuple(row) for row in rows)
    file.write(text.getvalue().encode(errors="replace"))
