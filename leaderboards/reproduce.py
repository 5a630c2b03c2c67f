"""A paper's numbers beside a run's: which come out again, and which protocol comes nearest."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from evaluation.results import Estimate, Results
from leaderboards.ledger import Published

Verdict = Literal["inside", "outside", "no interval"]


class NothingToCompareError(LookupError):
    """Nothing published fits the run; says what there is."""


@dataclass(frozen=True)
class Comparison:
    """One published number and what the run has for it.

    Attributes:
        published: The number.
        measured: By the first card of its family in the run.
        verdict: ``inside``: the published number, to its printed digits, touches the measured
            interval, which says the less the wider that is; ``outside``: it does not; ``no
            interval``: one speaker, so nobody can say.
        nearest: Another card of the family whose value is nearer, if there is one.
    """

    published: Published
    measured: Estimate
    verdict: Verdict
    nearest: Estimate | None

    @property
    def difference(self) -> float:
        """Measured minus published."""
        return (self.measured.value or 0.0) - self.published.value


def compare(
    results: Results,
    ledger: Sequence[Published],
    system: str,
    *,
    generator: str | None = None,
    benchmark: str | None = None,
) -> list[Comparison]:
    """Every published number of a system on a benchmark that the run has a card for.

    Args:
        results: Of the run.
        ledger: Published numbers.
        system: As papers write it, in any spelling (``iplap`` is ``IP-LAP``).
        generator: Its row in the run; if not given, the row that is spelled alike, or the only one
            that ends so (``hdtf-mini-iplap``).
        benchmark: Of the ledger; the run's data set, spelled alike, if not given.

    Returns:
        By family in the run's order, then as the ledger has them.

    Raises:
        NothingToCompareError: No such system, row or benchmark, or nothing in common.
    """
    row = _row(results, generator or system)
    rows = [r for r in ledger if _plain(r.system) == _plain(system)]
    if not rows:
        raise NothingToCompareError(f"nothing is published of a system called {system!r}")
    wanted = benchmark or str(results.manifest["suite"].get("dataset", ""))
    here = [r for r in rows if _plain(r.benchmark) == _plain(wanted)]
    if not here:
        known = ", ".join(sorted({r.benchmark for r in rows}))
        raise NothingToCompareError(
            f"nothing is published of {rows[0].system} on {wanted!r}; give one with --benchmark: "
            f"{known}"
        )
    found = [
        _compared(published, cards)
        for family, cards in _families(results, row).items()
        for published in here
        if published.family == family
    ]
    if not found:
        families = ", ".join(sorted({r.family for r in here if r.family}))
        raise NothingToCompareError(
            f"the run has none of the metrics that are published of {rows[0].system} on "
            f"{here[0].benchmark}: {families}"
        )
    return found


def _compared(published: Published, cards: Sequence[Estimate]) -> Comparison:
    first, *others = cards
    half = 0.5 * 10**-published.decimals
    lowest, highest = published.value - half, (published.value_to or published.value) + half
    if first.lo is None or first.hi is None:
        verdict: Verdict = "no interval"
    else:
        verdict = "inside" if first.lo <= highest and lowest <= first.hi else "outside"

    def gap(card: Estimate) -> float:
        return abs((card.value or 0.0) - published.value)

    nearer = [card for card in others if gap(card) < gap(first)]
    nearest = min(nearer, key=gap) if nearer and verdict != "inside" else None
    return Comparison(published, first, verdict, nearest)


def _families(results: Results, generator: str) -> dict[str, list[Estimate]]:
    """Cards with a value by family, in the run's order."""
    found: dict[str, list[Estimate]] = {}
    for metric in results.metrics:
        estimate = results.estimates[generator, metric.spec.name]
        if estimate.value is not None:
            found.setdefault(metric.spec.name.split("@", 1)[0], []).append(estimate)
    return found


def _row(results: Results, name: str) -> str:
    alike = [g for g in results.generators if g == name or _plain(g) == _plain(name)]
    ending = [g for g in results.generators if _plain(g).endswith(_plain(name))]
    if not alike and len(ending) == 1:
        alike = ending
    if not alike:
        known = ", ".join(results.generators)
        raise NothingToCompareError(f"the run has no row {name!r}; give one with --row: {known}")
    return alike[0]


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())
