"""What a training run is made of: the authors' numbers, and a small set for trying it out.

Source: train_landmarks_generator.py and train_video_renderer.py of Weizhi-Zhong/IP_LAP @ 9b9dc03.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from method.renderer import Channels
from method.training.perceptual import Vgg


@dataclass(frozen=True, kw_only=True)
class LandmarkSettings:
    """Stage 1.

    Attributes:
        layers: Of the Transformer.
        heads: Of its attention.
        hidden: Width of its feed-forward layers.
        dropout: Of its tokens and layers.
        references: N_l, drawn from the clip outside the window.
        batch: Windows a step, over all processes.
        learning_rate: Of Adam; constant.
        velocity: Weight of the temporal continuity loss beside L1.
        steps: Where training ends; the authors' code has no end.
        every: Steps between checkpoints, each with a validation.
        validated: Windows of a validation.
    """

    layers: int = 4
    heads: int = 4
    hidden: int = 1024
    dropout: float = 0.1
    references: int = 15
    batch: int = 128
    learning_rate: float = 1e-4
    velocity: float = 1.0
    steps: int = 200_000
    every: int = 5000
    validated: int = 3200


@dataclass(frozen=True, kw_only=True)
class RendererSettings:
    """Stage 2.

    Attributes:
        channels: Widths of the networks.
        references: Reference images of a sample, drawn from the whole clip.
        batch: Frames a step, over all processes.
        learning_rate: Of Adam for the renderer; constant.
        judge_learning_rate: Of Adam for the discriminator.
        judge_betas: Its decay rates.
        judge_width: Its channels in the first layer.
        warm_up_epochs: Epochs of the alignment module alone. An epoch is one draw from every
            training clip.
        vgg: Whose features the perceptual losses compare: ``vgg19`` or ``vgg16``.
        taps: How many of relu1_1, 2_1, 3_1, 4_1, 5_1 count.
        scales: Sizes at which they are compared, each half of the one before.
        warp: Weight of the perceptual loss of the moved references.
        painted: Weight of the perceptual loss of the face.
        style: Weight of the Gram matrices within it.
        adversarial: Weight of the discriminator's answer.
        matching: Weight of its features' differences, over all layers of a scale.
        judge_hears_painter: Leave the renderer's adversarial gradients in the discriminator's, as
            the authors' order of calls does from the end of the warm-up on.
        steps: Where training ends; the authors' code has no end.
        every: Steps between checkpoints, each with a validation.
        validated: Frames of a validation.
    """

    channels: Channels = field(default_factory=Channels)
    references: int = 3
    batch: int = 96
    learning_rate: float = 1e-4
    judge_learning_rate: float = 1e-4
    judge_betas: tuple[float, float] = (0.5, 0.999)
    judge_width: int = 64
    warm_up_epochs: int = 26
    vgg: Vgg = "vgg19"
    taps: int = 5
    scales: int = 2
    warp: float = 2.5
    painted: float = 4.0
    style: float = 250.0
    adversarial: float = 0.25
    matching: float = 2.5
    judge_hears_painter: bool = False
    steps: int = 200_000
    every: int = 1500
    validated: int = 960


LANDMARKS = {
    "official": LandmarkSettings(),
    "tiny": LandmarkSettings(
        layers=2, hidden=512, dropout=0.0, batch=16, learning_rate=3e-4,
        steps=240, every=60, validated=64,
    ),
}  # fmt: skip
"""Presets of stage 1; ``tiny`` takes a minute on two cores."""

RENDERER = {
    "official": RendererSettings(),
    "tiny": RendererSettings(
        channels=Channels(fine=16, coarse=32, hidden=32), batch=4, learning_rate=1e-3,
        judge_width=16, warm_up_epochs=30, vgg="vgg16", taps=2, scales=1, steps=240, every=60,
        validated=16,
    ),
}  # fmt: skip
"""Presets of stage 2; ``tiny`` takes some minutes on two cores."""
