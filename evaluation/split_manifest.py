"""``split.jsonl``: which clips a split is made of, told without a picture or a sound of them.

The first line says what it is; then a line for each clip. Whoever has a copy of the split can see
with it what their copy lacks, and two results are of one split where the manifest's hash is one.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.dataset import DatasetError
from evaluation.elsewhere.addresses import tell
from evaluation.fingerprints import RATE, Pictures, Sounds, audible, picture_bits, sound_bits
from evaluation.generate import file_sha256
from evaluation.limits import parsed_json, text_of
from evaluation.manifest import SPLIT
from evaluation.store import write_atomically
from evaluation.submission import SILENT
from evaluation.video import FrameReader, VideoError, read_audio
from evaluation.workers import each

SCHEMA = "talkbench-split/1"
NAME = "split.jsonl"

PICTURES = 16
"""Frames of a clip that are hashed, evenly from the first to the last."""

Told = Callable[[int, int, str], None]

_RATE = re.compile(r"[0-9]{1,9}(/[0-9]{1,9})?")


@dataclass(frozen=True)
class Entry:
    """One clip.

    Attributes:
        id: Of the sample.
        speaker: Whose face it is.
        seconds: Frames by rate.
        fps: As a fraction: ``25`` or ``30000/1001``.
        frames: In the file.
        width: px, as displayed.
        height: px, as displayed.
        pictures: Hashes of ``PICTURES`` frames, 16 hex digits each; of all where there are fewer.
        sound: Hashes of every 0.1 s, 4 hex digits each; empty where silent or mute.
        audio: ``sound``, ``silent`` or ``none``.
        sha256: Of the file.
    """

    id: str
    speaker: str
    seconds: float
    fps: str
    frames: int
    width: int
    height: int
    pictures: tuple[str, ...]
    sound: str
    audio: str
    sha256: str

    @property
    def picture_bits(self) -> Pictures:
        """uint64 [n]."""
        return np.array([int(p, 16) for p in self.pictures], dtype=np.uint64)

    @property
    def sound_bits(self) -> Sounds:
        """uint16 [n]."""
        return np.array([int(d, 16) for d in _parted(self.sound, 4)], dtype=np.uint16)

    @property
    def rate(self) -> Fraction:
        """Frames per second."""
        return Fraction(self.fps)

    @property
    def size(self) -> str:
        """``WIDTHxHEIGHT``."""
        return f"{self.width}x{self.height}"


@dataclass(frozen=True)
class Seen:
    """A clip as it lies on this machine, looked at whole.

    Attributes:
        entry: What a manifest says of it.
        pictures: Hash of every frame, uint64 [T].
        sound: Hash of every 0.1 s, uint16 [n]; empty where silent or mute.
        counts: Which of these are loud enough to be compared, bool [n].
        samples: float32 [N] at 16 kHz.
    """

    entry: Entry
    pictures: Pictures
    sound: Sounds
    counts: NDArray[np.bool_]
    samples: NDArray[np.float32]


@dataclass(frozen=True)
class Manifest:
    """The clips of a split, by id."""

    entries: Mapping[str, Entry]

    @property
    def hash(self) -> str:
        """sha256 of what it says, whatever the order of lines and the blanks between words."""
        lines = [_canonical(asdict(self.entries[name])) for name in sorted(self.entries)]
        return hashlib.sha256("\n".join([SCHEMA, *lines]).encode()).hexdigest()


def spread(frames: int) -> list[int]:
    """The numbers of the frames whose hashes a manifest holds."""
    if frames <= PICTURES:
        return list(range(frames))
    return [round(i * (frames - 1) / (PICTURES - 1)) for i in range(PICTURES)]


def look(clip: str, speaker: str, path: Path) -> Seen:
    """Decode a clip to its end and say what it is.

    Raises:
        VideoError: It cannot be read.
    """
    reader = FrameReader(path)
    pictures = np.concatenate([picture_bits(piece) for piece in reader])
    info = reader.info
    audio = read_audio(path, RATE, mono=True)
    state, sound, counts = "none", np.empty(0, np.uint16), np.empty(0, bool)
    samples = np.empty(0, np.float32)
    if audio is not None and len(audio.samples):
        samples, state = audio.samples[:, 0], "silent"
        if np.abs(samples).max() >= SILENT:
            state, sound, counts = "sound", sound_bits(samples), audible(samples)
    entry = Entry(
        id=clip,
        speaker=speaker,
        seconds=round(float(len(pictures) / info.fps), 3),
        fps=str(info.fps),
        frames=len(pictures),
        width=info.width,
        height=info.height,
        pictures=tuple(f"{int(pictures[i]):016x}" for i in spread(len(pictures))),
        sound="".join(f"{int(word):04x}" for word in sound),
        audio=state,
        sha256=file_sha256(path),
    )
    return Seen(entry, pictures, sound, counts, samples)


def make_manifest(
    clips: Sequence[tuple[str, str, Path]], workers: int = 1, told: Told = lambda *_: None
) -> tuple[Manifest, dict[str, str]]:
    """Look at every clip.

    Args:
        clips: Id, speaker and file of each.
        workers: Processes.
        told: Hears of progress.

    Returns:
        The manifest, and the clips that could not be read, with the reason: they are not in it.
    """
    entries: dict[str, Entry] = {}
    unread: dict[str, str] = {}
    doing = each(_entry, clips, workers, _lost)
    for done, ((clip, *_), found) in enumerate(doing, start=1):
        if isinstance(found, Entry):
            entries[clip] = found
        else:
            unread[clip] = found
        told(done, len(clips), clip)
    order = [clip for clip, *_ in clips]
    return Manifest({c: entries[c] for c in order if c in entries}), unread


def _entry(unit: tuple[str, str, Path]) -> Entry | str:
    try:
        return look(*unit).entry
    except VideoError as error:
        return str(error)


def _lost(unit: tuple[str, str, Path], reason: str) -> Entry | str:
    return f"{unit[2]}: {reason}"


def write_split(path: Path, manifest: Manifest) -> None:
    """Write it with its own hash in the first line."""
    head = {"schema": SCHEMA, "clips": len(manifest.entries), "hash": manifest.hash}
    lines = [json.dumps(head), *(json.dumps(asdict(e)) for e in manifest.entries.values())]
    write_atomically(path, lambda file: file.write(("\n".join(lines) + "\n").encode()))


def read_split(path: Path) -> Manifest:
    """Read a manifest.

    Raises:
        DatasetError: Not there, no manifest, or not what its own hash says; names file and line.
    """
    try:
        lines = text_of(path).splitlines()
        head = parsed_json(lines[0]) if lines else None
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: not a readable manifest ({error})") from error
    if not isinstance(head, dict) or head.get("schema") != SCHEMA:
        found = head.get("schema") if isinstance(head, dict) else head
        raise DatasetError(f"{path}, line 1: schema {found!r}, this talkbench reads {SCHEMA}")
    entries: dict[str, Entry] = {}
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        entry = _read_entry(f"{path}, line {number}", line)
        if entry.id in entries:
            raise DatasetError(f"{path}, line {number}: {entry.id!r} is there twice")
        entries[entry.id] = entry
    manifest = Manifest(entries)
    if manifest.hash != head.get("hash"):
        raise DatasetError(
            f"{path}: what it says has the hash {manifest.hash[:16]} and its first line says "
            f"{str(head.get('hash'))[:16]}; it is damaged or was changed by hand"
        )
    return manifest


def _read_entry(where: str, line: str) -> Entry:
    try:
        row: dict[str, Any] = parsed_json(line)
        entry = Entry(**row | {"pictures": tuple(row["pictures"])})
        kinds = {f.name: type(getattr(entry, f.name)).__name__ for f in fields(entry)}
        wrong = [n for n, kind in kinds.items() if kind not in str(Entry.__annotations__[n])]
        if wrong:
            raise ValueError(f"{', '.join(wrong)} of another type")  # noqa: TRY301
        if not _RATE.fullmatch(entry.fps):  # Fraction("1e999999999") would be computed
            raise ValueError(f"fps is {entry.fps[:40]!r}")  # noqa: TRY301
        _ = entry.picture_bits, entry.sound_bits, entry.rate
    except (ValueError, TypeError, KeyError, ArithmeticError) as error:
        raise DatasetError(f"{where}: no clip of a manifest ({error})") from error
    return entry


def split_of(folder: Path) -> dict[str, str]:
    """The setting of a run on that folder: the hash of its manifest, if there is one.

    Raises:
        DatasetError: It cannot be read.
    """
    path = folder / NAME
    return {SPLIT: read_split(path).hash} if path.is_file() else {}


def settings_of(name: str, folder: Path) -> dict[str, str]:
    """How a run tells of the folder that it is on: its whole path or its address, and its manifest.

    Raises:
        DatasetError: Its manifest cannot be read.
    """
    return {
        name: str(folder.resolve()) if tell(folder) == str(folder) else tell(folder)
    } | split_of(folder)


def _canonical(row: Mapping[str, Any]) -> str:
    return json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _parted(text: str, size: int) -> Iterable[str]:
    return (text[i : i + size] for i in range(0, len(text), size))
