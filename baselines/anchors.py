"""Anchors: the ground truth and known damages of it, the floors and ceilings of every table.

A table without them cannot say whether a metric reacts to what it is meant to measure. All are
written losslessly, so that each shows its own damage alone; ``reencoded`` is the codec's damage.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from baselines.rewriting import SOURCE, anchor, count, follow_face, rewrite
from evaluation.generator import GenerationError, GeneratorSpec
from evaluation.sample import Sample
from evaluation.video import Audio, FrameReader, read_audio
from evaluation.video_writer import Encoding
from metrics import Frames

_SMALLEST_FACE = 100 / 3  # px of height; a blur of less than 1 px would not be seen


class GroundTruth:
    """The reference itself: what a perfect generator would return."""

    spec = GeneratorSpec(
        name="ground-truth",
        version="1",
        kind="reference",
        about="the reference video itself: the ceiling of every metric",
        source=SOURCE,
    )

    def generate(self, sample: Sample, out: Path, seed: int) -> Path:
        """The reference, where it lies."""
        del out, seed
        if sample.reference is None:
            raise GenerationError("this sample has no reference video")
        return sample.reference

    def video_of(self, sample: Sample) -> Path | None:
        """The reference."""
        return sample.reference


class Reencoded:
    """The video through a coarse codec: sharp metrics drop, sync does not.

    Args:
        crf: Of x264.
        name: Row of the table.
    """

    def __init__(self, crf: int = 35, name: str = "reencoded") -> None:
        self.crf = crf
        self.spec = anchor(name, f"the video encoded again with x264 at crf {crf}", f"2, crf {crf}")

    def generate(self, sample: Sample, out: Path, seed: int) -> Path:
        """H.264 with AAC at 128 kbit/s."""
        del seed
        return rewrite(sample, out, FrameReader(sample.video), encoding=Encoding(crf=self.crf))


class Still:
    """The first frame throughout: perfect picture, no motion."""

    spec = anchor("still", "the first frame, held for the whole clip")

    def generate(self, sample: Sample, out: Path, seed: int) -> Path:
        """Frame 0 for as long as the video is."""
        del seed
        return rewrite(sample, out, _held(FrameReader(sample.video)))


class Shifted:
    """The video k frames early against its audio; frame i shows what belongs to frame i + k.

    Args:
        by: k, in frames; the last frame is held at the end.
        name: Row of the table.
    """

    def __init__(self, by: int = 3, name: str = "shifted") -> None:
        self.by = by
        frames = f"{by} frame{'' if by == 1 else 's'}"
        self.spec = anchor(name, f"the video {frames} early against its audio", f"1, by {by}")

    def generate(self, sample: Sample, out: Path, seed: int) -> Path:
        """Frames k, k+1, ..., then the last one k times."""
        del seed
        return rewrite(sample, out, _advanced(FrameReader(sample.video), self.by))


class MouthBlur:
    """The lower third of the face blurred: hurts the mouth and nothing else.

    Args:
        strength: Sigma of the blur, as a share of the height of the face; faces below 33 px are
            blurred as one of 33 px, so that a stronger blur stays stronger.
        name: Row of the table.
    """

    def __init__(self, strength: float = 0.03, name: str = "mouth-blur") -> None:
        self.strength = strength
        about = f"the lower third of the face box blurred, sigma {strength:.3g} of its height"
        self.spec = anchor(name, about, f"2, {strength:g}", assets=("yunet",))

    def generate(self, sample: Sample, out: Path, seed: int) -> Path:
        """Blur the face that the clip is about; a frame without it takes the nearest's place.

        Raises:
            GenerationError: No face in any frame.
        """
        del seed
        boxes = follow_face(FrameReader(sample.video)).boxes
        return rewrite(sample, out, self._blurred(FrameReader(sample.video), boxes))

    def _blurred(self, reader: FrameReader, boxes: NDArray[np.float32]) -> Iterator[Frames]:
        index = 0
        for piece in reader:
            frames = piece.copy()
            for frame, box in zip(frames, boxes[index : index + len(piece)], strict=True):
                _blur_lower_third(frame, box, self.strength)
            index += len(piece)
            yield frames


class SwappedAudio:
    """The video as it is with another speaker's speech: only a metric that hears can tell."""

    spec = anchor("swapped-audio", "the same video with the speech of another speaker's clip")

    def generate(self, sample: Sample, out: Path, seed: int) -> Path:
        """The other speech from its beginning, repeated or cut to the length of the video.

        Raises:
            GenerationError: The split has no other speech.
        """
        del seed
        if sample.other_audio is None:
            raise GenerationError("no clip of another speaker in this split has audio")
        other = read_audio(sample.other_audio)
        if other is None or not len(other.samples):
            raise GenerationError(f"{sample.other_audio} has no audio")
        reader = FrameReader(sample.video)
        frames = count(reader)
        wanted = round(float(frames / reader.info.fps) * other.rate)
        repeats = -(-wanted // len(other.samples))
        samples = np.tile(other.samples, (repeats, 1))[:wanted]
        return rewrite(sample, out, FrameReader(sample.video), audio=Audio(samples, other.rate))


def _held(reader: FrameReader) -> Iterator[Frames]:
    first: Frames | None = None
    for piece in reader:
        first = piece[:1].copy() if first is None else first
        yield np.repeat(first, len(piece), axis=0)


def _advanced(reader: FrameReader, by: int) -> Iterator[Frames]:
    skip, last = by, None
    for piece in reader:
        last = piece[-1:]
        kept = piece[skip:]
        skip = max(0, skip - len(piece))
        if len(kept):
            yield kept
    if last is not None:
        missing = min(by, reader.frames or by)
        yield np.repeat(last, missing, axis=0)


def _blur_lower_third(frame: Frames, box: NDArray[np.float32], strength: float) -> None:
    height, width = frame.shape[:2]
    x, y, w, h = (float(v) for v in box)
    top, bottom = int(max(0, y + 2 * h / 3)), int(min(height, y + h))
    left, right = int(max(0, x)), int(min(width, x + w))
    if top >= bottom or left >= right:
        return
    blurred = cv2.GaussianBlur(frame, (0, 0), strength * max(_SMALLEST_FACE, h))
    frame[top:bottom, left:right] = blurred[top:bottom, left:right]
