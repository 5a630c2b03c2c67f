"""Videos to prepared clips: faces, landmarks and sound, once for all of training.

As preprocess_video.py and preprocess_audio.py of Weizhi-Zhong/IP_LAP @ 9b9dc03, with these
differences: videos of any rate are read at 25 frames a second (there the whole run ends); the
clip's face is followed (there whichever the detector names first); landmarks are over the box in
whole pixels that is cut out, as when driving (there over the box before rounding); sketches are
drawn when they are read.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from evaluation.dataset import DatasetError
from evaluation.datasets.folder import videos_in
from evaluation.folder_lock import writing
from evaluation.machine import MachineError, machine_error
from evaluation.plan import UnusableInputError
from evaluation.store import write_atomically, write_json
from evaluation.video import FrameReader, VideoError, probe, read_audio
from evaluation.workers import each
from method import driving, mel
from method.driving import FPS, UndrivableError
from method.pasting import cut_face
from method.topology import LANDMARKS
from method.training.prepared import (
    CLIPS,
    DATASET,
    REPORT,
    VERSION,
    clip_file,
    read_clip,
)

FEWEST = 25
"""Frames with a face; shorter clips are left out, as the authors do."""

MARGIN = 5
"""px around the landmarks, as the authors cut LRS2's frames of 160x160."""

Told = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Line:
    """What became of a clip.

    Attributes:
        clip: Its id.
        status: ``ok`` or ``failed``.
        frames: Of 25 a second.
        seen: Of these, with a face.
        reason: Why it failed.
    """

    clip: str
    status: str
    frames: int = 0
    seen: int = 0
    reason: str = ""


@dataclass(frozen=True)
class _Job:
    folder: Path
    margin: int

    def __call__(self, video: tuple[str, Path]) -> Line:
        return prepare_clip(*video, self.folder, self.margin)


def prepare(
    videos: Path,
    folder: Path,
    *,
    name: str,
    margin: int = MARGIN,
    workers: int = 1,
    retry_failed: bool = False,
    told: Told = lambda *_: None,
) -> list[Line]:
    """Prepare every video below a folder that is not prepared yet.

    Args:
        videos: Any layout; LRS2's is ``SPEAKER/CLIP.mp4``.
        folder: Where to; one that was begun is gone on with.
        name: Of the data, which checkpoints trained on it will state.
        margin: px around the landmarks.
        workers: Processes.
        retry_failed: Try those that failed before again.
        told: Hears of progress.

    Returns:
        A line for every video, as the report has them.

    Raises:
        UnusableInputError: No videos; the folder holds others, or is being written.
        MachineError: The disk is full; what is prepared is safe.
    """
    try:
        found = videos_in(videos)
    except DatasetError as error:
        raise UnusableInputError(str(error)) from error
    (folder / CLIPS).mkdir(parents=True, exist_ok=True)
    with writing(folder):
        about = {
            "name": name,
            "version": VERSION,
            "margin_px": margin,
            "mesh": driving.mesh_kind(),
            "videos": str(videos),
        }
        _check_same(folder / DATASET, about)
        lines = {clip: _known(folder, clip, retry_failed=retry_failed) for clip in found}
        todo = [(clip, path) for clip, path in found.items() if lines[clip] is None]
        doing = each(_Job(folder, margin), todo, workers, partial(_lost, folder))
        for done, ((clip, _), line) in enumerate(doing, start=1):
            lines[clip] = line
            told(done, len(todo), clip)
        report = [line for line in lines.values() if line is not None]
        write_atomically(folder / REPORT, lambda file: _write_report(file, report))
    return report


def prepare_clip(name: str, video: Path, folder: Path, margin: int) -> Line:
    """Prepare one video; a bad one leaves its reason behind.

    Raises:
        MachineError: The disk is full.
    """
    try:
        _prepare(name, video, folder, margin)
    except (VideoError, UndrivableError) as error:
        return _fail(folder, name, str(error))
    except OSError as error:
        if isinstance(machine_error(error), MachineError):
            raise machine_error(error) from error
        return _fail(folder, name, f"{video}: {error.strerror or error}")
    line = _known(folder, name, retry_failed=False)
    if line is None:
        raise AssertionError(f"{name} was prepared and is not there")
    return line


