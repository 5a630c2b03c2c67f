"""The file of a bundle: a ZIP whose members are stored as they are.

Nothing is compressed: the same members give the same bytes with any zlib, and no small file grows
large. Bundles come from strangers, so every name, size and kind of member is checked before any is
read, and arrays are read without pickle and only as large as the file that holds them.
"""

from __future__ import annotations

import hashlib
import io
import re
import stat
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import numpy as np

from evaluation.store import write_atomically
from metrics.assets.archives import opened_zip

MOST_MEMBERS = 400_000
LIST_BYTES = 64 << 20
"""Longest list of members."""
TEXT_BYTES = 256 << 20
"""Largest JSON or JSONL member."""
MEMBER_BYTES = 8 << 30
"""Largest member of any kind."""

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first moment that a ZIP can say
_NAME = re.compile(r"[A-Za-z0-9_.~@%+-]+(/[A-Za-z0-9_.~@%+-]+)*")
_BLOCK = 1 << 20
_ARRAYS_LIST_BYTES = 1 << 20


class BundleError(ValueError):
    """The file is no sound bundle; names it, the member, and what was expected."""


Content = bytes | Path


def write_archive(path: Path, members: Mapping[str, Content]) -> None:
    """Write members, sorted by name; the same members give the same bytes.

    Args:
        path: Appears when it is whole.
        members: Name -> bytes, or the file that holds them.
    """

    def write(file: IO[bytes]) -> None:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, strict_timestamps=True) as archive:
            for name in sorted(members):
                if not _NAME.fullmatch(name):
                    raise BundleError(f"{path}: {name!r} is no name for a member")
                entry = zipfile.ZipInfo(name, _EPOCH)
                entry.external_attr = (stat.S_IFREG | 0o644) << 16
                entry.create_system = 3
                content = members[name]
                if isinstance(content, bytes):
                    archive.writestr(entry, content)
                    continue
                entry.file_size = content.stat().st_size
                with archive.open(entry, "w") as out, content.open("rb") as source:
                    while block := source.read(_BLOCK):
                        out.write(block)

    write_atomically(path, write)


@dataclass(frozen=True)
class Archive:
    """A checked archive.

    Attributes:
        path: The file.
        sizes: Name -> bytes.
    """

    path: Path
    sizes: Mapping[str, int]

    @classmethod
    def open(cls, path: Path) -> Archive:
        """Look at every member's name, kind and size; read none.

        Raises:
            BundleError: Not a ZIP, cut short, or with a member that no bundle has.
        """
        try:
            with path.open("rb") as file, opened_zip(file, LIST_BYTES) as archive:
                entries = archive.infolist()
        except FileNotFoundError:
            raise BundleError(f"{path} is not there") from None
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise BundleError(
                f"{path} is no bundle, or cut short ({error}); a bundle is what "
                "`talkbench submission pack` writes"
            ) from error
        if min((e.header_offset for e in entries), default=0):
            # The end of an archive inside it can pass for its own.
            raise BundleError(f"{path} is no bundle, or cut short: it does not begin with a member")
        if len(entries) > MOST_MEMBERS:
            raise BundleError(f"{path}: {len(entries)} members, at most {MOST_MEMBERS} are read")
        sizes: dict[str, int] = {}
        for entry in entries:
            problem = _problem(entry)
            if not problem and entry.filename in sizes:
                problem = "is there twice"
            if problem:
                raise BundleError(f"{path}: member {entry.filename[:200]!r} {problem}")
            sizes[entry.filename] = entry.file_size
        if sum(sizes.values()) > path.stat().st_size:
            raise BundleError(f"{path}: its members claim more bytes than the file has")
        return cls(path, sizes)

    def read(self, name: str, most: int = TEXT_BYTES) -> bytes:
        """A whole member.

        Raises:
            BundleError: Absent, larger than ``most``, or damaged.
        """
        if name not in self.sizes:
            raise BundleError(f"{self.path} lacks {name}")
        if self.sizes[name] > most:
            raise BundleError(
                f"{self.path}: {name} has {self.sizes[name]} bytes, at most {most} are read"
            )
        return b"".join(self._blocks(name))

    def sha256(self, name: str) -> str:
        """Of a member's content, in lower-case hex.

        Raises:
            BundleError: Damaged.
        """
        digest = hashlib.sha256()
        for block in self._blocks(name):
            digest.update(block)
        return digest.hexdigest()

    def extract(self, name: str, to: Path) -> None:
        """Write a member to a file.

        Raises:
            BundleError: Damaged.
        """
        to.parent.mkdir(parents=True, exist_ok=True)
        with to.open("xb") as file:
            for block in self._blocks(name):
                file.write(block)

    @cached_property
    def _opened(self) -> zipfile.ZipFile:
        """Its list of members is read once, not once a member."""
        return zipfile.ZipFile(self.path)

    def _blocks(self, name: str) -> Iterator[bytes]:
        try:
            with self._opened.open(name) as file:
                while block := file.read(_BLOCK):
                    yield block
        except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
            raise BundleError(f"{self.path}: {name} is damaged ({error})") from error


def _problem(entry: zipfile.ZipInfo) -> str:
    """Why a member is none of a bundle's, or nothing."""
    kind = stat.S_IFMT(entry.external_attr >> 16)
    parts = entry.filename.split("/")
    if not _NAME.fullmatch(entry.filename) or entry.filename != entry.orig_filename:
        return "has a name that no bundle has"
    if any(set(part) == {"."} for part in parts):
        return "has a name that leads out of its folder"
    if kind not in (0, stat.S_IFREG):
        return "is a link or no plain file"
    if entry.flag_bits & 1:
        return "is encrypted"
    if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
        return "is compressed; members of a bundle are stored as they are"
    if entry.file_size > MEMBER_BYTES:
        return f"has {entry.file_size} bytes, at most {MEMBER_BYTES} are read"
    return ""


def check_arrays(content: bytes) -> str:
    """Why a member is no plain ``.npz``, or nothing. Reads headers, no arrays, no pickle."""
    try:
        with opened_zip(io.BytesIO(content), _ARRAYS_LIST_BYTES) as archive:
            entries = archive.infolist()
            if sum(e.file_size for e in entries) > len(content):
                return "claims more bytes than it has"
            for entry in entries:
                if entry.compress_type != zipfile.ZIP_STORED or not entry.filename.endswith(".npy"):
                    return f"holds {entry.filename[:80]!r}, which is no stored array"
                with archive.open(entry) as file:
                    problem = _array_problem(file, entry.file_size)
                if problem:
                    return f"{entry.filename[:80]}: {problem}"
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, NotImplementedError) as error:
        return f"is no .npz ({error})"
    return ""


def _array_problem(file: IO[bytes], size: int) -> str:
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        return f"array format {version}"
    read: Any = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    shape, _, dtype = read(file, max_header_size=2000)
    if dtype.hasobject:
        return "holds objects"
    count = 1
    for side in shape:
        if side < 0:
            return f"shape {shape}"
        count *= int(side)
    if count * dtype.itemsize != size - file.tell():
        return f"{dtype} {list(shape)} does not fit {size} bytes"
    return ""
