"""A foreign system as a generator: its own program, in its own environment, folder and group."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from baselines import child, resident
from baselines.checkout import Checkout, look_at
from baselines.container import contained
from baselines.output import collect
from baselines.placeholders import fill
from baselines.places import Places, places_of
from baselines.readiness import image_id, missing
from baselines.runner_file import RunnerFile, read_runner_file
from baselines.staging import Inputs, stage_files, stage_folder, stage_inputs, variables
from evaluation.generate import file_sha256
from evaluation.generator import GenerationError, GeneratorSpec, Made
from evaluation.sample import Sample
from evaluation.store import write_atomically
from evaluation.video import VideoError


def load(path: Path) -> Foreign:
    """The system that a runner file declares.

    Raises:
        GeneratorFileError: The file is wrong, or the user's ``runners.toml`` is.
    """
    runner = read_runner_file(path)
    return Foreign(runner, places_of(runner))


class Foreign:
    """Somebody's program.

    Args:
        runner: What it is and promises.
        places: Where it is.
    """

    def __init__(self, runner: RunnerFile, places: Places) -> None:
        self.runner = runner
        self.places = places
        self._ready: GeneratorSpec | None = None

    @property
    def spec(self) -> GeneratorSpec:
        """Who this is; weights, commit and image are those that are here, looked at once."""
        if self._ready is None:
            return self._spec(look_at(self.places.folder))
        return self._ready

    def lacking(self) -> list[str]:
        """What is missing here, with what brings it; once it is ready, it is not asked again."""
        if self._ready is None:
            checkout = look_at(self.places.folder)
            if found := missing(self.runner, self.places, checkout):
                return found
            self._ready = self._spec(checkout)
        return []

    def generate(self, sample: Sample, out: Path, seed: int) -> Made:
        """Run the program on one clip; its log lies beside ``out``, ending in ``.log``.

        Raises:
            GenerationError: It lacks something, fails, hangs, lies; says which, with the last
                lines of its log.
        """
        name = self.runner.name
        if lacks := self.lacking():
            raise GenerationError(f"{name} lacks {'; '.join(lacks)}")
        log, log_path = child.Log(), out.with_suffix(".log")
        out.unlink(missing_ok=True)
        try:
            with _folder() as work:
                inputs = stage_inputs(self.runner, sample, work)
                values = {**inputs.paths, "output": str(work / "output.mp4"), "seed": str(seed)}
                make = self._ask if self.runner.resident else self._run
                peak_mb = make(work, values, inputs, log)
                collect(self.runner, inputs, work, out)
        except VideoError as error:
            raise GenerationError(f"{name}: the sample cannot be read: {error}") from error
        except GenerationError as error:
            lines = log.last_lines()
            said = f"Its last lines: {lines}." if lines else "It said nothing."
            raise GenerationError(f"{name} {_verbed(error)}. {said} Log: {log_path}") from error
        finally:
            content = log.content()
            write_atomically(log_path, lambda file: file.write(content))
        steps = "; ".join(map(str, self.runner.steps))
        return Made(out, {"post-steps": steps} if steps else {}, peak_mb)

    def _run(self, work: Path, values: dict[str, str], inputs: Inputs, log: child.Log) -> float:
        """Every command in turn, in one time limit; the most memory of any, MB."""
        peaks = []
        left = self._limit_s(inputs)
        values |= self._values_of_start(work)
        stage_folder(self.places.folder, work / "folder")
        stage_files(self.runner, work, values)
        for words in self.runner.commands:
            with self._program(words, work, values) as (command, environment):
                log.note(f"runs {shlex.join(command)}")
                ended = child.run(command, self._start_in(work), environment, log, left)
            log.note(f"it {ended}")
            if ended.at_limit:
                raise GenerationError(f"was stopped at its limit of {self._limit_s(inputs):.0f} s")
            if ended.code:
                raise GenerationError(str(ended))
            left = max(0.0, left - ended.seconds)
            peaks.append(ended.peak_mb)
        # What runs in an image is no child of ours.
        return math.nan if self.places.kind == "image" else max(peaks, default=math.nan)

    def _ask(self, work: Path, values: dict[str, str], inputs: Inputs, log: child.Log) -> float:
        """One line to the program that waits; it is started if it does not. Its memory, MB."""
        known = (self.runner.digest, self.places, os.environ.get("CUDA_VISIBLE_DEVICES"))
        worker, new = resident.resident(repr(known), lambda: self._begin(log))
        limit_s = self._limit_s(inputs) + (self.runner.limit.start if new else 0)
        request = {**values, "seed": int(values["seed"]), "work": str(work)}
        log.note(f"asks {json.dumps(request)}")
        worker.ask(request, limit_s, log)
        return worker.peak_mb

    def _begin(self, log: child.Log) -> resident.Resident:
        work = Path(tempfile.mkdtemp(prefix="talkbench-"))

        def clean() -> None:
            shutil.rmtree(work, ignore_errors=True)

        try:
            values = self._values_of_start(work)
            stage_folder(self.places.folder, work / "folder")
            stage_files(self.runner, work, values)
            command = [fill(word, values) for word in self.runner.commands[0]]
            environment = variables(self.runner, self.places, work, values)
            log.note(f"starts {shlex.join(command)}")
            process = child.start(
                _in_its_path(command, environment),
                self._start_in(work),
                environment,
                stdin=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        except BaseException:
            clean()
            raise
        return resident.Resident(process, clean)

    def _values_of_start(self, work: Path) -> dict[str, str]:
        return {
            "work": str(work),
            "folder": str(work / "folder"),
            "weights": str(self.places.weights or work / "folder"),
            "python": self.places.python,
        }

    def _start_in(self, work: Path) -> Path:
        folder = work / "folder" / self.runner.start_in
        if not folder.is_dir():
            raise GenerationError(
                f"cannot start: its checkout has no folder {self.runner.start_in}"
            )
        return folder

    def _limit_s(self, inputs: Inputs) -> float:
        limit = self.runner.limit
        return limit.seconds + limit.per_second * inputs.seconds

    @contextmanager
    def _program(
        self, words: Sequence[str], work: Path, values: Mapping[str, str]
    ) -> Iterator[tuple[list[str], dict[str, str]]]:
        """What to start, with which variables."""
        command = [fill(word, values) for word in words]
        environment = variables(self.runner, self.places, work, values)
        if self.places.kind == "image":
            with contained(self.runner, self.places, work, environment, command) as found:
                yield found
        else:
            yield _in_its_path(command, environment), environment

    def _spec(self, checkout: Checkout) -> GeneratorSpec:
        runner = self.runner
        code = [f"runner {runner.digest[:12]}"]
        if runner.repository:
            code.append(self._commit(checkout))
        if image := image_id(self.places):
            code.append(f"image {image.removeprefix('sha256:')[:12]}")
        code.extend(map(str, runner.steps))
        source = (runner.paper, runner.repository and f"{runner.repository} @ {runner.commit}")
        return GeneratorSpec(
            name=runner.name,
            version=", ".join(code),
            kind="system",
            about=runner.about,
            weights_sha256=self._weights_sha256(),
            trained_on=runner.trained_on,
            optimises=runner.optimises,
            licence=runner.licence,
            source="; ".join(filter(None, source)),
        )

    def _commit(self, checkout: Checkout) -> str:
        """The commit that runs, as far as git can tell; changed code is another version."""
        declared = f"commit {self.runner.commit[:7]}"
        if not checkout.head:
            here = self.places.folder is not None and self.places.folder.is_dir()
            return f"{declared} by its word, no git checkout" if here else declared
        changed = f" with changes {checkout.changes[:7]}" if checkout.changes else ""
        if checkout.head != self.runner.commit:
            return f"commit {checkout.head[:7]} for {self.runner.commit[:7]}{changed}"
        return f"{declared}{changed}"

    def _weights_sha256(self) -> str:
        if self.places.weights is None:
            return ""
        paths = [self.places.weights / weight.path for weight in self.runner.weights]
        hashes = [file_sha256(path) for path in paths if path.is_file()]
        return hashlib.sha256(" ".join(hashes).encode()).hexdigest() if hashes else ""


def _in_its_path(command: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """The command with its program looked up where it will run, so that a message can say so."""
    first, *rest = command
    if os.sep in first:
        return [first, *rest]
    found = shutil.which(first, path=environment["PATH"])
    if found is None:
        raise GenerationError(f"cannot start {first}: not in {environment['PATH']}")
    return [found, *rest]


def _verbed(error: GenerationError) -> str:
    """The reason as the end of a sentence that begins with a name."""
    text = str(error).rstrip(".")
    plain = text.startswith(("its ", "this ", "the "))
    return f"failed: {text}" if plain else text


@contextmanager
def _folder() -> Iterator[Path]:
    """A fresh folder under a plain path; nothing that a program left in it can keep it there."""
    work = Path(tempfile.mkdtemp(prefix="talkbench-")).resolve()
    try:
        yield work
    finally:
        if sys.version_info >= (3, 12):
            shutil.rmtree(work, onexc=_let_go)
        else:
            shutil.rmtree(work, onerror=_let_go)


def _let_go(function: Callable[..., object], path: str, _: object) -> None:
    """A folder that was made read-only is still ours."""
    try:
        Path(path).parent.chmod(0o700)
        Path(path).chmod(0o700) if not Path(path).is_symlink() else None
        function(path)
    except OSError:
        return
