"""Figures of a run as PNG, PDF and SVG. Import it where matplotlib is: extra ``figures``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from pathlib import Path

from matplotlib.figure import Figure

from evaluation.events import Told
from evaluation.figures import forest, radar, scatter, strips
from evaluation.figures.style import FORMATS, context, save
from evaluation.plan import UnusableInputError
from evaluation.report.cells import lay_out
from evaluation.report.kinds import grouped
from evaluation.report.layout import Column, Layout
from evaluation.results import Results

__all__ = ["DEFAULT_KINDS", "FORMATS", "KINDS", "write_figures"]

KINDS = ("scatter", "strips", "forest", "radar")
DEFAULT_KINDS = ("scatter", "strips", "forest")
"""A radar is drawn on request: how large it looks depends on the order of its axes."""

_WHY_NOT = {
    "scatter": "no row has both values",
    "strips": "there are no values of single clips",
    "forest": "no two rows with a rank and an interval",
    "radar": "it takes three metrics and two rows that have them all",
}


def write_figures(
    results: Results,
    out: Path,
    *,
    kinds: Sequence[str] = DEFAULT_KINDS,
    formats: Sequence[str] = FORMATS,
    metrics: Sequence[str] = (),
    told: Told = lambda *_: None,
) -> tuple[list[Path], list[str]]:
    """Draw a run.

    Args:
        results: Its numbers.
        out: Folder; made if absent.
        kinds: Of ``KINDS``.
        formats: Of ``FORMATS``.
        metrics: Cards or families; all, if none is given. Scatters are drawn of every pair of
            those given, else of the first card of every group of metrics.
        told: Hears of progress.

    Returns:
        The files, and what was not drawn and why.

    Raises:
        UnusableInputError: No such kind, format or metric.
    """
    for given, known, what in ((kinds, KINDS, "kind"), (formats, FORMATS, "format")):
        unknown = [g for g in given if g not in known]
        if unknown:
            raise UnusableInputError(f"no {what} {', '.join(unknown)}; known: {', '.join(known)}")
    layout = lay_out(results)
    columns = _chosen(layout, metrics)
    written: list[Path] = []
    nothing: list[str] = []
    out.mkdir(parents=True, exist_ok=True)
    with context():
        wanted = list(_figures(results, layout, columns, kinds, bool(metrics)))
        for number, (stem, draw) in enumerate(wanted):
            told(number, len(wanted), stem)
            drawn = draw()
            if drawn is None:
                nothing.append(f"{stem}, {_WHY_NOT[stem.split('-', 1)[0]]}")
            else:
                written += save(drawn, out / stem, formats)
    return written, nothing


def _figures(
    results: Results,
    layout: Layout,
    columns: tuple[Column, ...],
    kinds: Sequence[str],
    given: bool,
) -> Iterator[tuple[str, Callable[[], Figure | None]]]:
    """File names without ending, and how to draw them."""
    if "scatter" in kinds:
        for x, y in combinations(columns if given else _firsts(columns), 2):
            yield (
                f"scatter-{_plain(x)}-{_plain(y)}",
                lambda x=x, y=y: scatter.draw(results, layout, x, y),  # type: ignore[misc]
            )
    for kind, draw in (("strips", strips.draw), ("forest", forest.draw)):
        if kind in kinds:
            for column in columns:
                yield (
                    f"{kind}-{_plain(column)}",
                    lambda c=column, draw=draw: draw(results, layout, c),  # type: ignore[misc]
                )
    if "radar" in kinds:
        yield "radar", lambda: radar.draw(results, layout, columns)


def _chosen(layout: Layout, metrics: Sequence[str]) -> tuple[Column, ...]:
    names = [c.spec.name for c in layout.columns]
    found: set[str] = set()
    for wanted in metrics:
        alike = [n for n in names if n == wanted] or [n for n in names if n.split("@")[0] == wanted]
        if not alike:
            raise UnusableInputError(f"no metric {wanted!r} in this run; it has {', '.join(names)}")
        found |= set(alike)
    return tuple(c for c in layout.columns if not metrics or c.spec.name in found)


def _firsts(columns: tuple[Column, ...]) -> tuple[Column, ...]:
    """The first card of every group; of one group, its first two."""
    groups = grouped(c.spec.name for c in columns)
    cards = [cards[0] for _, cards in groups] if len(groups) > 1 else groups[0][1][:2]
    return tuple(c for c in columns if c.spec.name in cards)


def _plain(column: Column) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", column.spec.name).strip("-")
