"""SyncNet's features of a video and of its sound, in step with the frames.

A face that is followed from one frame to another is scored as a clip of its own: pictures and
sound are cut there, as ``run_pipeline.py`` of joonson/syncnet_python @ 6efbb1c cuts files.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from metrics.backbones import syncnet
from metrics.backbones.mfcc import mfcc
from metrics.backbones.speaker_crops import LIFT, SIDE, crop_face, jpeg_copies
from metrics.backbones.syncnet import COLUMNS, FEATURES, PER_FRAME, WINDOW
from metrics.base import AnyExtractor, Frames, Sound, Track, TrackExtractor

SAMPLES = 640
"""Of sound that a frame lasts."""

_FIRST = 160 * (COLUMNS - 1) + 400  # samples that a window of MFCC looks at
_CHUNK = 64  # windows: crops are not all held at once


def windows_in(frames: int, samples: int) -> int:
    """How many windows a clip is scored on: one fewer than would fit, as in the official code."""
    return max(0, min(frames, samples // SAMPLES) - WINDOW)


def stretches(numbers: NDArray[np.integer]) -> Iterator[tuple[int, slice]]:
    """The tracks of one lane, or of a piece of it.

    Args:
        numbers: [n], the track at every frame, -1 where there is none.

    Yields:
        A track's number and its frames, in time order.
    """
    cuts = np.flatnonzero(np.diff(numbers)) + 1
    for start, stop in zip([0, *cuts], [*cuts, len(numbers)], strict=True):
        if start < stop and numbers[start] >= 0:
            yield int(numbers[start]), slice(int(start), int(stop))


class Samples:
    """The sound itself. Rows: ``samples`` int16 [N], 16 000 a second."""

    id = "sound/1"

    def listen(self, sound: Sound) -> Track:
        """Rows for int16 mono [N] at 16 kHz."""
        return {"samples": np.asarray(sound, dtype=np.int16)}


class AudioWindows:
    """SyncNet's audio features of a whole clip.

    Rows: ``features`` float32 [max(0, N // 640 - 5), 1024], 25 a second; row i is about the 0.2 s
    that begin with frame i.
    """

    id = "syncnet-audio/1"

    def listen(self, sound: Sound) -> Track:
        """Rows for int16 mono [N] at 16 kHz."""
        count = windows_in(len(sound), len(sound))
        columns = mfcc(sound)[: PER_FRAME * (count - 1) + COLUMNS]
        return {"features": syncnet.audio_features(columns)[:count]}


WHOLE_SOUND = Samples()
AUDIO_WINDOWS = AudioWindows()


@dataclass(frozen=True)
class TrackSound:
    """SyncNet's audio features of every track, its sound cut out of the clip's.

    Rows: ``features`` float32 [T, L, 1024]; NaN where no window begins, that is in the last five
    frames of a track, or of the sound where that ends before.

    A cut changes MFCC only in its first column, which loses the sample before it: the features
    are those of the whole sound but for each track's first row.

    Attributes:
        crops: Whose rows ``track`` int32 [T, L] number the tracks of L lanes.
    """

    crops: TrackExtractor

    @property
    def id(self) -> str:
        """Name and version."""
        return f"syncnet-audio@{self.crops.id}/1"

    @property
    def uses(self) -> tuple[AnyExtractor, ...]:
        """The tracks, the features of the whole sound, and the sound."""
        return (self.crops, AUDIO_WINDOWS, WHOLE_SOUND)

    def follow(self, tracks: Mapping[str, Track]) -> Track:
        """Rows for all T frames."""
        numbers = np.asarray(tracks[self.crops.id]["track"], dtype=np.int32)
        whole = np.asarray(tracks[AUDIO_WINDOWS.id]["features"], dtype=np.float32)
        sound = np.asarray(tracks[WHOLE_SOUND.id]["samples"], dtype=np.int16)
        features = np.full((*numbers.shape, FEATURES), np.nan, dtype=np.float32)
        for lane in range(numbers.shape[1]):
            for _, frames in stretches(numbers[:, lane]):
                start = frames.start
                stop = start + windows_in(frames.stop - start, len(sound) - SAMPLES * start)
                features[start:stop, lane] = whole[start:stop]
                if start < stop and start:
                    begin = sound[SAMPLES * start : SAMPLES * start + _FIRST]
                    features[start, lane] = syncnet.audio_features(mfcc(begin))[0]
        return {"features": features}


@dataclass(frozen=True)
class LipFeatures:
    """SyncNet's lip features of every track, or of whole frames.

    Rows: ``features`` float32 [n, L, 1024], row i about frames i to i + 4; NaN where those are
    not five frames of one track. Whole frames are one lane.

    Attributes:
        crops: Says where faces are: rows ``x``, ``y``, ``s`` [T, L] in px, see
            :func:`metrics.backbones.speaker_crops.crop_face`, and ``track`` int32 [T, L]. None
            takes whole frames, brought to 224x224 by OpenCV's bilinear resize.
    """

    crops: TrackExtractor | None = None

    @property
    def id(self) -> str:
        """Name and version."""
        return f"syncnet-lip@{self.crops.id if self.crops else 'whole'}/1"

    @property
    def uses(self) -> tuple[AnyExtractor, ...]:
        """The tracks."""
        return (self.crops,) if self.crops else ()

    @property
    def lookahead(self) -> int:
        """A window's other frames."""
        return WINDOW - 1

    def extract(self, frames: Frames, tracks: Mapping[str, Track]) -> Track:
        """Rows for uint8 RGB frames [n, H, W, 3]."""
        if self.crops is None:
            rows = _windows(slice(0, len(frames)), lambda seen: _whole(frames[seen]))
            return {"features": rows[:, None]}
        track = tracks[self.crops.id]
        numbers = np.asarray(track["track"], dtype=np.int32)
        places = np.stack([np.asarray(track[k], dtype=np.float64) for k in ("x", "y", "s")], axis=2)
        rows = np.full((*numbers.shape, FEATURES), np.nan, dtype=np.float32)
        for lane in range(numbers.shape[1]):
            show = functools.partial(_crops, frames, places[:, lane])
            for _, where in stretches(numbers[:, lane]):
                rows[where, lane] = _windows(where, show)
        return {"features": rows}


def _windows(where: slice, show: Callable[[slice], Frames]) -> NDArray[np.float32]:
    """A row for every frame of a stretch, NaN in the last four; ``show`` makes the pictures."""
    rows = np.full((where.stop - where.start, FEATURES), np.nan, dtype=np.float32)
    end = where.stop - WINDOW + 1
    for first in range(where.start, end, _CHUNK):
        last = min(first + _CHUNK, end)
        pictures = show(slice(first, last + WINDOW - 1))
        rows[first - where.start : last - where.start] = syncnet.lip_features(pictures)
    return rows


def _crops(frames: Frames, places: NDArray[np.float64], seen: slice) -> Frames:
    pairs = zip(frames[seen], places[seen], strict=True)
    return jpeg_copies(np.stack([crop_face(frame, x, y, s) for frame, (x, y, s) in pairs]))


def _whole(frames: Frames) -> Frames:
    copies = jpeg_copies(frames, LIFT)
    if copies.shape[1:3] == (SIDE, SIDE):
        return copies
    return np.stack([np.asarray(cv2.resize(c, (SIDE, SIDE)), dtype=np.uint8) for c in copies])
