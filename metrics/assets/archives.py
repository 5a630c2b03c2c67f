"""Archives of strangers: single files are copied out; nothing is unpacked, run or believed.

Python's own readers take what a header says: a ZIP's list of members and a tar's long names and
extended headers are read whole, however long they claim to be, and repeated without end. Here such
a piece has a length that it may have, and all of them together, too.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

MOST_ENTRIES = 100_000
"""No archive may list more."""
DIRECTORY_BYTES = 32 << 20
"""A ZIP's list of members, and all headers of a tar, may not be longer."""
HEADER_BYTES = 1 << 20
"""Nor may one header of a tar."""

DAMAGED = (
    *(zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, lzma.LZMAError),
    *(KeyError, EOFError, NotImplementedError, RecursionError, UnicodeError),
)
"""What the readers raise at a spoilt archive, beside ``OSError`` at places that no file has."""

_KINDS = {b"\x1f\x8b": gzip.open, b"BZ": bz2.open, b"\xfd7": lzma.open}


class TooLongError(zipfile.BadZipFile, tarfile.ReadError):
    """A header is longer than any that is meant well."""


class Modest(io.RawIOBase):
    """A file that gives no piece longer than ``piece`` and no more than ``whole`` bytes in all.

    Args:
        file: Open, with ``seek``.
        piece: Of one call of ``read``, bytes.
        whole: Of all of them; no limit if None. ``allow`` adds to it.
    """

    def __init__(self, file: IO[bytes], piece: int, whole: int | None = None) -> None:
        self._file, self._piece, self._left = file, piece, whole

    def allow(self, more: int) -> None:
        """Let so many bytes more be read."""
        if self._left is not None:
            self._left += more

    def read(self, size: int | None = -1, /) -> bytes:
        """So many bytes, or what is left.

        Raises:
            TooLongError: That is more than it gives.
        """
        wanted = self._piece + 1 if size is None or size < 0 else size
        if size is not None and size > self._piece:
            raise TooLongError(f"a header of {size:,} bytes; {self._piece:,} are the most")
        data = self._file.read(wanted)
        if self._left is not None:
            self._left -= len(data)
        if len(data) > self._piece or (self._left is not None and self._left < 0):
            raise TooLongError("headers without end")
        return data

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go there; what is passed over counts for nothing."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Where."""
        return self._file.tell()


@contextmanager
def opened_zip(file: IO[bytes], most: int = DIRECTORY_BYTES) -> Iterator[zipfile.ZipFile]:
    """A ZIP whose list of members has at most so many bytes.

    Raises:
        zipfile.BadZipFile: It has more, or is no ZIP.
    """
    with zipfile.ZipFile(cast("IO[bytes]", Modest(file, most))) as archive:
        yield archive


def files_of_wheel(path: Path, wanted: Collection[str]) -> Iterator[tuple[str, IO[bytes]]]:
    """Name and content of every wanted member, stored or deflated.

    Raises:
        KeyError: One is not there.
        Exception: Others of ``DAMAGED``.
    """
    with path.open("rb") as file, opened_zip(file) as wheel:
        if len(wheel.infolist()) > MOST_ENTRIES:
            raise TooLongError(f"more than {MOST_ENTRIES:,} entries")
        for name in wanted:
            entry = wheel.getinfo(name)
            if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise zipfile.BadZipFile(f"{name} is packed in a way that wheels are not")
            with wheel.open(entry) as member:
                yield name, member


def files_of_sdist(
    path: Path, wanted: Collection[str], most: int
) -> Iterator[tuple[str, IO[bytes]]]:
    """Name and content of every wanted plain file; an sdist's leading folder is left out.

    Links, devices and sparse files are no plain files, whatever their name.

    Args:
        path: Of a tar, packed by gzip, bzip2, xz or not at all.
        wanted: Names.
        most: Bytes that it may unpack to.

    Raises:
        TooLongError: It would unpack to more, has more entries, or longer headers.
        Exception: Others of ``DAMAGED``.
    """
    with path.open("rb") as packed:
        kind: Any = _KINDS.get(packed.read(2))
        packed.seek(0)
        plain = packed if kind is None else kind(packed)
        modest = Modest(plain, HEADER_BYTES, DIRECTORY_BYTES)
        unpacked = 0
        with tarfile.open(fileobj=cast("IO[bytes]", modest), mode="r:") as sdist:
            for number, entry in enumerate(sdist, start=1):
                unpacked += entry.size
                if number > MOST_ENTRIES or unpacked > most:
                    raise TooLongError(
                        f"it unpacks to more than {MOST_ENTRIES:,} entries or {most:,} bytes"
                    )
                name = entry.name.split("/", 1)[-1]
                if name not in wanted or not entry.isreg() or entry.issparse():
                    continue
                modest.allow(entry.size)
                stream = sdist.extractfile(entry)
                if stream is not None:
                    yield name, stream
