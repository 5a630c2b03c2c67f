"""What an engine is, and what all of them do alike."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

U = TypeVar("U")
R = TypeVar("R")

TRIES = 2
"""A unit that takes its worker with it is tried once more, and then given up."""

DIED = "the worker process died twice on this clip"
_STARTS = 3


class EngineError(RuntimeError):
    """No worker can be started; the text says what the last one died of."""


class Tell(Protocol):
    """Hears what an engine does: an event by name, the unit that it is about, and facts."""

    def __call__(self, event: str, unit: Any = None, **facts: Any) -> None:  # noqa: ANN401
        """Take note."""


def silent(event: str, unit: Any = None, **facts: Any) -> None:  # noqa: ANN401
    """Nobody listens."""
    del event, unit, facts


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the user asked of an engine.

    Attributes:
        workers: Units at a time.
        isolate: Keep units out of this process with one worker, too.
        clip_timeout: Seconds that a unit may take; None for any.
        address: Of a cluster that is there already.
        gpus_per_worker: Share of a GPU that a cluster gives each worker.
    """

    workers: int = 1
    isolate: bool = False
    clip_timeout: float | None = None
    address: str | None = None
    gpus_per_worker: float = 0.0


class Engine(Protocol):
    """Does units of work, in any order.

    One is made by a function that takes :class:`Asked`, declared in the entry-point group
    ``talkbench.engines``. Whatever the engine, the files of a run are the same.
    """

    def each(
        self,
        work: Callable[[U], R],
        units: Sequence[U],
        lose: Callable[[U, str], R],
        tell: Tell = silent,
    ) -> Generator[tuple[U, R], None, None]:
        """Units with what became of them, as they finish; closing the iterator stops the work.

        Args:
            work: What to do with a unit. It goes to each worker once, by pickle, so models that it
                loads are kept.
            units: What to do it with.
            lose: What stands for a unit that is lost, from the unit and the reason. Called here.
            tell: Hears of units and workers.

        Raises:
            EngineError: No worker can be started.
            Exception: Whatever ``work`` raised.
        """
        ...


class Waiting(Generic[U]):
    """Units in order. One whose worker died comes again after all others, and then alone.

    Alone, because it may have died of the memory that its neighbours took.
    """

    def __init__(self, units: Sequence[U]) -> None:
        self._fresh = deque(units)
        self._again: deque[U] = deque()
        self._starts = 0

    def __len__(self) -> int:
        return len(self._fresh) + len(self._again)

    def take(self, running: int) -> tuple[U, int] | None:
        """The next unit with the number of its try, if one may be begun beside those running."""
        if self._fresh:
            return self._fresh.popleft(), 1
        if self._again and not running:
            return self._again.popleft(), TRIES
        return None

    def give_back(self, unit: U, attempt: int) -> None:
        """It was not the unit's fault: it comes next."""
        (self._fresh if attempt == 1 else self._again).appendleft(unit)

    def died(self, unit: U, attempt: int) -> bool:
        """Whether the unit is tried again."""
        if attempt < TRIES:
            self._again.append(unit)
        return attempt < TRIES

    def not_started(self, why: str) -> None:
        """A worker died before it had begun anything.

        Raises:
            EngineError: It is one of several in a row.
        """
        self._starts += 1
        if self._starts >= _STARTS:
            raise EngineError(f"workers cannot be started here: {why}")

    def started(self) -> None:
        """A worker is ready."""
        self._starts = 0


def died_twice(how: str) -> str:
    """The reason of a unit that is given up."""
    return f"{DIED} ({how})"


def over_the_limit(limit_s: float) -> str:
    """The reason of a unit that took too long."""
    return f"took longer than {limit_s:g} s (--clip-timeout) and was ended"
