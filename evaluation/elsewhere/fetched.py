"""Files from elsewhere while they are here: fetched once, kept within a bound, held while in use.

Whoever uses a file has its lock shared; who fetches or removes it has it alone. The kernel lets go
of the locks of a process that was killed.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from evaluation.elsewhere.addresses import store_root
from evaluation.elsewhere.mirror import ABSENT, make_absent, remote_of, standing_for
from evaluation.elsewhere.remote import Remote, UnreachableError
from evaluation.plan import UnusableInputError
from evaluation.store import write_atomically
from metrics.assets import sha256_of

BOUND_VARIABLE = "TALKBENCH_ELSEWHERE_BYTES"
BOUND = 50 << 30
_USED_AGAIN_NS = 600 * 10**9
"""A use is noted once in ten minutes: noting it changes the state by which files are told."""


class _InUse(threading.local):
    """Files in use by a thread: a block of :func:`using` each, file -> descriptor with its lock."""

    def __init__(self) -> None:
        self.blocks: list[dict[Path, int]] = []


_in_use = _InUse()


@contextmanager
def using() -> Iterator[None]:
    """What is fetched inside stays on this machine until the end of the block."""
    _in_use.blocks.append({})
    try:
        yield
    finally:
        for descriptor in _in_use.blocks.pop().values():
            os.close(descriptor)


def here(path: Path) -> Path:
    """The same path; a file from elsewhere is fetched first, if it is not here.

    Raises:
        UnreachableError: It cannot be had now.
        MachineError: The disk is full or read-only.
    """
    remote = remote_of(path)
    if remote is None:
        return path
    place = standing_for(remote)
    if any(place in block for block in _in_use.blocks):
        return path
    while True:
        descriptor = _locked(place, fcntl.LOCK_SH, remote)
        if os.fstat(descriptor).st_mtime_ns != ABSENT:
            break
        os.close(descriptor)
        descriptor = _locked(place, fcntl.LOCK_EX, remote)
        try:
            if os.fstat(descriptor).st_mtime_ns == ABSENT:
                _fetch(remote, place)
        finally:
            os.close(descriptor)
    stat, now = os.fstat(descriptor), time.time_ns()
    if now - stat.st_atime_ns > _USED_AGAIN_NS:
        with suppress(OSError):  # by its last use a file is known that may go
            os.utime(place, ns=(now, stat.st_mtime_ns))
    if _in_use.blocks:
        _in_use.blocks[-1][place] = descriptor
    else:
        os.close(descriptor)
    return path


def absent(path: Path) -> Remote | None:
    """What a path stands for, while that is not on this machine; None for a file that is."""
    remote = remote_of(path)
    if remote is None:
        return None
    try:
        return remote if standing_for(remote).stat().st_mtime_ns == ABSENT else None
    except FileNotFoundError:
        return remote


def known_sha256(path: Path) -> str:
    """sha256 of a file that was here in this version and was removed, or nothing."""
    remote = absent(path)
    return "" if remote is None else str(_facts(remote).get("sha256", ""))


def remembered(path: Path, fact: str, find: Callable[[], Any]) -> Any:  # noqa: ANN401
    """A fact about a file; of one from elsewhere it is found once for each version."""
    remote = remote_of(path)
    if remote is None:
        return find()
    facts = _facts(remote)
    if fact not in facts:
        facts |= {fact: find()}
        _note(remote, facts)
    return facts[fact]


def _locked(place: Path, how: int, remote: Remote) -> int:
    """A descriptor of the file that is there now, locked."""
    while True:
        try:
            descriptor = os.open(place, os.O_RDWR)
        except FileNotFoundError:
            place.parent.mkdir(parents=True, exist_ok=True)
            make_absent(place, remote.size)
            continue
        fcntl.flock(descriptor, how)
        if _same(descriptor, place):
            return descriptor
        os.close(descriptor)  # replaced while we waited


def _same(descriptor: int, place: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), place.stat())
    except FileNotFoundError:
        return False


def _fetch(remote: Remote, place: Path) -> None:
    """Put the object there; the caller has it alone."""
    part = place.with_name(f".{place.name}.part")
    _make_room(remote.size)
    try:
        remote.fetch(part)
        found, facts = sha256_of(part), _facts(remote)
        if facts.get("sha256", found) != found:
            raise UnreachableError(
                f"{remote.address} is another file than before, and the server calls it the same "
                f"version ({remote.version})"
            )
        if "sha256" not in facts:
            _note(remote, facts | {"sha256": found})
        os.utime(part)
        part.replace(place)
    finally:
        part.unlink(missing_ok=True)


def _make_room(size: int) -> None:
    """Remove what was not used for longest, until so many bytes more are within the bound."""
    kept = []
    with os.scandir(store_root() / "objects") as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                stat = entry.stat()
                if stat.st_mtime_ns != ABSENT:
                    kept.append((stat.st_atime_ns, stat.st_size, Path(entry.path)))
    over = sum(bytes_ for _, bytes_, _ in kept) + size - bound()
    for _, bytes_, place in sorted(kept):
        if over <= 0:
            return
        if not place.name.startswith(".") and _remove(place):
            over -= bytes_


def _remove(place: Path) -> bool:
    """Whether nobody uses the file, which is then gone."""
    try:
        descriptor = os.open(place, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not _same(descriptor, place):
            return False
        make_absent(place, place.stat().st_size)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def bound() -> int:
    """Bytes that files from elsewhere may take.

    Raises:
        UnusableInputError: The variable is no number.
    """
    text = os.environ.get(BOUND_VARIABLE) or str(BOUND)
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise UnusableInputError(
            f"${BOUND_VARIABLE} is {text!r}; expected the bytes that fetched files may take "
            f"(without it: {BOUND:,})"
        )
    return int(text)


def _facts_of(remote: Remote) -> Path:
    return store_root() / "facts" / f"{standing_for(remote).stem}.json"


def _facts(remote: Remote) -> dict[str, Any]:
    try:
        content = json.loads(_facts_of(remote).read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _note(remote: Remote, facts: dict[str, Any]) -> None:
    text = json.dumps(facts)
    write_atomically(_facts_of(remote), lambda file: file.write(text.encode()))
