"""Paired differences with intervals that hold together, pair by pair."""

from __future__ import annotations

from matplotlib.figure import Figure

from evaluation.figures.parts import axis_title, few_ticks, foot
from evaluation.figures.style import GREY, drawable, figure
from evaluation.ranking import MIN_SPEAKERS
from evaluation.report.layout import Column, Layout
from evaluation.results import Results
from evaluation.stats import LEVEL

_MOST = 15


def draw(results: Results, layout: Layout, column: Column) -> Figure | None:
    """One figure; None where no two rows are ranked."""
    ranking = results.rankings.get(column.spec.name)
    if ranking is None or not ranking.pairs:
        return None
    names = {row.key: drawable(row.name, 22) for row in layout.rows}
    leader = ranking.ranked[0].generator
    pairs = ranking.pairs
    if len(pairs) > _MOST:
        pairs = tuple(p for p in pairs if p.one == leader)
    labels = [f"{names[p.one]}\n\N{MINUS SIGN} {names[p.other]}" for p in pairs]
    lines = sum(label.count("\n") + 1 for label in labels)
    drawn = figure(0.95 + 0.14 * lines)
    axes = drawn.add_subplot()
    axes.axvline(0, color="black", linewidth=0.6)
    place = 0.0
    places = []
    for pair, label in zip(pairs, labels, strict=True):
        height = label.count("\n") + 1
        at = place - height / 2
        colour = "#0072B2" if pair.separated else GREY
        axes.plot([pair.lo, pair.hi], [at, at], color=colour)
        axes.plot(
            pair.value,
            at,
            "o",
            markersize=4,
            color=colour,
            markerfacecolor=colour if pair.separated else "white",
        )
        places.append(at)
        place -= height + 0.4
    axes.set_yticks(places, labels)
    axes.set_ylim(place, 0.2)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(f"Difference, {axis_title(column)}")
    few_ticks(axes, y=False)
    few = ranking.speakers < MIN_SPEAKERS
    foot(
        drawn,
        [
            f"{LEVEL:.0%} intervals of all {len(ranking.pairs)} pairs together, by speaker",
            f"{ranking.speakers} speakers: with fewer than {MIN_SPEAKERS} nothing can be told apart"
            if few
            else "Filled: told apart",
            "" if len(pairs) == len(ranking.pairs) else "Shown: the best row against every other",
        ],
    )
    return drawn
