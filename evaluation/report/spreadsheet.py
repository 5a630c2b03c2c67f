"""The numbers as CSV, in long form: a file of estimates, of records, of costs, of pairs."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from operator import attrgetter
from typing import Any

from evaluation.cost import Cost
from evaluation.ranking import Pair
from evaluation.records import Record
from evaluation.results import Estimate, Results

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_SUSPECT = {*_FORMULA, " "}
RANK_FIELDS = (
    *("rank_highest", "rank_lowest", "tie_groups", "unranked_because"),
    *("trained_on_this", "optimises_this"),
)
_RUN = ("suite", "every", "limit")


def guarded(value: object) -> object:
    """What a spreadsheet would run as a formula gets an apostrophe; ids are strangers' text."""
    if isinstance(value, str) and value.lstrip(" ").startswith(_FORMULA) and not _is_number(value):
        return f"'{value}"
    return value


def estimates_csv(results: Results) -> Iterator[str]:
    """``results.csv``: one row per estimate, all of its fields, and its rank."""
    run = {
        "suite": results.manifest["suite"]["id"],
        "every": results.manifest["every"],
        "limit": results.manifest["limit"],
    }
    names = [*_RUN, *(f.name for f in fields(Estimate)), *RANK_FIELDS]
    rows = (run | asdict(e) | rank_fields(results, e) for e in results.estimates.values())
    return _csv(names, rows)


def rank_fields(results: Results, estimate: Estimate) -> dict[str, Any]:
    """An estimate's rank as columns; None and empty where it has none."""
    ranking = results.rankings.get(estimate.metric)
    standings = ranking.standings if ranking else ()
    found = next((s for s in standings if s.generator == estimate.generator), None)
    if found is None:
        return dict.fromkeys(RANK_FIELDS)
    return {
        "rank_highest": found.highest,
        "rank_lowest": found.lowest,
        "tie_groups": found.letters,
        "unranked_because": found.why,
        "trained_on_this": bool(found.trained_on),
        "optimises_this": found.optimises,
    }


def pairs_csv(results: Results) -> Iterator[str]:
    """``pairs.csv``: one row per metric and pair of ranked systems."""
    names = [f.name for f in fields(Pair)]
    return _csv(names, (asdict(p) for r in results.rankings.values() for p in r.pairs))


def clips_csv(results: Results) -> Iterator[str]:
    """``clips.csv``: one row per record."""
    names = [f.name for f in fields(Record) if f.name != "stages"]
    values, notes = attrgetter(*names), names.index("notes")
    rows = (list(values(r)) for r in results.records)
    return _lines(names, ([*row[:notes], _notes(row[notes]), *row[notes + 1 :]] for row in rows))


def costs_csv(results: Results) -> Iterator[str]:
    """``costs.csv``: one row per generator whose clips were made in the run.

    A file of its own: what is measured differs from run to run, and results do not.
    """
    names = ["generator", *(f.name for f in fields(Cost))]
    rows = (
        {"generator": name, **asdict(cost), "devices": " ".join(cost.devices)}
        for name, cost in results.costs.items()
    )
    return _csv(names, rows)


def _csv(names: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    columns = list(names)
    return _lines(columns, ([row[name] for name in columns] for row in rows))


def _lines(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """Line by line: of a large run, the file is larger than all else in memory."""
    writer = csv.writer(_Line(), lineterminator="\n")
    yield writer.writerow(columns)  # gives what write gives
    for row in rows:  # almost no text begins like a formula
        yield writer.writerow(
            [guarded(v) if type(v) is str and v[:1] in _SUSPECT else v for v in row]
        )


class _Line:
    """Where a row goes: to who asked for it."""

    def write(self, text: str) -> str:
        """As a file's; the text comes back."""
        return text


def _notes(notes: Mapping[str, int]) -> str:
    return json.dumps(notes, ensure_ascii=False) if notes else ""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
