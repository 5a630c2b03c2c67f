"""What the page needs of one clip: its tiles, its mouths, its values per frame."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.elsewhere.fetched import here
from evaluation.elsewhere.mirror import find
from evaluation.elsewhere.remote import UnreachableError
from evaluation.generate import file_sha256, is_there, video_of
from evaluation.records import Record
from evaluation.report.layout import Column, Layout
from evaluation.report.page.curves import Curve, CurveReader
from evaluation.report.page.mouths import MouthTrack, mouth_track
from evaluation.report.page.proxy import Source, Tile, proxy_of
from evaluation.report.words import plain
from evaluation.results import Results
from evaluation.store import TrackStore, ValueStore
from evaluation.video import VideoError, probe

REFERENCE = "reference"
_DIGITS = 5  # significant: lines and labels show fewer


class ClipReader:
    """Gathers clips of one run.

    Args:
        root: Folder of the run.
        results: Its numbers.
        layout: How they read.
    """

    def __init__(self, root: Path, results: Results, layout: Layout) -> None:
        self._root = root
        self._layout = layout
        self._samples: Mapping[str, Any] = results.manifest["samples"]
        self._every = int(results.manifest["every"])
        self._tracks = TrackStore(root)
        self._curves = CurveReader(results, ValueStore(root), self._tracks)
        self._records: dict[str, list[Record]] = {}
        for record in results.records:
            self._records.setdefault(record.sample, []).append(record)

    def read(self, sample: str, proxies: Path | None) -> dict[str, Any]:
        """One clip as JSON, and its proxy (made where ``proxies`` is a folder)."""
        records = self._records.get(sample, [])
        sources = self._sources(sample, records)
        proxy = None if proxies is None else proxy_of(sources, proxies)
        if proxy is None:
            frames, fps = self._declared(sources)
            tiles = []
        else:
            frames, fps = {t.key: t.frames for t in proxy.tiles}, proxy.fps
            tiles = [self._tile(t, s) for t, s in zip(proxy.tiles, sources, strict=True)]
        rows = {r.key: i for i, r in enumerate(self._layout.rows)}
        content: dict[str, Any] = {
            "fps": fps,
            "frames": proxy.frames if proxy else max(frames.values(), default=0),
            "files": list(proxy.files) if proxy else [],
            "sounds": list(proxy.sounds) if proxy else [],
            "tiles": tiles,
            "curves": [
                c for column in self._layout.columns if (c := self._lines(column, records, frames,
                                                                          fps, rows))
            ],
        }  # fmt: skip
        openings = self._openings(sources, rows)
        if openings:
            content["curves"].append(openings)
        return content

    def _sources(self, sample: str, records: Sequence[Record]) -> list[Source]:
        """The ground truth first, then every row; the reference's own row is the ground truth."""
        reference = self._samples[sample].get("reference")
        known = find(reference) if reference else None
        sources = []
        truth = next((r.key for r in self._layout.rows if r.kind == "reference"), REFERENCE)
        if known is not None:
            hashes = {r.reference_sha256 for r in records}
            sources.append(_source(truth, known, hashes, "video not found"))
        for row in self._layout.rows:
            if known is not None and row.key == truth:
                continue
            path = video_of(self._root, row.key, sample)
            hashes = {r.generated_sha256 for r in records if r.generator == row.key}
            sources.append(_source(row.key, path, hashes, _why_missing(records, row.key)))
        return sources

    def _declared(self, sources: Sequence[Source]) -> tuple[dict[str, int], float]:
        """Without a player: frames as headers say them."""
        frames, fps = {}, 0.0
        for source in sources:
            try:
                info = None if source.path is None else probe(source.path)
            except VideoError:
                info = None
            if info is not None:
                frames[source.key] = info.declared_frames or 0
                fps = fps or float(info.fps)
        return frames, fps or 25.0

    def _tile(self, tile: Tile, source: Source) -> dict[str, Any]:
        rows = {r.key: i for i, r in enumerate(self._layout.rows)}
        place = tile.place
        content: dict[str, Any] = {
            "row": rows.get(tile.key, -1),
            "at": [place.x, place.y, place.width, place.height] if place else None,
            "size": list(tile.size),
            "frames": tile.frames,
            "fps": round(tile.fps, 4),
            "sound": tile.sound,
            "problem": tile.problem,
        }
        mouth = self._mouth(source, tile.size, tile.fps) if place else None
        if mouth is not None:
            content["mouth"] = {
                "seen": mouth.seen,
                "every": mouth.every,
                "side": round(mouth.side, 4),
                "x": _short(mouth.x, 4),
                "y": _short(mouth.y, 4),
            }
        return content

    def _mouth(self, source: Source, size: tuple[int, int], fps: float) -> MouthTrack | None:
        if source.path is None:
            return None
        return mouth_track(self._tracks, file_sha256(source.path), self._every, size, fps)

    def _lines(
        self,
        column: Column,
        records: Sequence[Record],
        frames: Mapping[str, int],
        fps: float,
        rows: Mapping[str, int],
    ) -> dict[str, Any] | None:
        here = {r.generator: r for r in records if r.metric == column.spec.name}
        found = self._curves.read(column, here, frames, fps)
        if not found.of and not found.unplaced:
            return None
        return {
            "column": self._layout.columns.index(column),
            "lines": [_line(rows[n], found.of[n]) for n in sorted(found.of, key=lambda n: rows[n])],
            "unplaced": [rows[name] for name in found.unplaced],
        }

    def _openings(
        self, sources: Sequence[Source], rows: Mapping[str, int]
    ) -> dict[str, Any] | None:
        """How far every mouth is open, where the mesh of its face is kept: no card's value."""
        lines = []
        for source in sources:
            try:
                info = None if source.path is None else probe(source.path)
            except VideoError:
                continue
            if info is None:
                continue
            mouth = self._mouth(source, (info.width, info.height), float(info.fps))
            if mouth is not None and mouth.opening is not None and mouth.opening.size > 1:
                at = np.arange(mouth.opening.size) * mouth.every
                lines.append(_line(rows.get(source.key, -1), Curve(at, mouth.opening)))
        if not lines:
            return None
        return {"column": -1, "title": "Lip opening", "decimals": 3, "lines": lines, "unplaced": []}


