"""Prepared clips: what training reads, a few files each, and which windows of them can be used.

``FOLDER/dataset.json`` says what they are; ``clips/ID.npz`` holds landmarks and sound of a clip,
``clips/ID.faces`` its faces as PNGs one after another, ``clips/ID.failed`` why it has none, and
``report.csv`` a line for every clip.
"""

from __future__ import annotations

import functools
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from evaluation.plan import UnusableInputError
from method import mel
from method.landmark_generator import WINDOW
from method.sketches import sketch
from method.topology import POSE

DATASET, CLIPS, REPORT = "dataset.json", "clips", "report.csv"
VERSION = 1
EARLIER = 2
"""Frames between the beginning of a window of sound and its frame."""

FEWEST_GROUPS = 10
"""From so many speakers on whole speakers are held out, below the ends of clips."""


@dataclass(frozen=True)
class Clip:
    """One clip, n frames of 25 a second.

    Attributes:
        id: Its path below the folder of videos, without the ending.
        found: bool [n], where its face was seen; elsewhere nothing below means anything.
        landmarks: float32 [n, 2, 131]: x and y over the face box, 0..1.
        sizes: int [n, 2]: height and width of the box, px.
        mel: float32 [80, M], -4..4; 80 columns a second.
        ends: int64 [n]: where each PNG ends in ``faces``.
        faces: The file of PNGs.
        first: Windows begin here or later; references may come from anywhere.
    """

    id: str
    found: NDArray[np.bool_]
    landmarks: NDArray[np.float32]
    sizes: NDArray[np.int64]
    mel: NDArray[np.float32]
    ends: NDArray[np.int64]
    faces: Path
    first: int = 0

    def __len__(self) -> int:
        return len(self.found)

    @cached_property
    def heard(self) -> NDArray[np.bool_]:
        """The frames around which sound is whole, bool [n]."""
        starts = np.array([mel.window_start(i - EARLIER) for i in range(len(self))])
        whole: NDArray[np.bool_] = (starts >= 0) & (starts + mel.COLUMNS <= self.mel.shape[1])
        return whole

    def windows(self, *, heard: slice) -> NDArray[np.intp]:
        """First frames of the windows of five whose faces were all seen.

        Args:
            heard: Which of the five must have sound.
        """
        if len(self) < WINDOW:
            return np.empty(0, np.intp)
        seen, sound = (
            np.lib.stride_tricks.sliding_window_view(x, WINDOW) for x in (self.found, self.heard)
        )
        starts = np.flatnonzero(seen.all(axis=1) & sound[:, heard].all(axis=1))
        return starts[starts >= self.first]

    def sound(self, frame: int) -> NDArray[np.float32]:
        """float32 [80, 16]: 0.2 s that begin two frames before this one."""
        start = mel.window_start(frame - EARLIER)
        return self.mel[:, start : start + mel.COLUMNS]

    def pose(self, frames: Sequence[int] | NDArray[np.intp]) -> NDArray[np.float32]:
        """float32 [k, 2, 74]."""
        return self.landmarks[frames][:, :, : len(POSE)]

    def content(self, frames: Sequence[int] | NDArray[np.intp]) -> NDArray[np.float32]:
        """float32 [k, 2, 57]."""
        return self.landmarks[frames][:, :, len(POSE) :]

    def pictures(self, frames: Sequence[int] | NDArray[np.intp]) -> NDArray[np.float32]:
        """Faces, float32 [k, 3, 128, 128], BGR 0..1.

        Raises:
            UnusableInputError: A picture is damaged.
        """
        return np.stack([self._picture(int(i)) for i in frames])

    def _picture(self, frame: int) -> NDArray[np.float32]:
        start = int(self.ends[frame - 1]) if frame else 0
        with self.faces.open("rb") as file:
            file.seek(start)
            png = np.frombuffer(file.read(int(self.ends[frame]) - start), np.uint8)
        face = cv2.imdecode(png, cv2.IMREAD_COLOR) if len(png) else None
        if face is None:
            raise UnusableInputError(
                f"{self.faces}: frame {frame} is no picture; remove {self.faces.stem}.* there and "
                "prepare again"
            )
        return np.asarray(face.transpose(2, 0, 1) / 255.0, dtype=np.float32)

    def sketches(self, frames: Sequence[int] | NDArray[np.intp]) -> NDArray[np.float32]:
        """Drawn landmarks, float32 [k, 3, 128, 128], 0..1, of whole grey levels."""
        drawn = [sketch(self.landmarks[i], *map(int, self.sizes[i])) for i in frames]
        grey = (np.round(drawn) / 255.0).astype(np.float32)
        return grey[:, None].repeat(3, axis=1)


