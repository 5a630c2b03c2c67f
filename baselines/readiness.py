"""What a foreign system lacks on this machine, each with what brings it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from baselines.checkout import Checkout
from baselines.places import Places, user_file, variable
from baselines.runner_file import ENVIRONMENTS, RunnerFile
from evaluation.generate import file_sha256

_PATIENCE_S = 60
_GPU_DEVICES = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")


def missing(runner: RunnerFile, places: Places, checkout: Checkout) -> list[str]:
    """All that keeps the program from running; empty if it is ready."""
    return [
        *_folder(runner, places, checkout),
        *_environment(runner, places),
        *_weights(runner, places),
        *_gpu(runner),
    ]


def _folder(runner: RunnerFile, places: Places, checkout: Checkout) -> Iterator[str]:
    if not runner.needs_folder:
        return
    origin = f"{runner.repository} @ {runner.commit}" if runner.repository else "its code"
    if places.folder is None:
        yield f"its checkout ({origin}): say where it is in {_said(runner, 'folder')}"
    elif not places.folder.is_dir():
        yield f"its checkout ({origin}): {places.folder} is no folder"
    elif _is_another(runner, checkout):
        yield (
            f"commit {runner.commit[:7]}: {places.folder} is at {checkout.head[:7]}; run "
            f"git -C {places.folder} checkout {runner.commit}, or set any_commit = true in "
            "its runner file"
        )


def _is_another(runner: RunnerFile, checkout: Checkout) -> bool:
    declared = bool(runner.commit) and not runner.any_commit
    return declared and bool(checkout.head) and checkout.head != runner.commit


def _environment(runner: RunnerFile, places: Places) -> Iterator[str]:
    if not places.kind:
        kinds = ", ".join(kind.upper() for kind in ENVIRONMENTS)
        where = variable(runner.name, "")
        yield (
            f"an environment, made as {runner.repository or 'its authors'} says: name it in "
            f"{where}... ({kinds}) or in {user_file()}"
        )
    elif places.kind == "image" and runner.resident:
        yield "an environment that is no image: resident programs cannot be in images yet"
    elif places.kind == "image":
        yield from _image(places)
    elif not os.access(places.python, os.X_OK) or not Path(places.python).is_file():
        yield f"its environment: {places.python} is no program ({_said(runner, places.kind)})"


def _image(places: Places) -> Iterator[str]:
    if not places.container:
        yield "docker or podman, to run its image: neither is installed"
    elif not image_id(places):
        name = Path(places.container).name
        yield f"its image {places.environment}: {name} pull {places.environment}"


def image_id(places: Places) -> str:
    """The content hash of the image, empty where it is not there."""
    if places.kind != "image" or not places.container:
        return ""
    words = [places.container, "image", "inspect", "--format", "{{.Id}}", places.environment]
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, check=False, timeout=_PATIENCE_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _weights(runner: RunnerFile, places: Places) -> Iterator[str]:
    for weight in runner.weights:
        path = places.weights / weight.path if places.weights else None
        if path is None or not path.is_file():
            yield f"{path or weight.path}: from {weight.source}"
        elif weight.sha256 and file_sha256(path) != weight.sha256:
            yield (
                f"{path} with sha256 {weight.sha256[:12]}...: this one has "
                f"{file_sha256(path)[:12]}...; from {weight.source}"
            )


def _gpu(runner: RunnerFile) -> Iterator[str]:
    if not runner.gpu:
        return
    if not any(Path(device).exists() for device in _GPU_DEVICES):
        yield "a GPU: this machine shows none"
    elif os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        yield "a GPU: $CUDA_VISIBLE_DEVICES hides them all"


def _said(runner: RunnerFile, place: str) -> str:
    return f"${variable(runner.name, place)}, or {place} in [{runner.name}] of {user_file()}"
