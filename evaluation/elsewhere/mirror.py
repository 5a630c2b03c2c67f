"""A place elsewhere as a folder of this machine: every file is listed, none is fetched.

A listing becomes a tree of links, each to the one file that stands for an object in one version.
Until that is fetched it is a hole of the object's size. A changed object is another file, and a
changed listing another tree, so that who reads the old one goes on reading it.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath

from filelock import FileLock

from evaluation.dataset import DatasetError
from evaluation.elsewhere.addresses import TREES, checked, home_of, is_address, store_root, tell
from evaluation.elsewhere.remote import Remote, UnreachableError, listing, single
from evaluation.store import write_atomically

ABSENT = 0
"""Time of change, in ns, of a file that stands for what is not fetched."""

_IN_TREE = re.compile(r"(.*/@[0-9a-f]{16})/(.+)", re.DOTALL)
_LONGEST_NAME = 255


def mirror(address: str) -> Path:
    """The folder that stands for an address.

    Raises:
        UnusableInputError: No address, or the package of its protocol is missing.
        UnreachableError: It cannot be listed.
        DatasetError: Nothing is there, or names that no folder can hold.
    """
    address = checked(address)
    found = listing(address)
    _refuse_names(address, found)
    return _tree(address, found)


def local(where: Path | str) -> Path:
    """A path as it is, and the folder that stands for an address (:func:`mirror`)."""
    return mirror(str(where)) if is_address(where) else Path(where)


def find(address: str) -> Path:
    """The path of a file that a run names: as the last listing has it, else asked for alone.

    What cannot be had is a path to nothing.
    """
    if not is_address(address):
        return Path(address)
    place, _, name = address.rpartition("/")
    below = name
    with suppress(UnreachableError, ValueError):
        above = place
        while "://" in above and above.split("://", 1)[1]:
            for index in _newest(home_of(checked(above))):
                if below in _index(str(index)):
                    return index.with_suffix("") / below
            above, _, last = above.rpartition("/")
            below = f"{last}/{below}"
        alone = {name: single(checked(place), name)}
        _refuse_names(place, alone)
        return _tree(checked(place), alone) / name
    return Path(address)


def remote_of(path: Path) -> Remote | None:
    """What a path of a tree stands for; None for any other path.

    Raises:
        UnreachableError: Its listing is not on this machine.
    """
    if TREES not in str(path):  # asked of every file: no more than this for most
        return None
    text = os.path.abspath(path)  # noqa: PTH100 - resolving would lose the name
    if not text.startswith(f"{store_root()}/trees/"):
        return None
    match = _IN_TREE.fullmatch(text)
    if match is None:
        return None
    found = _index(f"{match[1]}.json").get(match[2])
    if found is None:
        raise UnreachableError(
            f"{tell(path)} was not listed on this machine: the folder $TALKBENCH_CACHE must be one "
            "for all nodes of a cluster, or each does a --shard"
        )
    return found


def standing_for(remote: Remote) -> Path:
    """The file of this machine for one version of an object."""
    said = json.dumps([remote.address, remote.size, remote.version])
    suffix = PurePosixPath(remote.name).suffix
    ending = suffix if suffix[1:].isalnum() and suffix.isascii() and len(suffix) < 9 else ""
    digest = hashlib.sha256(said.encode(errors="surrogatepass")).hexdigest()
    return store_root() / "objects" / f"{digest[:32]}{ending}"


def make_absent(path: Path, size: int) -> None:
    """Put a hole of that size there, instead of whatever was."""
    hole = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with hole.open("wb") as file:
            file.truncate(size)
        os.utime(hole, ns=(ABSENT, ABSENT))
        hole.replace(path)
    finally:
        hole.unlink(missing_ok=True)


def _tree(address: str, found: Mapping[str, Remote]) -> Path:
    rows = {name: [found[name].size, found[name].version] for name in sorted(found)}
    content = json.dumps({"address": address, "files": rows}).encode()
    home = home_of(address)
    tree = home / f"@{hashlib.sha256(content).hexdigest()[:16]}"
    index = tree.with_suffix(".json")
    (store_root() / "objects").mkdir(parents=True, exist_ok=True)
    home.mkdir(parents=True, exist_ok=True)
    with FileLock(store_root() / ".listing"):
        for remote in found.values():
            place = standing_for(remote)
            if not place.exists():
                make_absent(place, remote.size)
        if index.is_file():
            os.utime(index)
            return tree
        making = tree.with_name(f".{tree.name}")
        shutil.rmtree(making, ignore_errors=True)
        shutil.rmtree(tree, ignore_errors=True)
        for name, remote in found.items():
            link = making / name
            link.parent.mkdir(parents=True, exist_ok=True)
            try:
                link.symlink_to(standing_for(remote))
            except FileExistsError as error:
                raise DatasetError(
                    f"{address}: {name!r} and another file have one name on this machine's file "
                    "system; rename one of them"
                ) from error
        making.rename(tree)
        write_atomically(index, lambda file: file.write(content))
    return tree


def _refuse_names(address: str, names: Mapping[str, Remote]) -> None:
    """Names that lead out of a folder, or of which two cannot be in one.

    Raises:
        DatasetError: Names the first.
    """
    for name in names:
        parts = name.split("/")
        odd = {"", ".", ".."} & set(parts) or "\\" in name or not name.isprintable()
        if odd or any(len(p.encode(errors="surrogatepass")) > _LONGEST_NAME for p in parts):
            shown = name if len(name) < 100 else f"{name[:100]}..."
            raise DatasetError(
                f"{address}: the name {shown!r} cannot be a file in a folder; rename it, or name a "
                "place below or beside it"
            )
        above = next((str(p) for p in PurePosixPath(name).parents if str(p) in names), None)
        if above is not None:
            raise DatasetError(
                f"{address}: {above!r} is a file, and {name!r} lies in it as in a folder; rename "
                "one of them"
            )


def _newest(home: Path) -> list[Path]:
    found = [p for p in home.glob("@*.json") if p.is_file()]
    return sorted(found, key=lambda p: p.stat().st_mtime_ns, reverse=True)


@functools.lru_cache(maxsize=64)
def _index(path: str) -> Mapping[str, Remote]:
    """A listing by name; it never changes once it is there."""
    try:
        content = json.loads(Path(path).read_bytes())
    except FileNotFoundError:
        return {}
    address = content["address"]
    return {n: Remote(address, n, size, version) for n, (size, version) in content["files"].items()}
