"""What a checkout holds: its commit, and whether files were changed since."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

_PATIENCE_S = 60


@dataclass(frozen=True)
class Checkout:
    """A folder as git sees it.

    Attributes:
        head: The commit; empty where the folder is no git checkout, or there is no git.
        changes: sha256 of what tracked files differ in from it; empty where they do not.
    """

    head: str = ""
    changes: str = ""


def look_at(folder: Path | None) -> Checkout:
    """The state of a folder; one that only lies within a checkout is none itself."""
    if folder is None or not (folder / ".git").exists() or shutil.which("git") is None:
        return Checkout()
    head = _git(folder, "rev-parse", "HEAD").decode().strip()
    if not head:
        return Checkout()
    changes = _git(folder, "diff", "--no-ext-diff", "--no-textconv", "--binary", "HEAD")
    return Checkout(head, hashlib.sha256(changes).hexdigest() if changes else "")


def _git(folder: Path, *words: str) -> bytes:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "-c", "core.fsmonitor=false", "-C", str(folder), *words],  # noqa: S607
            capture_output=True,
            check=False,
            timeout=_PATIENCE_S,
            env=kept,
        )
    except (OSError, subprocess.TimeoutExpired):
        return b""
    return done.stdout if done.returncode == 0 else b""
