"""The training loop: steps, curves, validation, checkpoints; stopped at any moment, it goes on.

What a step does is a function of the seed, the step's number and the state before it: items are
drawn by number, and dropout is seeded by the step. So a run that was killed and started again
makes the same curve (to the bit on a CPU with as many threads; on a GPU some sums have no order).
"""

from __future__ import annotations

import hashlib
import json
import pickle
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import cv2
import torch

from evaluation.folder_lock import writing
from evaluation.machine import machine_error
from evaluation.plan import UnusableInputError
from evaluation.store import write_atomically, write_json
from method import checkpoints
from method.training.items import Items, Numbers, loader
from method.training.journal import STEPS, VALIDATIONS, Journal, draw
from method.training.prepared import Prepared
from method.training.processes import Processes
from method.training.stage import Batch, Settings, Stage, restore, state

STATE, ABOUT, PICTURES = "state.pth", "training.json", "pictures"
_ACROSS = 100  # batch of a validation at most

Told = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Run:
    """What is trained on what.

    Attributes:
        stage: Networks.
        settings: Of the stage.
        prepared: Clips.
        folder: Where curves and the state go.
        checkpoint: The file to drive with.
        about: What must not change when a run goes on, for ``training.json``.
        seed: Of items and dropout.
        readers: Processes that read ahead.
    """

    stage: Stage
    settings: Settings
    prepared: Prepared
    folder: Path
    checkpoint: Path
    about: dict[str, Any]
    seed: int = 0
    readers: int = 0


def train(run: Run, processes: Processes, told: Told = lambda *_: None) -> int:
    """Train, from the last checkpoint on, to the last step.

    Args:
        run: What.
        processes: This one among all.
        told: Hears of progress.

    Returns:
        Steps that were done now.

    Raises:
        UnusableInputError: The folder holds another run, is being written, or the batch cannot be
            shared out.
        KeyboardInterrupt: Stopped by a signal; a checkpoint was written.
        MachineError: The disk is full; the last checkpoint is whole.
    """
    if run.settings.batch % processes.count:
        raise UnusableInputError(
            f"a batch of {run.settings.batch} cannot be shared out among {processes.count} "
            "processes; set another batch"
        )
    if not processes.first:
        return _train(run, processes, lambda *_: None)
    run.folder.mkdir(parents=True, exist_ok=True)
    with writing(run.folder):
        try:
            return _train(run, processes, told)
        except OSError as error:
            raise machine_error(error) from error


