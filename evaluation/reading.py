"""One file under one sampling: which of its tracks are kept, and the making of those that are not.

Extractors of frames see the file in as few passes as their uses allow: what needs a track of the
whole clip (whose face is it?) waits for the next pass.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from evaluation.footage import Footage
from evaluation.machine import machine_error
from evaluation.sound import read_sound
from evaluation.stages import spend
from evaluation.store import KeptTrack, TrackStore
from evaluation.video import FrameReader, VideoError, frames_per_piece, probe, runs_at
from metrics import (
    AnyExtractor,
    AudioExtractor,
    Extractor,
    Frames,
    LooksAhead,
    Track,
    TrackExtractor,
    UnscorableError,
)

SOUND_TAG = "sound"


@dataclass(frozen=True)
class VideoFile:
    """A file and its content's sha256."""

    path: Path
    sha256: str


@dataclass(frozen=True)
class Sampling:
    """Which frames of a file: 0, N, 2N, ... of its own, or all at a steady rate."""

    every: int
    fps: int | None = None

    @property
    def tag(self) -> str:
        """As tracks are filed under it."""
        return f"{self.fps}fps" if self.fps else str(self.every)

    def tag_of(self, extractor: AnyExtractor) -> str:
        """The tag of one extractor's track: sound knows no frames."""
        return SOUND_TAG if isinstance(extractor, AudioExtractor) else self.tag

    def footage(self, file: VideoFile, piece: int) -> Footage:
        """The frames, in pieces of so many."""
        every = 1 if self.fps else self.every
        return Footage(
            f"{file.sha256} {self.tag} {piece}",
            lambda: FrameReader(file.path, every, piece, self.fps),
        )


