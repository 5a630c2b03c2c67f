"""Work split between threads by hand, where torch would split every operation of it.

Torch's threads wait for each other after each operation. With many short ones that is dear, and on
a busy machine each wait lasts until the scheduler comes round. Here every thread goes its own way.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from threading import Barrier
from typing import TypeVar

import torch
from torch import Tensor

_Part = TypeVar("_Part")
_Made = TypeVar("_Made")


def shares(x: Tensor) -> int:
    """Into how many parts to split work on this: one where it runs elsewhere or has gradients."""
    alone = torch.is_grad_enabled() or x.device.type != "cpu"
    return 1 if alone else torch.get_num_threads()


def side_by_side(work: Callable[[_Part], _Made], parts: Sequence[_Part]) -> list[_Made]:
    """What ``work`` makes of each part.

    A single one is worked on here, by all of torch's threads; several in a thread each, which is
    all that their operations run on, and without gradients.
    """
    if len(parts) == 1:
        return [work(parts[0])]
    inference = torch.is_inference_mode_enabled()  # no thread inherits it

    def alone(part: _Part) -> _Made:
        with torch.inference_mode(inference), torch.no_grad():
            return work(part)

    return list(_pool(torch.get_num_threads(), os.getpid()).map(alone, parts))


@lru_cache(maxsize=1)
def _pool(size: int, process: int) -> ThreadPoolExecutor:  # noqa: ARG001 - a fork has no threads
    """Threads that live on, with what torch and ``method.scratch`` keep for each."""
    ours = torch.get_num_threads()
    pool = ThreadPoolExecutor(size, initializer=_alone)
    # What they say counts for those that torch meets later, too: once all of ours have started,
    # it is taken back for these.
    started = Barrier(size)
    for _ in pool.map(lambda _: started.wait(), range(size)):
        pass
    torch.set_num_threads(ours)
    return pool


def _alone() -> None:
    """This thread's operations run on it alone."""
    torch.get_num_threads()  # which gives a new thread the number of all; later it would undo ours
    torch.set_num_threads(1)
