"""Source videos by yt-dlp, where the user asks for it: a command of its own, never imported."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

from evaluation.datasets.folder import VIDEO_SUFFIXES
from evaluation.plan import UnusableInputError


def downloader() -> list[str]:
    """The command line that yt-dlp's own arguments follow.

    Raises:
        UnusableInputError: yt-dlp, or ffmpeg, with which it joins picture and sound, is not here.
    """
    command = shutil.which("yt-dlp")
    found = [command] if command else [sys.executable, "-m", "yt_dlp"]
    if not command and importlib.util.find_spec("yt_dlp") is None:
        raise UnusableInputError(
            "--download needs yt-dlp, which is not here: pip install 'talkbench[download]'"
        )
    if shutil.which("ffmpeg") is None:
        raise UnusableInputError(
            "--download needs ffmpeg on the path: yt-dlp joins picture and sound with it"
        )
    return found


def download(command: list[str], url: str, folder: Path, name: str, height: int | None) -> str:
    """Bring one video to ``folder/name.ENDING``, of that height in px where there is one.

    What an earlier call left unfinished is gone on with.

    Args:
        command: Of :func:`downloader`.
        url: Address.
        folder: Made if it is not there.
        name: File name without ending.
        height: Preferred; the best there is, if None or not to be had.

    Returns:
        Why it could not be had; empty where it is there now.
    """
    folder.mkdir(parents=True, exist_ok=True)
    best = "bv*+ba/b"
    wanted = f"bv*[height={height}]+ba/b[height={height}]/{best}" if height else best
    target = str(folder / name).replace("%", "%%") + ".%(ext)s"
    answer = subprocess.run(
        [*command, "--no-playlist", "--no-progress", "-f", wanted, "-o", target, "--", url],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if any((folder / f"{name}{suffix}").is_file() for suffix in VIDEO_SUFFIXES):
        return ""
    said = [line for line in answer.stderr.splitlines() if line.startswith("ERROR")]
    reason = said[-1] if said else f"yt-dlp ended with {answer.returncode} and left no video"
    return f"{url} cannot be had: {reason.removeprefix('ERROR:').strip()}"
