"""Wav2Lip as two generators of the harness: trained without and with a discriminator of faces."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch

from baselines.wav2lip import s3fd
from baselines.wav2lip.faces import BOTTOM_PAD, Detector
from baselines.wav2lip.network import Wav2Lip as Network
from baselines.wav2lip.network import load_wav2lip
from baselines.wav2lip.pipeline import Settings, generate
from evaluation.arguments import ArgumentError
from evaluation.generator import GenerationError, GeneratorSpec
from evaluation.sample import Sample
from evaluation.video import VideoError
from method.checkpoints import CheckpointError
from method.driving import UndrivableError
from method.generator import usable_device
from method.pipeline import Precision, Told
from metrics.assets import locate, lookup

_DETECTORS = {"s3fd": s3fd.ASSET, "yunet": "yunet"}


class Wav2Lip:
    """With ``wav2lip.pth``, or a file of the same sha256 in the user's folders.

    Args:
        detector: ``s3fd``, the official one, or ``yunet``, whose weights come by themselves.
        bottom_pad: Px added below a face, 0 or more.
        smooth: Boxes over five frames.
        compat: As many frames as the official script makes: at 25 a second three fewer than the
            sound has, so that no card compares them with a reference of full length.
        precision: Of the network.
        told: Hears of progress within a clip.
    """

    name = "wav2lip"
    trained = "without a discriminator of faces"

    def __init__(
        self,
        detector: Detector = "s3fd",
        bottom_pad: int = BOTTOM_PAD,
        smooth: bool = True,
        compat: bool = False,
        precision: Precision = "float32",
        told: Told | None = None,
    ) -> None:
        if bottom_pad < 0:
            raise ArgumentError(
                f"generator {self.name}: bottom_pad={bottom_pad} is not understood; expected 0 or "
                "more pixels"
            )
        self.settings = Settings(detector, bottom_pad, smooth, compat, precision)
        self.told = told

    @property
    def spec(self) -> GeneratorSpec:
        """Who this is."""
        chosen = self.settings
        length = "as long as the official script's" if chosen.compat else "as long as the sound"
        boxes = "smoothed over 5 frames" if chosen.smooth else "not smoothed"
        return GeneratorSpec(
            name=self.name,
            version="1",
            kind="system",
            about=f"Wav2Lip (ACM MM 2020), trained {self.trained}: the lower half of a 96x96 face "
            f"painted anew and the whole box put back; at the video's own rate, {length}; faces by "
            f"{chosen.detector}, {chosen.bottom_pad} px below, {boxes}; {chosen.precision}",
            weights_sha256=lookup(self.name).sha256,
            trained_on=("lrs2",),
            optimises=("lse-d", "lse-c"),
            licence="code: ours, Apache-2.0; weights: personal, research and non-commercial use "
            "only, as the authors' repository says",
            source="Prajwal et al., ACM MM 2020, arXiv 2008.10010; Rudrabha/Wav2Lip @ 5c90fa9",
            assets=(self.name, _DETECTORS[chosen.detector]),
        )

    def generate(self, sample: Sample, out: Path, seed: int) -> Path:
        """The face of ``sample.video`` says ``sample.audio``; nothing is random.

        Raises:
            GenerationError: A frame without a face, no sound, an unreadable file or checkpoint, no
                such device.
        """
        del seed
        if sample.audio is None:
            raise GenerationError("this sample has no driving sound")
        try:
            network = _network(locate(self.name), usable_device())
            generate(network, sample.video, sample.audio, out, self.told, self.settings)
        except (UndrivableError, VideoError, CheckpointError) as error:
            raise GenerationError(str(error)) from error
        return out


class Wav2LipGan(Wav2Lip):
    """With ``wav2lip_gan.pth``, or a file of the same sha256 in the user's folders."""

    name = "wav2lip-gan"
    trained = "with a discriminator of faces"


@cache
def _network(path: Path, device: torch.device) -> Network:
    return load_wav2lip(path).to(device)
