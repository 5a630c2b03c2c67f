"""Any folder of videos: every file is a sample, driven by its own audio."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from evaluation.dataset import DatasetError, DatasetSpec, with_other_audio
from evaluation.elsewhere.fetched import absent
from evaluation.sample import Sample
from evaluation.video import has_audio

_HEADERS = 16  # read at a time

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
    for path in sorted(files_below(folder)):
        if path.suffix.lower() not in VIDEO_SUFFIXES or path.name.startswith("."):
            continue
        name = path.relative_to(folder).with_suffix("").as_posix()
        if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in name):
            raise DatasetError(
                f"{folder}: the file name {name!r} cannot be written down; rename it"
            )
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


def files_below(folder: Path) -> Iterator[Path]:
    """Plain files at any depth, through links too; not in hidden folders, not in runs.

    Pipes and devices are passed over: opening one may wait for ever.
    """
    seen: set[Path] = set()
    for place, folders, files in os.walk(folder, followlinks=True):
        here = Path(place)
        real = here.resolve()
        beside_data = here != folder and (here / "records.jsonl").is_file()
        if real in seen or beside_data:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [f for f in folders if not f.startswith(".")]
        yield from (here / f for f in files if (here / f).is_file())


def heard_in(paths: Iterable[Path]) -> dict[Path, bool]:
    """Which of these files have sound; headers that lie elsewhere are read side by side."""
    wanted = list(paths)
    if not any(map(absent, wanted)):
        return {path: has_audio(path) for path in wanted}
    with ThreadPoolExecutor(_HEADERS) as pool:
        return dict(zip(wanted, pool.map(has_audio, wanted), strict=True))


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
        samples, videos = [], videos_in(data)
        heard = heard_in(videos.values())
        for name, path in videos.items():
            samples.append(
                Sample(
                    id=name,
                    speaker=speaker_of(name, self.speaker),
                    video=path,
                    audio=path if heard[path] else None,
                    reference=path,
                )
            )
        return with_other_audio(samples)


FOLDER = FolderDataset()
