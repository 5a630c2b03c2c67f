"""What a run keeps beside its records: tracks by content, values per frame, atomic files."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import re
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from evaluation.elsewhere.shared_tracks import SharedTracks
from metrics import Track
from metrics.assets.archives import Modest

_FRAMES = "__frames__"
_MOST_SHARED = 1 << 30  # bytes of a track elsewhere: hours of video, every frame of it
_PIECE = 1 << 20  # bytes: NumPy asks for less at a time, and lists of members are shorter
_DAMAGED = (
    *(OSError, ValueError, EOFError, KeyError, TypeError, AttributeError, MemoryError),
    *(NotImplementedError, SyntaxError, RecursionError, zipfile.BadZipFile, zlib.error),
)
"""What NumPy and zipfile raise at a spoilt file; it is made again."""
_LONGEST_NAME = 120
_LEFT_BEHIND = re.compile(r"\..+\.[a-z0-9-]+-[a-z0-9_]{8}(\.mp4)?")


def write_atomically(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Call ``write`` on a temporary neighbour and rename it: the file is whole or absent."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)


def sweep(root: Path) -> None:
    """Remove what killed calls of :func:`write_atomically`, and of writers of videos, left below.

    Only for who is alone there: another writer's file of this moment would go, too.
    """
    for path in root.rglob(".*"):
        if _LEFT_BEHIND.fullmatch(path.name) and path.is_file():
            path.unlink(missing_ok=True)


def sweep_beside(path: Path) -> None:
    """Remove what killed calls of :func:`write_atomically` left of this one file.

    For folders that are not ours alone; only where nobody else writes that file at this moment.
    """
    for left in path.parent.glob(f".{glob.escape(path.name)}-????????"):
        left.unlink(missing_ok=True)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Readable, strict JSON: no NaN, no infinity."""
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    write_atomically(path, lambda file: file.write(text.encode()))


def safe_name(text: str) -> str:
    """One file name for any id, and another for any other: percent-encoded, shortened by a hash."""
    name = quote(text, safe="@", errors="surrogatepass") or "%"
    if set(name) == {"."}:
        name = name.replace(".", "%2E")  # never this folder or the one above
    if len(name) > _LONGEST_NAME:
        digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]
        name = f"{name[: _LONGEST_NAME - 17]}~{digest}"
    return name


@dataclass(frozen=True)
class KeptTrack:
    """A track together with the exact number of frames of the file it was read off."""

    track: Track
    frames: int


class TrackStore:
    """Tracks of videos, by the content of the file, so that a reference is read once.

    Args:
        root: Folder of the run.
        shared: Folder or address of tracks that runs share; empty for none. What is not in the run
            is looked for there, and what is made is written there, too.
    """

    def __init__(self, root: Path, shared: str = "") -> None:
        self.root = root / "tracks"
        self._shared = SharedTracks(shared, _MOST_SHARED) if shared else None

    def path_of(self, sha256: str, extractor: str, sampling: str) -> Path:
        """Where that track lies, if it is kept."""
        return self.root / sha256[:2] / sha256 / f"{safe_name(extractor)}~{sampling}.npz"

    def load(self, sha256: str, extractor: str, sampling: str) -> KeptTrack | None:
        """None where it was not computed yet, or its file is damaged (it is computed again)."""
        path = self.path_of(sha256, extractor, sampling)
        arrays = _load_npz(path)
        if arrays is None and self._shared is not None:
            arrays = self._brought(self._shared, path)
        frames = None if arrays is None else arrays.pop(_FRAMES, None)
        if arrays is None or frames is None or frames.shape or frames.dtype.kind not in "iu":
            return None
        return KeptTrack(arrays, int(frames))

    def save(self, sha256: str, extractor: str, sampling: str, kept: KeptTrack) -> None:
        """Keep it."""
        arrays = {**kept.track, _FRAMES: np.asarray(kept.frames)}
        path = self.path_of(sha256, extractor, sampling)
        write_atomically(path, lambda file: np.savez(file, allow_pickle=False, **arrays))
        if self._shared is not None:
            self._shared.keep(self._name(path), path)

    def _name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def _brought(self, shared: SharedTracks, path: Path) -> dict[str, NDArray[Any]] | None:
        """A shared track, read as a file of the run would be, which it is then."""
        content = shared.bring(self._name(path))
        if content is None:
            return None
        write_atomically(path, lambda file: file.write(content))
        return _load_npz(path)


class ValueStore:
    """Values per frame of one (generator, sample, metric), for plots and second looks."""

    def __init__(self, root: Path) -> None:
        self.root = root / "values"

    def _path(self, generator: str, sample: str, metric: str) -> Path:
        return self.root / safe_name(generator) / safe_name(sample) / f"{safe_name(metric)}.npz"

    def save(self, generator: str, sample: str, metric: str, values: NDArray[np.float64]) -> None:
        """Keep float64 [frames]."""
        path = self._path(generator, sample, metric)
        write_atomically(path, lambda file: np.savez(file, allow_pickle=False, values=values))

    def load(self, generator: str, sample: str, metric: str) -> NDArray[np.float64] | None:
        """float64 [frames], or None."""
        arrays = _load_npz(self._path(generator, sample, metric))
        values = None if arrays is None else arrays.get("values")
        if values is None or values.ndim != 1 or values.dtype != np.float64:
            return None
        return values


def _load_npz(path: Path) -> dict[str, NDArray[Any]] | None:
    try:
        with path.open("rb") as file:
            modest: Any = Modest(file, _PIECE)
            with np.load(modest, allow_pickle=False) as arrays:
                if any(e.compress_type != zipfile.ZIP_STORED for e in arrays.zip.infolist()):
                    return None  # ours are not, and small ones of strangers grow large
                found = {name: arrays[name] for name in arrays.files}
                plain = all(isinstance(array, np.ndarray) for array in found.values())
                return found if plain else None  # NumPy gives bytes of what is no array
    except FileNotFoundError:
        return None
    except _DAMAGED:
        return None
