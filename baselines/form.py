"""A table of a TOML file, read key by key: everything that is wrong with it is said at once."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from typing import Any

_NAMES = {str: "a text", bool: "true or false", int: "a whole number", list: "a list"}
_NAMES |= {float: "a number", dict: "a table"}
_NUMBERS = ((int,), (int, float))  # a bool is an int to Python, and not to TOML


class Form:
    """Hands out what a table holds, and remembers what it should hold and does not.

    Args:
        table: As TOML gives it.
        where: Stands before its keys in messages: ``output.``.
        problems: Where messages go; a form of a table within a table shares its parent's.
    """

    def __init__(
        self, table: Mapping[str, Any], where: str = "", problems: list[str] | None = None
    ) -> None:
        self._table = table
        self._where = where
        self._asked: list[str] = []
        self.problems: list[str] = [] if problems is None else problems

    def wrong(self, key: str, text: str) -> None:
        """Note a problem with a key."""
        self.problems.append(f"{self._where}{key}: {text}")

    def text(self, key: str, default: str | None = None) -> str:
        """A text; without a default the key must be there, and say something."""
        found = self._get(key, (str,), default, "a text")
        if default is None and isinstance(found, str) and not found.strip():
            self.wrong(key, "is empty; expected a text")
        return found if isinstance(found, str) else ""

    def texts(self, key: str, default: Sequence[str] | None = None) -> tuple[str, ...]:
        """A list of texts."""
        found = self._get(key, (list,), default, "a list of texts")
        if not isinstance(found, list | tuple):
            return ()
        if not all(isinstance(part, str) for part in found):
            self.wrong(key, f"is {found!r}; expected a list of texts")
            return ()
        return tuple(found)

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        return bool(self._get(key, (bool,), default, "true or false"))

    def number(self, key: str, default: float | None = None) -> float:
        """A number, 0 or more."""
        found = self._get(key, (int, float), default, "a number, 0 or more")
        if not isinstance(found, int | float):
            return 0.0
        if not math.isfinite(found) or found < 0:
            self.wrong(key, f"is {found}; expected a number, 0 or more")
        return float(found)

    def count(self, key: str, default: int = 0) -> int:
        """A whole number, 0 or more."""
        found = self._get(key, (int,), default, "a whole number, 0 or more")
        if not isinstance(found, int) or found < 0:
            self.wrong(key, f"is {found}; expected a whole number, 0 or more")
            return 0
        return found

    def value(self, key: str, expected: str) -> Any:  # noqa: ANN401 - the caller checks it
        """Whatever is there; the key must be."""
        return self._get(key, (object,), None, expected)

    def form(self, key: str, *, needed: bool = False) -> Form:
        """A table within, empty if it is not there."""
        found = self._get(key, (dict,), None if needed else {}, "a table")
        table = found if isinstance(found, dict) else {}
        return Form(table, f"{self._where}{key}.", self.problems)

    def forms(self, key: str) -> list[Form]:
        """A list of tables."""
        found = self._get(key, (list,), [], "a list of tables")
        if not isinstance(found, list) or not all(isinstance(part, dict) for part in found):
            self.wrong(key, f"expected a list of tables: [[{key}]]")
            return []
        return [
            Form(part, f"{self._where}{key}[{i}].", self.problems) for i, part in enumerate(found)
        ]

    def pairs(self, key: str) -> tuple[tuple[str, str], ...]:
        """A table of texts."""
        found = self._get(key, (dict,), {}, "a table of texts")
        if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
            self.wrong(key, f"is {found!r}; expected a table of texts")
            return ()
        return tuple(found.items())

    def close(self) -> None:
        """Note the keys that nobody asked for."""
        for key in self._table.keys() - set(self._asked):
            near = difflib.get_close_matches(key, self._asked, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}? " if near else ""
            self.wrong(key, f"no such key; {hint}Known: {', '.join(sorted(self._asked))}")

    def _get(self, key: str, kinds: tuple[type, ...], default: object, expected: str) -> object:
        self._asked.append(key)
        if key not in self._table:
            if default is None:
                self.wrong(key, f"is missing; expected {expected}")
            return default
        found = self._table[key]
        if not isinstance(found, kinds) or (isinstance(found, bool) and kinds in _NUMBERS):
            self.wrong(key, f"is {found!r}, {_kind(found)}; expected {expected}")
            return default
        return found


def _kind(found: object) -> str:
    return _NAMES.get(type(found), f"a {type(found).__name__}")
