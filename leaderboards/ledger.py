"""The ledger: every published number that is known here, as data, with where it stands.

``published.csv`` has one row a number. Numbers are as printed; names of benchmarks are made alike
(what was printed is kept beside), directions are filled in where the metric has only one. Nothing
is estimated, averaged or read off a curve.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Literal, cast, get_args

LEDGER = Path(__file__).with_name("published.csv")

Measurer = Literal["authors", "another paper", "board", "somebody else", "talkbench"]
Grade = Literal["first-hand", "second-hand"]
Better = Literal["higher", "lower", ""]


class LedgerError(ValueError):
    """A row of the ledger is not what it should be; names the line."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """A published number.

    Attributes:
        system: As printed.
        reference: It is the real video, or another yardstick, and no system.
        benchmark: What it was measured on, spelled alike.
        printed_benchmark: As printed, where that differs.
        split: Of the benchmark; often nobody says.
        setting: What was asked of the systems.
        metric: As printed.
        family: Our family of metrics that it belongs to, empty where none.
        direction: Which way is better, empty where the source does not say.
        value: As printed.
        value_to: Upper end, where a range is printed.
        measured_by: ``authors`` of the system; ``another paper``; a ``board`` that pools papers;
            ``somebody else``, in an issue or a repository; ``talkbench``, in a run.
        paper: Where the number stands; empty where nobody could find out.
        paper_id: arXiv id or DOI, empty where it was not seen.
        table: Of the paper.
        source: Where it was read.
        grade: ``first-hand``: read in the paper, repository or page named; ``second-hand``: read
            in somebody's transcription.
        protocol: How the paper says that it measured, in its words; ``unknown``.
        notes: What to know.
    """

    system: str
    reference: bool
    benchmark: str
    printed_benchmark: str
    split: str
    setting: str
    metric: str
    family: str
    direction: Better
    value: float
    value_to: float | None
    measured_by: Measurer
    paper: str
    paper_id: str
    table: str
    source: str
    grade: Grade
    protocol: str
    notes: str
    decimals: int


@cache
def read_ledger(path: Path = LEDGER) -> tuple[Published, ...]:
    """All rows.

    Raises:
        LedgerError: A row lacks something or has a value of another kind.
    """
    wanted = {f.name for f in fields(Published)} - {"decimals"}
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        try:
            missing = wanted - set(rows.fieldnames or ())
            if missing:
                raise LedgerError(f"{path}: no column {', '.join(sorted(missing))}")
            return tuple(_row(row, f"{path}, line {rows.line_num}") for row in rows)
        except (UnicodeDecodeError, csv.Error) as error:
            raise LedgerError(f"{path}, after line {rows.line_num}: {error}") from error


def _row(row: dict[str, str], where: str) -> Published:
    if None in row.values():
        raise LedgerError(f"{where}: has fewer columns than the first line")
    for name in ("system", "benchmark", "metric", "source", "protocol"):
        if not row[name]:
            raise LedgerError(f"{where}: {name} is empty")
    for name, kind in (("measured_by", Measurer), ("grade", Grade), ("direction", Better)):
        if row[name] not in get_args(kind):
            raise LedgerError(f"{where}: {name} is {row[name]!r}, not of {get_args(kind)}")
    try:
        value = float(row["value"])
        value_to = float(row["value_to"]) if row["value_to"] else None
    except ValueError as error:
        raise LedgerError(f"{where}: {error}") from error
    if not all(math.isfinite(v) for v in (value, value_to) if v is not None):
        raise LedgerError(f"{where}: {row['value']} to {row['value_to']} is no number")
    texts = ("system", "benchmark", "printed_benchmark", "split", "setting", "metric", "family")
    more = ("paper", "paper_id", "table", "source", "protocol", "notes")
    return Published(
        **{name: row[name] for name in (*texts, *more)},
        reference=row["reference"] == "yes",
        direction=cast("Better", row["direction"]),
        measured_by=cast("Measurer", row["measured_by"]),
        grade=cast("Grade", row["grade"]),
        value=value,
        value_to=value_to,
        decimals=len(row["value"].partition(".")[2]),
    )
