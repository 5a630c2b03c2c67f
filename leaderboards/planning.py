"""How many speakers it takes to tell two systems apart by a metric.

The rule is the ranking's (``evaluation.ranking``): intervals of all pairs of a table's systems hold
together, and fewer than five speakers tell nobody apart. How the other systems vary is not known
before they were run, so the level is Bonferroni's, which the ranking never exceeds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from scipy.special import ndtri

from evaluation.plan import UnusableInputError
from evaluation.ranking import MIN_SPEAKERS
from evaluation.results import build
from evaluation.scored import Clips, cells
from evaluation.simultaneous import bonferroni
from evaluation.stats import paired_difference
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
        half_width: Of its interval in the run, as of one pair alone.
        speakers: In the run.
        spread: Standard deviation that one speaker adds to the difference.
        wanted: Gap that is to be seen.
        systems: In the table that is planned, whose pairs are all to be told apart.
        needed: Speakers at which a gap of that size between two of them is told from zero.
        alone: The same, if these two were all.
    """

    metric: str
    one: str
    other: str
    difference: float
    half_width: float
    speakers: int
    spread: float
    wanted: float
    systems: int
    needed: int
    alone: int


def sizes(
    run: Path,
    metric: str,
    one: str,
    other: str,
    wanted: float,
    power: float,
    systems: int | None = None,
) -> Sizes:
    """Plan from the paired differences of a run.

    The interval of a difference over S speakers is ``c · spread / √S`` to either side, with c of
    all pairs (``evaluation.simultaneous.bonferroni``; of two systems it is ``t(S-1)``) and the
    spread of one speaker taken from the run's own jackknife. Enough speakers are those with which a
    true gap of the wanted size leaves zero outside with the given probability.

    Args:
        run: With both systems and two speakers or more.
        metric: Card of the run.
        one: Row.
        other: Row.
        wanted: Gap in the metric's unit, above 0.
        power: Probability, 0 to 1.
        systems: In the table to come; as many as the run ranks by this card, if not given.

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
    error = (interval.hi - interval.lo) / 2 / bonferroni(speakers, 2)
    spread = error * math.sqrt(speakers)
    if systems is None:
        ranking = results.rankings.get(name)
        systems = max(2, len(ranking.ranked) if ranking else 2)
    return Sizes(
        metric=name,
        one=one,
        other=other,
        difference=interval.value,
        half_width=error * bonferroni(speakers, 2),
        speakers=speakers,
        spread=spread,
        wanted=wanted,
        systems=systems,
        needed=needed(spread, wanted, power, systems),
        alone=needed(spread, wanted, power),
    )


def needed(spread: float, wanted: float, power: float, systems: int = 2) -> int:
    """The fewest speakers, at least 5, that tell a gap from zero with that probability.

    Args:
        spread: Standard deviation that one speaker adds.
        wanted: The gap.
        power: Probability.
        systems: In the table, 2 or more.

    Returns:
        Speakers; ``MOST`` where more would be needed.
    """

    def enough(count: int) -> bool:
        critical = bonferroni(count, systems)
        return wanted >= (critical + float(ndtri(power))) * spread / math.sqrt(count)

    low, high = MIN_SPEAKERS, MIN_SPEAKERS
    while not enough(high):
        if high >= MOST:
            return MOST
        low, high = high, min(2 * high, MOST)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return high
