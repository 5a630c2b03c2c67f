"""Strangers' text made fit to print: ids, reasons, counts."""

from __future__ import annotations

import re

_FOLDERS = re.compile(
    r"(?<![\w.:/])(?:/[^/\s:]+)+/(?=[^/\s:])"  # /data/run/clip.mp4
    r"|(?<!\S)(?:[^\s/:]+/)+(?=[^\s/:]+\.[A-Za-z])"  # runs/try/clip.mp4
)


def printable(text: str) -> str:
    """On one line, without control or direction-changing characters (file names can hold both)."""
    line = " ".join(text.split())
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)


def plain(reason: str) -> str:
    """A reason with the folders of its paths left out; the full text is in the records."""
    return printable(_FOLDERS.sub("", reason))


def count(number: int, noun: str) -> str:
    """``1 clip``, ``3 clips``, ``12 000 frames``."""
    return f"{grouped(number)} {noun}{'' if number == 1 else 's'}"


def grouped(number: int) -> str:
    """``12 000``, with narrow spaces that do not break."""
    return f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def ordinal(number: int) -> str:
    """``10th``."""
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{'th' if number % 100 in (11, 12, 13) else ending}"


def listed(parts: list[str], most: int) -> str:
    """The first few with commas, then how many are left out."""
    shown = ", ".join(parts[:most])
    return shown if len(parts) <= most else f"{shown} and {len(parts) - most} more"