def _source(key: str, path: Path | None, scored: Set[str], missing: str) -> Source:
    """A video; one that lies elsewhere is fetched, and where it cannot be, the tile says so."""
    if path is None:
        return Source(key, None, missing)
    try:
        why = _why_not_shown(path, scored)
        return Source(key, None if why else here(path), why)
    except UnreachableError as error:
        return Source(key, None, str(error))


def _line(row: int, curve: Curve) -> dict[str, Any]:
    """Frames as ``[first, step]`` where they are even, else one by one."""
    steps = set(np.diff(curve.frames).tolist())
    at: list[int] = curve.frames.tolist()
    even = len(steps) == 1
    line: dict[str, Any] = {"row": row, "values": _short(curve.values, _DIGITS, significant=True)}
    return line | ({"every": [at[0], steps.pop()]} if even else {"at": at})


def _short(
    values: NDArray[np.float64], digits: int, *, significant: bool = False
) -> list[float | None]:
    """Few digits; None where there is no number."""
    if significant:
        return [float(f"{v:.{digits}g}") if math.isfinite(v) else None for v in values.tolist()]
    return [round(v, digits) if math.isfinite(v) else None for v in values.tolist()]


def _why_not_shown(path: Path, scored: Set[str]) -> str:
    """A run says where its videos lie, and may say anything: what was not scored is not shown."""
    try:
        if not is_there(path):  # or a pipe, which would never end
            return "video not found"
        return "" if file_sha256(path) in scored else "the video is another than was scored"
    except OSError:
        return "video not found"


def _why_missing(records: Sequence[Record], generator: str) -> str:
    here = (r for r in records if r.generator == generator and r.reason)
    return next((plain(r.reason) for r in here if not r.generated_sha256), "video not found")
