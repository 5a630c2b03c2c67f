"""Lists of clips and the folder they lie in: what is wrong is named, nothing is left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from evaluation.dataset import DatasetError, DatasetSpec
from evaluation.limits import text_of

_LONGEST_NAME = 255  # bytes; beyond, file systems raise what no name is worth
_NAMED = 5  # clips that an error names before it only counts


@dataclass(frozen=True)
class Line:
    """One line of a list: its number in the file, from 1, and its words."""

    number: int
    words: tuple[str, ...]


def root_of(data: Path | None, spec: DatasetSpec, holds: str) -> Path:
    """The user's folder, if it is the one meant.

    Args:
        data: What was given with ``--data``.
        spec: Whose data.
        holds: Folder or file that the right one has in it.

    Raises:
        DatasetError: None given, or another folder; names the right one where it is near.
    """
    if data is None:
        raise DatasetError(f"{spec.name} needs your own copy: --data DIR, where DIR holds {holds}")
    if not data.is_dir():
        raise DatasetError(f"{data} {'is not a folder' if data.exists() else 'does not exist'}")
    if (data / holds).exists():
        return data
    near = [data.parent] if data.name == holds else []
    near += [p for p in sorted(data.iterdir()) if (p / holds).exists()]
    hint = f" Did you mean --data {near[0]}?" if near else ""
    raise DatasetError(
        f"{data} is not where {spec.name} lies: there is no {holds} in it.{hint} "
        f"Expected: {spec.layout}"
    )


def read_lines(path: Path, form: str, fewest: int, most: int, where_from: str) -> list[Line]:
    """The lines of a list, each of so many words; empty lines are passed over.

    Args:
        path: The file.
        form: What a line looks like, for errors: ``AUDIO VIDEO``.
        fewest: Words.
        most: Words.
        where_from: Who has the list, for the error where it is missing.

    Raises:
        DatasetError: Absent, not text, empty, or a line of another form.
    """
    try:
        text = text_of(path, "utf-8-sig")
    except FileNotFoundError as error:
        raise DatasetError(f"the list {path} is missing; {where_from}") from error
    except (OSError, ValueError) as error:
        raise DatasetError(f"the list {path} cannot be read: {error}") from error
    lines = []
    for number, line in enumerate(text.split("\n"), start=1):
        words = tuple(line.split())
        if not words:
            continue
        if not fewest <= len(words) <= most:
            raise DatasetError(f"{path}, line {number}: expected {form}, found {line.strip()!r}")
        lines.append(Line(number, words))
    if not lines:
        raise DatasetError(f"the list {path} is empty; expected lines of the form {form}")
    return lines


def inside(name: str, path: Path, line: int) -> str:
    """A name of a list that stays within the data folder.

    Raises:
        DatasetError: It leads elsewhere.
    """
    pure = PurePosixPath(name)
    leads_away = pure.is_absolute() or ".." in pure.parts or "\\" in name
    if leads_away or not name.isprintable() or len(name.encode()) > _LONGEST_NAME:
        name = name if len(name) < 100 else f"{name[:100]}..."
        raise DatasetError(f"{path}, line {line}: {name!r} is no name inside the data folder")
    return name


def refuse_doubled(ids: Mapping[int, str] | Sequence[tuple[int, str]], path: Path) -> None:
    """Stop where two lines of a list name one clip.

    Raises:
        DatasetError: Which one, on which lines.
    """
    first: dict[str, int] = {}
    for line, name in ids.items() if isinstance(ids, Mapping) else ids:
        if name in first:
            raise DatasetError(f"{path}, line {line}: {name!r} is on line {first[name]} already")
        first[name] = line


def refuse_missing(files: Iterable[Path], root: Path, path: Path) -> None:
    """Stop where files that a list names are not there.

    Raises:
        DatasetError: How many, the first of them, and what to do.
    """
    wanted = list(dict.fromkeys(files))
    missing = [f for f in wanted if not f.is_file()]
    if not missing:
        return
    names = ", ".join(f.relative_to(root).as_posix() for f in missing[:_NAMED])
    more = f" and {len(missing) - _NAMED:,} more" if len(missing) > _NAMED else ""
    raise DatasetError(
        f"{len(missing):,} of the {len(wanted):,} files that {path} names are not in {root}: "
        f"{names}{more}. A part of a split is another split: bring them, or give a list of your "
        "own without them, and the report says how many clips it is about"
    )
