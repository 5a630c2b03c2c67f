"""What the file system says of a file: enough to know that nobody has touched it.

As git's index does it. The time of a file's last change (``ctime``) cannot be set: a file that is
replaced by another of the same size and date tells.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

State = tuple[int, int, int, int, int]
"""Size, time of content and of change in nanoseconds, inode, device."""

GRAIN_NS = 2_000_000_000
"""Some file systems count in seconds: two changes so close together may look like one."""


def state_of(path: Path | str) -> State | None:
    """None where there is no such file, or it may not be asked."""
    try:
        stat = os.stat(path)  # noqa: PTH116 - a third of the time, and asked thousands of times
    except (OSError, ValueError):
        return None
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_dev


def at_rest(state: State, now_ns: int | None = None) -> bool:
    """Whether a later change would show: the last one was not just now, or in the future."""
    return state[2] + GRAIN_NS < (time.time_ns() if now_ns is None else now_ns)
