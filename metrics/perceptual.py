"""LPIPS: how different two frames look, by network features weighted after people's answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from metrics import words
from metrics.assets import ASSETS
from metrics.backbones.lpips_nets import ALEX, VGG, LpipsNet, distances
from metrics.base import (
    AnyExtractor,
    Inputs,
    Measurement,
    MetricSpec,
    UnscorableError,
    mean_of_clips,
)
from metrics.pixels import Useless, protocol


@dataclass(frozen=True)
class Lpips:
    """``distances`` of one network as a metric."""

    spec: MetricSpec
    net: LpipsNet
    extractors: tuple[AnyExtractor, ...] = ()

    def measure(self, inputs: Inputs) -> Measurement:
        """Mean over frames.

        Raises:
            AssetMissingError: The weights are not on this machine.
            UnscorableError: The frames are too small for the network.
        """
        a, b = inputs.pixels()
        height, width = a.shape[1:3]
        if min(height, width) < self.net.smallest:
            raise UnscorableError(
                f"frames of {width}x{height} px are too small: {self.spec.name} needs "
                f"{self.net.smallest} px on the shorter side"
            )
        return Measurement.of_frames(distances(a, b, self.net))

    pool = staticmethod(mean_of_clips)

    def aggregate(self, measurements: Sequence[Measurement]) -> float:
        """Mean over clips."""
        return self.pool(measurements)


def _lpips(
    name: str,
    title: str,
    net: LpipsNet,
    *,
    backbone: str,
    taps: str,
    useless: Useless,
    traps: str,
) -> Lpips:
    weights = f"{net.asset}, sha256 {ASSETS[net.asset].sha256[:8]}"
    choices = {
        "range": "x / 127.5 - 1, then LPIPS's shift (-.030, -.088, -.188) and scale "
        "(.458, .448, .450)",
        "resize": "none",
        "taps": taps,
        "distance": "feature vectors to unit length, squared difference weighted by the heads of "
        "v0.1 (lin), mean over positions, sum over taps; float32",
        "identical frames": "exactly 0",
    }
    stated = protocol(
        choices, smallest=net.smallest, pooling=words.CLIPS, useless=useless, traps=traps
    )
    return Lpips(
        MetricSpec(
            name=name,
            version="1",
            title=title,
            direction="lower",
            bounds=(0.0, float("inf")),
            perfect=0.0,
            symmetric=True,
            protocol={**stated, "backbone": f"{backbone} of torchvision, float32; {weights}"},
            source="Zhang et al., CVPR 2018; lpips 0.1.4, "
            f"LPIPS(net={net.asset.removeprefix('lpips-')!r}, version='0.1'), equal up to float32 "
            "rounding (1e-6)",
            assets=(net.asset,),
        ),
        net,
    )


LPIPS = (
    _lpips(
        "lpips@alex-0.1",
        "LPIPS",
        ALEX,
        backbone="AlexNet",
        taps="relu1 to relu5",
        useless=Useless(0.106, 0.993),
        traps="the package's default, while piq's LPIPS is VGG-16; v0.0 lacked the scaling of the "
        "input, other numbers; frames in 0..1 need normalize=True there; rates a shift by three "
        "frames better than strong compression",
    ),
    _lpips(
        "lpips@vgg-0.1",
        "LPIPS (VGG)",
        VGG,
        backbone="VGG-16",
        taps="relu1_2, 2_2, 3_3, 4_3, 5_3",
        useless=Useless(0.174, 0.720, clip="RD_Radio8_000 of HDTF at 256x256, every 25th frame"),
        traps="two to four times the AlexNet value on talking faces: never compare the two; v0.0 "
        "lacked the scaling of the input, other numbers; rates a shift by three frames better than "
        "strong compression",
    ),
)
