"""How far lips and sound are apart: SyncNet's arithmetic, for one track and for a clip of several.

Chung, Zisserman, ACCV workshops 2016; ``calc_pdist`` and ``evaluate`` of joonson/syncnet_python
@ 6efbb1c. The cards are in :mod:`metrics.lipsync`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from metrics.backbones.sync_features import AUDIO_WINDOWS, LipFeatures, TrackSound, stretches
from metrics.backbones.syncnet import WINDOW
from metrics.base import (
    AnyExtractor,
    Inputs,
    Measurement,
    MetricSpec,
    Track,
    UnscorableError,
    mean_of_clips,
)

MOST_SHIFT = 15
EPSILON = 1e-6

Rows = NDArray[np.float32]

Reading = Literal["distance", "confidence", "offset"]
Rule = Literal["mean", "last", "best", "mean offset"]


@dataclass(frozen=True)
class Sync:
    """What SyncNet says about one track.

    Attributes:
        distance: The mean distance at the shift where it is least: LSE-D.
        confidence: The median of the 31 mean distances minus the least: LSE-C.
        offset: By how many frames the sound is ahead of the lips, -15..15.
        table: float64 [windows, 31], the distance of every lip feature to the audio features 15
            windows before it up to 15 after it.
    """

    distance: float
    confidence: float
    offset: int
    table: NDArray[np.float64]


def sync_of(lip: NDArray[np.floating], audio: NDArray[np.floating]) -> Sync:
    """Compare lips and sound at 31 shifts.

    Where a shift leads beyond the sound there is the zero vector, and its distance counts like
    any other. The official code's ``pairwise_distance`` adds 1e-6 to each difference.

    Args:
        lip: [windows, D], one row per frame.
        audio: As ``lip``, of the same moments.

    Raises:
        ValueError: No window, or not as many on both sides.
    """
    if lip.shape != audio.shape or not len(lip):
        raise ValueError(f"lip features {list(lip.shape)} do not fit audio {list(audio.shape)}")
    x = np.asarray(lip, dtype=np.float64) + EPSILON
    y = np.pad(np.asarray(audio, dtype=np.float64), ((MOST_SHIFT, MOST_SHIFT), (0, 0)))
    count, shifts = len(x), 2 * MOST_SHIFT + 1
    # |x - y|^2 = |x|^2 + |y|^2 - 2 x.y, in doubles: the differences are never written down.
    lengths = np.einsum("nd,nd->n", y, y)
    products = [np.einsum("nd,nd->n", x, y[k : k + count]) for k in range(shifts)]
    squares = (
        np.einsum("nd,nd->n", x, x)[:, None]
        + np.lib.stride_tricks.sliding_window_view(lengths, shifts)
        - 2 * np.stack(products, axis=1)
    )
    table = np.sqrt(np.maximum(squares, 0))
    means = table.mean(axis=0)
    best = int(means.argmin())
    least = float(means[best])
    return Sync(least, float(np.median(means)) - least, MOST_SHIFT - best, table)


@dataclass(frozen=True)
class LipSync:
    """One of SyncNet's three numbers under one card.

    Attributes:
        spec: The card.
        reads: Which number.
        lips: Lip features of tracks, or of whole frames.
        rule: What a clip of several tracks gets. ``mean``: of their numbers (of offsets: of
            their sizes). ``last``: that of the last track. ``best``: the greatest confidence,
            the least distance, the offset of the most confident track. ``mean offset``: as
            ``mean``, but the size of the offsets' mean, its fraction cut off.
        min_track: Tracks with no more detections than this do not count.
    """

    spec: MetricSpec
    reads: Reading
    lips: LipFeatures
    rule: Rule = "mean"
    min_track: int = 0

    @property
    def extractors(self) -> tuple[AnyExtractor, ...]:
        """Lips and sound, and the tracks they were cut along."""
        crops = self.lips.crops
        return (
            (self.lips, AUDIO_WINDOWS) if crops is None else (self.lips, TrackSound(crops), crops)
        )

    def measure(self, inputs: Inputs) -> Measurement:
        """The clip's number; notes say its tracks' offsets.

        Raises:
            UnscorableError: No face is followed long enough, or its sound is too short.
        """
        syncs = [sync_of(lip, audio) for lip, audio in self._pairs(inputs.generated.tracks)]
        return Measurement(
            _value(syncs, self.reads, self.rule),
            sum(len(s.table) for s in syncs),
            notes=_notes(syncs),
        )

    pool = staticmethod(mean_of_clips)

    def aggregate(self, measurements: Sequence[Measurement]) -> float:
        """Mean over clips."""
        return self.pool(measurements)

    def _pairs(self, tracks: Mapping[str, Track]) -> Iterator[tuple[Rows, Rows]]:
        """Lip and audio features of every track that counts, in the tracks' order."""
        lips = np.asarray(tracks[self.lips.id]["features"], dtype=np.float32)
        crops = self.lips.crops
        if crops is None:
            audio = np.asarray(tracks[AUDIO_WINDOWS.id]["features"], dtype=np.float32)
            count = min(len(lips) - WINDOW, len(audio))
            if count < 1:
                raise UnscorableError(
                    f"too short: {len(lips)} frames, {len(audio)} windows of sound; more than "
                    f"{WINDOW} frames and the sound of as many are needed"
                )
            yield lips[:count, 0], audio[:count]
            return
        sound = np.asarray(tracks[TrackSound(crops).id]["features"], dtype=np.float32)
        counted = list(counted_tracks(tracks[crops.id], self.min_track))
        if not counted:
            raise UnscorableError(
                f"no face is seen in more than {self.min_track} frames of a shot, linked and "
                "large enough"
            )
        for frames, lane in counted:
            heard = np.isfinite(sound[frames, lane, 0])
            if not heard.any():
                raise UnscorableError(
                    f"the sound ends before, or less than {WINDOW + 1} frames into, the face of "
                    f"frames {frames.start} to {frames.stop - 1}"
                )
            yield lips[frames, lane][heard], sound[frames, lane][heard]


