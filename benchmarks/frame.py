"""What every kind of benchmark is: rows, measured and printed, kept as JSON and as a plot.

A kind is a function that measures and returns rows, with a docstring that is its help. The frame
adds the options that all have, looks at the machine before and after, and prints and writes.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from benchmarks import machine, plots, tables
from benchmarks.spending import BenchmarkError
from benchmarks.tables import Row
from evaluation.dataset import DatasetError
from evaluation.video import VideoError
from metrics.assets import AssetCorruptError, AssetMissingError

OUT = Path("bench")
_UNUSABLE = (AssetCorruptError, AssetMissingError, DatasetError, VideoError, ImportError)

Draw = Callable[[Any, Sequence[Row]], None]
"""Draws rows on a matplotlib figure."""

OPTIONS: tuple[click.Option, ...] = (
    click.Option(
        ["-o", "--out"],
        type=click.Path(file_okay=False, path_type=Path),
        help=f"Folder of KIND.json and KIND.png; {OUT}, or {OUT}/quick of a trial, if not given.",
    ),
    click.Option(["--quick"], is_flag=True, help="A trial: everything at its smallest."),
    click.Option(
        ["--device"],
        metavar="DEVICE",
        help="Where networks run: cpu, cuda, cuda:1. $TALKBENCH_DEVICE, else cpu, if not given.",
    ),
)


class Words(click.ParamType):
    """Several values with commas between them."""

    name = "A,B,..."

    def __init__(self, of: Callable[[str], Any] = str) -> None:
        self._of = of

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Any, ...]:
        """A tuple of them, one at least."""
        if not isinstance(value, str):
            return tuple(value)
        try:
            found = tuple(self._of(part.strip()) for part in value.split(",") if part.strip())
        except ValueError as error:
            self.fail(f"{value!r}: {error}", param, ctx)
        return found or self.fail("nothing is named", param, ctx)


def size(text: str) -> int:
    """A whole number of at least one.

    Raises:
        ValueError: It is none.
    """
    if (found := int(text)) < 1:
        raise ValueError(f"expected 1 or more, got {found}")
    return found


def rounds(default: int) -> Callable[[Any], Any]:
    """The option that says how often."""
    return click.option(
        "--rounds",
        type=click.IntRange(1),
        default=default,
        show_default=True,
        help="Measure so often, sides in turn; tables have the median, and the least and the most "
        "of ratios in brackets.",
    )


def data(why: str) -> Callable[[Any], Any]:
    """The option that names clips."""
    return click.option(
        "--data",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help=f"Folder with gt/ and a folder a system, clips of the same names: {why}. The panels "
        "of hdtf-mini, if not given (fetched by: talkbench run hdtf-mini --download).",
    )


def kind(
    title: str, draw: Draw, *, quick: Mapping[str, Any], example: str
) -> Callable[[Callable[..., list[Row]]], click.Command]:
    """Make a command of a function that measures.

    Args:
        title: Heading of its section and plot.
        draw: Its plot.
        quick: Values that options take with ``--quick`` unless they are given.
        example: A command line.
    """

    def make(measure: Callable[..., list[Row]]) -> click.Command:
        own = list(reversed(getattr(measure, "__click_params__", [])))
        name = measure.__name__

        def call(out: Path | None, quick_: bool, device: str | None, **given: Any) -> None:
            ctx = click.get_current_context()
            if quick_:
                chosen = {
                    option: value
                    for option, value in quick.items()
                    if ctx.get_parameter_source(option) is ParameterSource.DEFAULT
                }
                given |= chosen
            os.environ["TALKBENCH_DEVICE"] = device or os.environ.get("TALKBENCH_DEVICE") or "cpu"
            before = machine.load()
            try:
                plots.check()
                rows = measure(**given)
            except BenchmarkError as error:
                raise click.ClickException(str(error)) from error
            except _UNUSABLE as error:
                raise click.UsageError(str(error)) from error
            result = {
                "schema": tables.SCHEMA,
                "kind": name,
                "title": title,
                "command": machine.command(),
                "date": datetime.now(UTC).isoformat(timespec="seconds"),
                "quick": quick_,
                "options": {k: str(v) if isinstance(v, Path) else v for k, v in given.items()},
                "machine": machine.described(),
                "load": {"before": before, "after": machine.load()},
                "rows": rows,
            }
            print(tables.section(result), flush=True)
            folder = out or (OUT / "quick" if quick_ else OUT)
            tables.write(result, folder / f"{name}.json")
            plots.save(lambda figure: draw(figure, rows), title, folder / f"{name}.png")
            click.echo(f"Written: {folder / name}.json and .png", err=True)

        def renamed(quick: bool, **given: Any) -> None:
            call(quick_=quick, **given)

        small = ", ".join(f"--{k.replace('_', '-')} {_typed(v)}" for k, v in quick.items())
        return click.Command(
            name,
            callback=renamed,
            params=[*own, *OPTIONS],
            help=inspect.getdoc(measure),
            short_help=title,
            epilog=f"\b\nExample:\n  {example}\nWith --quick: {small}",
            context_settings={"help_option_names": ["-h", "--help"]},
        )

    return make


def _typed(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
