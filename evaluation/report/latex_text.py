r"""Strangers' text as LaTeX that prints it, in ASCII, whatever the engine and font encoding."""

from __future__ import annotations

import unicodedata

from evaluation.report.words import printable

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "`": r"\`{}",
    # After \\\\ a star or bracket would be read as an argument.
    "*": "{*}",
    "[": "{[}",
    "]": "{]}",
    "±": r"$\pm$",
    "≈": r"$\approx$",
    "\N{MINUS SIGN}": "$-$",
    "\N{EN DASH}": "--",
    "\N{EM DASH}": "---",
    "…": r"\dots{}",
    "†": r"\textdagger{}",
    "‡": r"\textsuperscript{\textdaggerdbl{}}",
    "·": r"$\cdot$",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "∞": r"$\infty$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "°": r"$^{\circ}$",
    "\N{NARROW NO-BREAK SPACE}": r"\,",
    "\N{NO-BREAK SPACE}": "~",
    "\N{REPLACEMENT CHARACTER}": "?",
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "œ": r"\oe{}",
    "Œ": r"\OE{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
} | {c: f"\\{c}" for c in "_%&#${}"}

_ACCENTS = {
    "\N{COMBINING GRAVE ACCENT}": "`",
    "\N{COMBINING ACUTE ACCENT}": "'",
    "\N{COMBINING CIRCUMFLEX ACCENT}": "^",
    "\N{COMBINING TILDE}": "~",
    "\N{COMBINING DIAERESIS}": '"',
    "\N{COMBINING MACRON}": "=",
    "\N{COMBINING DOT ABOVE}": ".",
    "\N{COMBINING BREVE}": "u",
    "\N{COMBINING CARON}": "v",
    "\N{COMBINING DOUBLE ACUTE ACCENT}": "H",
    "\N{COMBINING RING ABOVE}": "r",
    "\N{COMBINING CEDILLA}": "c",
}


def escape(text: str) -> str:
    r"""Text that LaTeX prints as it is.

    Returns:
        ASCII. A character that no common font encoding has becomes ``\talkbenchchar{5B57}``,
        which prints it where the engine knows Unicode, and its number where it does not.
    """
    line = unicodedata.normalize("NFC", printable(text))
    # No dash out of two hyphens: braces between.
    return "".join(
        "-{}" if line[i : i + 2] == "--" else _character(char) for i, char in enumerate(line)
    )


def _character(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    if char.isascii():
        return char
    parts = unicodedata.normalize("NFD", char)
    letter, accents = parts[0], parts[1:]
    if accents in _ACCENTS and letter.isascii() and letter.isalpha():
        base = {"i": r"\i{}", "j": r"\j{}"}.get(letter, letter)
        return rf"\{_ACCENTS[accents]}{{{base}}}"
    return rf"\talkbenchchar{{{ord(char):04X}}}"
