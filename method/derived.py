"""Tensors made of weights, made again where the weights changed."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor


class Derived:
    """What ``make`` makes of weights.

    Args:
        make: A function of a module, so that what holds this can be pickled.
    """

    def __init__(self, make: Callable[..., Tensor]) -> None:
        self._make = make
        self._weights: list[Tensor] = []
        self._versions: list[int] = []
        self._made: Tensor | None = None

    def of(self, *weights: Tensor) -> Tensor:
        """What is made of these, without gradients."""
        versions = [x._version for x in weights]  # noqa: SLF001 - no public sign of a change
        if self._made is None or versions != self._versions or not self._same(weights):
            # Aliases, not copies; while they are held nothing else can stand at their address.
            self._weights = [x.detach() for x in weights]
            self._versions = versions
            self._made = self._make(*self._weights)
        return self._made

    def _same(self, weights: tuple[Tensor, ...]) -> bool:
        return [x.data_ptr() for x in weights] == [x.data_ptr() for x in self._weights]
