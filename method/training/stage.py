"""What the training loop knows of a stage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Optimizer

from method.training.items import Draw
from method.training.updates import Updates

Batch = dict[str, Tensor]


class Settings(Protocol):
    """What the loop reads off any stage's settings."""

    @property
    def batch(self) -> int:
        """Items a step."""
        ...

    @property
    def steps(self) -> int:
        """Where training ends."""
        ...

    @property
    def every(self) -> int:
        """Steps between checkpoints."""
        ...

    @property
    def validated(self) -> int:
        """Items of a validation."""
        ...


class Stage(Protocol):
    """Networks, their optimisers, and what a step does to them.

    Attributes:
        file: Name of its checkpoint, as the asset table has it.
        network: What the checkpoint is of.
        sizes: Of that network, for whoever loads it.
        trained: Everything with a state, by name.
        optimizers: By name.
        updates: Precision and steps.
        draw: Items.
        losses: What a step says, in order.
        judged: What a validation says, in order.
    """

    file: str
    network: nn.Module
    sizes: Mapping[str, int]
    trained: Mapping[str, nn.Module]
    optimizers: Mapping[str, Optimizer]
    updates: Updates
    draw: Draw
    losses: tuple[str, ...]
    judged: tuple[str, ...]

    def step(self, batch: Batch, epoch: int) -> dict[str, Tensor]:
        """Learn from a batch; returns losses, those that were computed."""
        ...

    def validate(self, batches: Iterable[Batch]) -> tuple[dict[str, float], NDArray[np.uint8]]:
        """Means over all items, and a picture of the first ones, BGR."""
        ...


def state(stage: Stage) -> dict[str, Any]:
    """All that goes on changing."""
    return {
        "networks": {name: x.state_dict() for name, x in stage.trained.items()},
        "optimizers": {name: x.state_dict() for name, x in stage.optimizers.items()},
        "updates": stage.updates.state_dict(),
    }


def restore(stage: Stage, kept: Mapping[str, Any]) -> None:
    """Go on from :func:`state`."""
    for name, network in stage.trained.items():
        network.load_state_dict(kept["networks"][name])
    for name, optimizer in stage.optimizers.items():
        optimizer.load_state_dict(kept["optimizers"][name])
    stage.updates.load_state_dict(kept["updates"])
