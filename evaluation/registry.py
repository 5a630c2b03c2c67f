"""Find parts by name through entry points: ours and a stranger's take the same path.

Nothing is loaded before it is asked for. A broken plug-in is listed with its error and raises
only when it is used.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from evaluation.arguments import ArgumentError, Configured, arguments_of, make, split
from evaluation.dataset import Dataset
from evaluation.finished import names_finished, read_finished
from evaluation.generator import Generator, GeneratorFileError
from evaluation.suite import Suite
from metrics import Metric


class UnknownNameError(LookupError):
    """Nothing is registered under this name; the text has the nearest names and all of them."""


class BrokenPluginError(ImportError):
    """Something is registered under this name, but it cannot be loaded."""


@dataclass(frozen=True)
class Listed:
    """One registered name: what it is, who brings it, and why it cannot be used, if so."""

    name: str
    origin: str
    part: Any = None
    error: str = ""


def names(kind: str) -> list[str]:
    """Registered names of a kind: ``metrics``, ``generators``, ``datasets``, ``suites``, ..."""
    return sorted({*_points(kind), *(_files() if kind == "generators" else ())})


def load(kind: str, name: str) -> Any:  # noqa: ANN401 - the typed doors are below
    """The part registered under that name; a class is called without arguments.

    Raises:
        UnknownNameError: Nothing has that name.
        BrokenPluginError: Importing it failed, or two packages claim the name.
    """
    return _loaded(kind, name, lambda part: part() if isinstance(part, type) else part)


def listing(kind: str) -> list[Listed]:
    """Every registered name with its part, or with the error that keeps it from loading."""
    rows = []
    for name, claims in sorted(_points(kind).items()):
        origin = _origin(claims[0])
        try:
            rows.append(Listed(name, origin, load(kind, name)))
        except BrokenPluginError as error:
            rows.append(Listed(name, origin, error=str(error)))
    if kind == "generators":
        rows += [_listed_file(name, *found) for name, found in sorted(_files().items())]
    return rows


def load_generator(name: str) -> Generator:
    """A generator by name, with arguments where some are given: ``iplap:mesh=plain,compat``.

    A name may be the path of a file that declares one; its ending says who reads it.
    ``NAME=WHERE`` are finished videos (:meth:`evaluation.finished.FinishedVideos.read`).

    Raises:
        UnknownNameError: Nothing has that name.
        BrokenPluginError: It cannot be loaded.
        ArgumentError: It takes no such argument, or not this value.
        GeneratorFileError: It is a file, and wrong.
        DatasetError: No finished videos where they were named.
    """
    is_file = Path(name).suffix.removeprefix(".") in _points("generator_files")
    if is_file and (Path(name).is_file() or not names_finished(name)):
        return _from_file(Path(name))
    if names_finished(name):
        return read_finished(name)
    bare, given = split(name)
    if Path(bare).suffix.removeprefix(".") in _points("generator_files"):
        raise ArgumentError(f"{name!r}: a generator's file takes no arguments")
    if bare in _files() and bare not in _points("generators"):
        if given:
            raise ArgumentError(f"{name!r}: {bare} is declared in a file and takes no arguments")
        return _from_file(_files()[bare][0])
    part, written = _loaded("generators", bare, lambda maker: make(bare, maker, given))
    generator: Generator = _checked(part, Generator, "generator", bare)
    return Configured(generator, written) if written else generator


def generator_arguments(name: str) -> str:
    """The arguments that a generator takes, with their defaults, in words; empty if none."""
    if name in _files() and name not in _points("generators"):
        return ""
    known = _loaded("generators", name, arguments_of)
    return ", ".join(map(str, known.values()))


def _from_file(path: Path) -> Generator:
    loader = _loaded("generator_files", path.suffix.removeprefix("."), lambda part: part)
    generator: Generator = _checked(loader(path), Generator, "generator", str(path))
    return generator


@functools.cache
def _files() -> dict[str, tuple[Path, str]]:
    """Generators that come as files: name -> file, and who brings it; a name is a file's stem."""
    found: dict[str, tuple[Path, str]] = {}
    for name, claims in sorted(_points("generator_folders").items()):
        folder = Path(_loaded("generator_folders", name, lambda part: part))
        for ending in _points("generator_files"):
            for path in sorted(folder.glob(f"*.{ending}")):
                found.setdefault(path.stem, (path, _origin(claims[0])))
    return found


