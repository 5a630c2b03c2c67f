"""How every figure looks: one column wide, readable in print, safe for the colour-blind."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import font_manager
from matplotlib.figure import Figure

from evaluation.report.words import printable
from evaluation.store import write_atomically

WIDTH = 3.35  # inches: a column of a two-column paper
FORMATS = ("png", "pdf", "svg")

# Okabe and Ito's colours without yellow, which print loses; every row has a shape of its own, too.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_SHAPES = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "h", "p")
GREY = "#767676"

RULES: Mapping[str, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same file on every machine
    "font.size": 7,
    "axes.titlesize": 7,
    "axes.labelsize": 7,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "legend.fontsize": 6.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.grid": True,
    "grid.linewidth": 0.4,
    "grid.color": "#dddddd",
    "axes.axisbelow": True,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.0,
    "text.parse_math": False,  # names are strangers' text: a dollar sign is one
    "axes.unicode_minus": True,
    "pdf.fonttype": 42,  # embedded as TrueType, which publishers ask for
    "svg.fonttype": "path",
    "svg.hashsalt": "talkbench",
    "savefig.dpi": 300,
    "figure.dpi": 100,
}

# No dates and no versions: the same numbers are the same files.
_METADATA: Mapping[str, Mapping[str, None]] = {
    "png": {"Software": None},
    "pdf": {"Creator": None, "Producer": None, "CreationDate": None},
    "svg": {"Creator": None, "Date": None, "Format": None, "Type": None},
}


def look(index: int) -> dict[str, str]:
    """Colour and shape of a row, by its place among the rows; no two of 77 are alike."""
    return {"color": _COLOURS[index % len(_COLOURS)], "marker": _SHAPES[index % len(_SHAPES)]}


def drawable(text: str, width: int = 28) -> str:
    """A name fit to draw: broken after so many characters, ``U+5B57`` for what the font lacks."""
    known = _glyphs()
    line = "".join(c if ord(c) in known else f"U+{ord(c):04X}" for c in printable(text))
    return "\n".join(textwrap.wrap(line, width)) or "?"


@cache
def _glyphs() -> frozenset[int]:
    path = font_manager.findfont("DejaVu Sans", fallback_to_default=True)
    return frozenset(font_manager.get_font(path).get_charmap())


def figure(height: float) -> Figure:
    """An empty figure, ``WIDTH`` inches wide; nothing overlaps in it (constrained layout)."""
    return Figure(figsize=(WIDTH, height), layout="constrained")


def save(drawn: Figure, stem: Path, formats: Sequence[str]) -> list[Path]:
    """Write ``stem.png``, ``stem.pdf``, ``stem.svg``; the same bytes for the same numbers."""
    written = []
    for kind in formats:
        path = stem.with_name(f"{stem.name}.{kind}")
        write_atomically(
            path,
            lambda file, kind=kind: drawn.savefig(  # type: ignore[misc]
                file, format=kind, metadata=dict(_METADATA[kind])
            ),
        )
        written.append(path)
    return written


def context() -> Any:  # noqa: ANN401 - matplotlib's own type is private
    """Within it, matplotlib has our rules and none of the user's."""
    rules: dict[Any, Any] = dict(mpl.rcParamsDefault)
    rules.update(RULES)
    rules.pop("backend", None)
    return mpl.rc_context(rules)
