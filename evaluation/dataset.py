"""Where samples come from: the contract of a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, runtime_checkable

from evaluation.sample import Sample


class DatasetError(ValueError):
    """The data are not as expected; names the folder or file, and what to do."""


@dataclass(frozen=True, kw_only=True)
class DatasetSpec:
    """A filled form.

    Attributes:
        name: What suites call it.
        version: Changes whenever the samples can change.
        about: What it shows.
        licence: Of the media.
        source: What to cite: paper, publisher.
        access: How one comes by it.
        layout: How files lie in the folder given with ``--data``; empty where none is needed.
        speaker: What tells speakers apart; clips of one speaker are not independent.
        split: Which clips these are.
        clips: How many the whole split has; 0 where nobody has said. A run on another number of
            clips says so in its report.
        unverified: What in this form rests on nothing that could be checked.
        assets: Media in the asset table.
    """

    name: str
    version: str
    about: str
    licence: str
    source: str
    access: str = ""
    layout: str = ""
    speaker: str = ""
    split: str = ""
    clips: int = 0
    unverified: str = ""
    assets: tuple[str, ...] = ()


@runtime_checkable
class Dataset(Protocol):
    """Inherit nothing; have these two."""

    @property
    def spec(self) -> DatasetSpec:
        """The form."""
        ...

    def samples(self, data: Path | None) -> Sequence[Sample]:
        """All samples, in a fixed order.

        Args:
            data: The user's folder, None where the dataset needs none.

        Raises:
            DatasetError: The folder is not what ``spec.layout`` says.
            AssetMissingError: Media are not on this machine.
        """
        ...


def with_other_audio(samples: Sequence[Sample]) -> list[Sample]:
    """Give each sample the speech of the next sample with audio and another speaker.

    Next in the split's order, around the end; where all speech is one speaker's, none is given.
    """
    first: Sample | None = None  # that speaks, of those after the one at hand
    other: Sample | None = None  # the first of another speaker than `first`
    result: list[Sample] = []
    for sample in [*reversed(samples), *reversed(samples)]:  # around the end: all are ahead
        found = first if first is None or first.speaker != sample.speaker else other
        result.append(replace(sample, other_audio=found.audio if found is not None else None))
        if sample.audio is not None:
            if first is not None and first.speaker != sample.speaker:
                other = first
            first = sample
    return result[len(samples) :][::-1]
