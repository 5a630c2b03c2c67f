"""Tracks that runs and machines share: a folder or an address, beside the run's own.

Whoever may write there is trusted, as whoever may write into the run's own folder is.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
from contextlib import suppress
from pathlib import Path

from evaluation.elsewhere.addresses import checked, is_address
from evaluation.elsewhere.remote import opened, reaching

_given_up: set[str] = set()
"""Places that could not be reached from this process: asked once, told once."""


class SharedTracks:
    """Files by name.

    Args:
        where: Folder, made where it is not there, or address.
        most: Bytes of the largest file that is taken.
    """

    def __init__(self, where: str, most: int) -> None:
        self._where, self._most = where, most

    def bring(self, name: str) -> bytes | None:
        """A file's content; None where it is not there."""
        if self._where in _given_up:
            return None
        try:
            return self._read(name)
        except FileNotFoundError:
            return None
        except Exception as error:  # noqa: BLE001 - whatever a place may do: the run goes on
            self._give_up(error)
            return None

    def keep(self, name: str, file: Path) -> None:
        """Copy a file there, whole or not at all."""
        if self._where in _given_up:
            return
        try:
            self._store(name, file)
        except Exception as error:  # noqa: BLE001
            self._give_up(error)

    def _read(self, name: str) -> bytes | None:
        if not is_address(self._where):
            there = Path(self._where) / name
            return there.read_bytes() if there.stat().st_size <= self._most else None
        files, root = opened(checked(self._where))
        path = f"{root}/{name}"
        if files.info(path)["size"] > self._most:
            return None
        content: bytes = files.cat_file(path)
        return content

    def _store(self, name: str, file: Path) -> None:
        if is_address(self._where):
            files, root = opened(checked(self._where))
            path = f"{root}/{name}"
            try:
                files.put_file(str(file), path)
            except FileNotFoundError:  # a place with folders; buckets have none, nor are they made
                if not files.exists(root):
                    raise
                files.makedirs(path.rpartition("/")[0], exist_ok=True)
                files.put_file(str(file), path)
            return
        there = Path(self._where) / name
        there.parent.mkdir(parents=True, exist_ok=True)
        part = there.with_name(f".{there.name}.{platform.node()}-{os.getpid()}")
        try:
            shutil.copyfile(file, part)
            part.replace(there)
        finally:
            part.unlink(missing_ok=True)

    def _give_up(self, error: Exception) -> None:
        _given_up.add(self._where)
        sys.stderr.write(
            f"talkbench: shared tracks at {self._where} are not used any more by this process "
            f"({type(error).__name__}: {error}); the run goes on without\n"
        )


def unusable(where: str) -> str:
    """Why a place for shared tracks cannot be used now, or nothing.

    Raises:
        UnusableInputError: It is no address, or the package of its protocol is missing.
    """
    if is_address(where):
        files, root = opened(checked(where))
        try:
            with reaching(where), suppress(FileNotFoundError):
                files.ls(root)
            files.invalidate_cache()
        except Exception as error:  # noqa: BLE001
            return str(error)
        return ""
    try:
        Path(where).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return f"{where}: {error.strerror or error}"
    return ""
