"""The command line: one group whose sub-commands are found through entry points.

Exit codes: 0 done; 1 done, but some records failed; 2 unusable input, nothing written; 3 stopped
by the machine (disk full), everything recorded is safe; 130 interrupted.
"""

from __future__ import annotations

import difflib
import gc
import io
import sys
from typing import Any

import click

from evaluation.arguments import ArgumentError
from evaluation.dataset import DatasetError
from evaluation.elsewhere.addresses import tell
from evaluation.elsewhere.remote import UnreachableError
from evaluation.engines.base import EngineError
from evaluation.generator import GeneratorFileError
from evaluation.machine import MachineError, machine_error
from evaluation.plan import UnusableInputError
from evaluation.records import RecordsError
from evaluation.registry import BrokenPluginError, UnknownNameError, load, names
from metrics.assets import AssetCorruptError, AssetMissingError, AssetUnreachableError

_USER_ERRORS = (
    ArgumentError,
    AssetCorruptError,
    AssetMissingError,
    AssetUnreachableError,
    BrokenPluginError,
    DatasetError,
    GeneratorFileError,
    RecordsError,
    UnknownNameError,
    UnreachableError,
    UnusableInputError,
)


_PATH_ERRORS = (PermissionError, NotADirectoryError, IsADirectoryError, FileExistsError)


class UnusableError(click.ClickException):
    """Shown as ``Error: ...``; exit code 2."""

    exit_code = 2


class StoppedError(click.ClickException):
    """The machine cannot go on; exit code 3."""

    exit_code = 3


class _Commands(click.Group):
    """Looks commands up by name and loads only the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return names("commands")

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in names("commands"):
            return None
        try:
            command: click.Command = load("commands", cmd_name)
        except BrokenPluginError as error:
            return _broken(cmd_name, str(error))
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in names("commands"):
            near = difflib.get_close_matches(args[0], names("commands"), n=2)
            hint = f" Did you mean {' or '.join(near)}?" if near else ""
            ctx.fail(f"no command is called {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own signature
        # Records are many and hold no circles: Python need not look for them so often.
        gc.set_threshold(50_000, 20, 100)
        try:
            return super().invoke(ctx)
        except _USER_ERRORS as error:
            raise UnusableError(tell(error)) from error
        except EngineError as error:
            raise StoppedError(f"stopped: {error}. Everything recorded is safe") from error
        except KeyboardInterrupt:
            click.echo(
                "\nInterrupted. Everything recorded is safe; the same command goes on from here.",
                err=True,
            )
            sys.exit(130)
        except BrokenPipeError:
            sys.exit(0)
        except OSError as error:
            if isinstance(error, _PATH_ERRORS):
                raise UnusableError(f"{error.filename}: {error.strerror}") from error
            if not isinstance(machine_error(error), MachineError):
                raise
            raise StoppedError(
                f"stopped: {error.strerror or error}"
                f"{f' ({error.filename})' if error.filename else ''}. Everything recorded is safe; "
                "put that right and give the same command again"
            ) from error


def _broken(name: str, text: str) -> click.Command:
    @click.command(name, help=f"(cannot be loaded) {text}", add_help_option=False)
    def command() -> None:
        raise UnusableError(text)

    return command


for _stream in (sys.stdout, sys.stderr):
    if isinstance(_stream, io.TextIOWrapper):
        _stream.reconfigure(errors="replace")  # an arrow must not end a run on an ASCII terminal


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="talkbench")
def main() -> None:
    """Evaluate talking-face generators: named splits, exact metric protocols, honest tables.

    \b
    Start here:
      talkbench demo                    the sample suite, a table and a report in a few minutes
      talkbench score --reference GT --generated mine=OUT -o runs/mine
      talkbench doctor                  what works on this machine, and what to do about the rest
    """
