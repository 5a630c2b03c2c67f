"""Work split between threads by hand, where torch would split every operation of it.

Torch's threads wait for each other after each operation. With many short ones that is dear, and on
a busy machine each wait lasts until the scheduler comes round. Here every thread goes its own way.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from threading import Barrier
from typing import TypeVar

import torch
from torch import Tensor

_Part = TypeVar("_Part")
_Made = TypeVar("_Made")


def shares(x: Tensor) -> int:
    """Into how many parts to split work on this: one where it runs elsewhere or has gradients.

    One under autocast, too, which other threads do not inherit.
    """
    plain = x.device.type == "cpu" and not torch.is_autocast_enabled("cpu")
    return torch.get_num_threads() if plain and not torch.is_grad_enabled() else 1


def side_by_side(work: Callable[[_Part], _Made], parts: Iterable[_Part], on: Tensor) -> list[_Made]:
    """What ``work`` makes of each part, in order.

    Args:
        work: Called in several threads at a time, torch's operations on one each; where
            :func:`shares` of ``on`` is one, here, one part after the other.
        parts: A single one, too, is better off on one thread if its operations are short.
        on: What is worked on, for where it lies.
    """
    if shares(on) == 1:
        return [work(part) for part in parts]
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
