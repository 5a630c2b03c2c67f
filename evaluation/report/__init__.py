"""Tables and pages from the results of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from evaluation.report import latex, markdown, spreadsheet
from evaluation.report.cells import lay_out
from evaluation.report.facts import Facts, facts
from evaluation.report.layout import Layout
from evaluation.report.page.choice import LISTED_CLIPS, PageChoice
from evaluation.report.page.write import Told, write_page
from evaluation.report.ranks import rank_table
from evaluation.report.table import print_table
from evaluation.results import RESULTS, Results, write_results
from evaluation.store import write_atomically

__all__ = ["FORMATS", "PageChoice", "print_table", "write_report"]

FORMATS = ("html", "md", "csv", "tex", "json")


def write_report(
    root: Path,
    results: Results,
    out: Path,
    formats: Sequence[str],
    page: PageChoice = LISTED_CLIPS,
    told: Told = lambda *_: None,
) -> list[Path]:
    """Write a run's tables.

    Args:
        root: Folder of the run: videos and values per frame are read there.
        results: Its numbers.
        out: Where to write; made if absent.
        formats: Of ``FORMATS``. ``csv`` writes three files, four where rows are ranked; ``tex``
            writes one, and then two.
        page: Which clips of the page get players, and whether it is one file.
        told: Progress over these clips.

    Returns:
        The files, in the order of the formats.

    Raises:
        ValueError: No such format.
    """
    unknown = [f for f in formats if f not in FORMATS]
    if unknown:
        raise ValueError(f"no format {', '.join(unknown)}; known: {', '.join(FORMATS)}")
    layout = lay_out(results)
    said = facts(results, layout)
    written: list[Path] = []
    for wanted in dict.fromkeys(formats):
        if wanted == "json":
            write_results(out, results)
            written.append(out / RESULTS)
            continue
        if wanted == "html":
            written.append(write_page(root, results, layout, said, out, page, told))
            continue
        for name, render in _files(wanted, results, layout, said).items():
            _write(out / name, render())
            written.append(out / name)
    return written


_Render = Callable[[], Iterable[str]]


def _files(wanted: str, results: Results, layout: Layout, said: Facts) -> dict[str, _Render]:
    """By file name, what gives its text, whole or in pieces."""
    files: dict[str, dict[str, _Render]] = {
        "md": {"results.md": lambda: [markdown.render(results, layout, said)]},
        "csv": {
            "results.csv": lambda: spreadsheet.estimates_csv(results),
            "clips.csv": lambda: spreadsheet.clips_csv(results),
            "costs.csv": lambda: spreadsheet.costs_csv(results),
        },
        "tex": {"results.tex": lambda: [latex.render(layout, said)]},
    }
    ranks = rank_table(results, layout)
    if ranks is not None:
        files["csv"]["pairs.csv"] = lambda: spreadsheet.pairs_csv(results)
        files["tex"]["ranks.tex"] = lambda: [latex.render_ranks(ranks, said)]
    return files[wanted]


def _write(path: Path, text: Iterable[str]) -> None:
    # Half a surrogate pair in a file name is no text.
    pieces = (piece.encode("utf-8", "replace") for piece in text)
    write_atomically(path, lambda file: file.writelines(pieces))
