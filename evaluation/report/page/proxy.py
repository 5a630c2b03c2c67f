"""One clip for browsers: the ground truth and all systems as tiles of one H.264 file.

It is a copy to look at (smaller, lossy); no number is made from it.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from evaluation.generate import file_sha256
from evaluation.json_form import Form, misfit
from evaluation.limits import parsed_json, text_of
from evaluation.report.page.mosaic import Mosaic, Place, mosaic
from evaluation.report.page.sounds import MOST_SOUNDS, Sounds, sound_to_play, sounds_of
from evaluation.report.words import plain
from evaluation.store import write_json
from evaluation.video import FrameReader, VideoError, VideoInfo, probe
from evaluation.video_writer import Encoding, VideoWriter, copy_with_sound
from metrics import Frames

VERSION = "1"
"""Changed with whatever changes a file's content: older ones are then made anew."""

_ENCODING = Encoding(crf=20, web=True)
_SAME_RATE = Fraction(2, 1000)
_NAME = re.compile(r"[0-9a-f]{20}(-\d)?\.mp4")
_NUMBER = (int, float)
_TILE: Form = {
    "key": str,
    "place": (dict, type(None)),
    "size": [int],
    "frames": int,
    "fps": _NUMBER,
    "sound": (int, type(None)),
    "problem": str,
}
_FORM: Form = {
    "files": [str],
    "fps": _NUMBER,
    "frames": int,
    "width": int,
    "height": int,
    "tiles": [_TILE],
    "sounds": [int],
}
_PAPER = 128  # grey where a tile has no frame


@dataclass(frozen=True)
class Source:
    """One video of a clip: ``key`` says whose, ``why`` why there is no file."""

    key: str
    path: Path | None
    why: str = ""


@dataclass(frozen=True)
class Tile:
    """One video as the page shows it.

    Attributes:
        key: Whose.
        place: In the picture; None where nothing of it can be shown.
        size: Of the file itself, px.
        frames: How many it has; what can be read of it.
        fps: Its own rate.
        sound: Number of its sound; None where it has none or it is not kept.
        problem: Why it is not shown, or ends early; empty where it is whole.
    """

    key: str
    place: Place | None
    size: tuple[int, int]
    frames: int
    fps: float
    sound: int | None
    problem: str


@dataclass(frozen=True)
class Proxy:
    """What a browser plays for one clip.

    Attributes:
        files: One per sound (one without, where there is none); names in the page's folder.
        fps: Of the picture: the first video's.
        frames: Of the picture: the longest video's.
        width: Px.
        height: Px.
        tiles: In the order of the sources.
        sounds: For each file, the number of the first tile that sounds so.
    """

    files: tuple[str, ...]
    fps: float
    frames: int
    width: int
    height: int
    tiles: tuple[Tile, ...]
    sounds: tuple[int, ...]


def proxy_of(sources: Sequence[Source], folder: Path) -> Proxy:
    """The clip's proxy from ``folder``, made where it is not there under the inputs' hashes."""
    name = _key(sources)
    note = folder / f"{name}.json"
    known = _remembered(note, folder)
    if known is not None:
        return known
    folder.mkdir(parents=True, exist_ok=True)
    made = _make(sources, folder, name)
    write_json(note, asdict(made))
    return made


def _key(sources: Sequence[Source]) -> str:
    parts: list[Any] = [VERSION, MOST_SOUNDS, asdict(_ENCODING)]
    for source in sources:
        content = source.why if source.path is None else file_sha256(source.path)
        parts.append([source.key, content])
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:20]


def _remembered(note: Path, folder: Path) -> Proxy | None:
    try:
        content = parsed_json(text_of(note))
        if misfit(content, _FORM) or not all(map(_NAME.fullmatch, content["files"])):
            return None
        tiles = tuple(
            Tile(**{**t, "size": tuple(t["size"]), "place": t["place"] and Place(**t["place"])})
            for t in content.pop("tiles")
        )
        files, sounds = tuple(content.pop("files")), tuple(content.pop("sounds"))
        found = Proxy(files=files, tiles=tiles, sounds=sounds, **content)
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return found if all((folder / f).is_file() for f in found.files) else None


