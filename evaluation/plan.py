"""What a run is to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evaluation.generator import Generator
from evaluation.sample import Sample
from evaluation.suite import Suite
from metrics import Metric


class UnusableInputError(ValueError):
    """What the user gave cannot be run; nothing was written."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be done.

    Attributes:
        suite: The question; its ``every`` and ``metrics`` are overruled by those below.
        metrics: Cards, in column order.
        generators: Rows, in order.
        samples: The split, or the part of it that is run.
        every: Score frames 0, N, 2N, ...
        limit: How many of the split's samples were taken, None for all.
        whole: How many samples the split as published has, 0 where nobody has said.
        seed: For generators.
        settings: What else the reader of the run should know (``reference`` folder, ...).
    """

    suite: Suite
    metrics: tuple[Metric, ...]
    generators: tuple[Generator, ...]
    samples: tuple[Sample, ...]
    every: int
    limit: int | None = None
    whole: int = 0
    seed: int = 0
    settings: Mapping[str, str]
