"""Rows as Markdown, and what is kept of a measurement as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.spending import ROUNDS

SCHEMA = 1
Row = dict[str, Any]
DASH = "\N{EN DASH}"


class NoResultError(ValueError):
    """A file is no JSON of a benchmark."""


def markdown(rows: Sequence[Row]) -> str:
    """A table of all rows; a cell that a row has not is a dash."""
    heads = [h for h in dict.fromkeys(h for r in rows for h in r) if h != ROUNDS]
    texts = [[cell(row.get(head)) for head in heads] for row in rows]
    numbers = [not any(isinstance(row.get(head), str) for row in rows) for head in heads]
    lines = [heads, ["--:" if number else "---" for number in numbers], *texts]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(value: Any) -> str:
    """A value as it is printed: three digits of a number, its rounds' ends in brackets."""
    if value is None:
        return DASH
    if isinstance(value, Mapping):
        middle, least, most = (number(value[k]) for k in ("median", "least", "most"))
        return middle if least == most else f"{middle} ({least}{DASH}{most})"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return number(value)
    return str(value).replace("|", "\\|")


def number(value: float) -> str:
    """Three digits and more only where they stand before the point."""
    if isinstance(value, int):
        return f"{value:,}"
    places = sum(abs(value) < limit for limit in (99.95, 9.995, 0.0995))
    return f"{value:,.{places}f}"


def write(result: Mapping[str, Any], path: Path) -> None:
    """The JSON of one measurement."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read(path: Path) -> dict[str, Any]:
    """What :func:`write` wrote.

    Raises:
        NoResultError: It is something else.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["schema"] != SCHEMA:
            raise NoResultError(f"{path}: schema {found['schema']}, expected {SCHEMA}")
        for part in ("kind", "title", "command", "machine", "load", "rows"):
            found[part]
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, NoResultError):
            raise
        raise NoResultError(
            f"{path}: not what a benchmark wrote ({type(error).__name__}: {error}); make it again: "
            "python -m benchmarks --help"
        ) from error
    return dict(found)


def section(result: Mapping[str, Any], known_machine: str = "") -> str:
    """One measurement as a section of docs/PERFORMANCE.md.

    Args:
        result: See :func:`read`.
        known_machine: Words of a machine that was named before and need not be again.
    """
    words = machine.in_words(result["machine"])
    on = "The same machine" if words == known_machine else words
    before, after = result["load"]["before"][0], result["load"]["after"][0]
    parts = [
        f"## {result['title']}",
        f"`{result['command']}`, {result['date'][:10]}. {on}. "
        f"Load {before:.1f} before, {after:.1f} after.",
    ]
    if result["quick"]:
        parts.append("**A trial (`--quick`): not to be quoted.**")
    parts.append(markdown(result["rows"]))
    parts += result.get("notes", [])
    return "\n\n".join(parts) + "\n"