class Reading:
    """What is read off one file.

    Args:
        file: The video.
        label: ``generated`` or ``reference``, for messages.
        sampling: Which frames.
        extractors: Whose tracks are wanted; those they use are made too.
        store: Where tracks are kept.

    Attributes:
        tracks: Extractor id -> whole track, as far as it is there.
        failures: Extractor id -> why it has none.
        seconds: Extractor id -> spent on it.
        frames: Frames in the file, None before it was read.
    """

    def __init__(
        self,
        file: VideoFile,
        label: str,
        sampling: Sampling,
        extractors: Iterable[AnyExtractor],
        store: TrackStore,
    ) -> None:
        self.file = file
        self.label = label
        self.sampling = sampling
        self.tracks: dict[str, Track] = {}
        self.failures: dict[str, str] = {}
        self.seconds: dict[str, float] = {}
        self.frames: int | None = None
        self._store = store
        self._missing: list[AnyExtractor] = []
        self._rows: dict[str, list[Track]] = {}
        self._tails: dict[str, Track] = {}
        self._carried: dict[str, Frames] = {}
        self._done = 0
        for extractor in closure(extractors):
            kept = self._load(extractor)
            if kept is None:
                self._missing.append(extractor)
            else:
                self._have(extractor, kept)
        self._pass_of = self._passes()

    def _load(self, extractor: AnyExtractor) -> KeptTrack | None:
        tag = self.sampling.tag_of(extractor)
        kept = self._store.load(self.file.sha256, extractor.id, tag)
        if kept is None and self.sampling.fps and tag != SOUND_TAG and self._is_steady:
            # The file's own frames are these frames: another pass over them would see the same.
            kept = self._store.load(self.file.sha256, extractor.id, Sampling(1).tag)
            if kept is not None:
                self._save(extractor, kept)
        return kept

    @cached_property
    def _is_steady(self) -> bool:
        return runs_at(self.file.path, self.sampling.fps or 0)

    def _have(self, extractor: AnyExtractor, kept: KeptTrack) -> None:
        self.tracks[extractor.id] = kept.track
        if not isinstance(extractor, AudioExtractor):
            self.frames = kept.frames

    def _passes(self) -> dict[str, int]:
        """Extractor id -> the pass after (of frames: in) which its track is there; -1 at once."""
        after = dict.fromkeys(self.tracks, -1)
        for extractor in self._missing:
            if isinstance(extractor, AudioExtractor):
                after[extractor.id] = -1
                continue
            if isinstance(extractor, TrackExtractor):
                after[extractor.id] = max((after[u.id] for u in extractor.uses), default=-1)
            elif isinstance(extractor, LooksAhead):
                after[extractor.id] = max((after[u.id] + 1 for u in extractor.uses), default=0)
            else:
                ready = (self._ready(u, after) for u in extractor.uses)
                after[extractor.id] = max(0, *ready, 0)
        return after

    @staticmethod
    def _ready(used: AnyExtractor, after: Mapping[str, int]) -> int:
        """The first pass in which rows of ``used`` can be read."""
        whole = isinstance(used, TrackExtractor | LooksAhead)
        return after[used.id] + (1 if whole and after[used.id] >= 0 else 0)

    def first_pass_for(self, extractors: Iterable[AnyExtractor]) -> int:
        """The pass in which all their rows can be read piece by piece."""
        return max([0, *(self._ready(e, self._pass_of) for e in extractors)])

    @property
    def passes(self) -> int:
        """How many times the frames must be read."""
        frames = [e for e in self._missing if isinstance(e, Extractor)]
        return max((self._pass_of[e.id] + 1 for e in frames), default=0)

    def wants(self, number: int) -> bool:
        """Whether an extractor is to see the frames in this pass."""
        return bool(self._of_pass(number))

    def _of_pass(self, number: int) -> list[Extractor]:
        return [
            e for e in self._missing if isinstance(e, Extractor) and self._pass_of[e.id] == number
        ]

    def listen(self) -> None:
        """Make the tracks of sound, and those of tracks that need no frames.

        Raises:
            MachineError: The disk is full or read-only.
        """
        wanted = [e for e in self._missing if isinstance(e, AudioExtractor)]
        if wanted:
            try:
                sound = read_sound(self.file.path)
                reason = "" if sound is not None else f"{self.label} video has no sound"
            except VideoError as error:
                sound, reason = None, f"{self.label} {error}"
            for extractor in wanted:
                if sound is None:
                    self.failures[extractor.id] = reason
                    continue
                track = self._call(extractor, extractor.listen, sound)
                if track is not None:
                    self._keep(extractor, track, 0)
        self._follow(-1)

    def read_alone(self) -> None:
        """Make all tracks, frames in pieces of bounded memory.

        Raises:
            VideoError: The file cannot be read to its end.
            MachineError: The disk is full or read-only.
        """
        self.listen()
        piece = frames_per_piece(probe(self.file.path))
        for number in range(self.passes):
            footage = self.sampling.footage(self.file, piece)
            for frames in self.pieces(footage):
                self.feed(number, frames)
            self.finish(number, footage.frames)

    def pieces(self, footage: Footage) -> Iterable[Frames]:
        """Its pieces, errors saying which side they are of."""
        try:
            yield from footage
        except VideoError as error:
            raise VideoError(f"{self.label} {error}") from error

    def feed(self, number: int, frames: Frames) -> None:
        """Show the next frames to this pass's extractors."""
        for extractor in self._of_pass(number):
            if self._broken(extractor):
                continue
            carried = self._carried.get(extractor.id)
            seen = frames if carried is None else np.concatenate([carried, frames])
            start = self._done + len(frames) - len(seen)
            uses = {u.id: self.rows(u, start, len(seen)) for u in extractor.uses}
            track = self._call(extractor, extractor.extract, seen, uses)
            if track is None:
                continue
            try:
                checked_rows(track, len(seen))
            except ValueError as error:
                self._fail(extractor, error)
                continue
            ahead = extractor.lookahead if isinstance(extractor, LooksAhead) else 0
            certain = max(0, len(seen) - ahead)
            self._rows.setdefault(extractor.id, []).append(part(track, 0, certain))
            if ahead:
                self._tails[extractor.id] = part(track, certain, len(seen))
                self._carried[extractor.id] = seen[certain:].copy()
        self._done += len(frames)

    def rows(self, extractor: AnyExtractor, start: int, count: int) -> Track:
        """Rows of a track for frames of the piece at hand (of sound: all)."""
        whole = self.tracks.get(extractor.id)
        if whole is None:  # made in this very pass
            latest = self._rows[extractor.id][-1]
            have = len(next(iter(latest.values())))
            return part(latest, have - count, have)
        return whole if isinstance(extractor, AudioExtractor) else part(whole, start, start + count)

    def finish(self, number: int, frames: int | None) -> None:
        """Keep what this pass has made, and follow the tracks that are whole now.

        Args:
            number: Of the pass.
            frames: Frames in the file.

        Raises:
            MachineError: The disk is full or read-only.
        """
        self.frames = frames
        for extractor in self._of_pass(number):
            if extractor.id in self.failures or extractor.id not in self._rows:
                continue
            rows = self._rows.pop(extractor.id)
            if extractor.id in self._tails:
                rows.append(self._tails.pop(extractor.id))
                self._carried.pop(extractor.id)
            self._keep(extractor, _join(rows), frames or 0)
        self._done = 0
        self._follow(number)

    def _follow(self, number: int) -> None:
        for extractor in self._missing:
            if not isinstance(extractor, TrackExtractor) or self._pass_of[extractor.id] != number:
                continue
            if self._broken(extractor):
                continue
            uses = {u.id: self.tracks[u.id] for u in extractor.uses}
            track = self._call(extractor, extractor.follow, uses)
            if track is not None:
                self._keep(extractor, track, self.frames or 0)

    def _broken(self, extractor: AnyExtractor) -> bool:
        if extractor.id in self.failures:
            return True
        uses = () if isinstance(extractor, AudioExtractor) else extractor.uses
        for used in uses:
            if used.id in self.failures:
                self.failures[extractor.id] = self.failures[used.id]
                return True
        return False

    def _call(
        self, extractor: AnyExtractor, make: Callable[..., Track], *given: object
    ) -> Track | None:
        start = time.perf_counter()
        try:
            return make(*given)
        except UnscorableError as error:
            self.failures[extractor.id] = str(error)
        except Exception as error:  # noqa: BLE001 - a plug-in may raise anything
            self._fail(extractor, error)
        finally:
            spent = time.perf_counter() - start
            spend("extract", spent)
            self.seconds[extractor.id] = self.seconds.get(extractor.id, 0.0) + spent
        return None

    def _fail(self, extractor: AnyExtractor, error: Exception) -> None:
        self.failures[extractor.id] = f"{extractor.id} on {self.label}: {brief(error)}"

    def _keep(self, extractor: AnyExtractor, track: Track, frames: int) -> None:
        kept = KeptTrack(track, frames)
        self._save(extractor, kept)
        self._have(extractor, kept)

    def _save(self, extractor: AnyExtractor, kept: KeptTrack) -> None:
        tag = self.sampling.tag_of(extractor)
        try:
            self._store.save(self.file.sha256, extractor.id, tag, kept)
        except OSError as error:
            raise machine_error(error) from error


def closure(extractors: Iterable[AnyExtractor]) -> list[AnyExtractor]:
    """Extractors with all they use, each once, a used one before its user."""
    ordered: dict[str, AnyExtractor] = {}

    def visit(extractor: AnyExtractor) -> None:
        if extractor.id in ordered:
            return
        if not isinstance(extractor, AudioExtractor):
            for used in extractor.uses:
                visit(used)
        ordered[extractor.id] = extractor

    for extractor in extractors:
        visit(extractor)
    return list(ordered.values())


def checked_rows(track: Track, frames: int) -> Track:
    """A plug-in's track, if it has a plain row for every frame.

    Raises:
        ValueError: It has not.
    """
    for name, rows in track.items():
        if len(rows) != frames or rows.dtype.hasobject:
            raise ValueError(
                f"track {name!r} has {len(rows)} rows of {rows.dtype} for {frames} frames"
            )
    return track


def brief(error: Exception) -> str:
    """An error as a reason in a record: its kind and its first line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def part(track: Track, start: int, stop: int) -> Track:
    """Some rows of a track."""
    return {name: rows[start:stop] for name, rows in track.items()}


def _join(rows: Sequence[Track]) -> Track:
    return {name: np.concatenate([r[name] for r in rows]) for name in rows[0]}
