"""LPIPS: how different two frames look, by network features weighted after people's answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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

    def aggregate(self, measurements: Sequence[Measurement]) -> float:
        """Mean over clips."""
        return mean_of_clips(measurements)


def _lpips(name: str, title: str, net: LpipsNet, *, backbone: str, taps: str, note: str) -> Lpips:
    return Lpips(
        MetricSpec(
            name=name,
            version="1",
            title=title,
            direction="lower",
            bounds=(0.0, float("inf")),
            perfect=0.0,
            protocol={
                "input": "whole frames as handed over, uint8 RGB; no crop, no resize",
                "range": "x / 127.5 - 1, then LPIPS's shift (-.030, -.088, -.188) and scale "
                "(.458, .448, .450)",
                "backbone": f"{backbone}, taps {taps}",
                "weights": f"{net.asset}, sha256 {ASSETS[net.asset].sha256[:8]}; heads v0.1 (lin)",
                "distance": "feature vectors to unit length, squared difference weighted by the "
                "head, mean over positions, sum over taps; float32",
                "identical frames": "exactly 0",
                "pooling": "mean of the frames' values in a clip, then mean of the clips: a long "
                "clip weighs no more",
                "failure": f"frames with a side below {net.smallest} px have no value",
            },
            source="Zhang et al., CVPR 2018; lpips 0.1.4, "
            f"LPIPS(net={net.asset.removeprefix('lpips-')!r}, version='0.1'), equal up to float32 "
            f"rounding. {note}",
            assets=(net.asset,),
        ),
        net,
    )


LPIPS = (
    _lpips(
        "lpips@alex-0.1",
        "LPIPS",
        ALEX,
        backbone="AlexNet of torchvision",
        taps="relu1 to relu5",
        note="The package's default. v0.0 lacked the input scaling: other numbers",
    ),
    _lpips(
        "lpips@vgg-0.1",
        "LPIPS (VGG)",
        VGG,
        backbone="VGG-16 of torchvision",
        taps="relu1_2, 2_2, 3_3, 4_3, 5_3",
        note="Two to four times the AlexNet value on talking faces: never compare the two",
    ),
)
