"""Finished videos as a generator: a folder, a pattern or a list of them, paired by id."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation.dataset import DatasetError
from evaluation.datasets.folder import VIDEO_SUFFIXES, files_below, videos_in
from evaluation.datasets.lists import inside
from evaluation.elsewhere.addresses import is_address, tell
from evaluation.elsewhere.mirror import mirror
from evaluation.generate import MissingOutputError
from evaluation.generator import GeneratorSpec
from evaluation.limits import text_of
from evaluation.sample import Sample

ID = "{id}"


@dataclass(frozen=True)
class FinishedVideos:
    """What a system made elsewhere.

    Attributes:
        name: Row of the table.
        folder: Where the videos lie.
        videos: Id -> file.
    """

    name: str
    folder: Path
    videos: dict[str, Path]

    @classmethod
    def read(cls, name: str, where: Path | str) -> FinishedVideos:
        """List them.

        Args:
            name: Row of the table.
            where: A folder, whose files are named as the samples; a path with ``{id}`` in it, which
                stands for the sample's id (``out/{id}_wav2lip.mp4``); or a CSV file with the
                columns ``id`` and ``file``, paths from where it lies that stay below there.
                Any of them may be an address.

        Raises:
            DatasetError: None of these, or without videos; or a list that leads elsewhere.
        """
        where = _local(where)
        if ID in str(where):
            return cls(name, *_matching(where))
        if where.suffix.lower() == ".csv":
            return cls(name, where.parent, _listed(where))
        return cls(name, where, videos_in(where))

    @property
    def spec(self) -> GeneratorSpec:
        """Who this is; files are told apart by their hashes, so there is no version to keep."""
        return GeneratorSpec(
            name=self.name,
            version="1",
            kind="system",
            about="finished videos, scored as they are",
            source=tell(self.folder),
        )

    def generate(self, sample: Sample, out: Path, seed: int) -> Path:
        """The file of that id, where it lies."""
        del out, seed
        video = self.video_of(sample)
        if video is None:
            raise MissingOutputError(f"{tell(self.folder)} has no video called {sample.id}")
        return video

    def video_of(self, sample: Sample) -> Path | None:
        """The file of that id."""
        return self.videos.get(sample.id)

    def unpaired(self, samples: Sequence[Sample]) -> list[str]:
        """Ids of videos that belong to no sample."""
        return sorted(self.videos.keys() - {s.id for s in samples})


def names_finished(text: str) -> bool:
    """Whether a generator is named as ``NAME=WHERE``; ``NAME:key=value`` is not."""
    return "=" in text.split(":", 1)[0]


def read_finished(text: str) -> FinishedVideos:
    """Finished videos from ``NAME=WHERE``, split at the first ``=``.

    Raises:
        DatasetError: Not of this form, or nothing there.
    """
    name, _, where = text.partition("=")
    if not name or not where:
        raise DatasetError(f"finished videos are named NAME=DIR, got {text!r}")
    return FinishedVideos.read(name, where if is_address(where) else Path(where))


def _local(where: Path | str) -> Path:
    """A path; of an address the folder that it begins with is listed, and nothing fetched."""
    if not is_address(where):
        return Path(where)
    parts = str(where).rstrip("/").split("/")
    last = len(parts) - (parts[-1].lower().endswith(".csv"))
    first = next((i for i, part in enumerate(parts) if ID in part), last)
    return mirror("/".join(parts[:first])).joinpath(*parts[first:])


def _matching(where: Path) -> tuple[Path, dict[str, Path]]:
    """The folder that a pattern begins with, and the files that it names."""
    parts = where.parts
    first = next(i for i, part in enumerate(parts) if ID in part)
    folder = Path(*parts[:first])
    rest = Path(*parts[first:]).as_posix()
    before, after = rest.split(ID, 1)
    if ID in after:
        raise DatasetError(f"{where}: {ID} may stand there once")
    if not folder.is_dir():
        raise DatasetError(f"{folder} is not a folder")
    wanted = re.compile(re.escape(before) + "(.+)" + re.escape(after))
    found: dict[str, Path] = {}
    for path in sorted(files_below(folder)):
        match = wanted.fullmatch(path.relative_to(folder).as_posix())
        if match:
            found[match[1]] = path
    if not found:
        raise DatasetError(f"{where}: no file in {folder} is called like that")
    return folder, found


def _listed(path: Path) -> dict[str, Path]:
    """Id -> file of a CSV file; a file that is not there is missed when it is asked for."""
    try:
        text = text_of(path, "utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
    except (OSError, ValueError, csv.Error) as error:
        raise DatasetError(f"{path}: cannot be read ({error})") from error
    if not rows or not {"id", "file"} <= rows[0].keys():
        raise DatasetError(f"{path}: expected the columns id and file, and a row for every clip")
    found: dict[str, Path] = {}
    for number, row in enumerate(rows, start=2):
        name, file_name = (row["id"] or "").strip(), (row["file"] or "").strip()
        if not name or not file_name:
            raise DatasetError(f"{path}, line {number}: id or file is empty")
        if name in found:
            raise DatasetError(f"{path}, line {number}: {name!r} is there twice")
        if Path(file_name).suffix.lower() not in VIDEO_SUFFIXES:
            raise DatasetError(f"{path}, line {number}: {file_name!r} is no video file")
        there = path.parent / inside(file_name, path, number)
        if there.is_file():
            found[name] = there
    if not found:
        raise DatasetError(f"{path}: none of the {len(rows)} files that it names is there")
    return found
