"""What figures share: who is drawn, legends above, sentences at the foot."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from evaluation.figures.style import GREY, drawable
from evaluation.report.layout import Column, Layout, Row
from evaluation.results import Estimate, Results

_FOOT = 74  # characters of a line at the foot


def drawn_rows(layout: Layout) -> list[Row]:
    """Everybody but the reference: its perfect values would press the others together."""
    return [r for r in layout.rows if r.kind != "reference"]


def axis_title(column: Column) -> str:
    """``PSNR (dB), higher is better``."""
    unit = f" ({drawable(column.unit)})" if column.unit else ""
    return f"{drawable(column.title, 40)}{unit} {column.arrow}"


def with_value(results: Results, row: Row, column: Column) -> Estimate | None:
    """The estimate, where it has a value."""
    found = results.estimates.get((row.key, column.spec.name))
    return found if found is not None and found.value is not None else None


def name_of(row: Row) -> str:
    """As in the tables, broken to fit."""
    return drawable(row.name) + (" †" if row.trained_on_this else "")


def few_ticks(axes: Axes, *, x: bool = True, y: bool = True) -> None:
    """At most five numbers on an axis, which never touch."""
    if x:
        axes.xaxis.set_major_locator(MaxNLocator(4))
    if y:
        axes.yaxis.set_major_locator(MaxNLocator(5))


def legend_above(figure: Figure, axes: Axes, count: int) -> None:
    """Above the axes: labels beside points would hide each other."""
    handles, labels = axes.get_legend_handles_labels()
    longest = max((len(line) for label in labels for line in label.splitlines()), default=0)
    columns = 1 if longest > 22 or count < 3 else 2 if longest > 12 else 3
    figure.legend(
        handles, labels, loc="outside upper center", ncols=columns, frameon=False, handlelength=1.5
    )


def foot(figure: Figure, sentences: Sequence[str]) -> None:
    """Sentences at the foot, small and grey; what a figure leaves out is said there."""
    text = "\n".join(line for s in sentences if s for line in textwrap.wrap(f"{s}.", _FOOT))
    if text:
        figure.supxlabel(text, fontsize=5.5, color=GREY, ha="left", x=0.02)
