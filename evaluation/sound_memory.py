"""Which files have sound, remembered: a split of ten thousand clips is opened once."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import av

from evaluation.file_state import at_rest, state_of
from evaluation.limits import parsed_json, text_of
from evaluation.store import write_json
from evaluation.video import has_audio
from metrics.assets import cache_root

_FORM = f"1, PyAV {av.__version__}"
"""What was found by another reader is looked at anew."""


@contextmanager
def remembered_sound(folder: Path) -> Iterator[Callable[[Path], bool]]:
    """Asks files below a folder for sound, and opens those alone that are new or have changed.

    The answers lie in the user's cache; where that cannot be read or written, every file is opened.

    Args:
        folder: Of the split.
    """
    root = os.path.abspath(folder)  # noqa: PTH100 - the name of a place, links and all
    name = hashlib.sha256(os.fsencode(root)).hexdigest()[:24]
    path = cache_root() / "sound" / f"{name}.json"
    known = _read(path)
    new: dict[str, list[int]] = {}

    def asked(file: Path) -> bool:
        state = state_of(file)
        if state is None:
            return has_audio(file)
        key = os.path.abspath(file)  # noqa: PTH100 - as above
        before = known.get(key)
        if before is not None and before[1:] == [*state]:
            return bool(before[0])
        found = has_audio(file)
        if at_rest(state):
            new[key] = [int(found), *state]
        return found

    yield asked
    if new:
        with contextlib.suppress(OSError):
            write_json(path, {"form": _FORM, "folder": root, "files": known | new})


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
