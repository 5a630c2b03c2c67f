"""What makes a clip: the contract that baselines, methods and strangers' systems fulfil."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

from evaluation.sample import Sample

Kind = Literal["reference", "anchor", "system"]


class GenerationError(RuntimeError):
    """This sample cannot be generated; the text is the reason in the records."""


@dataclass(frozen=True, kw_only=True)
class GeneratorSpec:
    """A generator as tables and records name it.

    Attributes:
        name: Row head.
        version: Changes whenever the output can change; part of the key under which finished
            videos are kept.
        kind: ``reference`` (the ground truth itself), ``anchor`` (a known damage, which shows
            what a metric reacts to) or ``system``. Best marks go to systems where there are any.
        about: One sentence.
        weights_sha256: Of what it loads, empty where it loads nothing.
        trained_on: Names of data sets, for contamination marks.
        licence: Of code and weights.
        source: Paper and code with commit.
        assets: Names in the asset table that must be present.
    """

    name: str
    version: str
    kind: Kind
    about: str
    weights_sha256: str = ""
    trained_on: tuple[str, ...] = ()
    licence: str = ""
    source: str = ""
    assets: tuple[str, ...] = ()


@runtime_checkable
class Generator(Protocol):
    """Inherit nothing; have these two. Load weights on the first call, not at import."""

    @property
    def spec(self) -> GeneratorSpec:
        """Who this is."""
        ...

    def generate(self, sample: Sample, out: Path, seed: int) -> Path:
        """Make one clip.

        Args:
            sample: What to drive, and with what.
            out: Where to write an MP4. A generator that has the video already may leave it
                unwritten and return another path.
            seed: For all its random choices.

        Returns:
            The video's path.

        Raises:
            GenerationError: It cannot; says why. Only this clip is lost.
        """
        ...