def _make(sources: Sequence[Source], folder: Path, name: str) -> Proxy:
    problems = [s.why if s.path is None else "" for s in sources]
    infos: list[VideoInfo | None] = []
    for i, source in enumerate(sources):
        info = None
        if source.path is not None:
            try:
                info = probe(source.path)
            except VideoError as error:
                problems[i] = _told(error, source.path)
        infos.append(info)
    open_ = [i for i, info in enumerate(infos) if info is not None]
    if not open_:
        tiles = [Tile(s.key, None, (0, 0), 0, 0.0, None, p or "no video") for s, p in
                 zip(sources, problems, strict=True)]  # fmt: skip
        return Proxy((), 25.0, 0, 0, 0, tuple(tiles), ())
    picture = mosaic([_size(infos[i]) for i in open_])
    places = dict(zip(open_, picture.places, strict=True))
    rate = _info(infos[open_[0]]).fps
    reels = [_Reel(_info(infos[i]), rate, places[i]) for i in open_]
    heard = sounds_of([s.path for s in sources])
    silent = folder / f"{name}.mp4"
    frames = _write(reels, picture, rate, silent)
    tiles = []
    for i, source in enumerate(sources):
        if i not in places:
            tiles.append(Tile(source.key, None, (0, 0), 0, 0.0, None, problems[i]))
            continue
        reel = reels[open_.index(i)]
        fps = float(_info(infos[i]).fps)
        tiles.append(
            Tile(source.key, places[i] if reel.seen else None, _size(infos[i]), reel.seen, fps,
                 heard.of[i], reel.problem)
        )  # fmt: skip
    files, sounds = _with_sounds(sources, heard, silent) if frames else _nothing(silent)
    return Proxy(files, float(rate), frames, picture.width, picture.height, tuple(tiles), sounds)


def _write(reels: Sequence[_Reel], picture: Mosaic, rate: Fraction, path: Path) -> int:
    """Frames of all reels, side by side, until the last has ended."""
    shown = [iter(r) for r in reels]
    count = 0
    with VideoWriter(
        path, width=picture.width, height=picture.height, fps=rate, encoding=_ENCODING
    ) as writer:
        for count in itertools.count():  # noqa: B007 - how many there were is the answer
            row = [next(reel, None) for reel in shown]
            if all(pixels is None for pixels in row):
                break
            canvas = np.full((1, picture.height, picture.width, 3), _PAPER, dtype=np.uint8)
            for reel, pixels in zip(reels, row, strict=True):
                if pixels is not None:
                    p = reel.place
                    canvas[0, p.y : p.y + p.height, p.x : p.x + p.width] = pixels
            writer.add(canvas)
    return count


class _Reel:
    """A video at the picture's rate: frame by frame where it runs at that rate, else by time."""

    def __init__(self, info: VideoInfo, rate: Fraction, place: Place) -> None:
        self.info = info
        self.place = place
        self.seen = 0  # of the file's own frames
        self.problem = ""
        apart = abs(info.fps / rate - 1) > _SAME_RATE
        self._pace = info.fps / rate if apart else Fraction(1)

    def __iter__(self) -> Iterator[Frames]:
        shown = 0
        try:
            for piece in FrameReader(self.info.path, piece=1):
                due = 0
                while int((shown + due) * self._pace) <= self.seen:
                    due += 1
                self.seen += 1
                small = self._small(piece[0]) if due else piece[0]
                yield from [small] * due
                shown += due
        except VideoError as error:
            self.problem = _told(error, self.info.path)

    def _small(self, frame: Frames) -> Frames:
        size = (self.place.width, self.place.height)
        if (frame.shape[1], frame.shape[0]) == size:
            return frame
        return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _with_sounds(
    sources: Sequence[Source], heard: Sounds, silent: Path
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """A file for every sound; the silent one stays where there is no sound alone."""
    files: list[str] = []
    sounds: list[int] = []
    for first in heard.first:
        path = sources[first].path
        audio = None if path is None else sound_to_play(path)
        if audio is not None:
            files.append(f"{silent.stem}-{len(files)}.mp4")
            sounds.append(first)
            copy_with_sound(silent, audio, silent.parent / files[-1])
    if not files:
        return (silent.name,), ()
    silent.unlink()
    return tuple(files), tuple(sounds)


def _nothing(silent: Path) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """No frame of any video could be read: no file."""
    silent.unlink()
    return (), ()


def _told(error: VideoError, path: Path) -> str:
    return plain(str(error).replace(str(path), path.name))


def _size(info: VideoInfo | None) -> tuple[int, int]:
    known = _info(info)
    return known.width, known.height


def _info(info: VideoInfo | None) -> VideoInfo:
    if info is None:
        raise ValueError("asked of a video that does not open")
    return info
