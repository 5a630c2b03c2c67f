"""The report as one page that opens anywhere: no request leaves it, nothing needs a script."""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from evaluation.report import clips, contact, strips
from evaluation.report.costs import HEADS, SAID, cost_rows
from evaluation.report.facts import Facts, card_rows, command_rows, environment_rows
from evaluation.report.failures import grouped_by_reason
from evaluation.report.layout import Cell, Change, Layout
from evaluation.report.strips import Bar, Scale
from evaluation.report.words import printable
from evaluation.results import Results

_HERE = Path(__file__).parent
_PLACES = 40
_OPEN_CLIPS = 12  # longer tables are folded


def render(root: Path, results: Results, layout: Layout, said: Facts) -> str:
    """The whole page. Every value is escaped by the template engine: ids are strangers' text."""
    script = (_HERE / "page.js.j2").read_text()
    return _template().render(
        said=said,
        layout=layout,
        cell=lambda row, column: layout.cells[row.key, column.spec.name],
        change=lambda row, column: layout.changes[row.key, column.spec.name],
        cell_bars=_cell_bars(layout),
        change_bars=_change_bars(layout),
        failures=grouped_by_reason(results.failures),
        apart=grouped_by_reason(r for r in results.records if r.status == "not-applicable"),
        places=_PLACES,
        clip_tables=clips.clip_tables(root, results, layout),
        open_clips=_OPEN_CLIPS,
        strip_clips=clips.STRIPS,
        strip_size=(strips.WIDTH, strips.HEIGHT),
        sheets=contact.contact_sheets(root, results, layout),
        samples=len(results.manifest["samples"]),
        generators=_generators(results.manifest),
        costs=cost_rows(results),
        cost_heads=HEADS,
        costs_said=SAID,
        card_rows=card_rows,
        environment=environment_rows(results.manifest),
        commands=command_rows(results.manifest),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
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
                strips.bar(scale, e.value, e.lo, e.hi)
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
                strips.bar(scale, d.value, d.lo, d.hi, zero=True) if d is not None else None
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
