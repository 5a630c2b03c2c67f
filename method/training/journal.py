"""The curves of a training run: two CSV files and a picture of them."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

STEPS, VALIDATIONS, CURVES = "steps.csv", "validations.csv", "curves.png"


class Journal:
    """Rows of a CSV file, each on disk as soon as it is written.

    Args:
        path: The file.
        columns: After ``step``, the number of steps done when the row was written.
        upto: Steps that are kept; rows beyond them were written by a run that was stopped before
            its next checkpoint, and will be written again.
    """

    def __init__(self, path: Path, columns: Sequence[str], upto: int) -> None:
        self.path, self.columns = path, ("step", *columns)
        kept = [row for row in read(path) if int(row["step"]) <= upto]
        self._file = path.open("w", newline="")
        self._rows = csv.DictWriter(self._file, self.columns, lineterminator="\n")
        self._rows.writeheader()
        self._rows.writerows(kept)
        self._file.flush()

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """A row; what has no value stays empty."""
        self._rows.writerow({"step": step} | {k: f"{v:.9g}" for k, v in values.items()})
        self._file.flush()

    def close(self) -> None:
        """No more rows."""
        self._file.close()


def read(path: Path) -> list[dict[str, str]]:
    """Whole rows of a CSV file; none where it is not there."""
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [row for row in rows if row.get("step", "").isdigit() and None not in row.values()]


def draw(folder: Path) -> bool:
    """Draw every column of both files over steps, if matplotlib is installed."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        return False
    panels = [
        (name, f"{source}: {name}", rows, style)
        for source, file, style in (("training", STEPS, "-"), ("validation", VALIDATIONS, "o-"))
        if (rows := read(folder / file))
        for name in rows[0]
        if name != "step" and any(row[name] for row in rows)
    ]
    columns = 3
    lines = max(1, -(-len(panels) // columns))
    figure = Figure(figsize=(4 * columns, 2.6 * lines), layout="constrained")
    FigureCanvasAgg(figure)
    for place, (name, title, rows, style) in enumerate(panels, start=1):
        points = [(int(row["step"]), float(row[name])) for row in rows if row[name]]
        axes = figure.add_subplot(lines, columns, place)
        axes.plot(*zip(*points, strict=True), style, linewidth=1, markersize=3)
        axes.set_title(title, fontsize=9, loc="left")
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_xlabel("steps", fontsize=8)
    figure.savefig(folder / CURVES, dpi=110)
    return True
