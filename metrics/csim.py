"""CSIM: does the generated face look like the person of the reference.

The arithmetic of the family; its cards are in :mod:`metrics.identity`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from metrics import face_frames
from metrics.base import (
    AnyExtractor,
    Inputs,
    Measurement,
    MetricSpec,
    UnscorableError,
    mean_of_clips,
    mean_of_frames,
)

Rows = NDArray[np.float64]


def units(rows: NDArray[np.floating]) -> Rows:
    """Rows [n, D] brought to length 1, float64; a row of zeros stays."""
    x = np.asarray(rows, dtype=np.float64)
    lengths = np.linalg.norm(x, axis=1, keepdims=True)
    return x / np.where(lengths > 0, lengths, 1)


def cosines(a: NDArray[np.floating], b: NDArray[np.floating]) -> Rows:
    """Cosine of the angle between paired rows.

    Args:
        a: [n, D].
        b: [n, D].

    Returns:
        float64 [n], in [-1, 1]; 0 where a row is all zeros.
    """
    cosine: Rows = np.einsum("nd,nd->n", units(a), units(b))
    return np.clip(cosine, -1.0, 1.0)


def cosines_with_all(a: NDArray[np.floating], b: NDArray[np.floating]) -> Rows:
    """Mean cosine of each row with every row of the other side.

    That is the product with the mean of the other side's rows at length 1, so no table of all
    pairs is made.

    Args:
        a: [n, D].
        b: [m, D].

    Returns:
        float64 [n], in [-1, 1].
    """
    cosine: Rows = units(a) @ units(b).mean(axis=0)
    return np.clip(cosine, -1.0, 1.0)


@dataclass(frozen=True)
class Csim:
    """Cosine of the embeddings that one extractor reads off faces.

    Attributes:
        spec: The card.
        embedder: Reads ``features`` where the clip's face was ``found``.
        witness: Must have ``found`` a face there too, where there is one. A detector alone takes
            a playing card for a face; where nobody else is to be seen the clip is about the card,
            and its identity is always kept.
        pairs: ``frames``: each generated frame with its own reference frame. ``all``: with every
            reference frame of the clip.
    """

    spec: MetricSpec
    embedder: AnyExtractor
    witness: AnyExtractor | None = None
    pairs: Literal["frames", "all"] = "frames"

    @property
    def extractors(self) -> tuple[AnyExtractor, ...]:
        """The embedder, and the witness where there is one."""
        return (self.embedder,) if self.witness is None else (self.embedder, self.witness)

    def measure(self, inputs: Inputs) -> Measurement:
        """Mean over the frames that show a face on both sides."""
        sides = (inputs.generated.tracks, inputs.reference.tracks)
        seen = [
            np.all([np.asarray(t[e.id]["found"], dtype=np.bool_) for e in self.extractors], axis=0)
            for t in sides
        ]
        scored, notes = face_frames.scored_frames(*seen)
        a, b = (np.asarray(t[self.embedder.id]["features"], dtype=np.float64) for t in sides)
        compare = cosines if self.pairs == "frames" else cosines_with_all
        return Measurement.of_frames(compare(a[scored], b[scored]), notes)

    pool = staticmethod(mean_of_clips)

    def aggregate(self, measurements: Sequence[Measurement]) -> float:
        """Mean over clips."""
        return self.pool(measurements)


@dataclass(frozen=True)
class _OfWholeFrames:
    """Embeddings of whole frames: no face is looked for.

    Attributes:
        spec: The card.
        embedder: Whose features are compared.
    """

    spec: MetricSpec
    embedder: AnyExtractor

    @property
    def extractors(self) -> tuple[AnyExtractor, ...]:
        """The embedder."""
        return (self.embedder,)


@dataclass(frozen=True)
class WholeFrameCsim(_OfWholeFrames):
    """Cosine of the embeddings of whole frames, frame by frame; frames pooled over clips."""

    def measure(self, inputs: Inputs) -> Measurement:
        """Mean over all frames."""
        return Measurement.of_frames(cosines(*_both(inputs, self.embedder)))

    pool = staticmethod(mean_of_frames)

    def aggregate(self, measurements: Sequence[Measurement]) -> float:
        """Mean over all frames of all clips."""
        return self.pool(measurements)


@dataclass(frozen=True)
class SetCsim(_OfWholeFrames):
    """Mean cosine over all pairs of a generated and a reference frame of a whole set of clips.

    The mean over all pairs is the product of the two sides' mean embeddings of length 1, so a
    clip's share is one row a side: the sum of its embeddings of length 1.
    """

    def measure(self, inputs: Inputs) -> Measurement:
        """Both sides' sums; a clip has no value of its own."""
        a, b = _both(inputs, self.embedder)
        sums = {
            side: units(rows).sum(axis=0, keepdims=True)
            for side, rows in (("generated", a), ("reference", b))
        }
        return Measurement(value=None, frames=len(a), features=sums)

    def aggregate(self, measurements: Sequence[Measurement]) -> float:
        """The mean over all pairs, across clips too."""
        frames = sum(m.frames for m in measurements)
        if not frames:
            raise UnscorableError("no frame could be scored")
        a, b = (_total(measurements, side) / frames for side in ("generated", "reference"))
        return float(np.clip(a @ b, -1.0, 1.0))


def _both(inputs: Inputs, embedder: AnyExtractor) -> tuple[Rows, Rows]:
    a, b = (
        np.asarray(side.tracks[embedder.id]["features"], dtype=np.float64)
        for side in (inputs.generated, inputs.reference)
    )
    if len(a) != len(b):
        raise ValueError(f"{len(a)} generated frames do not fit {len(b)} of the reference")
    return a, b


def _total(measurements: Sequence[Measurement], side: str) -> Rows:
    rows = np.concatenate([m.features[side] for m in measurements if m.features is not None])
    # Sorted, so that the order of clips does not show in the last bit.
    return np.asarray(np.sort(rows, axis=0).sum(axis=0), dtype=np.float64)
