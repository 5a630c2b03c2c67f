"""What makes a clip: the contract that baselines, methods and strangers' systems fulfil."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

from evaluation.sample import Sample

Kind = Literal["reference", "anchor", "system"]


class GenerationError(RuntimeError):
    """This sample cannot be generated; the text is the reason in the records."""


class GeneratorFileError(ValueError):
    """A file that declares a generator cannot be used; the text says all that is wrong with it."""


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
        optimises: Metric families whose network or score it was trained with.
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
    optimises: tuple[str, ...] = ()
    licence: str = ""
    source: str = ""
    assets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Made:
    """A clip and what is worth knowing about it.

    Attributes:
        video: Where it is.
        notes: Kept beside the video: ``{"mesh": "plain", "frames without a face": 3}``.
        peak_mb: Most memory that a process of its own took, NaN where that is not known; None
            where it worked in the harness's, which is measured there.
    """

    video: Path
    notes: Mapping[str, str | int] = field(default_factory=dict)
    peak_mb: float | None = None


@runtime_checkable
class Generator(Protocol):
    """Inherit nothing; have these two. Load weights on the first call, not at import."""

    @property
    def spec(self) -> GeneratorSpec:
        """Who this is."""
        ...

    def generate(self, sample: Sample, out: Path, seed: int) -> Path | Made:
        """Make one clip.

        Args:
            sample: What to drive, and with what.
            out: Where to write an MP4. A generator that has the video already may leave it
                unwritten and return another path.
            seed: For all its random choices.

        Returns:
            The video's path, or that with notes.

        Raises:
            GenerationError: It cannot; says why. Only this clip is lost.
        """
        ...


@runtime_checkable
class HasVideos(Protocol):
    """A generator whose videos lie elsewhere and are never made may have this, too.

    What a sample is driven with is then not read, and not fetched where it lies at an address.
    """

    def video_of(self, sample: Sample) -> Path | None:
        """Where the video of a sample is to lie; None where it has none. Nothing is opened."""
        ...


@runtime_checkable
class Needy(Protocol):
    """A generator that needs more than assets may have this, too."""

    def lacking(self) -> Sequence[str]:
        """What is missing on this machine, each with the command or address that brings it.

        While there is anything, ``generate`` is not called: the clip's records are *unavailable*,
        and tried again at every run.
        """
        ...


def lacking(generator: Generator) -> list[str]:
    """What a generator says that it lacks, its assets aside."""
    return [str(text) for text in generator.lacking()] if isinstance(generator, Needy) else []


def made(answer: object) -> Made:
    """What a generator returned, as one thing.

    Raises:
        GenerationError: It returned something else.
    """
    if isinstance(answer, Made):
        notes = {str(k): v if isinstance(v, int) else str(v) for k, v in answer.notes.items()}
        return Made(Path(answer.video), notes, answer.peak_mb)
    if isinstance(answer, Path | str):
        return Made(Path(answer))
    raise GenerationError(f"returned {answer!r} where the video's path was expected")