def _listed_file(name: str, path: Path, origin: str) -> Listed:
    try:
        return Listed(name, origin, _from_file(path))
    except (BrokenPluginError, GeneratorFileError) as error:
        return Listed(name, origin, error=str(error))


def load_dataset(name: str) -> Dataset:
    """A dataset by name."""
    dataset: Dataset = _checked(load("datasets", name), Dataset, "dataset", name)
    return dataset


def load_suite(name: str) -> Suite:
    """A suite by name."""
    suite: Suite = _checked(load("suites", name), Suite, "suite", name)
    return suite


def load_metrics(wanted: Iterable[str]) -> list[Metric]:
    """Cards by name, in order, each once; a bare family name means its default card."""
    cards: dict[str, Metric] = {}
    for name in wanted:
        metric = _card(name)
        cards.setdefault(metric.spec.name, metric)
    return list(cards.values())


def cards_of(family: str) -> tuple[Metric, ...]:
    """All cards of a family, the default first."""
    part = load("metrics", family)
    cards = tuple(part) if isinstance(part, Sequence) else (part,)
    return tuple(_checked(card, Metric, "metric", family) for card in cards)


def _card(name: str) -> Metric:
    family = name.split("@", 1)[0]
    points = _points("metrics")
    if family not in points:
        raise UnknownNameError(_unknown("metrics", name, points))
    cards = cards_of(family)
    if name == family:
        return cards[0]
    for card in cards:
        if card.spec.name == name:
            return card
    known = [c.spec.name for c in cards]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise UnknownNameError(
        f"no metric card is called {name!r}.{hint} Cards of {family}: {', '.join(known)}"
    )


def _loaded(kind: str, name: str, make: Callable[[Any], Any]) -> Any:  # noqa: ANN401
    points = _points(kind)
    if name not in points:
        raise UnknownNameError(_unknown(kind, name, points))
    claims = points[name]
    if len(claims) > 1:
        raise BrokenPluginError(
            f"{kind[:-1]} {name!r} is claimed by {' and by '.join(map(_origin, claims))}; "
            "uninstall one of them"
        )
    try:
        return make(claims[0].load())
    except ArgumentError:
        raise
    except Exception as error:
        raise BrokenPluginError(
            f"{kind[:-1]} {name!r} of {_origin(claims[0])} cannot be loaded "
            f"({claims[0].value}): {type(error).__name__}: {error}"
        ) from error


@functools.cache
def _points(kind: str) -> dict[str, tuple[EntryPoint, ...]]:
    found: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=f"talkbench.{kind}"):
        claims = found.setdefault(point.name, [])
        # An editable install and its metadata in the working folder declare the same thing twice.
        if all((c.value, _origin(c)) != (point.value, _origin(point)) for c in claims):
            claims.append(point)
    return {name: tuple(claims) for name, claims in found.items()}


def _origin(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else "unknown package"


def _unknown(kind: str, name: str, points: dict[str, tuple[EntryPoint, ...]]) -> str:
    origins = {n: _origin(claims[0]) for n, claims in points.items()}
    if kind == "generators":
        origins = {n: origin for n, (_, origin) in _files().items()} | origins
    near = difflib.get_close_matches(name, origins, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    listed = ", ".join(f"{n} ({origins[n]})" for n in sorted(origins))
    return f"no {kind[:-1]} is called {name!r}.{hint} Known: {listed or 'none'}"


def _checked(part: Any, contract: type[Any], what: str, name: str) -> Any:  # noqa: ANN401
    if not isinstance(part, contract):
        raise BrokenPluginError(
            f"{what} {name!r} is a {type(part).__name__} without what a {contract.__name__} has; "
            f"see the docstring of {contract.__module__}.{contract.__name__}"
        )
    return part
