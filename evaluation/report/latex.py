r"""The main table for a paper: ``\input{results}`` in a document with booktabs and graphicx."""

from __future__ import annotations

import re

from evaluation.report.facts import Facts
from evaluation.report.layout import Cell, Column, Layout, Row
from evaluation.report.words import printable

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "`": r"\textasciigrave{}",
    # After \\ a star or bracket would be read as an argument.
    "*": "{*}",
    "[": "{[}",
    "]": "{]}",
    "--": "-{}-",  # no dash out of two hyphens
    "±": r"$\pm$",
    "≈": r"$\approx$",
    "\N{MINUS SIGN}": "$-$",
    "\N{EN DASH}": "--",
    "…": r"\dots{}",
    "†": r"\textdagger{}",
    "‡": r"\textsuperscript{\textdaggerdbl{}}",
    "·": r"$\cdot$",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "∞": r"$\infty$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "\N{NARROW NO-BREAK SPACE}": r"\,",
    "\N{NO-BREAK SPACE}": "~",
    "\N{REPLACEMENT CHARACTER}": "?",
} | {c: f"\\{c}" for c in "_%&#${}"}
_SPECIAL = re.compile("|".join(map(re.escape, _ESCAPES)))


def escape(text: str) -> str:
    """Text that LaTeX prints as it is."""
    return _SPECIAL.sub(lambda found: _ESCAPES[found.group()], printable(text))


def render(layout: Layout, said: Facts) -> str:
    """The whole file."""
    heads = " & ".join(["", *(_head(c) for c in layout.columns)])
    under = " & ".join(["", *(_small(escape(c.details)) for c in layout.columns)])
    packages = "booktabs, xcolor" if layout.near else "booktabs"
    lines = [
        rf"% Needs {packages} and graphicx. For names outside Latin script: lualatex or xelatex.",
        *(f"% {key}: {text}" for key, text in said.protocol),
        r"\begin{table}[t]",
        r"\centering",
        r"\small",
        rf"\caption{{{_caption(said, layout)}}}",
        rf"\label{{tab:{_label(said.suite)}}}",
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{@{{}}l{'r' * len(layout.columns)}@{{}}}}",
        r"\toprule",
        rf"{heads} \\",
        *([rf"{under} \\"] if layout.detailed else []),
        r"\midrule",
    ]
    for row in layout.rows:
        if row.first_of_kind:
            lines.append(r"\addlinespace")
        cells = (_cell(layout.cells[row.key, c.spec.name]) for c in layout.columns)
        lines.append(rf"{' & '.join([_name(row), *cells])} \\")
    lines += [r"\bottomrule", r"\end{tabular}}"]
    for key, text in layout.notes:
        lines += ["", rf"{{\footnotesize\textsuperscript{{{key}}} {escape(text)}}}"]
    return "\n".join([*lines, r"\end{table}", ""])


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
