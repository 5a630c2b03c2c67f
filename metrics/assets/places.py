"""Where asset files are looked for, and the check they must pass."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import platformdirs

from metrics.assets.asset import Asset
from metrics.assets.table import lookup

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
        raise AssetMissingError(f"{name} is not here. {how_to_get(asset)}")
    verify(asset, path)
    return path


def how_to_get(asset: Asset) -> str:
    """What a user does to have it."""
    folder = f"into a folder named in ${FOLDERS_VARIABLE}"
    if asset.page:
        return (
            f"Its publisher offers {asset.file} at {asset.page}; then run: "
            f"talkbench assets get {asset.name} --from FILE  (or put it {folder})"
        )
    return (
        f"Run: talkbench assets get {asset.name}  "
        f"(or put {asset.file}, sha256 {asset.sha256}, {folder})"
    )


def verify(asset: Asset, path: Path) -> None:
    """Compare the file with the table; once per process while the file stays untouched.

    Where the table has no hash, there is nothing to compare.

    Raises:
        AssetCorruptError: Names both hashes and what to do.
    """
    if not asset.sha256:
        return
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
