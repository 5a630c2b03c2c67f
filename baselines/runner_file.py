"""Runner files: a foreign system, declared in TOML (docs/RUNNERS.md has every key).

Nothing here looks at the machine: a file is right or wrong by itself, and one error says all
that is wrong with it.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any

from baselines import placeholders
from baselines.form import Form
from baselines.steps import MEANINGS, Step, read_step
from evaluation.generator import GeneratorFileError
from evaluation.limits import text_of

PLACES = ("folder", "weights_folder", "venv", "conda", "python", "image")
ENVIRONMENTS = ("venv", "conda", "python", "image")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SIZE = re.compile(r"same|any|[1-9]\d*x[1-9]\d*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FRAMES = ("as video", "as audio", "as the shorter", "any")


@dataclass(frozen=True)
class Weight:
    """A file that the program loads: path below the weights' folder, hash if known, source."""

    path: str
    sha256: str
    source: str


@dataclass(frozen=True)
class Promise:
    """What the clip is to be, after the post-steps.

    Attributes:
        file: Where the program leaves it, below its work folder; ``*`` stands for any letters.
        fps: Frames per second; None: those of the driven video.
        size: ``same`` as the driven video, ``any`` or ``WIDTHxHEIGHT``.
        frames: ``as video``, ``as audio``, ``as the shorter`` of the two, or ``any``.
        slack: Frames that may be missing or too many.
    """

    file: str
    fps: Fraction | None
    size: str
    frames: str
    slack: int


@dataclass(frozen=True)
class Limit:
    """Seconds that a clip may take: some, more per second of input, more for a start."""

    seconds: float
    per_second: float
    start: float


@dataclass(frozen=True, kw_only=True)
class RunnerFile:
    """A foreign system as its file declares it. docs/RUNNERS.md says what each key means."""

    path: Path
    name: str
    about: str
    repository: str
    commit: str
    any_commit: bool
    paper: str
    licence: str
    trained_on: tuple[str, ...]
    optimises: tuple[str, ...]
    gpu: bool
    resident: bool
    commands: tuple[tuple[str, ...], ...]
    start_in: str
    files: tuple[tuple[str, str], ...]
    audio_rate: int
    promise: Promise
    steps: tuple[Step, ...]
    limit: Limit
    inherit: tuple[str, ...]
    variables: tuple[tuple[str, str], ...]
    weights: tuple[Weight, ...]
    places: tuple[tuple[str, str], ...]
    verified: tuple[str, ...]
    not_verified: tuple[str, ...]
    digest: str

    def uses(self, placeholder: str) -> bool:
        """Whether a word or a file of it has this placeholder."""
        words = [word for command in self.commands for word in command]
        words += [text for _, text in (*self.files, *self.variables)]
        return any(placeholder in placeholders.names_in(word) for word in words)

    @property
    def needs_folder(self) -> bool:
        """Whether there is a checkout to run in."""
        return bool(self.repository) or self.uses("folder")


def read_runner_file(path: Path) -> RunnerFile:
    """The system that a file declares.

    Raises:
        GeneratorFileError: It cannot be read, or is wrong; says all that is.
    """
    try:
        content = tomllib.loads(text_of(path))
    except OSError as error:
        said = error.strerror or error
        raise GeneratorFileError(f"{path}: {said}") from error
    except (ValueError, RecursionError) as error:
        raise GeneratorFileError(f"{path} is not TOML: {error}") from error
    form = Form(content)
    declared = _read(path, form, _digest(content))
    form.close()
    if form.problems:
        listed = "".join(f"\n  {problem}" for problem in form.problems)
        raise GeneratorFileError(f"{path} is no runner file; see docs/RUNNERS.md:{listed}")
    return declared


# What says nothing about the pixels: it may be corrected without making every clip anew.
_BESIDE = (
    *("about", "paper", "licence", "trained_on", "optimises", "verified", "not_verified"),
    *("environment", "folder", "weights_folder", "time_limit", "gpu"),
)


