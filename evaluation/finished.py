"""A folder of finished videos as a generator: paired with the samples by id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation.datasets.folder import videos_in
from evaluation.generate import MissingOutputError
from evaluation.generator import GeneratorSpec
from evaluation.sample import Sample


@dataclass(frozen=True)
class FinishedVideos:
    """What a system made elsewhere.

    Attributes:
        name: Row of the table.
        folder: Where the videos lie, named as the samples.
        videos: Id -> file.
    """

    name: str
    folder: Path
    videos: dict[str, Path]

    @classmethod
    def read(cls, name: str, folder: Path) -> FinishedVideos:
        """List the folder.

        Raises:
            DatasetError: Not a folder, or without videos.
        """
        return cls(name, folder, videos_in(folder))

    @property
    def spec(self) -> GeneratorSpec:
        """Who this is; files are told apart by their hashes, so there is no version to keep."""
        return GeneratorSpec(
            name=self.name,
            version="1",
            kind="system",
            about="finished videos, scored as they are",
            source=str(self.folder),
        )

    def generate(self, sample: Sample, out: Path, seed: int) -> Path:
        """The file of that id, where it lies."""
        del out, seed
        if sample.id not in self.videos:
            raise MissingOutputError(f"{self.folder} has no video called {sample.id}")
        return self.videos[sample.id]

    def unpaired(self, samples: Sequence[Sample]) -> list[str]:
        """Ids of videos that belong to no sample."""
        return sorted(self.videos.keys() - {s.id for s in samples})
