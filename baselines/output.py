"""A foreign program's video, held against what its runner file promised, before it counts."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from fractions import Fraction
from pathlib import Path

from baselines.runner_file import Promise, RunnerFile
from baselines.staging import Inputs
from baselines.steps import carry_out
from evaluation.generator import GenerationError
from evaluation.video import FrameReader, VideoError, VideoInfo

_SAME_RATE = Fraction(1, 100)
"""30000/1001 and 29.97 are one rate."""


def collect(runner: RunnerFile, inputs: Inputs, work: Path, out: Path) -> None:
    """Find the program's video, do the post-steps, check it, and put it at ``out``.

    Raises:
        GenerationError: It is not there, or not what was promised.
    """
    found = _found(runner.promise.file, work)
    finished = found
    try:
        if runner.steps:
            finished = work / "after-steps.mp4"
            finished.unlink(missing_ok=True)
            seconds = inputs.frames / inputs.info.fps
            carry_out(runner.steps, found, finished, seconds, inputs.audio)
        _check(runner.promise, finished, inputs)
    except VideoError as error:
        raise GenerationError(f"its video cannot be used: {error}") from error
    except ValueError as error:
        raise GenerationError(f"its video cannot be written: {error}") from error
    _deliver(finished, out)


def _found(pattern: str, work: Path) -> Path:
    matches = sorted(work.glob(pattern)) if "*" in pattern else [work / pattern]
    matches = [path for path in matches if os.path.lexists(path)]
    if not matches:
        raise GenerationError(f"wrote no file at {pattern} of its work folder")
    if len(matches) > 1:
        names = ", ".join(str(path.relative_to(work)) for path in matches[:5])
        raise GenerationError(f"wrote {len(matches)} files at {pattern}, expected one: {names}")
    path = matches[0]
    if path.is_symlink() or not path.resolve().is_relative_to(work.resolve()):
        raise GenerationError(f"left a link at {pattern}, to {os.path.realpath(path)}, and no file")
    if not stat.S_ISREG(path.lstat().st_mode):
        raise GenerationError(f"left something at {pattern} that is no regular file")
    return path


def _check(promise: Promise, video: Path, inputs: Inputs) -> None:
    reader = FrameReader(video)
    for _ in reader:
        continue
    info, frames = reader.info, reader.frames or 0
    wrong = [*_wrong_form(promise, info, inputs), *_wrong_length(promise, info, frames, inputs)]
    if inputs.audio is not None and not info.has_audio:
        wrong.append(
            "no sound, where the sample has some; if the program writes none, declare the step "
            "'driving sound'"
        )
    if wrong:
        raise GenerationError(f"its video is not what its runner file promises: {'; '.join(wrong)}")


def _wrong_form(promise: Promise, info: VideoInfo, inputs: Inputs) -> list[str]:
    wrong = []
    fps = promise.fps or inputs.info.fps
    if abs(info.fps - fps) > _SAME_RATE:
        origin = "" if promise.fps else " as the driven video has"
        wrong.append(f"{_rate(info.fps)} fps, expected {_rate(fps)}{origin}")
    size = inputs.info.size if promise.size == "same" else promise.size
    if size not in ("any", info.size):
        wrong.append(f"{info.size} pixels, expected {size}")
    return wrong


def _wrong_length(promise: Promise, info: VideoInfo, frames: int, inputs: Inputs) -> list[str]:
    """Seconds of the input times the clip's own rate, to less than a frame, give or take."""
    seconds = {"video": float(inputs.frames / inputs.info.fps)}
    if inputs.sound_seconds is not None:
        seconds["sound"] = inputs.sound_seconds
    match promise.frames:
        case "any":
            return []
        case "as video":
            measure = "video"
        case "as audio":
            measure = "sound" if "sound" in seconds else "video"
        case _:
            measure = min(seconds, key=lambda name: seconds[name])
    wanted = seconds[measure] * float(info.fps)
    if abs(frames - wanted) < 1 + promise.slack:
        return []
    give = f", give or take {promise.slack}" if promise.slack else ""
    return [
        f"{frames} frames, expected {wanted:.1f}{give} ({seconds[measure]:.2f} s of the driving "
        f"{measure} at {_rate(info.fps)} fps)"
    ]


def _rate(fps: Fraction) -> str:
    return str(fps) if fps.denominator == 1 else f"{float(fps):.3f}"


def _deliver(source: Path, out: Path) -> None:
    """Copy it beside ``out`` and rename: whole or absent, and a file of its own."""
    out.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=out.parent, prefix=f".{out.stem[:40]}-", suffix=".mp4")
    os.close(handle)
    try:
        shutil.copyfile(source, name)
        Path(name).chmod(0o644)
        Path(name).replace(out)
    finally:
        Path(name).unlink(missing_ok=True)
