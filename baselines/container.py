"""A command in a container image, its folders at the same paths inside as outside."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from baselines.places import Places
from baselines.runner_file import RunnerFile

_OF_THE_CLIENT = ("PATH", "HOME", "XDG_RUNTIME_DIR", "DOCKER_HOST", "DOCKER_CONFIG", "LANG")
_PATIENCE_S = 60


@contextmanager
def contained(
    runner: RunnerFile,
    places: Places,
    work: Path,
    environment: Mapping[str, str],
    command: Sequence[str],
) -> Iterator[tuple[list[str], dict[str, str]]]:
    """The client's command and variables; the container is gone when this is left.

    Args:
        runner: The system.
        places: Where it is.
        work: The clip's folder, the only one that can be written.
        environment: The program's variables; of these, those that the runner file names go in.
        command: Its words.
    """
    client = {name: os.environ[name] for name in _OF_THE_CLIENT if name in os.environ}
    name = f"talkbench-{uuid.uuid4().hex}"
    words = [places.container, "run", "--rm", "--name", name]
    words += ["--workdir", str(work / "folder" / runner.start_in), "--volume", f"{work}:{work}"]
    for folder in dict.fromkeys((places.folder, places.weights)):
        if folder is not None:
            words += ["--volume", f"{folder}:{folder}:ro"]
    podman = Path(places.container).name == "podman"
    words += ["--userns", "keep-id"] if podman else ["--user", f"{os.getuid()}:{os.getgid()}"]
    if runner.gpu:
        words += ["--device", "nvidia.com/gpu=all"] if podman else ["--gpus", "all"]
    declared = {key for key, _ in runner.variables} | set(runner.inherit)
    for key in sorted(declared | {"TMPDIR", "PYTHONUNBUFFERED"}):
        if key in environment:
            words += ["--env", f"{key}={environment[key]}"]
    try:
        yield [*words, places.environment, *command], client
    finally:
        _remove(places.container, name, client)


def _remove(engine: str, name: str, client: Mapping[str, str]) -> None:
    """Ending the client does not end the container."""
    try:
        subprocess.run(
            [engine, "rm", "--force", name],
            env=dict(client),
            capture_output=True,
            check=False,
            timeout=_PATIENCE_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return
