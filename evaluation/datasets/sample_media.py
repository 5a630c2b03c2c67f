"""Three short public clips, fetched by hash: the embedded split, small and unlike each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evaluation.dataset import DatasetSpec, with_other_audio
from evaluation.sample import Sample
from metrics.assets import ASSETS, locate

# id, asset, has audio. What each shows is said in the asset table.
_ROWS: tuple[tuple[str, str, bool], ...] = (
    ("singer", "clip-singer", True),
    ("speaker", "clip-speaker", True),
    ("carphone", "clip-carphone", False),
)


class SampleMedia:
    """A singer; a speaker beside a second, silent face at 12 fps; a mute man in a car."""

    spec = DatasetSpec(
        name="sample-media",
        version="2",
        about="; ".join(f"{name}: {ASSETS[asset].about}" for name, asset, *_ in _ROWS),
        licence="example media of open-source packages; for evaluation only, not redistributed",
        source="archives on the package index, see: talkbench list assets",
        assets=tuple(asset for _, asset, *_ in _ROWS),
    )

    def samples(self, data: Path | None) -> Sequence[Sample]:
        """The three clips; ``data`` is not used."""
        del data
        samples = []
        for name, asset, audible in _ROWS:
            path = locate(asset)
            samples.append(
                Sample(
                    id=name,
                    speaker=name,
                    video=path,
                    audio=path if audible else None,
                    reference=path,
                )
            )
        return with_other_audio(samples)


SAMPLE_MEDIA = SampleMedia()
