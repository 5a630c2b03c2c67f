"""Tensors made of weights, made again where the weights changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor


class Derived:
    """What ``make`` makes of weights.

    Args:
        make: A function of a module, so that what holds this can be pickled.
    """

    def __init__(self, make: Callable[..., Tensor]) -> None:
        self._make = make
        self._last: _Made | None = None

    def of(self, *weights: Tensor) -> Tensor:
        """What is made of these, without gradients."""
        last = self._last
        if last is None or not last.fits(weights):
            # Aliases, not copies: while they are held nothing else can stand at their address.
            held = tuple(x.detach() for x in weights)
            # In one assignment, because other threads look here, too.
            last = self._last = _Made(held, _versions(weights), self._make(*held))
        return last.made


class _Made(NamedTuple):
    weights: tuple[Tensor, ...]
    versions: list[int]
    made: Tensor

    def fits(self, weights: tuple[Tensor, ...]) -> bool:
        """Whether it is made of these as they are now."""
        here = [x.data_ptr() for x in weights] == [x.data_ptr() for x in self.weights]
        return here and _versions(weights) == self.versions


def _versions(weights: tuple[Tensor, ...]) -> list[int]:
    return [x._version for x in weights]  # noqa: SLF001 - there is no public sign of a change
