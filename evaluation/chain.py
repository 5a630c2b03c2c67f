"""Two generators in a row: the second is given what the first has made."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from evaluation.generator import Generator, GeneratorSpec, Made, made
from evaluation.sample import Sample
from evaluation.video import has_audio


@dataclass(frozen=True)
class Chain:
    """One generator's video, changed by another as if it were the sample's own.

    Attributes:
        first: Makes a video of the sample.
        then: Makes another of that one.
    """

    first: Generator
    then: Generator

    @property
    def spec(self) -> GeneratorSpec:
        """Both in one form; it changes when either does."""
        a, b = self.first.spec, self.then.spec
        return GeneratorSpec(
            name=f"{a.name}+{b.name}",
            version=f"{a.version} + {b.version}",
            kind=a.kind if a.kind == b.kind else "anchor",
            about=f"{a.about}; then {b.about}",
            weights_sha256="+".join(filter(None, (a.weights_sha256, b.weights_sha256))),
            trained_on=tuple(dict.fromkeys((*a.trained_on, *b.trained_on))),
            optimises=tuple(dict.fromkeys((*a.optimises, *b.optimises))),
            licence="; ".join(dict.fromkeys(filter(None, (a.licence, b.licence)))),
            source="; ".join(dict.fromkeys(filter(None, (a.source, b.source)))),
            assets=tuple(dict.fromkeys((*a.assets, *b.assets))),
        )

    def generate(self, sample: Sample, out: Path, seed: int) -> Made:
        """The second's video of the first's, its sound included; the first's is not kept."""
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.stem}-") as folder:
            first = made(self.first.generate(sample, Path(folder) / out.name, seed))
            heard = first.video if has_audio(first.video) else None
            given = replace(sample, video=first.video, audio=heard)
            then = made(self.then.generate(given, out, seed))
            return Made(then.video, {**first.notes, **then.notes})