def counted_tracks(track: Track, min_track: int) -> Iterator[tuple[slice, int]]:
    """Frames and lane of the tracks with more than ``min_track`` detections, by their numbers.

    Faces are linked alike whatever the least length, so the tracks that a greater one leaves are
    among those that a smaller one leaves: lips are read once for cards of 50 and of 100.

    Args:
        track: ``track`` and ``slot`` int32 [T, L], see
            :class:`metrics.backbones.speaker_tracks.SpeakerTracks`.
        min_track: Detections that are too few.
    """
    numbers, slots = (np.asarray(track[name], dtype=np.int32) for name in ("track", "slot"))
    found = [
        (number, frames, lane)
        for lane in range(numbers.shape[1])
        for number, frames in stretches(numbers[:, lane])
    ]
    for _, frames, lane in sorted(found, key=lambda track: track[0]):
        if (slots[frames, lane] >= 0).sum() > min_track:
            yield frames, lane


def _value(syncs: Sequence[Sync], reads: Reading, rule: Rule) -> float:
    offsets = np.array([s.offset for s in syncs])
    if rule == "mean offset" and reads == "offset":
        return float(abs(int(offsets.mean())))
    if rule == "best" and reads == "distance":
        return min(s.distance for s in syncs)
    if rule in ("last", "best"):
        one = syncs[-1] if rule == "last" else max(syncs, key=lambda s: s.confidence)
        syncs, offsets = [one], np.array([one.offset])
    if reads == "offset":
        return float(np.abs(offsets).mean())
    return float(np.mean([s.distance if reads == "distance" else s.confidence for s in syncs]))


def _notes(syncs: Sequence[Sync]) -> dict[str, int]:
    if len(syncs) == 1:
        return {"offset": syncs[0].offset}
    return {"tracks": len(syncs)} | {f"offset {i}": s.offset for i, s in enumerate(syncs, 1)}
