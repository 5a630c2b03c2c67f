"""IP-LAP as a generator of the harness."""

from __future__ import annotations

import hashlib
import os
from functools import cache
from pathlib import Path

import torch

from evaluation.arguments import ArgumentError
from evaluation.generator import GenerationError, GeneratorSpec, Made
from evaluation.sample import Sample
from evaluation.video import VideoError
from method.checkpoints import (
    CheckpointError,
    load_landmark_generator,
    load_renderer,
    trained_on,
)
from method.driving import Driving, MeshChoice, UndrivableError, mesh_kind
from method.pipeline import Models, Precision, Settings, Told, generate
from metrics.assets import find, locate, lookup, sha256_of
from metrics.backbones.device import DEVICE_VARIABLE, device

LANDMARKS, RENDERER = "iplap-landmark-generator", "iplap-renderer"


class IpLap:
    """Both stages with the authors' checkpoints, or those of the same names in the user's folders.

    Args:
        compat: Times as in the official script, faults included: the first result three times, the
            frames after the last whole window of sound lost, an end at a frame without a face. Such
            a video is shorter than its sound, and no card compares it with a reference of full
            length.
        mesh: ``refined`` (478 points, what the networks were trained on), ``plain`` (468), or
            ``auto``: refined where its package is installed. The version says which it is.
        precision: Of stage 2.
        told: Hears of progress within a clip.
    """

    def __init__(
        self,
        compat: bool = False,
        mesh: MeshChoice = "auto",
        precision: Precision = "float32",
        told: Told | None = None,
    ) -> None:
        self.settings = Settings(compat, mesh, precision)
        self.told = told
        try:
            mesh_kind(mesh)
        except ModuleNotFoundError as error:
            raise ArgumentError(f"generator iplap: {error}") from error

    @property
    def spec(self) -> GeneratorSpec:
        """Who this is; weights' hash and training data are those of the files that are here."""
        here = [find(lookup(name)) for name in (LANDMARKS, RENDERER)]
        files = [(path, path.stat().st_mtime_ns) for path in here if path is not None]
        hashes = [_sha256(*file) for file in files]
        data = [name for file in files for name in _trained_on(*file)] or ["lrs2"]
        kind = mesh_kind(self.settings.mesh)
        times = "the official script's times" if self.settings.compat else "every frame once"
        return GeneratorSpec(
            name="iplap",
            version=f"2, {kind} mesh",
            kind="system",
            about="IP-LAP (CVPR 2023): landmarks by a Transformer, then aligned references painted "
            f"over; {kind} face mesh, faces put back inside its contour; {times}; "
            f"{self.settings.precision}",
            weights_sha256=hashlib.sha256(" ".join(hashes).encode()).hexdigest() if hashes else "",
            trained_on=tuple(dict.fromkeys(data)),
            licence="code: ours, Apache-2.0; weights: none stated, the authors' repository is "
            "Apache-2.0",
            source="Zhong et al., CVPR 2023, arXiv 2305.08293; Weizhi-Zhong/IP_LAP @ 9b9dc03",
            assets=(LANDMARKS, RENDERER, "yunet", *(["face-mesh"] if kind == "plain" else [])),
        )

    def generate(self, sample: Sample, out: Path, seed: int) -> Made:
        """The face of ``sample.video`` says ``sample.audio``; nothing is random.

        Raises:
            GenerationError: No face, no sound, an unreadable file or checkpoint, no such device.
        """
        del seed
        if sample.audio is None:
            raise GenerationError("this sample has no driving sound")
        try:
            files = [locate(name) for name in (LANDMARKS, RENDERER)]
            models = _models(*files, usable_device(), *(f.stat().st_mtime_ns for f in files))
            face = generate(models, sample.video, sample.audio, out, self.told, self.settings)
        except (UndrivableError, VideoError, CheckpointError, ModuleNotFoundError) as error:
            raise GenerationError(str(error)) from error
        return Made(out, notes(face))


def notes(face: Driving) -> dict[str, str | int]:
    """What is worth knowing about a clip."""
    points = {"plain": "plain, 468 points", "refined": "refined, 478 points"}[face.mesh]
    found: dict[str, str | int] = {"face mesh": points}
    if face.lost:
        found["frames without a face, driven by the one before"] = f"{face.lost} of {len(face)}"
    return found


def usable_device() -> torch.device:
    """Where the networks are to run.

    Raises:
        GenerationError: ``$TALKBENCH_DEVICE`` names what is not there.
    """
    try:
        there = device()
        torch.zeros(1, device=there)
    except (RuntimeError, AssertionError) as error:
        wanted = os.environ.get(DEVICE_VARIABLE, "")
        line = str(error).strip().splitlines()[0]
        raise GenerationError(f"${DEVICE_VARIABLE} is {wanted!r}: {line}") from error
    return there


@cache
def _models(landmarks: Path, renderer: Path, device: torch.device, *_changed: int) -> Models:
    return Models(load_landmark_generator(landmarks).to(device), load_renderer(renderer).to(device))


@cache
def _sha256(path: Path, _changed: int) -> str:
    return sha256_of(path)


@cache
def _trained_on(path: Path, _changed: int) -> tuple[str, ...]:
    """As the checkpoint says; those of the authors say nothing, and are of LRS2."""
    try:
        stated = trained_on(path)
    except CheckpointError:
        return ()
    return ("lrs2",) if stated is None else stated
