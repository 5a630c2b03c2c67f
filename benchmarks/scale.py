"""The parts of :mod:`benchmarks.resume` that other programs use, under their first names."""

from __future__ import annotations

from typing import Any, Protocol

from benchmarks.resume import finished_run, measured
from benchmarks.tables import Row

__all__ = ["Asked", "finished_run", "run_resume"]


class Asked(Protocol):
    """What is to be measured: numbers of clips, and cards."""

    clips: Any
    cards: Any


def run_resume(given: Asked) -> list[Row]:
    """One row per number of clips: the first resume, the second, and the report."""
    return measured(given.clips, given.cards)
