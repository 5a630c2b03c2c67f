"""A part of a run: one of N commands that share nothing, and are merged afterwards."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from evaluation.generator import Generator
from evaluation.plan import UnusableInputError
from evaluation.sample import Sample

SHARD = "shard"
"""Setting of a run that is a part: ``2/8``."""


@dataclass(frozen=True)
class Shard:
    """The ``number``-th of ``of`` parts; numbers begin at 1."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def units(
        self, generators: Sequence[Generator], samples: Sequence[Sample]
    ) -> list[tuple[Generator, Sample]]:
        """Its units, in the order of the whole run.

        Samples are dealt out in turn, so that a reference is read in one shard only; where there
        are fewer samples than shards, units are.
        """
        of_names = set(self.of_names([g.spec.name for g in generators], [s.id for s in samples]))
        return [(g, s) for g in generators for s in samples if (g.spec.name, s.id) in of_names]

    def of_names(
        self, generators: Sequence[str], samples: Sequence[str]
    ) -> Iterator[tuple[str, str]]:
        """The same, by names."""
        for row, generator in enumerate(generators):
            for turn, sample in enumerate(samples):
                unit = turn if len(samples) >= self.of else turn * len(generators) + row
                if unit % self.of == self.number - 1:
                    yield generator, sample


def parse(text: str, environment: Mapping[str, str] = os.environ) -> Shard:
    """``2/8``, or ``slurm``: this task of a Slurm array.

    Raises:
        UnusableInputError: Neither, or no array that can be counted.
    """
    if text == "slurm":
        return _of_array(environment)
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if match is None:
        raise UnusableInputError(f"--shard takes I/N, such as 2/8, or slurm; got {text!r}")
    shard = Shard(int(match[1]), int(match[2]))
    if not 1 <= shard.number <= shard.of:
        raise UnusableInputError(f"--shard {text}: the shards of N are numbered 1/N to N/N")
    return shard


def _of_array(environment: Mapping[str, str]) -> Shard:
    """Task ID of an array that begins anywhere and has a step: ``0-7``, ``1-8``, ``0-14:2``."""
    try:
        here, count, first, last = (
            int(environment[f"SLURM_ARRAY_TASK_{name}"]) for name in ("ID", "COUNT", "MIN", "MAX")
        )
    except (KeyError, ValueError) as error:
        raise UnusableInputError(
            "--shard slurm reads SLURM_ARRAY_TASK_ID, _COUNT, _MIN and _MAX, which are not set "
            "here: submit with sbatch --array=1-8, or say --shard 2/8"
        ) from error
    step = (last - first) / (count - 1) if count > 1 else 1
    if step != int(step) or (here - first) % step or not first <= here <= last:
        raise UnusableInputError(
            f"the tasks of this array have no steady step ({count} tasks from {first} to {last}), "
            f"so that nobody knows which shard task {here} is. A part of an array is submitted "
            "again with its shard in words: --shard $SLURM_ARRAY_TASK_ID/8"
        )
    return Shard((here - first) // int(step) + 1, count)
