"""``talkbench list``: what there is, where it comes from, what it lacks."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import click
from rich.markup import escape
from rich.table import Table

from evaluation.cli.assets import asset_table
from evaluation.cli.console import console
from evaluation.cli.forms import print_dataset, print_suite
from evaluation.generator import lacking
from evaluation.registry import (
    BrokenPluginError,
    Listed,
    UnknownNameError,
    cards_of,
    generator_arguments,
    listing,
    load_dataset,
    load_suite,
    names,
)
from evaluation.score_pair import missing_packages
from evaluation.suite import Suite
from metrics import Metric, MetricSpec
from metrics.assets import ASSETS, find, lookup

_Row = tuple[str, str, str, str, str]
READY = "[green]ready[/]"


@click.command("list", short_help="What there is, and what it lacks.")
@click.argument(
    "kind", type=click.Choice(["suites", "generators", "metrics", "datasets", "assets"])
)
@click.argument("name", required=False)
def list_(kind: str, name: str | None) -> None:
    """Suites, generators, metrics, datasets or assets: version, origin, and what is missing.

    With the NAME of a suite or a dataset, everything that it says of itself.
    """
    if name is not None:
        _print_one(kind, name)
        return
    if kind == "assets":
        console.print(asset_table())
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    rows = list(_ROWS[kind]())
    origins = {row[3] for row in rows}
    heads = ("name", "version", "what", "from", "state")
    shown = [i for i, head in enumerate(heads) if head != "from" or len(origins) > 1]
    for i in shown:
        table.add_column(heads[i], overflow="fold")
    for row in rows:
        table.add_row(*(row[i] for i in shown))
    console.print(table)
    if kind == "metrics":
        _print_what_is_missing()
    if kind == "generators":
        _print_what_generators_lack()
    if kind in ("suites", "datasets"):
        console.print(f"\nEverything that one says: talkbench list {kind} NAME", highlight=False)


def _print_one(kind: str, name: str) -> None:
    if kind == "suites":
        print_suite(load_suite(name), console)
    elif kind == "datasets":
        print_dataset(load_dataset(name).spec, console)
    else:
        raise click.UsageError(f"only suites and datasets are listed by name, not {kind}")


def _generators() -> Iterable[_Row]:
    for entry in listing("generators"):
        row = _row(entry, lambda g: (g.spec.version, g.spec.about, g.spec.assets), _takes)
        missing = _lacking(entry)
        if not missing:
            yield row
            continue
        told = f"[yellow]lacks {_things(len(missing))}, see below[/]"
        yield (*row[:4], told if row[4] == READY else f"{row[4]}\n{told}")


def _lacking(entry: Listed) -> list[str]:
    if entry.error:
        return []
    try:
        return lacking(entry.part)
    except Exception as error:  # noqa: BLE001 - foreign code; the list goes on
        return [f"what it lacks cannot be told: {type(error).__name__}: {error}"]


def _things(count: int) -> str:
    return "one thing" if count == 1 else f"{count} things"


def _print_what_generators_lack() -> None:
    """A line each: too long for a cell."""
    for entry in listing("generators"):
        missing = _lacking(entry)
        if missing:
            console.print(f"\n{entry.name} lacks", highlight=False, markup=False)
        for text in missing:
            console.print(f"  {text}", highlight=False, markup=False, soft_wrap=True)


def _takes(name: str) -> str:
    takes = generator_arguments(name)
    return f"; takes {takes}" if takes else ""


def _datasets() -> Iterable[_Row]:
    for entry in listing("datasets"):
        yield _row(entry, lambda d: (d.spec.version, d.spec.about, d.spec.assets))


def _suites() -> Iterable[_Row]:
    for entry in listing("suites"):
        try:
            yield _row(entry, lambda s: (s.version, _asks(s), load_dataset(s.dataset).spec.assets))
        except UnknownNameError:
            state = f"[red]no dataset is called {escape(entry.part.dataset)}[/]"
            yield (entry.name, entry.part.version, _asks(entry.part), entry.origin, state)


def _asks(suite: Suite) -> str:
    notes = "".join(f" Note: {note}." for note in suite.notes)
    return escape(f"{suite.setting.capitalize()} on {suite.dataset}. {suite.about}{notes}")


def _metrics() -> Iterable[_Row]:
    for entry in listing("metrics"):
        try:
            cards = cards_of(entry.name)
        except BrokenPluginError as error:
            yield (entry.name, "", "", entry.origin, f"[red]{escape(str(error))}[/]")
            continue
        for position, card in enumerate(cards):
            arrow = "↑" if card.spec.direction == "higher" else "↓"
            bare = (
                f" (also: {entry.name})" if position == 0 and card.spec.name != entry.name else ""
            )
            what = f"{card.spec.title} {arrow}{bare}"
            yield (card.spec.name, card.spec.version, what, entry.origin, state(card.spec))


_ROWS: dict[str, Callable[[], Iterable[_Row]]] = {
    "suites": _suites,
    "generators": _generators,
    "metrics": _metrics,
    "datasets": _datasets,
}


def _row(
    entry: Listed,
    facts: Callable[..., tuple[str, str, tuple[str, ...]]],
    more: Callable[[str], str] = lambda _: "",
) -> _Row:
    if entry.error:
        return (entry.name, "", "", entry.origin, f"[red]{escape(entry.error)}[/]")
    try:
        version, about, needed = facts(entry.part)
        about += more(entry.name)
    except UnknownNameError:
        raise
    except (AttributeError, LookupError, ImportError) as error:
        return (entry.name, "", "", entry.origin, f"[red]{escape(str(error))}[/]")
    return (entry.name, version, about, entry.origin, _state(needed))


def _state(needed: Iterable[str]) -> str:
    missing = _missing(needed)
    if missing:
        return f"[yellow]missing: talkbench assets get {' '.join(missing)}[/]"
    return READY


def state(spec: MetricSpec) -> str:
    """``ready``, or what a card lacks on this machine, as markup."""
    needs = [*_missing(spec.assets), *missing_packages(spec)]
    return f"[yellow]needs {', '.join(needs)}[/]" if needs else READY


def _missing(needed: Iterable[str]) -> list[str]:
    return [n for n in needed if n not in ASSETS or find(lookup(n)) is None]


def _print_what_is_missing() -> None:
    """How to get what the cards lack: one command, not one a line."""
    specs = [c.spec for name in names("metrics") for c in _cards(name)]
    assets = dict.fromkeys(a for s in specs for a in _missing(s.assets))
    packages = dict.fromkeys(p for s in specs for p in missing_packages(s))
    console.print("\nWhat a card means: talkbench card NAME", highlight=False)
    if assets:
        console.print(f"To get what is missing: talkbench assets get {' '.join(assets)}")
    if packages:
        console.print(
            f"Packages that are missing ({', '.join(packages)}): pip install 'talkbench\\[faces]'"
        )


def _cards(name: str) -> tuple[Metric, ...]:
    try:
        return cards_of(name)
    except BrokenPluginError:
        return ()