def _train(run: Run, processes: Processes, told: Told) -> int:
    stage, settings = run.stage, run.settings
    if processes.first:
        _check_same(run.folder / ABOUT, run.about)
    processes.wait()
    start = _resume(run, processes)
    if start >= settings.steps:
        return 0
    epoch_steps = max(1, len(run.prepared.training) // settings.batch)
    items = Items(run.prepared, stage.draw, run.seed, training=True)
    numbers = Numbers(range(start, settings.steps), settings.batch, processes.rank, processes.count)
    with _journals(run, start, processes) as journals, _stop_signals() as stopped:
        before = time.monotonic()
        for step, batch in zip(numbers.steps, loader(items, numbers, run.readers), strict=True):
            torch.manual_seed(_seed(run.seed, step, processes.rank))
            said = stage.step(_on(batch, processes), step // epoch_steps)
            values = processes.means(said)
            now = time.monotonic()
            done = step + 1
            stop = processes.any(bool(stopped))
            if journals:
                journals[0].write(done, {**values, "seconds": now - before})
            told(done, settings.steps, f"step {done}, loss {values['loss']:.4f}")
            before = now
            if done % settings.every == 0 or done == settings.steps or stop:
                if journals and (done % settings.every == 0 or done == settings.steps):
                    _validate(run, processes, journals[1], done, told)
                if processes.first:
                    _save(run, done)
                processes.wait()
            if stop:
                raise KeyboardInterrupt
    return settings.steps - start


@contextmanager
def _journals(
    run: Run, start: int, processes: Processes
) -> Iterator[tuple[Journal, Journal] | None]:
    """Of steps and of validations, in the process that writes them."""
    if not processes.first:
        yield None
        return
    with (
        closing(Journal(run.folder / STEPS, (*run.stage.losses, "seconds"), start)) as steps,
        closing(Journal(run.folder / VALIDATIONS, run.stage.judged, start)) as validations,
    ):
        yield steps, validations


def _validate(run: Run, processes: Processes, journal: Journal, done: int, told: Told) -> None:
    """The same items each time, in this process alone."""
    count = run.settings.validated
    told(done, run.settings.steps, f"validating on {count} items")
    batch = min(run.settings.batch, _ACROSS, count)
    items = Items(run.prepared, run.stage.draw, run.seed, training=False)
    batches = loader(items, Numbers(range(count // batch), batch), 0)
    judged, shown = run.stage.validate(_on(b, processes) for b in batches)
    journal.write(done, judged)
    coded = cv2.imencode(".png", shown)[1].tobytes()
    path = run.folder / PICTURES / f"step{done:08d}.png"
    write_atomically(path, lambda file: file.write(coded))
    draw(run.folder)


def _on(batch: Batch, processes: Processes) -> Batch:
    return {name: x.to(processes.device, non_blocking=True) for name, x in batch.items()}


def _seed(seed: int, step: int, rank: int) -> int:
    digest = hashlib.sha256(f"{seed} {step} {rank}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def _save(run: Run, done: int) -> None:
    """The state to go on from, and the checkpoint to drive with."""
    content = {"step": done, **state(run.stage)}
    write_atomically(run.folder / STATE, lambda file: torch.save(content, file))
    checkpoints.write(
        run.checkpoint,
        run.stage.network,
        run.stage.sizes,
        step=done,
        trained_on=(str(run.prepared.about["name"]),),
    )


def _resume(run: Run, processes: Processes) -> int:
    path = run.folder / STATE
    if not path.is_file():
        return 0
    try:
        kept = torch.load(path, map_location=processes.device, weights_only=True)
        restore(run.stage, kept)
        return int(kept["step"])
    except (RuntimeError, EOFError, KeyError, ValueError, pickle.UnpicklingError) as error:
        line = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise UnusableInputError(
            f"{path}: cannot go on from it ({line}); remove it to begin again"
        ) from error


def _check_same(path: Path, about: dict[str, Any]) -> None:
    """A run goes on only as what it began as; it may get longer."""
    if not path.is_file():
        write_json(path, about)
        return
    try:
        known = json.loads(path.read_text())
    except ValueError as error:
        raise UnusableInputError(f"{path}: damaged ({error}); choose another folder") from error
    now = json.loads(json.dumps(about))
    free = {"steps", "every", "validated"}
    other = [
        f"{key} {known.get(key)!r} and not {now.get(key)!r}"
        for key in sorted({*known, *now} - {"settings"})
        if known.get(key) != now.get(key)
    ]
    was, wanted = known.get("settings", {}), now["settings"]
    other += [
        f"{key} {was.get(key)!r} and not {wanted.get(key)!r}"
        for key in sorted({*was, *wanted} - free)
        if was.get(key) != wanted.get(key)
    ]
    if other:
        raise UnusableInputError(
            f"{path.parent} holds a run with {', '.join(other)}; choose another folder with -o"
        )
    write_json(path, about)


@contextmanager
def _stop_signals() -> Iterator[list[int]]:
    """SIGINT and SIGTERM end the run after the step at hand; the second one at once."""
    caught: list[int] = []
    before = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}

    def handle(number: int, frame: FrameType | None) -> None:
        del frame
        caught.append(number)
        for one, handler in before.items():
            signal.signal(one, handler)

    try:
        for one in before:
            signal.signal(one, handle)
    except ValueError:  # not the main thread: whoever runs it there stops it otherwise
        before = {}
    try:
        yield caught
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
