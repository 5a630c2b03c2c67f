"""Runs and bundles on a site: what was measured here, and which bundles do not hold."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.bundles.archive import Archive
from evaluation.bundles.verify import Break, unpack, verify
from evaluation.events import Told
from evaluation.plan import UnusableInputError
from evaluation.report.numbers import NOTHING, decimals, interval, number
from evaluation.report.spreadsheet import estimates_csv
from evaluation.results import Estimate, Results, build, write_results
from leaderboards.boards import Group
from leaderboards.ours import groups_of_results


@dataclass(frozen=True)
class Cell:
    """A value fit to print.

    Attributes:
        shown: ``31.42``, or a dash.
        side: Interval and coverage.
        note: Why there is no value.
        sort: The value, for sorting.
    """

    shown: str
    side: str
    note: str
    sort: str


@dataclass(frozen=True)
class Submitted:
    """A run, or a bundle.

    Attributes:
        name: Of its folder or file.
        benchmark: Of the ledger, which it is shown beside; empty where there is none.
        id: Of the bundle; empty for a run.
        verdict: One sentence: what was checked.
        breaks: What is wrong with a bundle; such a one has no results.
        results: Its numbers; None where it does not hold.
        groups: The same, to stand beside published ones.
        table: ``results.json``.
        csv: ``results.csv``.
    """

    name: str
    benchmark: str
    id: str
    verdict: str
    breaks: Sequence[Break]
    results: Results | None
    groups: Sequence[Group]
    table: str
    csv: str

    @property
    def suite(self) -> str:
        """``name/version``."""
        return str(self.results.manifest["suite"]["id"]) if self.results else ""

    def cell(self, generator: str, metric: str) -> Cell:
        """What its table says."""
        if self.results is None:
            raise LookupError(f"{self.name} has no results")
        column = [
            e.value
            for (_, card), e in self.results.estimates.items()
            if card == metric and e.value is not None
        ]
        return _cell(self.results.estimates[generator, metric], decimals(column))


def _cell(e: Estimate, digits: int) -> Cell:
    parts = []
    if e.value is not None:
        parts.append(interval(e.value, e.lo, e.hi, digits))
    if e.n_failed:
        parts.append(f"{e.n_scored} of {e.n_attempted} clips")
    shown = NOTHING if e.value is None else number(e.value, digits)
    return Cell(
        shown, ", ".join(filter(None, parts)), e.note, "" if e.value is None else str(e.value)
    )


def read_runs(runs: Sequence[str], known: Sequence[str]) -> list[Submitted]:
    """Runs by folder, or ``BENCHMARK=FOLDER``.

    Raises:
        UnusableInputError: No such benchmark.
        RecordsError: No run there, or damaged.
    """
    found = []
    for text in runs:
        before, sign, after = text.partition("=")
        by_name = {name.lower(): name for name in known}
        benchmark, folder = "", Path(text)
        if sign and not folder.exists():
            if before.lower() not in by_name:
                raise UnusableInputError(
                    f"no published number is on a benchmark called {before!r}. "
                    "See: talkbench board list"
                )
            benchmark, folder = by_name[before.lower()], Path(after)
        results = build(folder)
        name = folder.resolve().name
        found.append(_of(name, results, benchmark, known, "", "a run of this machine", ()))
    return found


def read_bundles(
    folder: Path, known: Sequence[str], told: Told = lambda *_: None
) -> list[Submitted]:
    """All bundles of a folder, each verified; those that do not hold are listed without numbers.

    Raises:
        UnusableInputError: The folder is not there, or holds none.
    """
    if not folder.is_dir():
        raise UnusableInputError(f"{folder} is no folder; --submissions takes one with bundles")
    paths = sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
    if not paths:
        raise UnusableInputError(
            f"{folder} holds no bundle; `talkbench submission pack` writes them"
        )
    found = []
    for done, path in enumerate(paths):
        told(done, len(paths), f"verifying {path.name}")
        verified = verify(path)
        if verified.head is None or verified.breaks or verified.unchecked:
            reasons = list(verified.breaks)
            reasons += [Break("table", "results.json", text) for text in verified.unchecked]
            said = "does not hold: " if verified.breaks else "cannot be checked here: "
            found.append(Submitted(path.stem, "", "", f"{said}left out", reasons, None, (), "", ""))
            continue
        with tempfile.TemporaryDirectory() as place:
            unpack(Archive.open(path), verified.head, Path(place))
            results = build(Path(place))
        said = "every hash holds, and the table follows from the records; no clip was scored again"
        found.append(_of(path.stem, results, "", known, verified.head.id, said, ()))
    return found


def _of(
    name: str,
    results: Results,
    benchmark: str,
    known: Sequence[str],
    identity: str,
    verdict: str,
    breaks: Sequence[Break],
) -> Submitted:
    dataset = str(results.manifest["suite"].get("dataset", ""))
    with tempfile.TemporaryDirectory() as place:
        write_results(Path(place), results)
        table = (Path(place) / "results.json").read_text(encoding="utf-8")
    return Submitted(
        name=name,
        benchmark=benchmark or _nearest(dataset, known),
        id=identity,
        verdict=verdict,
        breaks=breaks,
        results=results,
        groups=groups_of_results(results),
        table=table,
        csv="".join(estimates_csv(results)),
    )


def _nearest(dataset: str, known: Sequence[str]) -> str:
    """The benchmark that a data set belongs to by its name: ``hdtf-mini`` to ``HDTF``."""
    fit = [name for name in known if f"{_plain(dataset)}-".startswith(f"{_plain(name)}-")]
    return max(fit, key=len, default="") if dataset else ""


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def facts(results: Results) -> list[tuple[str, str]]:
    """What the numbers rest on, as (key, text)."""
    manifest = results.manifest
    environment: dict[str, Any] = dict(manifest.get("environment", {}))
    packages = environment.get("packages", {})
    every = manifest["every"]
    rows = [
        ("suite", str(manifest["suite"]["id"])),
        ("frames", "all" if every == 1 else f"every {every}th"),
        ("clips", str(len(manifest["samples"]))),
        ("speakers", str(len({s["speaker"] for s in manifest["samples"].values()}))),
        *(
            (key, str(environment[key]))
            for key in ("python", "platform", "git")
            if environment.get(key)
        ),
    ]
    if isinstance(packages, dict):
        rows.append(("packages", ", ".join(f"{k} {v}" for k, v in sorted(packages.items()))))
    return rows
