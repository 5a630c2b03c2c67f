"""How the seconds of a unit are shared out: generate, decode, extract, measure."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

Stage = Literal["generate", "decode", "extract", "measure"]

_spent: ContextVar[dict[str, float] | None] = ContextVar("stages", default=None)


@contextmanager
def shared_out() -> Iterator[dict[str, float]]:
    """Seconds by stage of what happens inside; whole when the block has ended."""
    spent: dict[str, float] = {}
    token = _spent.set(spent)
    try:
        yield spent
    finally:
        _spent.reset(token)


def spend(stage: Stage, seconds: float) -> None:
    """Add seconds to a stage, where somebody counts."""
    spent = _spent.get()
    if spent is not None:
        spent[stage] = spent.get(stage, 0.0) + seconds


@contextmanager
def rest_of(stage: Stage) -> Iterator[None]:
    """Give a stage the time of a block that no other stage takes."""
    spent = _spent.get()
    before = sum(spent.values()) if spent is not None else 0.0
    start = time.perf_counter()
    try:
        yield
    finally:
        whole = time.perf_counter() - start
        within = sum(spent.values()) - before if spent is not None else 0.0
        spend(stage, max(0.0, whole - within))
