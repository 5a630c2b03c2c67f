"""Features pooled over clips, and sets of clips whose subsets cost little.

A jackknife leaves out one speaker after the other. What a set of clips adds up to is kept while
its measurements live, so that leaving some out is a subtraction.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from metrics.base import Measurement
from metrics.gaussians import Gaussian, Moments, Rows

Known = TypeVar("Known")

_MOST_SETS = 8


@dataclass(frozen=True)
class KeptSet(Generic[Known]):
    """Clips, and what is known of all of them together.

    Attributes:
        known: As computed.
    """

    known: Known
    _members: tuple[weakref.ref[Measurement], ...]
    _places: dict[int, int]

    @property
    def is_whole(self) -> bool:
        """All members are still alive."""
        return all(member() is not None for member in self._members)

    def places(self, clips: Sequence[Measurement]) -> NDArray[np.intp] | None:
        """Where each clip stands in the set; None where one is no member or comes twice."""
        found = [self._places.get(id(c), -1) for c in clips]
        if len(set(found)) < len(found) or any(
            place < 0 or self._members[place]() is not clip
            for place, clip in zip(found, clips, strict=True)
        ):
            return None
        return np.asarray(found, dtype=np.intp)

    def others(self, places: NDArray[np.intp]) -> list[Measurement]:
        """The members that stand elsewhere."""
        left = np.ones(len(self._members), dtype=np.bool_)
        left[places] = False
        return [m for i in np.flatnonzero(left) if (m := self._members[i]()) is not None]


class KeptSets(Generic[Known]):
    """The last few sets of clips that were asked about.

    Args:
        know: What to compute for a set.
    """

    def __init__(self, know: Callable[[Sequence[Measurement]], Known]) -> None:
        self._know = know
        self._sets: tuple[KeptSet[Known], ...] = ()

    def around(self, clips: Sequence[Measurement]) -> tuple[KeptSet[Known], NDArray[np.intp]]:
        """A set that has all these clips, and their places in it; a new one where none has."""
        self._sets = tuple(k for k in self._sets if k.is_whole)
        for kept in self._sets:
            places = kept.places(clips)
            if places is not None:
                return kept, places
        members = tuple(weakref.ref(c) for c in clips)
        kept = KeptSet(self._know(clips), members, {id(c): i for i, c in enumerate(clips)})
        self._sets = (kept, *self._sets)[:_MOST_SETS]
        return kept, np.arange(len(clips), dtype=np.intp)


def pooled(clips: Sequence[Measurement], side: str) -> list[Rows]:
    """Every clip's rows [n, D] of one side, ``generated`` or ``reference``, in order."""
    return [c.features[side] for c in clips if c.features is not None and len(c.features[side])]


def gaussian(clips: Sequence[Measurement], side: str) -> Gaussian:
    """The Gaussian fitted to one side's rows of all clips, at least two in all.

    Where there are many more rows than columns it is read off moments, which are kept, unless it
    is too near to singular for that.
    """
    parts = pooled(clips, side)
    if _are_many(parts):
        kept, places = _MOMENTS.around(clips)
        whole, left_out = kept.known[side], pooled(kept.others(places), side)
        if whole is not None and sum(map(len, left_out)) < sum(map(len, parts)):
            moments = whole.minus(Moments.of(left_out)) if left_out else whole
        else:
            moments = Moments.of(parts)
        found = Gaussian.of_moments(moments)
        if found is not None:
            return found
    return Gaussian.of_rows(parts)


def _are_many(parts: Sequence[Rows]) -> bool:
    """Whether moments are cheaper than rows."""
    return bool(parts) and sum(map(len, parts)) > 2 * parts[0].shape[1]


def _moments_of(clips: Sequence[Measurement]) -> dict[str, Moments | None]:
    sides = {side: pooled(clips, side) for side in ("generated", "reference")}
    return {side: Moments.of(p) if _are_many(p) else None for side, p in sides.items()}


_MOMENTS: KeptSets[dict[str, Moments | None]] = KeptSets(_moments_of)
