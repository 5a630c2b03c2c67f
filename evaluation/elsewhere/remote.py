"""What is asked of a place elsewhere, by fsspec: what is there, a file, the beginning of a file."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.dataset import DatasetError
from evaluation.machine import MachineError, machine_error
from evaluation.plan import UnusableInputError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_EXTRAS = dict.fromkeys(("s3", "s3a"), "Run: pip install 'talkbench[s3]'")
_VERSIONS = (
    *("ETag", "etag", "e_tag", "generation", "md5Hash", "content_md5", "VersionId"),
    *("LastModified", "last_modified", "updated", "mtime", "created"),
)
"""What file systems call that by which a changed file is told, the surest first."""
_AT_A_TIME = 16
_BLOCK = 1 << 17


class UnreachableError(RuntimeError):
    """A place or a file elsewhere cannot be had now; no clip is at fault. Tried at every run."""


@dataclass(frozen=True)
class Remote:
    """A file elsewhere, as it was listed.

    Attributes:
        place: Address that was listed.
        name: Below it.
        size: Bytes.
        version: By which a changed file is told (an ETag, a generation, a time).
    """

    place: str
    name: str
    size: int
    version: str

    @property
    def address(self) -> str:
        """The whole one."""
        return f"{self.place}/{self.name}"

    def fetch(self, to: Path) -> None:
        """Write it to a file of this machine, and see that it is the one that was listed.

        Raises:
            UnreachableError: It cannot be had, or is another by now.
            MachineError: The disk is full or read-only.
        """
        with reaching(self.address):
            files, root = opened(self.place)
            path = f"{root}/{self.name}"
            files.get_file(path, str(to), callback=_counting(self.size))
            found = to.stat().st_size
            if found != self.size:
                raise UnreachableError(
                    f"{self.address}: {found:,} of {self.size:,} bytes came; the next run fetches "
                    "it again"
                )
            files.invalidate_cache()
            now = _version(files.info(path))
        if now is not None and now != self.version:
            raise UnreachableError(
                f"{self.address} was changed while this command ran; the next run takes it as it "
                "is then"
            )

    def peek(self) -> Peeked:
        """Its content, read in ranges as it is asked for."""
        with reaching(self.address):
            files, root = opened(self.place)
            path = f"{root}/{self.name}"
            return Peeked(files.open(path, "rb", block_size=_BLOCK), self.address)


class Peeked:
    """A file elsewhere as FFmpeg reads it: what goes wrong on the way is no fault of the file."""

    def __init__(self, file: Any, address: str) -> None:  # noqa: ANN401
        self._file, self._address = file, address

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        with reaching(self._address):
            data: bytes = self._file.read(size)
            return data

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go there."""
        position: int = self._file.seek(offset, whence)
        return position

    def tell(self) -> int:
        """Where the next byte is read."""
        position: int = self._file.tell()
        return position


def opened(address: str) -> tuple[AbstractFileSystem, str]:
    """The file system of an address, and what it calls the place.

    Raises:
        UnusableInputError: No such protocol, or its package is not installed.
    """
    import fsspec

    protocol = address.split("://", 1)[0]
    try:
        files, root = fsspec.core.url_to_fs(address)
    except ImportError as error:
        todo = _EXTRAS.get(protocol, str(error))
        raise UnusableInputError(
            f"{address}: the package for {protocol}:// is not installed. {todo}"
        ) from error
    except ValueError as error:
        raise UnusableInputError(f"{address}: {error}") from error
    return files, root.rstrip("/")


@contextmanager
def reaching(address: str) -> Iterator[None]:
    """Whatever goes wrong on the way to an address, in one kind of error.

    Raises:
        UnreachableError: With what was said.
        MachineError: This machine's disk is full or read-only.
    """
    try:
        yield
    except (UnreachableError, UnusableInputError, MachineError):
        raise
    except Exception as error:
        if isinstance(error, OSError):
            known = machine_error(error)
            if isinstance(known, MachineError):
                raise known from error
        raise UnreachableError(f"{address} {_why(error)}") from error


def _why(error: Exception) -> str:
    first = (str(error).strip().splitlines() or [""])[0]
    said = f"{type(error).__name__}: {first}" if first else type(error).__name__
    if isinstance(error, FileNotFoundError):
        return f"is not there ({said})"
    if isinstance(error, PermissionError) or "Credential" in type(error).__name__:
        return f"may not be read ({said}); docs/SCALE.md, Media elsewhere, says how to give a key"
    return f"cannot be reached ({said})"


def listing(address: str) -> dict[str, Remote]:
    """Every file below an address, by its name there.

    Raises:
        UnreachableError: It cannot be listed.
        DatasetError: There is nothing.
    """
    files, root = opened(address)
    with reaching(address):
        files.invalidate_cache()
        found: Mapping[str, Mapping[str, Any]] = files.find(root, detail=True)
        below = {
            name[len(root) + 1 :]: info
            for name, info in found.items()
            if name.startswith(f"{root}/") and not _is_folder(name, info)
        }
        if any(info.get("size") is None for info in below.values()):  # a page of links
            below = _asked(files, root, below)
    if not below:
        raise DatasetError(f"{address} holds no files, or is not there")
    return {name: _remote(address, name, info) for name, info in below.items()}


def single(place: str, name: str) -> Remote:
    """One file below an address.

    Raises:
        UnreachableError: It cannot be had.
    """
    files, root = opened(place)
    with reaching(f"{place}/{name}"):
        files.invalidate_cache()
        return _remote(place, name, files.info(f"{root}/{name}"))


def _remote(place: str, name: str, info: Mapping[str, Any]) -> Remote:
    if info.get("size") is None:
        raise DatasetError(f"{place}/{name}: the server does not tell its size")
    version = _version(info)
    if version is None:  # nobody could tell a changed file: every command fetches it anew
        version = f"unknown {time.time_ns()}"
    return Remote(place, name, int(info["size"]), version)


def _is_folder(name: str, info: Mapping[str, Any]) -> bool:
    return info.get("type") == "directory" or (name.endswith("/") and not info.get("size"))


def _asked(
    files: AbstractFileSystem, root: str, names: Mapping[str, Any]
) -> dict[str, Mapping[str, Any]]:
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        infos = pool.map(lambda name: files.info(f"{root}/{name}"), names)
        return dict(zip(names, infos, strict=True))


def _version(info: Mapping[str, Any]) -> str | None:
    for key in _VERSIONS:
        if info.get(key):
            return f"{key} {_plain(info[key])}"
    return None


def _plain(value: object) -> str:
    """One text for what lists and heads write in two ways."""
    return str(value.timestamp() if isinstance(value, datetime) else value).strip('"')


def _counting(most: int) -> Any:  # noqa: ANN401 - fsspec's callback
    """A callback that ends a transfer of more than was promised."""
    from fsspec.callbacks import Callback

    class Counting(Callback):  # type: ignore[misc]
        def relative_update(self, inc: int = 1) -> None:
            super().relative_update(inc)
            if self.value > most:
                raise UnreachableError(f"more than the {most:,} bytes came that were listed")

    return Counting()