def _digest(content: dict[str, Any]) -> str:
    """Of all in a runner file that can change a clip: comments, texts and places aside."""
    kept = {k: v for k, v in content.items() if k not in _BESIDE}
    if isinstance(kept.get("weights"), list):
        kept["weights"] = [
            {k: v for k, v in w.items() if k != "from"} if isinstance(w, dict) else w
            for w in kept["weights"]
        ]
    return hashlib.sha256(json.dumps(kept, sort_keys=True, default=str).encode()).hexdigest()


def _read(path: Path, form: Form, digest: str) -> RunnerFile:
    name = form.text("name")
    if name and not _NAME.fullmatch(name):
        form.wrong("name", f"is {name!r}; expected small letters, digits, '.', '_' and '-'")
    if form.text("kind", "system") != "system":
        form.wrong("kind", "expected 'system': references and anchors are not foreign programs")
    repository, commit = form.text("repository", ""), form.text("commit", "")
    if bool(repository) != bool(commit):
        form.wrong("commit", "repository and commit go together; give both or neither")
    if commit and not _COMMIT.fullmatch(commit):
        form.wrong("commit", f"is {commit!r}; expected 40 hexadecimal digits")
    licence = form.form("licence", needed=True)
    licences = f"code: {licence.text('code')}; weights: {licence.text('weights')}"
    licence.close()
    resident = form.flag("resident", False)
    allowed = placeholders.OF_A_START if resident else placeholders.ALL
    return RunnerFile(
        path=path,
        name=name,
        about=form.text("about"),
        repository=repository,
        commit=commit,
        any_commit=form.flag("any_commit", False),
        paper=form.text("paper", ""),
        licence=licences,
        trained_on=form.texts("trained_on"),
        optimises=form.texts("optimises"),
        gpu=form.flag("gpu", False),
        resident=resident,
        commands=_commands(form, resident, allowed),
        start_in=_start_in(form),
        files=_files(form, allowed),
        audio_rate=form.count("audio_rate"),
        promise=_promise(form.form("output", needed=True)),
        steps=_steps(form),
        limit=_limit(form.form("time_limit", needed=True)),
        inherit=_inherit(form),
        variables=_variables(form),
        weights=tuple(_weight(part) for part in form.forms("weights")),
        places=_places(path, form),
        verified=form.texts("verified", ()),
        not_verified=form.texts("not_verified", ()),
        digest=digest,
    )


def _commands(form: Form, resident: bool, allowed: dict[str, str]) -> tuple[tuple[str, ...], ...]:
    expected = "a list of words, or a list of such lists, run one after the other"
    found = form.value("command", expected)
    commands = found if isinstance(found, list) else []
    if commands and all(isinstance(word, str) for word in commands):
        commands = [commands]
    good = all(
        isinstance(command, list) and command and all(isinstance(w, str) for w in command)
        for command in commands
    )
    if found is not None and not (commands and good):
        form.wrong("command", f"is {found!r}; expected {expected}")
        return ()
    if resident and len(commands) > 1:
        form.wrong("command", "a resident program has one")
    for word in (word for command in commands for word in command):
        if problem := placeholders.problem_with(word, allowed):
            form.wrong("command", problem)
        if "\0" in word:
            form.wrong("command", f"{word!r} has a NUL in it")
    return tuple(tuple(command) for command in commands)


def _start_in(form: Form) -> str:
    path = form.text("start_in", ".")
    if not _below(path) and path != ".":
        form.wrong("start_in", f"is {path!r}; expected a folder of the checkout, without '..'")
    return path


def _files(form: Form, allowed: dict[str, str]) -> tuple[tuple[str, str], ...]:
    files = form.pairs("files")
    for name, text in files:
        if not _below(name) or "*" in name:
            form.wrong("files", f"{name!r} is no path below the work folder")
        if problem := placeholders.problem_with(text, allowed):
            form.wrong("files", f"{name}: {problem}")
    return files


