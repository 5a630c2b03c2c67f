"""Many metrics on one wheel: asked for, and no evidence; its areas mean nothing."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from evaluation.figures.parts import drawn_rows, foot, legend_above, name_of, with_value
from evaluation.figures.style import drawable, figure, look
from evaluation.report.layout import Column, Layout
from evaluation.report.words import listed
from evaluation.results import Results

_LEAST = 3


def draw(results: Results, layout: Layout, columns: tuple[Column, ...]) -> Figure | None:
    """One figure; None with fewer than three metrics that two rows have."""
    rows = [r for r in drawn_rows(layout) if all(with_value(results, r, c) for c in columns)]
    if len(columns) < _LEAST or len(rows) < 2:
        return None
    left_out = [drawable(r.name, 99) for r in drawn_rows(layout) if r not in rows]
    values = np.array(
        [[results.estimates[r.key, c.spec.name].value for c in columns] for r in rows], np.float64
    )
    signs = np.array([1 if c.spec.direction == "higher" else -1 for c in columns])
    worst, best = (values * signs).min(axis=0), (values * signs).max(axis=0)
    span = np.where(best > worst, best - worst, 1)
    reach = 0.15 + 0.85 * np.where(best > worst, (values * signs - worst) / span, 1)
    angles = np.linspace(0, 2 * np.pi, len(columns), endpoint=False)
    partial = {r.key for r in rows for c in columns if layout.cells[r.key, c.spec.name].coverage}
    drawn = figure(3.3 + 0.08 * len(rows))
    axes = drawn.add_subplot(projection="polar")
    for index, row in enumerate(drawn_rows(layout)):
        if row in rows:
            line = reach[rows.index(row)]
            style = look(index)
            axes.plot(
                np.append(angles, angles[0]),
                np.append(line, line[0]),
                color=style["color"],
                marker=style["marker"],
                markersize=3,
                linestyle="--" if row.key in partial else "-",
                label=name_of(row),
            )
    axes.set_xticks(angles, [f"{drawable(c.title, 12)} {c.arrow}" for c in columns])
    axes.tick_params(axis="x", pad=6)
    axes.set_yticks([])
    axes.set_ylim(0, 1.05)
    legend_above(drawn, axes, len(rows))
    foot(
        drawn,
        [
            "Every axis runs from the worst row (inside) to the best (outside); areas mean nothing",
            "Dashed: not every clip has a value" if partial else "",
            f"Not shown, without a value: {listed(left_out, len(left_out))}" if left_out else "",
        ],
    )
    return drawn
