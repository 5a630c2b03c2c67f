"""Any folder of videos: every file is a sample, driven by its own audio."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from evaluation.dataset import DatasetError, DatasetSpec, with_other_audio
from evaluation.sample import Sample
from evaluation.sound_memory import heard_in

VIDEO_SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm")


def videos_in(folder: Path) -> dict[str, Path]:
    """Video files below a folder by id: the path inside the folder without its ending.

    Raises:
        DatasetError: Not a folder, without videos, or with two files of one id.
    """
    if not folder.exists():
        raise DatasetError(f"{folder} does not exist")
    if not folder.is_dir():
        raise DatasetError(f"{folder} is not a folder")
    found: dict[str, Path] = {}
    for path in sorted(files_below(folder), key=lambda p: p.parts):
        if path.suffix.lower() not in VIDEO_SUFFIXES or path.name.startswith("."):
            continue
        name = path.relative_to(folder).with_suffix("").as_posix()
        if not name.isascii() or not name.isprintable():
            _check_letters(name, folder)
        if name in found:
            raise DatasetError(
                f"{folder} has two videos called {name!r}: {found[name].name} and {path.name}; "
                "clips are paired by file name without the ending, so keep one"
            )
        found[name] = path
    if not found:
        raise DatasetError(
            f"{folder} holds no videos (looked for {', '.join(VIDEO_SUFFIXES)}, also in folders)"
        )
    return found


def _check_letters(name: str, folder: Path) -> None:
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in name):
        raise DatasetError(f"{folder}: the file name {name!r} cannot be written down; rename it")


def files_below(folder: Path) -> Iterator[Path]:
    """Plain files at any depth, through links too; not in hidden folders, not in runs.

    Pipes and devices are passed over: opening one may wait for ever.
    """
    seen: set[str] = set()
    ahead = [folder]
    while ahead:
        here = ahead.pop()
        real = os.path.realpath(here)
        if real in seen or (here != folder and (here / "records.jsonl").is_file()):
            continue
        seen.add(real)
        try:
            with os.scandir(here) as entries:
                found = list(entries)
        except OSError as error:
            raise DatasetError(f"{here} cannot be listed: {error.strerror or error}") from error
        for entry in found:
            with suppress(OSError):  # a link that leads nowhere, or in circles
                if entry.is_file():
                    yield here / entry.name
                elif entry.is_dir() and not entry.name.startswith("."):
                    ahead.append(here / entry.name)


def speaker_of(sample_id: str, pattern: re.Pattern[str] | None = None) -> str:
    """Whose clip it is, from its id.

    With a pattern: its first group (or whole match); the id itself where it does not match.
    Without: the top folder where there is one (LRS: ``<speaker>/<clip>``), else the name
    without a trailing ``_<number>`` (HDTF: ``RD_Radio42_000`` is ``RD_Radio42``).
    """
    if pattern is not None:
        match = pattern.search(sample_id)
        if match is None:
            return sample_id
        return match.group(1) if match.groups() else match.group()
    if "/" in sample_id:
        return sample_id.split("/", 1)[0]
    return re.sub(r"_\d+$", "", sample_id)


@dataclass(frozen=True)
class FolderDataset:
    """A folder of videos as a split.

    Attributes:
        speaker: Pattern for ``speaker_of``.
    """

    speaker: re.Pattern[str] | None = None

    @property
    def spec(self) -> DatasetSpec:
        """The form."""
        return DatasetSpec(
            name="folder",
            version="1",
            about="any folder of videos",
            licence="the user's own",
            source="the user",
            layout="videos at any depth; the id is the path without its ending",
        )

    def samples(self, data: Path | None) -> Sequence[Sample]:
        """Every video of the folder, by id."""
        if data is None:
            raise DatasetError("the folder dataset needs a folder: --data DIR")
        videos = videos_in(data)
        heard = heard_in(data, videos.values())
        samples = [
            Sample(
                id=name,
                speaker=speaker_of(name, self.speaker),
                video=path,
                audio=path if heard[path] else None,
                reference=path,
            )
            for name, path in videos.items()
        ]
        return with_other_audio(samples)


FOLDER = FolderDataset()
