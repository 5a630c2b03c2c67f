"""Units of work in processes of their own: a crash costs the unit that crashed, and no other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from evaluation.engines.local import Local

U = TypeVar("U")
R = TypeVar("R")


def each(
    work: Callable[[U], R], units: Sequence[U], workers: int, lose: Callable[[U, str], R]
) -> Iterator[tuple[U, R]]:
    """Units with what became of them, as they finish, by :class:`~evaluation.engines.local.Local`.

    A unit that was running when its worker died is tried again, last and alone; the one that kills
    its worker again is lost.

    Args:
        work: What to do with a unit; with several workers it goes to each of them once, by pickle,
            so models that it loads are kept.
        units: What to do it with.
        workers: Processes; 1 works in this one, where a crash ends everything.
        lose: What stands for a unit that is lost, from the unit and the reason.
    """
    return Local(workers).each(work, units, lose)