def _promise(form: Form) -> Promise:
    file = form.text("file", "output.mp4")
    if not _below(file):
        form.wrong("file", f"is {file!r}; expected a path below the work folder, without '..'")
    size, frames = form.text("size"), form.text("frames")
    if size and not _SIZE.fullmatch(size):
        form.wrong("size", f"is {size!r}; expected 'same', 'any' or WIDTHxHEIGHT")
    if frames and frames not in _FRAMES:
        form.wrong("frames", f"is {frames!r}; expected {' or '.join(map(repr, _FRAMES))}")
    promise = Promise(file, _fps(form), size, frames, form.count("slack"))
    form.close()
    return promise


def _fps(form: Form) -> Fraction | None:
    expected = "'same', a number, or a fraction as text ('30000/1001')"
    found = form.value("fps", expected)
    if found is None or found == "same":
        return None
    try:
        fps = Fraction(str(found))
    except (ValueError, ZeroDivisionError):
        fps = Fraction(0)
    if isinstance(found, bool) or fps <= 0:
        form.wrong("fps", f"is {found!r}; expected {expected}")
        return None
    return fps


def _steps(form: Form) -> tuple[Step, ...]:
    steps = []
    for text in form.texts("steps", ()):
        try:
            steps.append(read_step(text))
        except ValueError as error:
            form.wrong("steps", str(error))
    kinds = [step.kind for step in steps]
    if "rate R" in kinds[1:]:
        form.wrong("steps", "'rate R' can only be the first")
    doubled = [kind for kind in MEANINGS if kinds.count(kind) > 1]
    if doubled:
        form.wrong("steps", f"{', '.join(doubled)} is there twice")
    return tuple(steps)


def _limit(form: Form) -> Limit:
    limit = Limit(form.number("seconds"), form.number("per_second", 0), form.number("start", 0))
    if not limit.seconds + limit.per_second:
        form.wrong("seconds", "a limit of 0 s leaves no time at all")
    form.close()
    return limit


def _inherit(form: Form) -> tuple[str, ...]:
    names = form.texts("inherit", ())
    for name in names:
        if not _VARIABLE.fullmatch(name):
            form.wrong("inherit", f"{name!r} is no name of a variable")
    return names


def _variables(form: Form) -> tuple[tuple[str, str], ...]:
    pairs = form.pairs("variables")
    for name, text in pairs:
        if not _VARIABLE.fullmatch(name) or "\0" in text:
            form.wrong("variables", f"{name!r} is no name of a variable, or has a NUL in it")
        if problem := placeholders.problem_with(text, placeholders.OF_A_START):
            form.wrong("variables", f"{name}: {problem}")
    return pairs


def _weight(form: Form) -> Weight:
    weight = Weight(form.text("path"), form.text("sha256", ""), form.text("from"))
    if weight.path and not _below(weight.path):
        form.wrong("path", f"is {weight.path!r}; expected a path below the weights' folder")
    if weight.sha256 and not _SHA256.fullmatch(weight.sha256):
        form.wrong("sha256", f"is {weight.sha256!r}; expected 64 hexadecimal digits, or none")
    form.close()
    return weight


def _places(path: Path, form: Form) -> tuple[tuple[str, str], ...]:
    """Where things are on a machine; what is relative starts at the file's own folder."""
    environment = form.form("environment")
    found = {key: form.text(key, "") for key in ("folder", "weights_folder")}
    found |= {key: environment.text(key, "") for key in ENVIRONMENTS}
    environment.close()
    given = {key: text for key, text in found.items() if text}
    kinds = [key for key in ENVIRONMENTS if key in given]
    if len(kinds) > 1:
        form.wrong("environment", f"has {' and '.join(kinds)}; expected exactly one")
    here = path.resolve().parent
    return tuple(
        (key, text if key == "image" else str(here / Path(text).expanduser()))
        for key, text in given.items()
    )


def _below(path: str) -> bool:
    """Whether a path stays in the folder that it starts from, by its letters alone."""
    parts = PurePosixPath(path).parts
    plain = "\\" not in path and "\0" not in path
    return bool(parts) and plain and not path.startswith("/") and ".." not in parts
