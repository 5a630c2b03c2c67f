"""Plots of rows: sides beside each other, and what grows with what."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.spending import ROUNDS
from benchmarks.tables import Row, cell

_LINEAR = 10  # times the shortest: up to there one axis from zero shows all
OURS, OTHER, GREY = "#0072B2", "#D55E00", "#767676"
_STYLE = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "text.parse_math": False,
}


def check() -> None:
    """Say before an hour of measuring that there will be no plot.

    Raises:
        ImportError: matplotlib is missing.
    """
    try:
        import matplotlib as mpl  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "benchmarks draw plots with matplotlib: pip install 'talkbench[figures]'"
        ) from error


def save(draw: Callable[[Any], None], title: str, path: Path) -> None:
    """A figure as PNG."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    path.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(_STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(8, 3.4), layout="constrained")
        draw(figure)
        figure.suptitle(title, fontsize=11, x=0.01, ha="left")
        figure.savefig(path, dpi=150)


def sides(figure: Any, rows: Sequence[Row], name: str) -> None:
    """Seconds of two sides, a point a round, and their ratio at the right.

    The axis begins at zero, or is logarithmic where rows are far apart.

    Args:
        figure: To draw on.
        rows: With the cells of :func:`benchmarks.spending.versus`.
        name: The column that says what a row is.
    """
    from matplotlib.ticker import LogLocator, NullLocator

    figure.set_size_inches(8, 1.4 + 0.36 * len(rows))
    ax = figure.subplots()
    for y, row in enumerate(rows):
        left, right = sorted((row["official s"], row["ours s"]))
        ax.plot([left, right], [y, y], color=GREY, linewidth=1, zorder=1)
        for side, colour in (("official", OTHER), ("ours", OURS)):
            each = [s["wall"] for s in row[ROUNDS][side]]
            label = f"{side} (a small point a round)" if y == 0 else None
            ax.scatter(row[f"{side} s"], y, s=42, color=colour, zorder=3, label=label)
            ax.scatter(each, [y] * len(each), s=9, color=colour, alpha=0.5, zorder=2)
        ax.annotate(
            cell(row["times faster"]),
            (1.01, y),
            xycoords=("axes fraction", "data"),
            va="center",
        )
    ax.set(xlabel="seconds by the clock", ylim=(len(rows) - 0.5, -0.5))
    ax.set_yticks(range(len(rows)), [str(row[name]) for row in rows])
    seconds = [row[side] for row in rows for side in ("official s", "ours s")]
    if max(seconds) < _LINEAR * min(seconds):
        ax.set_xlim(left=0)
    else:
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
    ax.annotate(
        "times faster", (1.01, 1.0), xycoords="axes fraction", va="bottom", color=GREY, fontsize=8
    )
    figure.legend(loc="outside upper right", ncols=2, fontsize=8)


def middle(value: Any) -> float:
    """The number of a cell."""
    return float(value["median"] if isinstance(value, dict) else value)


def curves(ax: Any, x: Sequence[float], columns: Mapping[str, Sequence[Any]], head: str) -> None:
    """Values against a size, from zero; where a cell has a least and a most, a bar between them."""
    for (label, cells), colour in zip(columns.items(), (OURS, OTHER, GREY), strict=False):
        y = [middle(c) for c in cells]
        ends = [
            (c["least"], c["most"]) if isinstance(c, dict) else (v, v)
            for c, v in zip(cells, y, strict=True)
        ]
        below = [v - low for v, (low, _) in zip(y, ends, strict=True)]
        above = [high - v for v, (_, high) in zip(y, ends, strict=True)]
        ax.errorbar(x, y, yerr=[below, above], marker="o", capsize=3, color=colour, label=label)
    ax.set(title=head)
    ax.set_xticks(x, [f"{v:,}" for v in x])
    ax.set_ylim(0, 1.15 * max(ax.get_ylim()[1], 1e-9))
    if len(ax.get_legend_handles_labels()[1]) > 1:
        ax.legend(fontsize=8)
