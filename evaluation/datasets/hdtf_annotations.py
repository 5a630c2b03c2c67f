"""The annotation files of HDTF's authors (MRzzm/HDTF): clips with their intervals and crops.

Four text files for each of RD, WDA and WRA, fields parted by blanks. ``annotion`` is the authors'
spelling. ``crop_wh`` holds ``x width y height``, in pixels of a video as high as ``resolution``
says. Nothing that is odd in them stops the reading: it is a finding with file and line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from evaluation.dataset import DatasetError
from evaluation.limits import text_of

SUBSETS = ("RD", "WDA", "WRA")
KINDS = ("video_url", "annotion_time", "crop_wh", "resolution")

_INNER = "HDTF_dataset"  # where a clone of the authors' repository has them
_TIME = re.compile(r"(?:(\d+):)?(\d{1,2}):(\d{2})")
_ENDING = ".mp4"


@dataclass(frozen=True)
class Crop:
    """A window in px of the annotated resolution; (x, y) is its upper left corner."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Clip:
    """One interval of one video.

    Attributes:
        subset: ``RD``, ``WDA`` or ``WRA``.
        video: The authors' name of the video, without ending.
        number: The interval's place in its line, from 0.
        begin: s.
        end: s; the frame at this moment is not part of the clip.
        crop: None where the authors give none, or none that can be used.
        resolution: Height in px of the video that the crop is meant for; None where unknown.
    """

    subset: str
    video: str
    number: int
    begin: int
    end: int
    crop: Crop | None
    resolution: int | None

    @property
    def id(self) -> str:
        """As papers write it: ``RD_Radio11_000``."""
        return f"{self.source}_{self.number:03d}"

    @property
    def source(self) -> str:
        """Its video among those of all subsets: ``RD_Radio11``."""
        return f"{self.subset}_{self.video}"

    @property
    def seconds(self) -> int:
        """Length in s."""
        return self.end - self.begin


@dataclass(frozen=True)
class Oddity:
    """Something in the files that is not as the rest: file name, line (0: none), and what."""

    file: str
    line: int
    what: str


@dataclass(frozen=True)
class Annotations:
    """All that the files say.

    Attributes:
        urls: ``SUBSET_video`` -> address.
        clips: Every interval, in the order of the videos; those without a crop, too.
        oddities: In the order of the files.
    """

    urls: Mapping[str, str]
    clips: tuple[Clip, ...]
    oddities: tuple[Oddity, ...]


def read_annotations(folder: Path) -> Annotations:
    """Read the files of all subsets that are there.

    Args:
        folder: With the text files, or a clone of the authors' repository.

    Raises:
        DatasetError: No subset is there, or one lacks a file; names it.
    """
    inner = folder / _INNER
    where = inner if inner.is_dir() else folder
    files = {s: [where / f"{s}_{kind}.txt" for kind in KINDS] for s in SUBSETS}
    there = [s for s in SUBSETS if any(f.is_file() for f in files[s])]
    if not there:
        raise DatasetError(
            f"{folder} holds no annotations of HDTF: looked for "
            f"{', '.join(f.name for f in files['RD'])} and the same of WDA and WRA "
            "(github.com/MRzzm/HDTF, folder HDTF_dataset)"
        )
    lacking = [f.name for s in there for f in files[s] if not f.is_file()]
    if lacking:
        raise DatasetError(f"{where} lacks {', '.join(lacking)}")
    urls: dict[str, str] = {}
    clips: list[Clip] = []
    oddities = [Oddity(f"{s}_*.txt", 0, "not there") for s in SUBSETS if s not in there]
    for subset in there:
        reader = _Subset(subset, where)
        urls |= reader.urls()
        clips += reader.clips()
        oddities += reader.oddities
    return Annotations(urls, tuple(clips), tuple(oddities))


@dataclass(frozen=True)
class _Row:
    line: int
    fields: list[str]


