"""Every clip a point: how a metric spreads, row by row."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from evaluation.figures.parts import axis_title, drawn_rows, few_ticks, foot, name_of, with_value
from evaluation.figures.style import figure, look
from evaluation.report.layout import Column, Layout
from evaluation.results import Results
from evaluation.stats import LEVEL


def draw(results: Results, layout: Layout, column: Column) -> Figure | None:
    """One figure; None where the metric has no values of clips."""
    if not column.spec.per_clip:
        return None
    rows = drawn_rows(layout)
    values = {
        row.key: [
            r.value
            for r in results.records
            if (r.generator, r.metric) == (row.key, column.spec.name) and r.value is not None
        ]
        for row in rows
    }
    if not any(values.values()):
        return None
    labels = []
    lines = 0
    drawn = figure(1.0)
    axes = drawn.add_subplot()
    for index, row in enumerate(rows):
        style, place = look(index), -index
        found = np.sort(np.array(values[row.key], np.float64))
        # Spread by place among its row's values: neighbours never lie on each other.
        beside = 0.22 * (np.arange(len(found)) * 0.618034 % 1 - 0.5) * 2
        axes.scatter(
            found,
            place + beside,
            s=7,
            marker=style["marker"],
            facecolor=style["color"],
            alpha=0.55,
            linewidth=0,
        )
        estimate = with_value(results, row, column)
        if estimate is not None and estimate.value is not None:
            if estimate.lo is not None and estimate.hi is not None:
                axes.plot([estimate.lo, estimate.hi], [place, place], color="black", linewidth=0.9)
            axes.plot(estimate.value, place, "|", color="black", markersize=9, markeredgewidth=1.2)
        counts = layout.cells[row.key, column.spec.name].counts
        label = name_of(row) + (f"\n{counts.fraction} clips" if counts.fraction else "")
        labels.append(label)
        lines += label.count("\n") + 1
    axes.set_yticks([-i for i in range(len(rows))], labels)
    axes.set_ylim(-len(rows) + 0.4, 0.6)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(axis_title(column))
    few_ticks(axes, y=False)
    drawn.set_size_inches(drawn.get_figwidth(), 0.8 + max(0.24 * len(rows), 0.13 * lines))
    foot(
        drawn, [f"A point is a clip; black: the row's number, its {LEVEL:.0%} interval by speaker"]
    )
    return drawn
