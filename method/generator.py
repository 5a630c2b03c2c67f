"""IP-LAP as a generator of the harness."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from evaluation.generator import GenerationError, GeneratorSpec
from evaluation.sample import Sample
from evaluation.video import VideoError
from method.checkpoints import CheckpointError, load_landmark_generator, load_renderer
from method.driving import UndrivableError
from method.pipeline import Models, Told, generate
from metrics.assets import find, locate, lookup, sha256_of
from metrics.backbones.device import device

LANDMARKS, RENDERER = "iplap-landmark-generator", "iplap-renderer"


class IpLap:
    """Both stages with the authors' checkpoints, or those of the same names in the user's folders.

    Args:
        told: Hears of progress within a clip.
    """

    def __init__(self, told: Told = lambda *_: None) -> None:
        self.told = told

    @property
    def spec(self) -> GeneratorSpec:
        """Who this is; the weights' hash is that of the files that are here."""
        here = [find(lookup(name)) for name in (LANDMARKS, RENDERER)]
        hashes = [_sha256(p, p.stat().st_mtime_ns) for p in here if p is not None]
        return GeneratorSpec(
            name="iplap",
            version="1",
            kind="system",
            about="IP-LAP (CVPR 2023): landmarks by a Transformer, then aligned references painted "
            "over; plain face mesh, faces put back inside its contour",
            weights_sha256=hashlib.sha256(" ".join(hashes).encode()).hexdigest() if hashes else "",
            trained_on=("lrs2",),
            licence="code: ours, Apache-2.0; weights: none stated, the authors' repository is "
            "Apache-2.0",
            source="Zhong et al., CVPR 2023, arXiv 2305.08293; Weizhi-Zhong/IP_LAP @ 9b9dc03",
            assets=(LANDMARKS, RENDERER, "yunet", "face-mesh"),
        )

    def generate(self, sample: Sample, out: Path, seed: int) -> Path:
        """The face of ``sample.video`` says ``sample.audio``; nothing is random.

        Raises:
            GenerationError: No face, no sound, an unreadable file or checkpoint.
        """
        del seed
        if sample.audio is None:
            raise GenerationError("this sample has no driving sound")
        try:
            models = _models(locate(LANDMARKS), locate(RENDERER))
            generate(models, sample.video, sample.audio, out, self.told)
        except (UndrivableError, VideoError, CheckpointError) as error:
            raise GenerationError(str(error)) from error
        return out


@cache
def _models(landmarks: Path, renderer: Path) -> Models:
    return Models(
        load_landmark_generator(landmarks).to(device()), load_renderer(renderer).to(device())
    )


@cache
def _sha256(path: Path, _changed: int) -> str:
    return sha256_of(path)
