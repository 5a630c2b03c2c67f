"""Which files have sound, remembered: a split of ten thousand clips is opened once."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av

from evaluation.elsewhere.fetched import absent
from evaluation.file_state import at_rest, state_of
from evaluation.limits import parsed_json, text_of
from evaluation.store import write_json
from evaluation.video import has_audio
from metrics.assets import cache_root

_HEADERS = 16  # read at a time
_FORM = f"1, PyAV {av.__version__}"
"""What was found by another reader is looked at anew."""


def heard_in(folder: Path, files: Iterable[Path]) -> dict[Path, bool]:
    """Which files have sound; those alone are opened that are new or have changed.

    The answers lie in the user's cache; where that cannot be read or written, every file is opened.

    Args:
        folder: Of the split.
        files: Below it.
    """
    root = os.path.abspath(folder)  # noqa: PTH100 - the name of a place, links and all
    name = hashlib.sha256(os.fsencode(root)).hexdigest()[:24]
    memory = cache_root() / "sound" / f"{name}.json"
    known, new = _read(memory), dict[str, list[int]]()
    heard, files = {}, list(files)
    _look_ahead(files)
    for file in files:
        state = state_of(file)
        key = os.path.abspath(file)  # noqa: PTH100 - as above
        before = known.get(key)
        if before is not None and state is not None and before[1:] == [*state]:
            heard[file] = bool(before[0])
            continue
        heard[file] = has_audio(file)
        if state is not None and at_rest(state):
            new[key] = [int(heard[file]), *state]
    if new:
        with contextlib.suppress(OSError):
            write_json(memory, {"form": _FORM, "folder": root, "files": known | new})
    return heard


def _look_ahead(files: Iterable[Path]) -> None:
    """Read headers that lie elsewhere side by side; what they say is remembered by version."""
    away = [file for file in files if absent(file) is not None]
    if away:
        with ThreadPoolExecutor(_HEADERS) as pool:
            list(pool.map(has_audio, away))


def _read(path: Path) -> dict[str, list[int]]:
    try:
        content = parsed_json(text_of(path))
    except (OSError, ValueError):
        return {}
    if not isinstance(content, dict) or content.get("form") != _FORM:
        return {}
    files = content.get("files")
    if not isinstance(files, dict):
        return {}
    return {name: row for name, row in files.items() if isinstance(row, list) and len(row) == 6}