@functools.lru_cache(maxsize=64)
def read_clip(folder: Path, name: str) -> Clip:
    """One clip by its id.

    Raises:
        UnusableInputError: Its files are not there, or damaged.
    """
    path = clip_file(folder, name, ".npz")
    try:
        with np.load(path) as kept:
            arrays = {key: kept[key] for key in kept.files}
        return Clip(id=name, faces=path.with_name(f"{path.name[:-4]}.faces"), **arrays)
    except (OSError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise UnusableInputError(
            f"{path}: not a prepared clip ({error}); remove it and prepare again"
        ) from error


def clip_file(folder: Path, name: str, ending: str) -> Path:
    """Where something of a clip is kept."""
    return folder / CLIPS / f"{name}{ending}"


@dataclass(frozen=True)
class Prepared:
    """A folder of prepared clips, split in two.

    Attributes:
        folder: Where.
        about: What ``dataset.json`` says: name, version, mesh, margin.
        training: Ids to train on.
        held_out: Ids to validate on.
        ends: Whether both are the same clips, of which the last fifth is held out.
    """

    folder: Path
    about: dict[str, Any]
    training: tuple[str, ...]
    held_out: tuple[str, ...]
    ends: bool

    def clip(self, name: str, *, training: bool) -> Clip:
        """A clip, or the part of it that is for training or validation."""
        whole = read_clip(self.folder, name)
        if not self.ends:
            return whole
        cut = len(whole) - len(whole) // 5
        if not training:
            return replace(whole, first=cut)
        return replace(whole, found=whole.found & (np.arange(len(whole)) < cut))


def open_prepared(
    folder: Path, training_list: Path | None = None, validation_list: Path | None = None
) -> Prepared:
    """Find prepared clips and split them.

    Args:
        folder: Made by ``talkbench train prepare``.
        training_list: A clip's id a line, what follows a space is left out (as in LRS2's lists);
            all but the held-out clips if not given.
        validation_list: Likewise. Not given: every twentieth speaker, if there are at least ten,
            else the last fifth of every clip. Speakers are top folders.

    Raises:
        UnusableInputError: No such folder, clips of a list are not there, nothing to train on.
    """
    try:
        about = json.loads((folder / DATASET).read_text())
    except (OSError, ValueError) as error:
        raise UnusableInputError(
            f"{folder}: no prepared clips ({error}); see: talkbench train prepare --help"
        ) from error
    if about.get("version") != VERSION:
        raise UnusableInputError(
            f"{folder}: prepared in form {about.get('version')!r}, this talkbench reads {VERSION}; "
            "prepare into a new folder"
        )
    clips = folder / CLIPS
    names = sorted(p.relative_to(clips).as_posix()[:-4] for p in clips.rglob("*.npz"))
    if not names:
        raise UnusableInputError(f"{folder}: no clip in it could be prepared; see {REPORT} there")
    held_out = _listed(validation_list, names) if validation_list else _some_speakers(names)
    training = _listed(training_list, names) if training_list else sorted({*names} - {*held_out})
    shared = {*training} & {*held_out}
    if shared:
        raise UnusableInputError(
            f"{len(shared)} clips are in both lists, {min(shared)} for one; hold out others"
        )
    if not training:
        raise UnusableInputError(f"{folder}: no clip is left to train on")
    ends = not held_out
    return Prepared(folder, about, tuple(training), tuple(training if ends else held_out), ends)


def _some_speakers(names: list[str]) -> list[str]:
    speakers = sorted({name.split("/", 1)[0] for name in names})
    if len(speakers) < FEWEST_GROUPS:
        return []
    chosen = {*speakers[::20]}
    return [name for name in names if name.split("/", 1)[0] in chosen]


def _listed(path: Path, names: list[str]) -> list[str]:
    """Ids of a list, as far as they are prepared: a clip that failed is in the report."""
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise UnusableInputError(f"{path}: {error.strerror or error}") from error
    wanted = [line.split()[0] for line in lines if line.strip()]
    there = {*names}
    found = [name for name in dict.fromkeys(wanted) if name in there]
    if not found:
        raise UnusableInputError(
            f"{path}: none of its {len(wanted)} clips is prepared"
            f"{f', {wanted[0]} for one' if wanted else ''}"
        )
    return found
