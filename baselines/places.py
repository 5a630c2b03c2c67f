"""Where a foreign system is on this machine: its checkout, its weights, its environment.

Each is taken from the first that says it: the variable ``TALKBENCH_RUNNER_<NAME>_<PLACE>`` (small
letters made capitals, all else ``_``), the table ``[NAME]`` of ``runners.toml`` in the user's
configuration folder, the runner file itself.
"""

from __future__ import annotations

import os
import re
import shutil
import tomllib
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from baselines.form import Form
from baselines.runner_file import ENVIRONMENTS, PLACES, RunnerFile
from evaluation.generator import GeneratorFileError
from evaluation.limits import text_of


@dataclass(frozen=True)
class Places:
    """What is where, as far as anybody said it.

    Attributes:
        folder: The checkout.
        weights: Where paths of weights start; the checkout, if nothing else is said.
        kind: ``venv``, ``conda``, ``python``, ``image`` or nothing.
        environment: Its folder, the interpreter's path, or the image's name.
    """

    folder: Path | None
    weights: Path | None
    kind: str
    environment: str

    @property
    def python(self) -> str:
        """The interpreter."""
        if self.kind in ("venv", "conda"):
            return str(Path(self.environment) / "bin" / "python")
        return self.environment if self.kind == "python" else "python"

    @property
    def programs(self) -> str:
        """The folder that goes first in its ``PATH``, or nothing."""
        if self.kind in ("venv", "conda"):
            return str(Path(self.environment) / "bin")
        return ""

    @property
    def container(self) -> str:
        """The program that runs images, or nothing where there is none."""
        return shutil.which("docker") or shutil.which("podman") or ""


def variable(name: str, place: str) -> str:
    """The environment variable that says where a system's place is."""
    return f"TALKBENCH_RUNNER_{re.sub('[^A-Z0-9]', '_', name.upper())}_{place.upper()}"


def user_file() -> Path:
    """The user's ``runners.toml``."""
    return platformdirs.user_config_path("talkbench") / "runners.toml"


def places_of(runner: RunnerFile) -> Places:
    """Where a system is.

    Raises:
        GeneratorFileError: The user's file is wrong, or names two environments at one level.
    """
    found = dict(runner.places)
    for origin, given in (
        (str(user_file()), _of_user(runner.name)),
        ("the environment", _of_variables(runner.name)),
    ):
        kinds = [kind for kind in ENVIRONMENTS if kind in given]
        if len(kinds) > 1:
            raise GeneratorFileError(
                f"{origin} says {' and '.join(kinds)} for {runner.name}; expected one of them"
            )
        if kinds:
            found = {k: v for k, v in found.items() if k not in ENVIRONMENTS}
        found |= given
    kind = next((kind for kind in ENVIRONMENTS if kind in found), "")
    folder = Path(found["folder"]) if "folder" in found else None
    weights = Path(found["weights_folder"]) if "weights_folder" in found else folder
    return Places(folder, weights, kind, found.get(kind, ""))


def _of_variables(name: str) -> dict[str, str]:
    given = {place: os.environ.get(variable(name, place), "") for place in PLACES}
    return {place: _absolute(place, text, Path.cwd()) for place, text in given.items() if text}


def _of_user(name: str) -> dict[str, str]:
    path = user_file()
    if not path.is_file():
        return {}
    try:
        content = tomllib.loads(text_of(path))
    except (OSError, ValueError) as error:
        raise GeneratorFileError(f"{path} cannot be read: {error}") from error
    form = Form({name: content.get(name, {})}).form(name)
    given = {place: form.text(place, "") for place in PLACES}
    form.close()
    if form.problems:
        raise GeneratorFileError(f"{path}: {'; '.join(form.problems)}")
    return {place: _absolute(place, text, path.parent) for place, text in given.items() if text}


def _absolute(place: str, text: str, here: Path) -> str:
    return text if place == "image" else str(here.resolve() / Path(text).expanduser())
