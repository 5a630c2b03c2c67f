"""What a number was computed with: versions, machine, source revision."""

from __future__ import annotations

import functools
import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PACKAGES = (
    "talkbench",
    "ai-edge-litert",
    "av",
    "numpy",
    "onnxruntime",
    "opencv-python",
    "scipy",
    "soxr",
    "torch",
)


def describe() -> dict[str, object]:
    """Everything about this machine that may move a digit, as JSON-ready values."""
    packages = {name: found for name in _PACKAGES if (found := _version(name))}
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "packages": packages,
        "git": git_revision(),
    }


@functools.cache
def talkbench_version() -> str:
    """Of the package that is installed."""
    return _version("talkbench")


def command_line() -> str:
    """The command as typed, for the record."""
    return " ".join(["talkbench", *sys.argv[1:]])


def git_revision() -> str:
    """Commit of the checkout this runs from, ``-dirty`` where it has changes, or empty."""
    root = Path(__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return ""
    commit = _git(root, "rev-parse", "HEAD")
    dirty = _git(root, "status", "--porcelain", "--untracked-files=no")
    return f"{commit}-dirty" if commit and dirty else commit


def _git(root: Path, *arguments: str) -> str:
    try:
        answer = subprocess.run(
            ["git", "-C", str(root), *arguments],  # noqa: S607 - git from the user's PATH
            capture_output=True,
            text=True,
            check=False,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
