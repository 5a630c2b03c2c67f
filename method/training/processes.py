"""The processes of a training run: one, or as many as ``torchrun`` starts."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from metrics.backbones.device import device


@dataclass(frozen=True)
class Processes:
    """This process among all.

    Attributes:
        rank: 0 writes files.
        count: In all.
        device: Of this one.
    """

    rank: int
    count: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this one writes files."""
        return self.rank == 0

    def shared(self, network: nn.Module) -> nn.Module:
        """The network, whose gradients are then means over processes."""
        if self.count == 1:
            return network
        ids = [self.device.index] if self.device.type == "cuda" else None
        return DistributedDataParallel(network, device_ids=ids)

    def means(self, values: Mapping[str, Tensor]) -> dict[str, float]:
        """Numbers as means over processes."""
        if not values:
            return {}
        row = torch.stack([v.detach().double().reshape(()) for v in values.values()])
        if self.count > 1:
            distributed.all_reduce(row)
        return dict(zip(values, (row / self.count).tolist(), strict=True))

    def any(self, here: bool) -> bool:
        """Whether it is so in any process."""
        if self.count == 1:
            return here
        flag = torch.tensor([float(here)], device=self.device)
        distributed.all_reduce(flag)
        return bool(flag.item() > 0)

    def wait(self) -> None:
        """Until all are here."""
        if self.count > 1:
            distributed.barrier()


@contextmanager
def processes() -> Iterator[Processes]:
    """As the environment says: ``torchrun`` sets ``RANK``, ``LOCAL_RANK`` and ``WORLD_SIZE``."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Processes(0, 1, device())
        return
    on = device()
    if on.type == "cuda":
        on = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(on)
    distributed.init_process_group("nccl" if on.type == "cuda" else "gloo")
    try:
        yield Processes(distributed.get_rank(), count, on)
    finally:
        distributed.destroy_process_group()
