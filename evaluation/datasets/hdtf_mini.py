"""Five HDTF clips and what published systems made of them, out of DiffDub's comparison videos."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evaluation.dataset import DatasetError, DatasetSpec, with_other_audio
from evaluation.datasets.folder import speaker_of
from evaluation.panels import Panel, cut_panel
from evaluation.sample import Sample
from metrics.assets import cache_root, locate, lookup

CLIPS = (
    "RD_Radio8_000",
    "RD_Radio22_000",
    "RD_Radio42_000",
    "RD_Radio51_000",
    "WRA_PeterRoskam0_000",
)

# From left to right. DAE-Talker stands fifth; its panels show another person, so it has no row.
PANELS = {
    name: Panel(x=10 + 276 * place, y=10, width=256, height=256)
    for place, name in enumerate(
        ("ground-truth", "wav2lip", "pcavs", "iplap", "dae-talker", "diffdub")
    )
}


def asset_of(clip: str) -> str:
    """Name of the comparison video in the asset table."""
    return f"comparison-{clip}"


def panel_of(clip: str, name: str) -> Path:
    """A panel as a file, cut once and kept in the cache.

    Raises:
        AssetMissingError: The comparison video is not on this machine.
        VideoError: It cannot be cut.
    """
    grid = locate(asset_of(clip))
    digest = lookup(asset_of(clip)).sha256
    out = cache_root() / "panels" / digest[:16] / f"{name}.mp4"
    return out if out.is_file() else cut_panel(grid, PANELS[name], out)


class HdtfMini:
    """The first panel of each comparison video."""

    spec = DatasetSpec(
        name="hdtf-mini",
        version="1",
        about="five HDTF clips of 10 s at 256x256, with the outputs of Wav2Lip, PC-AVS, IP-LAP and "
        "DiffDub beside them",
        licence="Apache-2.0 says the repository that shows them; the footage is HDTF's, of third "
        "parties: for evaluation only, not redistributed",
        source="comparison videos of Liu et al., DiffDub, arXiv 2311.01811: "
        "liutaocode/DiffDub@a67d4c4, resources/reconstruction",
        access="fetched by hash: --download",
        speaker="the name without its clip number",
        split="all five",
        clips=len(CLIPS),
        unverified="how their authors ran the four systems; the whole comparison video was encoded "
        "once more, so ground truth and outputs are those of compressed panels",
        assets=tuple(map(asset_of, CLIPS)),
    )

    def samples(self, data: Path | None) -> Sequence[Sample]:
        """The five clips, cut on first use into the cache."""
        if data is not None:
            raise DatasetError(
                "hdtf-mini needs no --data: its videos are assets (--download, or put them into a "
                "folder named in $TALKBENCH_ASSETS)"
            )
        samples = []
        for clip in CLIPS:
            path = panel_of(clip, "ground-truth")
            samples.append(
                Sample(id=clip, speaker=speaker_of(clip), video=path, audio=path, reference=path)
            )
        return with_other_audio(samples)


HDTF_MINI = HdtfMini()
