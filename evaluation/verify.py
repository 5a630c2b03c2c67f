"""Whether a run's tables say what its records say, and its videos are those that were scored.

Every table is made again from the records, beside the run, and held against the one that is there,
cell by cell. No metric is computed on pixels: records of such metrics are believed. Those that
follow from kept tracks (landmarks, embeddings, features) are measured again.
"""

from __future__ import annotations

import csv
import io
import json
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

from evaluation.elsewhere.mirror import find
from evaluation.generate import file_sha256, is_there, video_of
from evaluation.limits import parsed_json, text_of
from evaluation.plan import UnusableInputError
from evaluation.records import Record
from evaluation.report import write_report
from evaluation.report.page.read_back import page_cells, page_of
from evaluation.results import RESULTS, Results, build, write_results
from evaluation.run import RECORDS
from evaluation.score_pair import measure_again
from evaluation.store import TrackStore

REPORTED = {
    "json": ("results.json",),
    "csv": ("results.csv", "clips.csv", "costs.csv", "pairs.csv"),
    "md": ("results.md",),
    "tex": ("results.tex", "ranks.tex"),
}
"""Files of a report that are made again as they are."""
PAGE = "index.html"
"""Of it, the numbers and the text; not the pictures of the videos, which are made of pixels."""

SAME = 1e-9
"""Numbers of a table are the same if they differ by less, relatively: another machine adds up in
another order."""
SAME_AGAIN = 1e-5
"""The same for a clip's value from kept tracks, which are float32."""

_ABSENT = "(absent)"
_KEYS = ("generator", "one", "other", "baseline", "sample", "metric")


@dataclass(frozen=True)
class Deviation:
    """One thing that is not as the records have it.

    Attributes:
        file: Below the run.
        cell: Which cell, in words.
        there: What the file says.
        derived: What follows from the records.
    """

    file: str
    cell: str
    there: str
    derived: str


@dataclass
class Verdict:
    """What was looked at, and what was found.

    Attributes:
        deviations: All of them.
        tables: File -> cells compared.
        again: Records whose value was measured again from kept tracks.
        believed: Records with a value that was not: their metrics look at pixels.
        videos: Files whose hash was compared.
        absent: Scored videos and references that are not there any more.
        gone: Cells that cannot be made again, since the features they rest on are gone.
    """

    deviations: list[Deviation] = field(default_factory=list)
    tables: dict[str, int] = field(default_factory=dict)
    again: int = 0
    believed: int = 0
    videos: int = 0
    absent: int = 0
    gone: list[str] = field(default_factory=list)


def verify(root: Path, report: Path | None = None, certificate: Path | None = None) -> Verdict:
    """Hold a run's tables and videos against its records.

    Args:
        root: Folder of the run; nothing is written there.
        report: Folder of its report, ``RUN/report`` if not given.
        certificate: The one that its tables were made with, where it is not the run's own.

    Raises:
        RecordsError: No run there, or its records are damaged.
        UnusableInputError: It has no tables.
    """
    folder = report or root / "report"
    names = [*(name for names in REPORTED.values() for name in names), PAGE]
    there = [path for path in (root / RESULTS, *(folder / n for n in names)) if path.is_file()]
    if not there:
        raise UnusableInputError(
            f"{root} has no tables yet, neither {RESULTS} nor a report; "
            f"they are made by: talkbench report {root}"
        )
    verdict = Verdict()
    baseline, anchors = _asked(there, verdict, root)
    results = build(root, baseline, certificate, rank_anchors=anchors)
    with tempfile.TemporaryDirectory(prefix="talkbench-verify-") as name:
        again = Path(name)
        write_results(again, results)
        formats = [f for f, names in REPORTED.items() if any(folder / n in there for n in names)]
        write_report(root, results, again / "report", formats)
        if folder / PAGE in there:
            page = page_of(results).encode("utf-8", "replace")
            (again / "report").mkdir(exist_ok=True)
            (again / "report" / PAGE).write_bytes(page)
        for path in there:
            made = again / RESULTS if path == root / RESULTS else again / "report" / path.name
            _compare(path, made, _name(path, root), verdict)
    for (generator, metric), estimate in results.estimates.items():
        if estimate.note.startswith("kept features of"):
            verdict.gone.append(f"{generator} · {metric}")
    _values(results, root, verdict)
    _videos(results, root, verdict)
    return verdict


