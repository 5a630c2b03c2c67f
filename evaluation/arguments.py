"""Generators with arguments: ``NAME:key=value,key`` where they are named, and as their rows' names.

A generator's arguments are what its class takes to be made: those of ``__init__`` that have a
default and are annotated as bool, int, float, str or Literal. ``name`` is not one of them.
"""

from __future__ import annotations

import difflib
import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from evaluation.generator import Generator, GeneratorSpec, Made, lacking
from evaluation.sample import Sample

Value = bool | int | float | str
_SIMPLE = (bool, int, float, str)


class ArgumentError(LookupError):
    """A generator was given an argument that it does not take; the text has those it does."""


@dataclass(frozen=True)
class Argument:
    """One argument of a generator.

    Attributes:
        name: As it is given.
        kind: bool, int, float or str.
        default: What it is if it is not given.
        choices: Those of a Literal.
    """

    name: str
    kind: type
    default: Value
    choices: tuple[Value, ...] = ()

    def __str__(self) -> str:
        others = ", ".join(_text(c) for c in self.allowed if c != self.default)
        return f"{self.name}={_text(self.default)}{f' (or {others})' if others else ''}"

    @property
    def allowed(self) -> tuple[Value, ...]:
        """All it may be, where that is a list."""
        return (True, False) if self.kind is bool else self.choices

    def read(self, text: str | None) -> Value:
        """The value that a text means; None is a bare key.

        Raises:
            ValueError: None that it may be; the text says what was expected.
        """
        if text is None and self.kind is bool:
            return True
        if self.allowed:
            for choice in self.allowed:
                if text == _text(choice):
                    return choice
            raise ValueError(" or ".join(map(_text, self.allowed)))
        if text is None:
            raise ValueError(f"a value: {self.name}=...")
        if self.kind is str:
            return text
        try:
            number: float = self.kind(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise ValueError("a whole number" if self.kind is int else "a number")
        return number


@dataclass
class Configured:
    """A generator under the name that says how it was made.

    Attributes:
        generator: As it was made.
        arguments: Those that are not the default, sorted: ``compat,mesh=plain``.
    """

    generator: Generator
    arguments: str

    @property
    def spec(self) -> GeneratorSpec:
        """The generator's, named ``NAME:arguments``: two settings are two rows."""
        spec = self.generator.spec
        return replace(spec, name=f"{spec.name}:{self.arguments}")

    @property
    def told(self) -> Any:  # noqa: ANN401 - the generator's own, if it has one
        """Who hears of its progress."""
        return self.generator.told  # type: ignore[attr-defined]

    @told.setter
    def told(self, told: Any) -> None:  # noqa: ANN401
        self.generator.told = told  # type: ignore[attr-defined]

    def lacking(self) -> list[str]:
        """What it lacks."""
        return lacking(self.generator)

    def generate(self, sample: Sample, out: Path, seed: int) -> Path | Made:
        """Its clip."""
        return self.generator.generate(sample, out, seed)


def split(text: str) -> tuple[str, dict[str, str | None]]:
    """A name and what is given after its colon; a bare key has no value.

    Raises:
        ArgumentError: No list of arguments.
    """
    name, colon, rest = text.partition(":")
    given: dict[str, str | None] = {}
    for part in rest.split(",") if colon else ():
        key, equals, value = part.partition("=")
        if not key.strip() or key.strip() in given:
            what = "is given twice" if key.strip() else "has no name"
            raise ArgumentError(f"{text!r}: argument {part!r} {what}; write NAME:key=value,key")
        given[key.strip()] = value.strip() if equals else None
    return name, given


def arguments_of(maker: object) -> dict[str, Argument]:
    """The arguments of a generator's class, by name; of anything else none."""
    if not isinstance(maker, type):
        return {}
    initialise = maker.__init__  # type: ignore[misc]
    if initialise is object.__init__:
        return {}
    hints = get_type_hints(initialise)
    found = {}
    for name, parameter in inspect.signature(initialise).parameters.items():
        kind, default = hints.get(name), parameter.default
        choices: tuple[Value, ...] = get_args(kind) if get_origin(kind) is Literal else ()
        if name == "name" or not isinstance(default, _SIMPLE):
            continue
        if choices:
            found[name] = Argument(name, type(default), default, choices)
        elif kind in _SIMPLE:
            found[name] = Argument(name, kind, default)
    return found


def make(name: str, maker: object, given: Mapping[str, str | None]) -> tuple[Any, str]:
    """A generator with arguments, and how these are written: what is not the default, sorted.

    Args:
        name: Its, for messages.
        maker: Its class, or itself, which takes no arguments.
        given: As :func:`split` reads them.

    Raises:
        ArgumentError: It takes no such argument, or not this value.
    """
    known = arguments_of(maker)
    takes = f"It takes {', '.join(map(str, known.values()))}" if known else "It takes none"
    values = {}
    for key, text in given.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise ArgumentError(f"generator {name} has no argument {key!r}.{hint} {takes}")
        try:
            values[key] = known[key].read(text)
        except ValueError as error:
            shown = key if text is None else f"{key}={text}"
            raise ArgumentError(
                f"generator {name}: {shown!r} is not understood; expected {error}. {takes}"
            ) from error
    changed = {k: v for k, v in sorted(values.items()) if v != known[k].default}
    written = (k if v is True else f"{k}={_text(v)}" for k, v in changed.items())
    return maker(**values) if isinstance(maker, type) else maker, ",".join(written)


def _text(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