class _Subset:
    """The four files of one subset, read once, and what was odd in them."""

    def __init__(self, subset: str, folder: Path) -> None:
        self.subset = subset
        self.folder = folder
        self.oddities: list[Oddity] = []
        self._urls = self._rows("video_url", ending="")
        self._times = self._rows("annotion_time")
        self._crops = self._rows("crop_wh")
        self._resolutions = self._rows("resolution")

    def urls(self) -> dict[str, str]:
        found: dict[str, str] = {}
        first: dict[str, str] = {}
        for name, row in self._urls.items():
            if len(row.fields) != 1:
                self._odd("video_url", row.line, f"{name}: expected one address")
                continue
            url = row.fields[0]
            if url in first:
                self._odd("video_url", row.line, f"{name} has the address of {first[url]}")
            first.setdefault(url, name)
            found[f"{self.subset}_{name}"] = url
        return found

    def clips(self) -> list[Clip]:
        """Every interval that can be read, in the order of the addresses."""
        for name, row in self._times.items():
            if name not in self._urls:
                self._odd("annotion_time", row.line, f"{name} has intervals and no address")
        for name, row in self._urls.items():
            if name not in self._times:
                self._odd("video_url", row.line, f"{name} has no intervals")
        clips = [c for name in {**self._urls, **self._times} for c in self._clips_of(name)]
        used = {f"{c.video}_{c.number}" for c in clips}
        for name, row in self._crops.items():
            if name not in used:
                self._odd("crop_wh", row.line, f"{name} has a crop and no interval")
        for name, row in self._resolutions.items():
            if name not in self._times and name not in self._urls:
                self._odd("resolution", row.line, f"{name} is no video of {self.subset}")
        return clips

    def _clips_of(self, name: str) -> Iterator[Clip]:
        row = self._times.get(name)
        if row is None:
            return
        if not row.fields:
            self._odd("annotion_time", row.line, f"{name}: no interval on the line")
        resolution = self._resolution(name, row)
        before: list[tuple[int, int]] = []
        for number, text in enumerate(row.fields):
            span = self._span(name, row, text)
            if span is None:
                continue
            for other in before:
                if span[0] < other[1] and other[0] < span[1]:
                    said = f"{name}: {text} overlaps with an earlier interval of its line"
                    self._odd("annotion_time", row.line, said)
                    break
            before.append(span)
            crop = self._crop(f"{name}_{number}", row, resolution)
            yield Clip(self.subset, name, number, *span, crop, resolution)

    def _span(self, name: str, row: _Row, text: str) -> tuple[int, int] | None:
        ends = [_TIME.fullmatch(part) for part in text.split("-")]
        if len(ends) != 2 or None in ends:
            said = f"{name}: {text!r} is no interval mm:ss-mm:ss"
            self._odd("annotion_time", row.line, said)
            return None
        begin, end = (_seconds(m) for m in ends if m)
        if begin >= end:
            said = f"{name}: {text} ends before it begins"
            self._odd("annotion_time", row.line, said)
            return None
        return begin, end

    def _resolution(self, name: str, interval: _Row) -> int | None:
        row = self._resolutions.get(name)
        if row is None:
            self._odd("annotion_time", interval.line, f"{name} has no resolution")
            return None
        if len(row.fields) != 1 or not row.fields[0].isdecimal() or int(row.fields[0]) == 0:
            said = f"{name}: {' '.join(row.fields) or 'nothing'} is no height in px"
            self._odd("resolution", row.line, said)
            return None
        return int(row.fields[0])

    def _crop(self, name: str, interval: _Row, resolution: int | None) -> Crop | None:
        row = self._crops.get(name)
        if row is None:
            self._odd("annotion_time", interval.line, f"{name} has an interval and no crop")
            return None
        text = " ".join(row.fields)
        if len(row.fields) != 4 or not all(f.isdecimal() for f in row.fields):
            self._odd("crop_wh", row.line, f"{name}: {text!r} is not x width y height")
            return None
        x, width, y, height = map(int, row.fields)
        if not width or width != height:
            said = f"{name}: {width}x{height} px is no square, and would be distorted"
            self._odd("crop_wh", row.line, said)
            return None
        if resolution is not None and y + height > resolution:
            said = f"{name}: the crop ends at {y + height} px of a video {resolution} px high"
            self._odd("crop_wh", row.line, said)
        return Crop(x=x, y=y, width=width, height=height)

    def _rows(self, kind: str, ending: str = _ENDING) -> dict[str, _Row]:
        """Name without its ending -> the rest of its line."""
        path = self.folder / f"{self.subset}_{kind}.txt"
        try:
            text = text_of(path, errors="replace")
        except ValueError as error:
            raise DatasetError(f"{path}: {error}") from error
        if text.startswith("\ufeff"):
            self._odd(kind, 1, "begins with a byte order mark, which is no part of the name")
        rows: dict[str, _Row] = {}
        for line, content in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
            fields = content.split()
            if not fields:
                continue
            if "\ufffd" in content:
                self._odd(kind, line, "is not UTF-8")
            name = fields[0]
            if not name.endswith(ending):
                self._odd(kind, line, f"{name} does not end in {ending}")
            name = name.removesuffix(ending or " ")
            if name in rows:
                said = f"{name} is there twice; line {rows[name].line} counts"
                self._odd(kind, line, said)
                continue
            rows[name] = _Row(line, fields[1:])
        return rows

    def _odd(self, kind: str, line: int, what: str) -> None:
        self.oddities.append(Oddity(f"{self.subset}_{kind}.txt", line, what))


def _seconds(match: re.Match[str]) -> int:
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return (hours * 60 + minutes) * 60 + seconds
