"""What a step learns from: windows and frames, drawn by number.

Item ``i`` of a run is a function of the run's seed and ``i`` alone, so a run that was stopped, or
that is shared out among processes in another way, sees the same data.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from evaluation.plan import UnusableInputError
from method.landmark_generator import WINDOW
from method.training.prepared import Clip, Prepared

Item = dict[str, NDArray[np.float32]]
Draw = Callable[[Clip, np.random.Generator], Item | None]
"""An item of a clip; None where the clip has none."""

_TRIES = 200
_MIDDLE = WINDOW // 2


@dataclass(frozen=True)
class Items(Dataset[Item]):
    """Items of the clips for training, or for validation, by number."""

    prepared: Prepared
    draw: Draw
    seed: int
    training: bool

    def __getitem__(self, number: int) -> Item:
        """Draw from a clip, each as likely as the others.

        Raises:
            UnusableInputError: No clip has what is drawn, or one is damaged.
        """
        rng = np.random.default_rng([self.seed, int(self.training), number])
        names = self.prepared.training if self.training else self.prepared.held_out
        for _ in range(_TRIES):
            name = names[rng.integers(len(names))]
            item = self.draw(self.prepared.clip(name, training=self.training), rng)
            if item is not None:
                return item
        raise UnusableInputError(
            f"{self.prepared.folder}: none of {_TRIES} clips drawn for "
            f"{'training' if self.training else 'validation'} has five frames in a row with face "
            "and sound, and references beside them; prepare longer clips"
        )


@dataclass(frozen=True)
class Windows:
    """Five frames in a row and reference landmarks, as stage 1 learns from them."""

    references: int

    def __call__(self, clip: Clip, rng: np.random.Generator) -> Item | None:
        """``mels`` [5, 1, 80, 16], ``pose``, ``content``, ``ref_pose``, ``ref_content``."""
        starts = clip.windows(heard=slice(0, WINDOW))
        if not len(starts):
            return None
        frames = np.arange(WINDOW) + rng.choice(starts)
        others = np.setdiff1d(np.flatnonzero(clip.found), frames)
        if len(others) < self.references:
            return None
        shown = rng.choice(others, self.references, replace=False)
        return {
            "mels": np.stack([clip.sound(int(i)) for i in frames])[:, None],
            "pose": clip.pose(frames),
            "content": clip.content(frames),
            "ref_pose": clip.pose(shown),
            "ref_content": clip.content(shown),
        }


@dataclass(frozen=True)
class Faces:
    """One frame, the sketches of the five around it and reference images, for stage 2."""

    references: int

    def __call__(self, clip: Clip, rng: np.random.Generator) -> Item | None:
        """``face`` [1, 3, H, W], ``sketches``, ``ref_images``, ``ref_sketches``, ``mels``."""
        starts = clip.windows(heard=slice(_MIDDLE, _MIDDLE + 1))
        seen = np.flatnonzero(clip.found)
        if not len(starts) or len(seen) < self.references:
            return None
        frames = np.arange(WINDOW) + rng.choice(starts)
        shown = rng.choice(seen, self.references, replace=False)
        middle = int(frames[_MIDDLE])
        return {
            "face": clip.pictures([middle]),
            "sketches": clip.sketches(frames),
            "ref_images": clip.pictures(shown),
            "ref_sketches": clip.sketches(shown),
            "mels": clip.sound(middle)[None, None],
        }


@dataclass(frozen=True)
class Numbers:
    """Which items this process takes in which step.

    Attributes:
        steps: Their numbers.
        batch: Items of a step, over all processes.
        rank: Of this process.
        processes: In all.
    """

    steps: range
    batch: int
    rank: int = 0
    processes: int = 1

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[list[int]]:
        for step in self.steps:
            yield list(
                range(step * self.batch + self.rank, (step + 1) * self.batch, self.processes)
            )


def loader(items: Items, numbers: Numbers, readers: int) -> DataLoader[Item]:
    """Batches as tensors, read ahead by so many processes; 0 reads in this one."""
    return DataLoader(
        items,
        batch_sampler=numbers,
        num_workers=readers,
        multiprocessing_context="spawn" if readers else None,
        persistent_workers=readers > 0,
        worker_init_fn=_heed_no_interrupt,
    )


def _heed_no_interrupt(_number: int) -> None:
    """Ctrl-C reaches readers, too; the process that trains ends them when it has saved."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
