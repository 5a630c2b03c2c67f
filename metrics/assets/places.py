"""Where asset files are looked for, and the check they must pass."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import platformdirs

from metrics.assets.table import Asset, lookup

CACHE_VARIABLE = "TALKBENCH_CACHE"
FOLDERS_VARIABLE = "TALKBENCH_ASSETS"

_verified: dict[tuple[str, int, int], str] = {}


class AssetMissingError(FileNotFoundError):
    """The file is not on this machine; the text says how to bring it."""


class AssetCorruptError(ValueError):
    """A file is there, but it is not the file of the table."""


def cache_root() -> Path:
    """``$TALKBENCH_CACHE``, or the user's cache folder."""
    return Path(os.environ.get(CACHE_VARIABLE) or platformdirs.user_cache_dir("talkbench"))


def cached(asset: Asset) -> Path:
    """Where the cache keeps this asset, whether or not it is there."""
    return cache_root() / "assets" / asset.name / asset.file


def find(asset: Asset) -> Path | None:
    """The file's place, unchecked: the user's folders first, then the cache."""
    folders = os.environ.get(FOLDERS_VARIABLE, "")
    candidates = [Path(f).expanduser() / asset.file for f in folders.split(os.pathsep) if f]
    return next((p for p in [*candidates, cached(asset)] if p.is_file()), None)


def locate(name: str) -> Path:
    """Path of a verified file. Never downloads.

    Args:
        name: A name in the asset table.

    Raises:
        AssetMissingError: Not in ``$TALKBENCH_ASSETS`` and not in the cache.
        AssetCorruptError: The file found has another sha256 than the table says.
    """
    asset = lookup(name)
    path = find(asset)
    if path is None:
        raise AssetMissingError(
            f"{name} is not here. Run: talkbench assets get {name}  "
            f"(or put {asset.file}, sha256 {asset.sha256}, into a folder named in "
            f"${FOLDERS_VARIABLE})"
        )
    verify(asset, path)
    return path


def verify(asset: Asset, path: Path) -> None:
    """Compare the file with the table; once per process while the file stays untouched.

    Raises:
        AssetCorruptError: Names both hashes and what to do.
    """
    stat = path.stat()
    key = (str(path), stat.st_size, stat.st_mtime_ns)
    if key not in _verified:
        _verified[key] = sha256_of(path)
    if _verified[key] != asset.sha256:
        ours = path == cached(asset)
        todo = (
            f"Run: talkbench assets get {asset.name}"
            if ours
            else f"Replace it or take its folder out of ${FOLDERS_VARIABLE}"
        )
        raise AssetCorruptError(
            f"{path} is not {asset.name}: sha256 is {_verified[key]} ({stat.st_size} bytes), "
            f"expected {asset.sha256} ({asset.size} bytes). {todo}"
        )


def sha256_of(path: Path) -> str:
    """Lower-case hex sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
