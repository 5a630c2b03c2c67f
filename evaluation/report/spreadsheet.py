"""The numbers as CSV, in long form: a file of estimates, of records, of costs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from typing import Any

from evaluation.cost import Cost
from evaluation.records import Record
from evaluation.results import Estimate, Results

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_RUN = ("suite", "every", "limit")


def guarded(value: object) -> object:
    """What a spreadsheet would run as a formula gets an apostrophe; ids are strangers' text."""
    if isinstance(value, str) and value.lstrip(" ").startswith(_FORMULA) and not _is_number(value):
        return f"'{value}"
    return value


def estimates_csv(results: Results) -> str:
    """``results.csv``: one row per estimate, all of its fields."""
    run = {
        "suite": results.manifest["suite"]["id"],
        "every": results.manifest["every"],
        "limit": results.manifest["limit"],
    }
    names = [*_RUN, *(f.name for f in fields(Estimate))]
    return _csv(names, (run | asdict(e) for e in results.estimates.values()))


def clips_csv(results: Results) -> str:
    """``clips.csv``: one row per record."""
    names = [f.name for f in fields(Record)]
    rows = (asdict(r) | {"notes": _notes(r.notes)} for r in results.records)
    return _csv(names, rows)


def costs_csv(results: Results) -> str:
    """``costs.csv``: one row per generator whose clips were made in the run.

    A file of its own: what is measured differs from run to run, and results do not.
    """
    names = ["generator", *(f.name for f in fields(Cost))]
    rows = (
        {"generator": name, **asdict(cost), "devices": " ".join(cost.devices)}
        for name, cost in results.costs.items()
    )
    return _csv(names, rows)


def _csv(names: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(names), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: guarded(value) for name, value in row.items()})
    return text.getvalue()


def _notes(notes: Mapping[str, int]) -> str:
    return json.dumps(notes, ensure_ascii=False) if notes else ""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
