"""The numbers of a run as pandas frames, for notebooks and for one's own plots.

::

    from evaluation import frames
    from evaluation.results import build

    results = build(Path("runs/mine"))
    frames.estimates(results)  # a line per generator and metric
    frames.clips(results)      # a line per generator, metric and clip
    frames.pairs(results)      # a line per metric and pair of ranked systems

Needs pandas: ``pip install 'talkbench[frames]'``. Every frame has a plain numbered index. Numbers
that there are not are NaN or ``<NA>``, and nothing is left out: what failed is a line with its
reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from evaluation.extras import need
from evaluation.ranking import Pair, Standing
from evaluation.records import Record
from evaluation.report.coverage import counts
from evaluation.report.kinds import kind_of
from evaluation.results import Results

if TYPE_CHECKING:
    import pandas as pd

ESTIMATES: Mapping[str, str] = {
    "suite": "string",
    "generator": "string",
    "kind": "string",
    "metric": "string",
    "metric_version": "string",
    "title": "string",
    "group": "string",
    "direction": "string",
    "unit": "string",
    "value": "float64",
    "lo": "float64",
    "hi": "float64",
    "n_scored": "Int64",
    "n_asked": "Int64",
    "n_failed": "Int64",
    "n_not_applicable": "Int64",
    "coverage": "float64",
    "n_speakers": "Int64",
    "n_frames": "Int64",
    "rank_highest": "Int64",
    "rank_lowest": "Int64",
    "tie_groups": "string",
    "unranked_because": "string",
    "trained_on_this": "boolean",
    "optimises_this": "boolean",
    "mark": "string",
    "floor": "float64",
    "near_best": "boolean",
    "note": "string",
}
"""Columns of ``estimates`` and their types."""

_TYPES = {"str": "string", "int": "Int64", "float": "float64", "bool": "boolean"}


def estimates(results: Results) -> pd.DataFrame:
    """One line per generator and metric, in the order of the table.

    Columns (``ESTIMATES`` has their types): the value of the metric's own aggregate over the clips
    scored, in ``unit``; ``lo``, ``hi`` the ends of its 95 % interval (delete-one-speaker jackknife;
    NaN with one speaker); ``n_scored`` of ``n_asked`` clips, and ``coverage`` their ratio, 0 to 1;
    ``rank_highest`` to ``rank_lowest`` the ranks that it may hold, ``tie_groups`` the letters, or
    ``unranked_because``; ``group`` the kind of metric; ``mark`` best, second or empty.

    Raises:
        MissingExtraError: pandas is not installed.
    """
    rows = []
    for e in results.estimates.values():
        asked = counts(results, e).asked
        standing = _standing(results, e.generator, e.metric)
        rows.append(
            asdict(e)
            | {
                "suite": results.manifest["suite"]["id"],
                "kind": results.manifest["generators"].get(e.generator, {}).get("kind", "system"),
                "group": kind_of(e.metric),
                "n_asked": asked,
                "coverage": e.n_scored / asked if asked else None,
                "rank_highest": standing.highest,
                "rank_lowest": standing.lowest,
                "tie_groups": standing.letters,
                "unranked_because": standing.why,
                "trained_on_this": bool(standing.trained_on),
                "optimises_this": standing.optimises,
            }
        )
    return _frame(rows, ESTIMATES)


def clips(results: Results) -> pd.DataFrame:
    """One line per record: a generator, a metric and a clip, with its value or its reason.

    Columns are those of ``records.jsonl`` (docs/RECORDS.md), ``notes`` left out. Metrics of sets of
    frames (FID) have no values of clips: theirs are NaN with the status ok.

    Raises:
        MissingExtraError: pandas is not installed.
    """
    types = {f.name: _type(f.type) for f in fields(Record) if f.name not in ("notes", "stages")}
    return _frame((asdict(r) for r in results.records), types)


def pairs(results: Results) -> pd.DataFrame:
    """One line per metric and pair of ranked systems, the one ahead first.

    Columns: ``metric``, ``one``, ``other``, ``value`` (one minus other), ``lo`` and ``hi`` (95 %
    together with all other pairs of the metric), ``p`` (adjusted for them), ``separated``.

    Raises:
        MissingExtraError: pandas is not installed.
    """
    types = {f.name: _type(f.type) for f in fields(Pair)}
    return _frame((asdict(p) for r in results.rankings.values() for p in r.pairs), types)


def _frame(rows: Iterable[Mapping[str, Any]], types: Mapping[str, str]) -> pd.DataFrame:
    pandas = need("pandas", "frames", "data frames")
    frame: pd.DataFrame = pandas.DataFrame(list(rows), columns=list(types))
    return frame.astype(dict(types))


def _type(annotation: object) -> str:
    return _TYPES.get(str(annotation).split(" | ", 1)[0], "string")


def _standing(results: Results, generator: str, metric: str) -> Standing:
    ranking = results.rankings.get(metric)
    found = (s for s in (ranking.standings if ranking else ()) if s.generator == generator)
    return next(found, Standing(generator=generator, metric=metric))
