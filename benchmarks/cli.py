"""The command line of benchmarks: one command a kind, all of them, and kept results as tables."""

from __future__ import annotations

import importlib
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import click

from benchmarks import machine, tables

KINDS = ("official", "workers", "resume", "stages", "memory", "iplap", "wav2lip")
"""In the order of docs/PERFORMANCE.md; each a file of this folder with a command of its name."""

_CLIPS = ("official", "workers", "stages", "wav2lip")


class _Commands(click.Group):
    """Imports a kind when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*KINDS, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in KINDS:
            module = importlib.import_module(f"benchmarks.{cmd_name}")
            command: click.Command = getattr(module, cmd_name)
            return command
        return super().get_command(ctx, cmd_name)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    r"""Measure speed and memory: every figure of docs/PERFORMANCE.md, one command each.

    Each kind prints a table whose ratios are of one run, its sides in turn, and writes JSON with
    the machine, and a plot beside it. Processes take OMP_NUM_THREADS threads, as many as there are
    cores if it is not set.

    \b
    Start here:
      python -m benchmarks all --quick          every kind at its smallest, a minute or two
      python -m benchmarks official --help      what one kind measures, and on what
      python -m benchmarks table bench/*.json   what was kept, as Markdown

    Apart from these stand python -m benchmarks.soak (kills runs) and python -m benchmarks.fuzz
    (spoils files); they have verdicts instead of figures (docs/RELIABILITY.md).
    """


@main.command("all", short_help="All kinds, one after another.")
@click.option(
    "--only",
    multiple=True,
    type=click.Choice(KINDS),
    help="This kind; repeat for more. All, if not given.",
)
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help=f"For {', '.join(_CLIPS)}: folder with gt/ and a folder a system; the panels of "
    "hdtf-mini, if not given.",
)
@click.option("--iplap", type=click.Path(path_type=Path), help="A clone of IP_LAP.")
@click.option("--wav2lip", type=click.Path(path_type=Path), help="A clone of Wav2Lip.")
@click.option(
    "-o",
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of results; bench, or bench/quick of a trial, if not given.",
)
@click.option("--quick", is_flag=True, help="A trial: everything at its smallest.")
@click.option("--device", metavar="DEVICE", help="Where networks run: cpu, cuda, cuda:1.")
def all_(
    only: tuple[str, ...],
    data: Path | None,
    iplap: Path | None,
    wav2lip: Path | None,
    out: Path | None,
    quick: bool,
    device: str | None,
) -> None:
    r"""Measure all kinds, one after another, each in a process of its own.

    A kind that fails stops no other; what became of each is said at the end. Exit code 1 where any
    kind failed or could not be run.

    \b
    Example:
      python -m benchmarks all --iplap IP_LAP --wav2lip Wav2Lip -o bench
    """
    clones = {"iplap": iplap, "wav2lip": wav2lip}
    became: list[tables.Row] = []
    for name in [k for k in KINDS if not only or k in only]:
        if name in clones and clones[name] is None:
            clone = importlib.import_module(f"benchmarks.{name}").CLONE
            became.append({"kind": name, "became": f"not run: --{name} DIR is a clone; {clone}"})
            continue
        options: Mapping[str, object] = {
            "--data": data if name in _CLIPS else None,
            "--official": clones.get(name),
            "--out": out,
            "--device": device,
        }
        words = [part for key, v in options.items() if v is not None for part in (key, str(v))]
        click.echo(f"{name}:", err=True)
        start = time.perf_counter()
        command = [sys.executable, "-m", "benchmarks", name, *words]
        code = subprocess.run([*command, *(["--quick"] if quick else [])], check=False).returncode
        became.append(
            {
                "kind": name,
                "became": "done" if code == 0 else f"failed: exit code {code}",
                "s": time.perf_counter() - start,
            }
        )
    click.echo(f"## What became of each\n\n{tables.markdown(became)}")
    raise click.exceptions.Exit(int(any(row["became"] != "done" for row in became)))


@main.command(short_help="Kept results as Markdown.")
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
def table(files: tuple[Path, ...]) -> None:
    r"""Print sections of docs/PERFORMANCE.md from kept JSON FILES, in the order of that page.

    \b
    Example:
      python -m benchmarks table bench/*.json
    """
    try:
        results = [tables.read(path) for path in files]
    except tables.NoResultError as error:
        raise click.UsageError(str(error)) from error
    order = {name: place for place, name in enumerate(KINDS)}
    known = ""
    for result in sorted(results, key=lambda r: order.get(r["kind"], len(order))):
        click.echo(tables.section(result, known))
        known = machine.in_words(result["machine"])
