"""Metric against metric: a point a row, with both intervals."""

from __future__ import annotations

import math

from matplotlib.figure import Figure

from evaluation.figures.parts import (
    axis_title,
    drawn_rows,
    few_ticks,
    foot,
    legend_above,
    name_of,
    with_value,
)
from evaluation.figures.style import drawable, figure, look
from evaluation.report.layout import Column, Layout
from evaluation.report.words import listed
from evaluation.results import Estimate, Results
from evaluation.stats import LEVEL


def draw(results: Results, layout: Layout, x: Column, y: Column) -> Figure | None:
    """One figure; None where nobody has both values."""
    rows = drawn_rows(layout)
    shown, left_out = [], []
    for index, row in enumerate(rows):
        across, up = with_value(results, row, x), with_value(results, row, y)
        if across is None or up is None:
            left_out.append(drawable(row.name, 99))
        else:
            shown.append((index, row, across, up))
    if not shown:
        return None
    lines = sum(name_of(row).count("\n") + 1 for _, row, _, _ in shown)
    drawn = figure(2.5 + 0.08 * lines)
    axes = drawn.add_subplot()
    intervals = False
    for index, row, across, up in shown:
        partial = across.n_failed or up.n_failed
        style = look(index)
        intervals |= across.lo is not None or up.lo is not None
        axes.errorbar(
            _number(across),
            _number(up),
            xerr=_reach(across),
            yerr=_reach(up),
            fmt=style["marker"],
            color=style["color"],
            markerfacecolor="white" if partial else style["color"],
            markersize=4,
            elinewidth=0.7,
            capsize=1.5,
            label=name_of(row),
        )
    axes.set_xlabel(axis_title(x))
    axes.set_ylabel(axis_title(y))
    few_ticks(axes)
    legend_above(drawn, axes, len(shown))
    foot(
        drawn,
        [
            f"Lines: {LEVEL:.0%} intervals by speaker" if intervals else "",
            "Hollow: not every clip has a value"
            if any(a.n_failed or u.n_failed for *_, a, u in shown)
            else "",
            f"Not shown, without a value: {listed(left_out, len(left_out))}" if left_out else "",
        ],
    )
    return drawn


def _number(estimate: Estimate) -> float:
    return math.nan if estimate.value is None else estimate.value


def _reach(estimate: Estimate) -> list[list[float]] | None:
    """How far the interval goes to either side; none without one."""
    value, lo, hi = _number(estimate), estimate.lo, estimate.hi
    return None if lo is None or hi is None else [[max(value - lo, 0)], [max(hi - value, 0)]]
