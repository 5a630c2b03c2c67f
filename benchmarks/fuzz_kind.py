"""What the kinds of :mod:`benchmarks.fuzz` have in common."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Input:
    """A kind of input.

    Attributes:
        spoil: Puts a spoilt file (and what belongs to it) into a folder; returns what is to be
            read, and how it was spoilt.
        read: Reads it as talkbench does; returns ``same``, ``other`` or ``failed record``.
    """

    spoil: Callable[[Path, random.Random], tuple[Path, str]]
    read: Callable[[Path], str]
