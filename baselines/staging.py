"""What a foreign program is given: its inputs as plain files, its code as links, its variables.

A path that it sees has no letter in it that a careless shell command of its own could stumble
over, and what it writes beside its inputs or its code lands in a folder that is thrown away.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
import wave
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from baselines.placeholders import fill
from baselines.places import Places
from baselines.runner_file import RunnerFile
from evaluation.generator import GenerationError
from evaluation.sample import Sample
from evaluation.video import Audio, FrameReader, VideoInfo, read_audio

INHERITED = (
    *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ"),
    *("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"),
)
"""What a program gets of our variables; its runner file may name more (``inherit``)."""
COPIED_BYTES = 256 * 1024
"""Files of a checkout up to here are copied for every start."""


@dataclass(frozen=True)
class Inputs:
    """One clip's.

    Attributes:
        info: Of the driven video.
        frames: Of the driven video, counted.
        audio: What drives it, at its own rate; None for a sample without sound.
        seconds: Of the longer of the two.
        paths: Placeholder -> file.
    """

    info: VideoInfo
    frames: int
    audio: Audio | None
    seconds: float
    paths: Mapping[str, str]

    @property
    def sound_seconds(self) -> float | None:
        """How long the driving sound is."""
        return None if self.audio is None else len(self.audio.samples) / self.audio.rate


def stage_inputs(runner: RunnerFile, sample: Sample, work: Path) -> Inputs:
    """Put a clip's inputs into the work folder.

    Raises:
        GenerationError: The sample has no sound, and the program wants some.
        VideoError: They cannot be read.
    """
    audio = read_audio(sample.audio) if sample.audio is not None else None
    if audio is None and (runner.resident or runner.uses("audio")):
        raise GenerationError("this sample has no driving sound")
    reader = FrameReader(sample.video)
    first = None
    for piece in reader:
        first = piece[0].copy() if first is None else first
    frames = reader.frames or 0
    paths: dict[str, str] = {}
    suffix = sample.video.suffix.lower()
    video = work / f"video{suffix if suffix[1:].isalnum() and len(suffix) < 6 else '.mp4'}"
    shutil.copyfile(sample.video, video)
    paths["video"] = str(video)
    if audio is not None:
        paths["audio"] = str(work / "audio.wav")
        rate = runner.audio_rate or None
        given = read_audio(sample.audio, rate, mono=True) if rate and sample.audio else audio
        _write_wav(work / "audio.wav", given or audio)
    if first is not None and (runner.resident or runner.uses("frame")):
        paths["frame"] = str(work / "frame.png")
        cv2.imwrite(paths["frame"], np.ascontiguousarray(first[:, :, ::-1]))
    seconds = max(
        float(frames / reader.info.fps), 0.0 if audio is None else len(audio.samples) / audio.rate
    )
    return Inputs(reader.info, frames, audio, seconds, paths)


def _write_wav(path: Path, audio: Audio) -> None:
    samples = np.clip(np.rint(audio.samples * 32768.0), -32768, 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(audio.rate)
        file.writeframes(samples.tobytes())


def stage_files(runner: RunnerFile, work: Path, values: Mapping[str, str]) -> None:
    """Write the files that a runner file declares."""
    for name, text in runner.files:
        path = work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(fill(text, values), encoding="utf-8")


def stage_folder(folder: Path | None, target: Path) -> None:
    """The checkout anew: what is written beside the code, or over it, lands here.

    Files up to ``COPIED_BYTES`` are copied, larger ones (weights) are links; environments and
    ``.git`` within the checkout become one link each.
    """
    target.mkdir(parents=True)
    if folder is None:
        return
    for at, folders, files in os.walk(folder):
        here = target / Path(at).relative_to(folder)
        whole = [f for f in folders if f == ".git" or _is_whole(Path(at) / f)]
        folders[:] = [f for f in folders if f not in whole]
        for name in folders:
            (here / name).mkdir()
        for name in whole:
            (here / name).symlink_to(Path(at) / name)
        for name in files:
            _stage_file(Path(at) / name, here / name)


def _stage_file(source: Path, target: Path) -> None:
    form = source.lstat()
    if stat.S_ISREG(form.st_mode) and form.st_size <= COPIED_BYTES:
        shutil.copy(source, target)
    else:
        target.symlink_to(source)


def _is_whole(folder: Path) -> bool:
    marks = ("pyvenv.cfg", "conda-meta")
    return folder.is_symlink() or any((folder / mark).exists() for mark in marks)


def variables(
    runner: RunnerFile, places: Places, work: Path, values: Mapping[str, str]
) -> dict[str, str]:
    """The program's environment: a few of ours, its own environment's programs, what it declares.

    Our own virtual environment is taken out of ``PATH``.
    """
    wanted = (*INHERITED, *runner.inherit)
    found = {name: os.environ[name] for name in wanted if name in os.environ}
    ours = str(Path(sys.prefix) / "bin") if sys.prefix != sys.base_prefix else None
    path = [p for p in found.get("PATH", os.defpath).split(os.pathsep) if p and p != ours]
    found["PATH"] = os.pathsep.join([places.programs, *path] if places.programs else path)
    if places.kind == "venv":
        found["VIRTUAL_ENV"] = places.environment
    if places.kind == "conda":
        found["CONDA_PREFIX"] = places.environment
    found["TMPDIR"] = str(work)
    found["PYTHONUNBUFFERED"] = "1"
    return found | {name: fill(text, values) for name, text in runner.variables}
