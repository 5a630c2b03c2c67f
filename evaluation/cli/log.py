"""``--log-json``: where the events of a command go."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from evaluation.events import Sink, appended, to_stderr
from evaluation.plan import UnusableInputError

C = TypeVar("C", bound=Callable[..., Any])
_KEY = "talkbench.log"


def logged() -> list[Sink]:
    """Who listens to the events of the command at hand; nobody, if it was not asked for."""
    context = click.get_current_context(silent=True)
    found: list[Sink] = [] if context is None else context.meta.get(_KEY, [])
    return found


def _open(context: click.Context, parameter: click.Parameter, name: str | None) -> None:
    del parameter
    if name is None or context.resilient_parsing:
        return
    if name == "-":
        context.meta[_KEY] = [to_stderr]
        return
    try:
        context.meta[_KEY] = [context.with_resource(appended(Path(name)))]
    except OSError as error:
        raise UnusableInputError(f"--log-json {name}: {error.strerror}") from error


def log_json(command: C) -> C:
    """The option; the command itself is not given anything."""
    option = click.option(
        "--log-json",
        metavar="FILE",
        expose_value=False,
        callback=_open,
        help="Events as JSON lines (docs/RECORDS.md); - for standard error.",
    )
    return option(command)
