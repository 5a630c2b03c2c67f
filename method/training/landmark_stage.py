"""Training stage 1: lip and jaw landmarks from sound.

As train_landmarks_generator.py of Weizhi-Zhong/IP_LAP @ 9b9dc03.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from method.landmark_generator import WINDOW, LandmarkGenerator
from method.renderer import SIDE
from method.sketches import sketch
from method.topology import CONTENT, LOWER_LIP, UPPER_LIP
from method.training import losses
from method.training.items import Windows
from method.training.processes import Processes
from method.training.settings import LandmarkSettings
from method.training.stage import Batch
from method.training.updates import Precision, Updates

_UPPER, _LOWER = CONTENT.index(UPPER_LIP), CONTENT.index(LOWER_LIP)
_SHOWN = 4  # items in a picture


class LandmarkStage:
    """See :class:`method.training.stage.Stage`."""

    file = "landmarkgenerator_checkpoint.pth"
    losses = ("loss", "l1", "velocity")
    judged = ("l1", "velocity", "lmd", "opening")
    """``lmd``: mean Euclidean distance of lip and jaw landmarks, share of the face box;
    ``opening``: absolute difference of the mouth's, likewise."""

    def __init__(
        self, settings: LandmarkSettings, processes: Processes, precision: Precision
    ) -> None:
        self.settings = settings
        self.sizes = {
            "layers": settings.layers,
            "heads": settings.heads,
            "hidden": settings.hidden,
        }
        self.network = LandmarkGenerator(**self.sizes, dropout=settings.dropout)
        self.network.to(processes.device)
        self.trained = {"generator": self.network}
        self._generator = processes.shared(self.network)
        adam = torch.optim.Adam(self.network.parameters(), lr=settings.learning_rate)
        self.optimizers = {"generator": adam}
        self.updates = Updates(processes.device, precision)
        self.draw = Windows(settings.references)

    def step(self, batch: Batch, epoch: int) -> dict[str, Tensor]:
        """L1 and temporal continuity."""
        del epoch
        self.network.train()
        adam = self.optimizers["generator"]
        adam.zero_grad()
        with self.updates.forward():
            content, truth = _inferred(self._generator, batch)
        l1 = F.l1_loss(content, truth)
        velocity = losses.velocity_loss(content, truth, WINDOW)
        loss = l1 + self.settings.velocity * velocity
        self.updates.apply(loss, adam)
        self.updates.done()
        return {"loss": loss, "l1": l1, "velocity": velocity}

    def validate(self, batches: Iterable[Batch]) -> tuple[dict[str, float], NDArray[np.uint8]]:
        """Losses and landmark distances; the picture has the truth above what was inferred."""
        self.network.eval()
        rows, items, shown = [], [], np.zeros((SIDE, SIDE), np.uint8)
        for batch in batches:
            with torch.inference_mode(), self.updates.forward():
                content, truth = _inferred(self.network, batch)
            apart = (content - truth).norm(dim=1).mean()
            openings = [(x[:, :, _UPPER] - x[:, :, _LOWER]).norm(dim=1) for x in (content, truth)]
            velocity = losses.velocity_loss(content, truth, WINDOW)
            opening = (openings[0] - openings[1]).abs().mean()
            rows.append([F.l1_loss(content, truth), velocity, apart, opening])
            items.append(len(batch["mels"]))
            if len(items) == 1:
                shown = _picture(batch["pose"].flatten(0, 1), truth, content)
        means = np.average(torch.tensor(rows).numpy(), axis=0, weights=items)
        return dict(zip(self.judged, means.tolist(), strict=True)), shown


def _inferred(generator: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
    """Landmarks and the truth, float32 [B*5, 2, 57]."""
    given = (batch[name] for name in ("mels", "pose", "ref_pose", "ref_content"))
    content: Tensor = generator(*given)
    return content.float(), batch["content"].flatten(0, 1)


def _picture(pose: Tensor, truth: Tensor, content: Tensor) -> NDArray[np.uint8]:
    """Middle frames of the first windows: the truth, below it what was inferred."""
    middles = range(WINDOW // 2, min(len(pose), _SHOWN * WINDOW), WINDOW)
    rows = [
        np.hstack([sketch(_whole(pose[i], lips[i]), SIDE, SIDE) for i in middles])
        for lips in (truth, content)
    ]
    return np.vstack(rows).astype(np.uint8)


def _whole(pose: Tensor, content: Tensor) -> NDArray[np.float32]:
    return torch.cat([pose, content], dim=1).cpu().numpy()