def _name(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def _asked(there: Iterable[Path], verdict: Verdict, root: Path) -> tuple[str | None, bool]:
    """The baseline, and whether anchors were ranked, as the tables themselves say."""
    for path in there:
        if path.name != RESULTS:
            continue
        try:
            content = parsed_json(text_of(path))
            standings = [s for r in content["rankings"] for s in r["standings"]]
            anchors = any(s["kind"] == "anchor" and s["highest"] for s in _kinds(standings, root))
            return str(content["baseline"]), anchors
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            reason = f"{type(error).__name__}: {error}"
            verdict.deviations.append(Deviation(_name(path, root), "all", reason, "a table"))
    return None, False


def _kinds(standings: list[dict[str, Any]], root: Path) -> Iterator[dict[str, Any]]:
    generators = parsed_json(text_of(root / "run.json"))["generators"]
    for standing in standings:
        known = generators.get(standing["generator"], {})
        yield {"kind": known.get("kind"), "highest": standing["highest"]}


def _compare(path: Path, made: Path, name: str, verdict: Verdict) -> None:
    """Cell by cell; a file that cannot be read differs as a whole."""
    known = {".json": _json_cells, ".csv": _csv_cells, ".html": _page_cells}
    read = known.get(path.suffix, _text_cells)
    derived = read(made) if made.is_file() else {}
    try:
        found = read(path)
    except (OSError, ValueError, csv.Error) as error:
        verdict.deviations.append(Deviation(name, "all", str(error), "a table"))
        return
    verdict.tables[name] = len(derived)
    for cell in dict.fromkeys([*derived, *found]):
        ours, theirs = derived.get(cell, _ABSENT), found.get(cell, _ABSENT)
        if not _same(ours, theirs, SAME):
            verdict.deviations.append(Deviation(name, cell, _said(theirs), _said(ours)))


def _same(one: object, other: object, within: float) -> bool:
    """Equal, or both numbers (as text, too) and nearly equal."""
    if one == other and isinstance(one, bool) == isinstance(other, bool):
        return True
    try:
        a, b = float(str(one)), float(str(other))
    except ValueError:
        return False
    return abs(a - b) <= within * max(abs(a), abs(b), within)


def _said(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _json_cells(path: Path) -> dict[str, object]:
    return _unique(_leaves(parsed_json(text_of(path)), ()))


def _leaves(content: object, at: tuple[str, ...]) -> Iterator[tuple[str, object]]:
    if isinstance(content, dict):
        for key, value in content.items():
            yield from _leaves(value, (*at, key))
    elif isinstance(content, list) and content:
        for number, value in enumerate(content):
            label = _label(value) if isinstance(value, dict) else ""
            yield from _leaves(value, (*at, label or str(number)))
    else:
        yield " · ".join(at), content


def _label(row: Mapping[str, Any]) -> str:
    """Which row, by the columns that say it."""
    return " · ".join(str(row[key]) for key in _KEYS if row.get(key))


def _unique(cells: Iterable[tuple[str, object]]) -> dict[str, object]:
    """By name; a second cell of a name is one more cell."""
    found: dict[str, object] = {}
    for name, value in cells:
        key, number = name, 2
        while key in found:
            key, number = f"{name} (line {number} of that name)", number + 1
        found[key] = value
    return found


def _csv_cells(path: Path) -> dict[str, object]:
    lines = io.StringIO(text_of(path), newline="")
    rows = list(csv.DictReader(lines, restkey="beyond the last column"))
    return _unique((f"{_label(row)} · {key}", value) for row in rows for key, value in row.items())


def _page_cells(path: Path) -> dict[str, object]:
    return _unique(page_cells(text_of(path)))


def _text_cells(path: Path) -> dict[str, object]:
    """Rows of Markdown and LaTeX tables by their cells, other lines whole."""
    mark, heads = ("|" if path.suffix == ".md" else "&"), [""]
    cells: list[tuple[str, object]] = []
    section = ""
    for line in text_of(path).splitlines():
        if line.startswith("## "):
            section = line[3:] + " · "
        parts = [part.strip() for part in re.split(rf"(?<!\\){re.escape(mark)}", line.strip("| "))]
        if len(parts) == 1:
            heads = heads if line else [""]
            cells.append((f"{section}line {line[:40]!r}", line))
        elif heads == [""]:
            heads = parts
            cells.append((f"{section}heads", line))
        else:
            cells += [
                (f"{section}{parts[0]} · {head or number}", part)
                for number, (head, part) in enumerate(zip_longest(heads, parts, fillvalue=""))
            ]
    return _unique(cells)


def _values(results: Results, root: Path, verdict: Verdict) -> None:
    """Records whose value follows from kept tracks, measured again."""
    cards, store = {m.spec.name: m for m in results.metrics}, TrackStore(root)
    for record in results.records:
        metric = cards.get(record.metric)
        if metric is None or record.status != "ok" or not metric.spec.per_clip:
            continue
        again = None
        if not metric.spec.needs_frames and record.metric_version == metric.spec.version:
            try:
                again = measure_again(
                    metric, record.generated_sha256, record.reference_sha256, record.every, store
                )
            except Exception:  # noqa: BLE001 - tracks of a stranger's folder
                again = None
        if again is None:
            verdict.believed += 1
            continue
        verdict.again += 1
        if not _same(again.value, record.value, SAME_AGAIN):
            where = " · ".join((record.generator, record.sample, record.metric, "value"))
            verdict.deviations.append(
                Deviation(RECORDS, where, _said(record.value), f"{_said(again.value)} (its tracks)")
            )


def _videos(results: Results, root: Path, verdict: Verdict) -> None:
    """Files that are there, held against the hashes of the records."""
    told: dict[tuple[str, str], set[str]] = {}
    seen: dict[tuple[str, str], Path | None] = {}
    samples: Mapping[str, Any] = results.manifest["samples"]
    for record in results.records:
        for owner, path, sha256 in _files(record, samples, root):
            told.setdefault((owner, record.sample), set()).add(sha256)
            seen[owner, record.sample] = path
    for (owner, sample), hashes in told.items():
        path = seen[owner, sample]
        if path is None:
            verdict.absent += 1
            continue
        verdict.videos += 1
        sha256 = file_sha256(path)
        for recorded in sorted(hashes - {sha256}):
            what = f"{owner} · {sample} · sha256"
            verdict.deviations.append(
                Deviation(_name(path, root), what, sha256, f"{recorded} (its records)")
            )


def _files(
    record: Record, samples: Mapping[str, Any], root: Path
) -> Iterator[tuple[str, Path | None, str]]:
    if record.generated_sha256:
        path = video_of(root, record.generator, record.sample)
        yield record.generator, path, record.generated_sha256
    if record.reference_sha256:
        named = samples[record.sample].get("reference")
        path = there if named and is_there(there := find(named)) else None
        yield "the reference", path, record.reference_sha256
