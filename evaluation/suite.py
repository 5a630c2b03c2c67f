"""What a number means: a split, a setting, and the protocol cards to score it with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A named, versioned question put to generators.

    Attributes:
        name: What the command line calls it.
        version: Changes whenever a number can change.
        dataset: Name of the dataset the samples come from.
        setting: ``reconstruction`` (own audio, own video is the reference), ``dubbing`` or
            ``cross-driven``.
        metrics: Card or family names, in column order.
        every: Score frames 0, N, 2N, ... of every clip.
        generators: Run where the user names none.
        about: What it shows, and what it does not.
        protocol: What is cropped, which frames, at which rate, how lengths are matched, what is
            held against what: ``{"crop": "none: whole frames"}``. In every report.
        notes: Cautions that go with every number, sentences without a full stop. In every report.
    """

    name: str
    version: str
    dataset: str
    setting: str
    metrics: tuple[str, ...]
    every: int = 1
    generators: tuple[str, ...] = ()
    about: str = ""
    protocol: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """``name/version``."""
        return f"{self.name}/{self.version}"
