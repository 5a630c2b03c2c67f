"""Four published systems on the clips of ``hdtf-mini``: their panels of the comparison videos."""

from __future__ import annotations

from pathlib import Path

from evaluation.datasets.hdtf_mini import CLIPS, asset_of, panel_of
from evaluation.generator import GenerationError, GeneratorSpec
from evaluation.sample import Sample

_SOURCE = "as run by the authors of DiffDub: liutaocode/DiffDub@a67d4c4, resources/reconstruction"


class ComparisonPanel:
    """What a system made of each clip, as a published comparison video shows it.

    Args:
        panel: Which one.
        title: The system.
        trained_on: Data sets, by its paper.
        optimises: Metric families that it was trained with.
    """

    def __init__(
        self,
        panel: str,
        title: str,
        trained_on: tuple[str, ...],
        optimises: tuple[str, ...] = (),
    ) -> None:
        self.panel = panel
        self.spec = GeneratorSpec(
            name=f"hdtf-mini-{panel}",
            version="1",
            kind="system",
            about=f"{title}'s published outputs on the clips of hdtf-mini; makes nothing else",
            trained_on=trained_on,
            optimises=optimises,
            licence="Apache-2.0 says the repository that shows them",
            source=_SOURCE,
            assets=tuple(map(asset_of, CLIPS)),
        )

    def generate(self, sample: Sample, out: Path, seed: int) -> Path:
        """The panel beside the sample's, where it lies.

        Raises:
            GenerationError: The sample is no clip of ``hdtf-mini``, whatever it is called.
        """
        del out, seed
        if sample.id not in CLIPS or sample.video != panel_of(sample.id, "ground-truth"):
            raise GenerationError(f"{self.spec.name} has videos for the clips of hdtf-mini alone")
        return panel_of(sample.id, self.panel)


WAV2LIP = ComparisonPanel("wav2lip", "Wav2Lip", ("lrs2",), ("lse-d", "lse-c"))
PCAVS = ComparisonPanel("pcavs", "PC-AVS", ("voxceleb2",))
IPLAP = ComparisonPanel("iplap", "IP-LAP", ("lrs2",))
DIFFDUB = ComparisonPanel("diffdub", "DiffDub", ("hdtf",))