def _prepare(name: str, video: Path, folder: Path, margin: int) -> None:
    sound = read_audio(video, mel.RATE, mono=True)
    if sound is None:
        raise UndrivableError(f"{video}: no sound")
    info = probe(video)
    mesh = driving.mesh_of(video)
    points = mesh.points[:, list(LANDMARKS)]
    boxes, usable = driving.face_boxes(points, info.width, info.height, margin)
    found = usable & np.isfinite(points).all(axis=(1, 2))
    if found.sum() < FEWEST:
        raise UndrivableError(
            f"{video}: a face in {found.sum()} of {len(found)} frames; training needs {FEWEST}"
        )
    boxes[~found] = (0, 1, 0, 1)
    ends: list[int] = []
    faces = clip_file(folder, name, ".faces")
    write_atomically(faces, lambda file: ends.extend(_write_faces(file, video, boxes, found)))
    arrays: dict[str, Any] = {
        "found": found,
        "landmarks": np.nan_to_num(driving.over_boxes(points, boxes)),
        "sizes": np.stack([boxes[:, 1] - boxes[:, 0], boxes[:, 3] - boxes[:, 2]], axis=1),
        "mel": mel.mel_spectrogram(sound.samples[:, 0]).astype(np.float32),
        "ends": np.array(ends, dtype=np.int64),
    }
    packed = io.BytesIO()
    np.savez(packed, **arrays)
    write_atomically(clip_file(folder, name, ".npz"), lambda file: file.write(packed.getvalue()))
    clip_file(folder, name, ".failed").unlink(missing_ok=True)


def _write_faces(
    file: IO[bytes], video: Path, boxes: NDArray[np.int64], found: NDArray[np.bool_]
) -> Iterator[int]:
    """Write PNGs and say where each ends."""
    number = 0
    for piece in FrameReader(video, fps=FPS):
        for frame in piece:
            if found[number]:
                file.write(cv2.imencode(".png", cut_face(frame, boxes[number]))[1].tobytes())
            number += 1
            yield file.tell()


def _fail(folder: Path, name: str, reason: str) -> Line:
    note = clip_file(folder, name, ".failed")
    write_atomically(note, lambda file: file.write(reason.encode(errors="replace")))
    return Line(name, "failed", reason=reason)


def _lost(folder: Path, video: tuple[str, Path], reason: str) -> Line:
    return _fail(folder, video[0], f"{video[1]}: {reason}")


def _known(folder: Path, name: str, *, retry_failed: bool) -> Line | None:
    """What became of a clip before; None: nothing yet."""
    if clip_file(folder, name, ".npz").is_file():
        try:
            clip = read_clip(folder, name)
        except UnusableInputError:
            return None
        return Line(name, "ok", len(clip), int(clip.found.sum()))
    note = clip_file(folder, name, ".failed")
    if retry_failed or not note.is_file():
        return None
    return Line(name, "failed", reason=note.read_text(errors="replace"))


def _check_same(path: Path, about: dict[str, object]) -> None:
    """One folder is of one kind: boxes with different margins are different data."""
    if not path.is_file():
        write_json(path, about)
        return
    known = json.loads(path.read_text())
    other = [k for k in about if k != "videos" and known.get(k) != about[k]]
    if other:
        said = ", ".join(f"{k} {known.get(k)!r} and not {about[k]!r}" for k in other)
        raise UnusableInputError(f"{path.parent} was prepared with {said}; choose another folder")


def _write_report(file: IO[bytes], lines: Sequence[Line]) -> None:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("clip", "status", "frames", "seen", "reason"))
    rows.writerows((x.clip, x.status, x.frames, x.seen, x.reason) for x in lines)
    file.write(text.getvalue().encode(errors="replace"))
