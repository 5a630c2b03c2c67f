"""``{video}`` and its like in the words of a runner file; a brace itself is written twice."""

from __future__ import annotations

from collections.abc import Mapping
from string import Formatter

OF_A_CLIP = {
    "video": "a copy of the video whose face is driven",
    "audio": "the driving sound as 16-bit WAV",
    "frame": "the video's first frame as PNG",
    "output": "where to write the video",
    "seed": "a whole number for all random choices",
}
OF_A_START = {
    "folder": "the checkout as it is for this start: small files copied, large ones linked",
    "weights": "the folder that paths of weights start from",
    "work": "a fresh folder, deleted afterwards",
    "python": "the environment's interpreter",
}
ALL = OF_A_CLIP | OF_A_START


def names_in(text: str) -> set[str]:
    """The placeholders of a text.

    Raises:
        ValueError: A single brace, or something in braces that is no plain name.
    """
    found = set()
    for _, name, form, conversion in Formatter().parse(text):
        if name is None:
            continue
        if form or conversion or not name.isidentifier():
            raise ValueError(f"{{{name}}} is no plain name; a brace itself is written twice")
        found.add(name)
    return found


def problem_with(text: str, allowed: Mapping[str, str]) -> str:
    """What is wrong with the placeholders of a text, or nothing."""
    try:
        unknown = sorted(names_in(text) - allowed.keys())
    except ValueError as error:
        return f"{text!r}: {error} ({{{{ and }}}})" if "twice" not in str(error) else str(error)
    if not unknown:
        return ""
    known = ", ".join(f"{{{name}}}" for name in allowed)
    return f"{text!r}: no placeholder is called {', '.join(unknown)}; known: {known}"


def fill(text: str, values: Mapping[str, str]) -> str:
    """The text with the values in place; values themselves are not looked at again."""
    parts = []
    for literal, name, _, _ in Formatter().parse(text):
        parts.append(literal)
        if name is not None:
            parts.append(values[name])
    return "".join(parts)
