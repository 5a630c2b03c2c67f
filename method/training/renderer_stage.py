"""Training stage 2: faces from sketches, reference images and sound.

As train_video_renderer.py of Weizhi-Zhong/IP_LAP @ 9b9dc03. One thing differs unless it is asked
for: there the adversarial gradients that the renderer's loss sends through the discriminator are
never cleared before the discriminator's own step (``judge_hears_painter``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from method.renderer import Renderer
from method.training import losses, perceptual
from method.training.discriminator import Discriminator, Judged
from method.training.items import Faces
from method.training.processes import Processes
from method.training.settings import RendererSettings
from method.training.stage import Batch
from method.training.updates import Precision, Updates
from metrics.assets import find, lookup
from metrics.backbones.lpips_nets import distances
from metrics.fidelity import psnr_per_frame, ssim_per_frame

_SHOWN = 6  # items in a picture


class RendererStage:
    """See :class:`method.training.stage.Stage`."""

    file = "renderer_checkpoint.pth"
    losses = ("loss", "warp", "painted", "style", "adversarial", "matching", "judge")
    judged = ("psnr", "psnr_moved", "ssim", "lpips")
    """Of the faces and, ``psnr_moved``, of the moved references; ``lpips`` (AlexNet) where its
    weights are on this machine."""

    def __init__(
        self, settings: RendererSettings, processes: Processes, precision: Precision
    ) -> None:
        self.settings = settings
        self.sizes = asdict(settings.channels)
        on = processes.device
        self.network = Renderer(settings.channels).to(on)
        self._judge = Discriminator(settings.judge_width).to(on)
        self.trained = {"renderer": self.network, "judge": self._judge}
        self._shared_renderer = processes.shared(self.network)
        self._shared_judge = processes.shared(self._judge)
        features = perceptual.load(settings.vgg, settings.taps)
        self._perceptual = perceptual.PerceptualLoss(features, settings.scales).to(on)
        self.optimizers = {
            "renderer": torch.optim.Adam(self.network.parameters(), lr=settings.learning_rate),
            "judge": torch.optim.Adam(
                self._judge.parameters(),
                lr=settings.judge_learning_rate,
                betas=settings.judge_betas,
            ),
        }
        self.updates = Updates(on, precision)
        self.draw = Faces(settings.references)

    def step(self, batch: Batch, epoch: int) -> dict[str, Tensor]:
        """The alignment module alone during the warm-up, then everything."""
        renderer, judge = self.optimizers["renderer"], self.optimizers["judge"]
        self.network.train()
        renderer.zero_grad()
        judge.zero_grad()
        truth = batch["face"][:, 0]
        with self.updates.forward():
            painted, moved = _rendered(self._shared_renderer, batch)
            judged = self._shared_judge(torch.cat([painted.detach(), truth]))
            of_painted, of_truth = halves(judged)
            verdict = losses.least_squares(of_painted, 0) + losses.least_squares(of_truth, 1)
            verdict = verdict / 2
            loss, parts = self._renderers_loss(painted, moved, truth, of_truth, epoch)
        self.updates.apply(loss, renderer)
        self.updates.apply(verdict, judge)
        self.updates.done()
        return {"loss": loss, **parts, "judge": verdict}

    def _renderers_loss(
        self, painted: Tensor, moved: Tensor, truth: Tensor, of_truth: Judged, epoch: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        settings = self.settings
        warp, _ = self._perceptual(moved, truth)
        if epoch < settings.warm_up_epochs:
            # As the authors weigh it with 0: Adam counts these steps for the painting part, too.
            return settings.warp * warp + 0 * painted.sum(), {"warp": warp}
        content, style = self._perceptual(painted, truth)
        with frozen(self._judge, not settings.judge_hears_painter):
            answer = self._judge(painted)
        adversarial = losses.least_squares(answer, 1)
        matching = losses.feature_matching(answer, of_truth)
        loss = (
            settings.warp * warp
            + settings.painted * (content + settings.style * style)
            + settings.adversarial * adversarial
            + settings.matching * matching
        )
        parts = {"painted": content, "style": style, "adversarial": adversarial}
        return loss, {"warp": warp, **parts, "matching": matching}

    def validate(self, batches: Iterable[Batch]) -> tuple[dict[str, float], NDArray[np.uint8]]:
        """Means over frames; a picture's rows are a sketch, references, moved, painted, truth."""
        self.network.eval()
        weights = find(lookup("lpips-alex")) is not None
        rows: list[NDArray[np.float64]] = []
        shown = np.zeros((1, 1, 3), np.uint8)
        for batch in batches:
            with torch.inference_mode(), self.updates.forward():
                painted, moved = _rendered(self.network, batch)
            faces, warps, truth = (rgb(x) for x in (painted, moved, batch["face"][:, 0]))
            frames, true = list(faces), list(truth)
            columns = [psnr_per_frame(frames, true), psnr_per_frame(list(warps), true)]
            columns.append(ssim_per_frame(frames, true))
            if weights:
                columns.append(distances(faces, truth))
            if not rows:
                shown = _picture(batch, painted, moved)
            rows.append(np.stack(columns, axis=1))
        means = np.concatenate(rows).mean(axis=0).tolist()
        return dict(zip(self.judged, means, strict=False)), shown


def _rendered(renderer: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
    names = ("face", "sketches", "ref_images", "ref_sketches", "mels")
    painted, moved = renderer(*(batch[name] for name in names))
    return painted.float(), moved.float()


def halves(judged: Judged) -> tuple[Judged, Judged]:
    """What was said of the first and of the second half of a batch."""
    pairs = [[layer.chunk(2) for layer in layers] for layers in judged]
    first, second = ([[pair[i] for pair in layers] for layers in pairs] for i in (0, 1))
    return first, second


@contextmanager
def frozen(network: nn.Module, yes: bool) -> Iterator[None]:
    """What is computed inside gives the network's parameters no gradient, if so."""
    for parameter in network.parameters():
        parameter.requires_grad_(not yes)
    try:
        yield
    finally:
        for parameter in network.parameters():
            parameter.requires_grad_(True)


def rgb(pictures: Tensor) -> NDArray[np.uint8]:
    """[B, 3, H, W], BGR 0..1 -> uint8 RGB [B, H, W, 3], cut off as when driving."""
    levels = (pictures.detach().float().clamp(0, 1) * 255).byte()
    return levels.flip(1).permute(0, 2, 3, 1).cpu().numpy()


def _picture(batch: Batch, painted: Tensor, moved: Tensor) -> NDArray[np.uint8]:
    count = min(_SHOWN, len(painted))
    references = batch["ref_images"].unbind(1)
    columns = chain([batch["sketches"][:, 2]], references, [moved, painted, batch["face"][:, 0]])
    shown = [rgb(x[:count])[..., ::-1].reshape(-1, *x.shape[3:], 3) for x in columns]
    return np.ascontiguousarray(np.hstack(shown))
