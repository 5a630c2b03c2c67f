"""How many speakers it takes to tell two systems apart by a metric."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from scipy.special import ndtri, stdtrit

from evaluation.plan import UnusableInputError
from evaluation.results import build
from evaluation.scored import Clips, cells
from evaluation.stats import LEVEL, paired_difference
from evaluation.store import TrackStore

MOST = 1_000_000


@dataclass(frozen=True)
class Sizes:
    """What a run says of the size of another.

    Attributes:
        metric: Card.
        one: A system.
        other: Another.
        difference: Between them, on the clips that both have.
        half_width: Of its interval in the run.
        speakers: In the run.
        spread: Standard deviation that one speaker adds to the difference.
        wanted: Gap that is to be seen.
        needed: Speakers at which a gap of that size is told from zero.
    """

    metric: str
    one: str
    other: str
    difference: float
    half_width: float
    speakers: int
    spread: float
    wanted: float
    needed: int


def sizes(run: Path, metric: str, one: str, other: str, wanted: float, power: float) -> Sizes:
    """Plan from the paired differences of a run.

    The interval of a difference over S speakers is ``t(S-1) · spread / √S`` to either side, with
    the spread of one speaker taken from the run's own jackknife. Enough speakers are those with
    which a true gap of the wanted size leaves zero outside with the given probability.

    Args:
        run: With both systems and two speakers or more.
        metric: Card of the run.
        one: Row.
        other: Row.
        wanted: Gap in the metric's unit, above 0.
        power: Probability, 0 to 1.

    Raises:
        UnusableInputError: No such row or card, or too few speakers.
    """
    results = build(run)
    cards = {m.spec.name: m for m in results.metrics}
    chosen = [n for n in cards if n == metric] or [n for n in cards if n.split("@")[0] == metric]
    if not chosen:
        raise UnusableInputError(f"{run} has no metric {metric!r}; it has {', '.join(cards)}")
    for row in (one, other):
        if row not in results.generators:
            raise UnusableInputError(
                f"{run} has no row {row!r}; it has {', '.join(results.generators)}"
            )
    card, name = cards[chosen[0]], chosen[0]
    records, store = cells(results.records), TrackStore(run)
    a, b = (Clips.read(card, records.get((row, name), ()), store).scored for row in (one, other))
    found = paired_difference(card, a, b)
    interval = found[0] if found else None
    if interval is None or interval.hi is None or interval.lo is None:
        raise UnusableInputError(
            f"{one} and {other} have fewer than two speakers in common by {name}; a plan needs to "
            "know how speakers differ"
        )
    speakers = interval.n_speakers
    error = (interval.hi - interval.lo) / 2 / _t(speakers)
    spread = error * math.sqrt(speakers)
    return Sizes(
        metric=name,
        one=one,
        other=other,
        difference=interval.value,
        half_width=error * _t(speakers),
        speakers=speakers,
        spread=spread,
        wanted=wanted,
        needed=needed(spread, wanted, power),
    )


def needed(spread: float, wanted: float, power: float) -> int:
    """The fewest speakers, at least 2, that tell a gap from zero with that probability.

    Args:
        spread: Standard deviation that one speaker adds.
        wanted: The gap.
        power: Probability.

    Returns:
        Speakers; ``MOST`` where more would be needed.
    """

    def enough(count: int) -> bool:
        return wanted >= (_t(count) + float(ndtri(power))) * spread / math.sqrt(count)

    low, high = 2, 2
    while not enough(high):
        if high >= MOST:
            return MOST
        low, high = high, min(2 * high, MOST)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return high


def _t(count: int) -> float:
    return float(stdtrit(count - 1, 0.5 + LEVEL / 2))
