"""The page's HTML. Tables need no script; players, clips and sorting do."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2

from evaluation.report.costs import HEADS, SAID, cost_rows
from evaluation.report.facts import Facts, card_rows, command_rows, environment_rows
from evaluation.report.failures import grouped_by_reason
from evaluation.report.layout import Cell, Change, Layout
from evaluation.report.numbers import number
from evaluation.report.page import inlining
from evaluation.report.page.bars import Bar, Scale, bar
from evaluation.report.page.contact import Sheet
from evaluation.report.page.index_data import PLAYER, index_data
from evaluation.report.page.pairs import pair_tables
from evaluation.report.page.worth import Look, clip_names, judged
from evaluation.report.ranks import SAID as RANKS_SAID
from evaluation.report.ranks import rank_table
from evaluation.report.words import count, printable
from evaluation.results import Results

_HERE = Path(__file__).parent
_PLACES = 40


@dataclass
class Kept:
    """What is kept of single clips.

    Attributes:
        inline: It stands in the page and not beside it.
        kinds: Clip -> ``CURVES`` or ``PLAYER``.
        files: Videos -> clip.
        clips: (clip, JSON) of those in the page.
        videos: (name, base64) of those in the page.
        contents: The first clips of the split, where they have a player.
        sheets: Their contact sheets.
    """

    inline: bool
    kinds: dict[int, int] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)
    clips: list[tuple[int, str]] = field(default_factory=list)
    videos: list[tuple[str, str]] = field(default_factory=list)
    contents: dict[int, dict[str, Any]] = field(default_factory=dict)
    sheets: list[Sheet] = field(default_factory=list)


def document(
    results: Results,
    layout: Layout,
    said: Facts,
    looks: Sequence[Look],
    kept: Kept,
) -> str:
    """The whole page. Every value is escaped by the template engine: ids are strangers' text."""
    style, script = inlining.style(), inlining.script()
    ranks = rank_table(results, layout)
    return _template().render(
        said=said,
        layout=layout,
        cell=lambda row, column: layout.cells[row.key, column.spec.name],
        change=lambda row, column: layout.changes[row.key, column.spec.name],
        cell_bars=_cell_bars(layout),
        change_bars=_change_bars(layout),
        ranks=ranks,
        ranks_said=RANKS_SAID,
        ranked={name: len(ranking.ranked) for name, ranking in results.rankings.items()},
        pairs=pair_tables(results, ranks),
        kinds=tuple(dict.fromkeys(r.kind for r in layout.rows)),
        failures=grouped_by_reason(results.failures),
        apart=grouped_by_reason(r for r in results.records if r.status == "not-applicable"),
        places=_PLACES,
        looks=looks,
        among={"system": "a system", "anchor": "an anchor"}.get(judged(layout)[0].kind, "a row"),
        clip_names=clip_names(results),
        number=number,
        players_said=_players_said(kept, len(results.manifest["samples"])),
        sheets=kept.sheets,
        samples=len(results.manifest["samples"]),
        generators=_generators(results.manifest),
        costs=cost_rows(results),
        cost_heads=HEADS,
        costs_said=SAID,
        card_rows=card_rows,
        environment=environment_rows(results.manifest),
        commands=command_rows(results.manifest),
        style=style,
        script=script,
        policy=inlining.policy(style, script, inline=kept.inline),
        data=inlining.json_text(index_data(results, layout, kept.kinds, inline=kept.inline)),
        clip_blocks=kept.clips,
        video_blocks=kept.videos,
    )


def _players_said(kept: Kept, clips: int) -> str:
    players = sum(kind == PLAYER for kind in kept.kinds.values())
    if not players:
        return "No clip has a player here: talkbench report RUN --clips listed makes some."
    if players == clips:
        return "Every clip has a player."
    return (
        f"{players} of {count(clips, 'clip')} have a player (▶): the first few, those listed above "
        "and those asked for; talkbench report RUN --clips all makes the others'."
    )


@functools.cache
def _template() -> jinja2.Template:
    """The page, compiled once: that takes longer than filling it in."""
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return templates.get_template("page.html.j2")


def _cell_bars(layout: Layout) -> Mapping[tuple[str, str], Bar | None]:
    """Intervals of a column on one scale. The reference's perfect value would flatten the rest."""
    bars: dict[tuple[str, str], Bar | None] = {}
    for column in layout.columns:
        name = column.spec.name
        judged = [r.key for r in layout.rows if r.kind != "reference"]
        scale = Scale.over(
            (v for key in judged for v in _ends(layout.cells[key, name])), margin=0.06
        )
        for row in layout.rows:
            cell = layout.cells[row.key, name]
            e = cell.estimate
            bars[row.key, name] = (
                bar(scale, e.value, e.lo, e.hi)
                if e is not None and e.value is not None and cell.has_value
                else None
            )
    return bars


def _ends(cell: Cell) -> list[float]:
    e = cell.estimate
    if e is None or not cell.has_value:
        return []
    return [v for v in (e.value, e.lo, e.hi) if v is not None]


def _change_bars(layout: Layout) -> Mapping[tuple[str, str], Bar | None]:
    """Differences of a column around one zero."""
    bars: dict[tuple[str, str], Bar | None] = {}
    for column in layout.columns:
        cells = {r.key: layout.changes[r.key, column.spec.name] for r in layout.compared}
        judged = [cells[r.key] for r in layout.compared if r.kind != "reference"]
        scale = Scale.over([0.0, *(v for c in judged for v in _reach(c))], margin=0.06)
        for key, cell in cells.items():
            d = cell.difference
            bars[key, column.spec.name] = (
                bar(scale, d.value, d.lo, d.hi, zero=True) if d is not None else None
            )
    return bars


def _reach(change: Change) -> list[float]:
    d = change.difference
    return [] if d is None else [v for v in (d.value, d.lo, d.hi) if v is not None]


def _generators(manifest: Mapping[str, Any]) -> list[dict[str, str]]:
    found = []
    for name, spec in manifest["generators"].items():
        words = {k: spec.get(k) or "" for k in ("version", "kind", "about", "licence", "source")}
        words |= {
            "name": name,
            "trained": ", ".join(spec.get("trained_on", ())),
            "optimises": ", ".join(spec.get("optimises", ())),
            "weights": spec.get("weights_sha256") or "",
        }
        found.append({key: printable(str(text)) for key, text in words.items()})
    return found
