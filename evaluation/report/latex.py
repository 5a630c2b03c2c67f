r"""Tables for a paper, as documents of their own and for ``\input{results}`` alike.

A file that is compiled alone brings its own preamble; where a document has begun already, it is the
table and nothing else. That document needs booktabs and graphicx, and xcolor where the noise floor
greys something; the first line says so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from evaluation.report.facts import Facts
from evaluation.report.kinds import grouped
from evaluation.report.latex_text import escape
from evaluation.report.layout import Cell, Column, Layout, Row
from evaluation.report.ranks import SAID, Place, RankTable
from evaluation.report.words import printable

__all__ = ["escape", "render", "render_ranks"]

_NARROW = 3  # columns with intervals that can be read at half a page's width

_PREAMBLE = (
    r"\expandafter\ifx\csname @twoclasseserror\endcsname\documentclass",
    r"\def\talkbenchend{}\else",
    r"\documentclass[10pt]{article}",
    r"\usepackage[a4paper,margin=2cm]{geometry}",
    r"\usepackage{PACKAGES}",
    r"\pagestyle{empty}\csname @fptop\endcsname=0pt",
    r"\begin{document}\def\talkbenchend{\end{document}}\fi",
    *(
        r"\providecommand{\talkbenchchar}[1]{\ifdefined\Uchar",
        r"\Uchar" + '"#1 ' + r"\else{\ttfamily\scriptsize U+#1}\fi}",
    ),
)


def render(layout: Layout, said: Facts) -> str:
    """The main table: metrics in groups, best in bold, second underlined, ties share a mark."""
    names = [c.spec.name for c in layout.columns]
    groups = grouped(names)
    columns = {c.spec.name: c for c in layout.columns}
    ordered = [columns[name] for _, cards in groups for name in cards]
    heads = " & ".join(["", *(_head(c) for c in ordered)])
    under = " & ".join(["", *(_small(escape(c.details)) for c in ordered)])
    body = [
        r"\toprule",
        *_group_heads([(kind, len(cards)) for kind, cards in groups]),
        rf"{heads} \\",
        *([rf"{under} \\"] if layout.detailed else []),
        r"\midrule",
    ]
    for row in layout.rows:
        if row.first_of_kind:
            body.append(r"\addlinespace")
        cells = (_cell(layout.cells[row.key, c.spec.name]) for c in ordered)
        body.append(rf"{' & '.join([_name(row), *cells])} \\")
    notes = [(key, escape(text)) for key, text in layout.notes]
    return _table(
        said, _caption(said, layout), "", len(ordered), body, notes, coloured=bool(layout.near)
    )


def render_ranks(table: RankTable, said: Facts) -> str:
    """The table of ranks and tie groups."""
    names = [c.spec.name for c in table.columns]
    groups = grouped(names)
    columns = {c.spec.name: c for c in table.columns}
    ordered = [columns[name] for _, cards in groups for name in cards]
    body = [
        r"\toprule",
        *_group_heads([(kind, len(cards)) for kind, cards in groups]),
        rf"{' & '.join(['', *(_head(c) for c in ordered)])} \\",
        r"\midrule",
    ]
    for row in table.rows:
        places = (table.places[row.key, c.spec.name] for c in ordered)
        body.append(rf"{' & '.join([_name(row), *map(_place, places)])} \\")
    sentences = [f"{said.suite}: {said.scored}", SAID, *table.remarks]
    caption = " ".join(f"{escape(s)}." for s in sentences)
    return _table(said, caption, "-ranks", len(ordered), body, [])


def _table(
    said: Facts,
    caption: str,
    suffix: str,
    columns: int,
    body: Sequence[str],
    notes: Sequence[tuple[str, str]],
    *,
    coloured: bool = False,
) -> str:
    # Over both columns of a page that has two; where there is one, a star changes nothing.
    packages = ("booktabs", *(("xcolor",) if coloured else ()), "graphicx")
    float_ = "table*" if columns > _NARROW else "table"
    lines = [
        f"% Compiles alone; or \\input it in a document with {', '.join(packages)}.",
        *(line.replace("PACKAGES", ",".join(packages)) for line in _PREAMBLE),
        *(f"% {_comment(key)}: {_comment(text)}" for key, text in said.protocol),
        rf"\begin{{{float_}}}[t]",
        r"\centering",
        r"\small",
        rf"\caption[{{{escape(said.suite)}}}]{{{caption}}}",
        rf"\label{{tab:{_label(said.suite)}{suffix}}}",
        r"\smallskip",
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{@{{}}l{'r' * columns}@{{}}}}",
        *body,
        r"\bottomrule",
        r"\end{tabular}}",
    ]
    for key, text in notes:
        lines += ["", rf"{{\footnotesize\textsuperscript{{{key}}} {text}\par}}"]
    return "\n".join([*lines, rf"\end{{{float_}}}", r"\talkbenchend", ""])


def _group_heads(groups: Sequence[tuple[str, int]]) -> list[str]:
    """A line of group names with a rule below each; nothing where there is one group."""
    if len(groups) < 2:
        return []
    spans, rules, column = [""], [], 2
    for kind, count in groups:
        spans.append(rf"\multicolumn{{{count}}}{{c}}{{{escape(kind)}}}")
        rules.append(rf"\cmidrule(lr){{{column}-{column + count - 1}}}")
        column += count
    return [rf"{' & '.join(spans)} \\", "".join(rules)]


def _place(place: Place) -> str:
    letters = rf"\textsuperscript{{{escape(place.letters)}}}" if place.letters else ""
    return escape(place.rank) + letters


def _comment(text: str) -> str:
    """On one line, in ASCII: what follows a percent sign must not end it."""
    return printable(text).encode("ascii", "replace").decode()


def _cell(cell: Cell) -> str:
    form = {"": "{}", "best": r"\textbf{{{}}}", "second": r"\underline{{{}}}"}[cell.mark]
    parts = [form.format(escape(cell.shown))]
    if cell.near:
        parts[0] = rf"\textcolor{{gray}}{{{parts[0]}}}"
    if cell.note:
        parts[0] += rf"\textsuperscript{{{cell.note}}}"
    parts += [_small(escape(cell.interval))] if cell.interval else []
    parts += [_small(f"({cell.coverage})")] if cell.coverage else []
    parts += [_small(escape(cell.frames))] if cell.frames else []
    return " ".join(parts)


def _head(column: Column) -> str:
    return rf"{escape(column.title)} {escape(column.arrow)}"


def _small(text: str) -> str:
    return rf"{{\scriptsize {text}}}" if text else ""


def _name(row: Row) -> str:
    return escape(row.name) + (r"\textsuperscript{\textdagger{}}" if row.trained_on_this else "")


def _caption(said: Facts, layout: Layout) -> str:
    sentences = [*said.warnings, *said.notes, f"{said.suite}: {said.scored}"]
    sentences += [f"{c.title} over {c.frames}" for c in layout.columns if c.frames]
    marks = r"Best \textbf{bold}, second \underline{underlined}."
    marked = layout.marked
    text = " ".join(f"{escape(s)}." for s in [*sentences, *said.remarks])
    return f"{text} {marks}" if marked else text


def _label(suite: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", suite).strip("-") or "results"
