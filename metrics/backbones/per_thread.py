"""One network per thread, for runtimes whose handles must not be shared."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def per_thread(load: Callable[[Path], T]) -> Callable[[Path], T]:
    """Make ``load`` remember what it loaded, separately in every thread."""
    held = threading.local()

    @wraps(load)
    def get(path: Path) -> T:
        mine: dict[str, T] = vars(held)
        key = str(path)
        if key not in mine:
            mine[key] = load(path)
        return mine[key]

    return get
