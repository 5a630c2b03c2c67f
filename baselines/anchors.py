"""Anchors: the ground truth and known damages of it, the floors and ceilings of every table.

A table without them cannot say whether a metric reacts to what it is meant to measure. All are
written losslessly, so that each shows its own damage alone; ``reencoded`` is the codec's damage.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from evaluation.generator import GenerationError, GeneratorSpec
from evaluation.sample import Sample
from evaluation.video import Audio, FrameReader, probe, read_audio
from evaluation.video_writer import LOSSLESS, Encoding, VideoWriter
from metrics import Frames
from metrics.backbones.faces import FACE
from metrics.backbones.yunet import YUNET

_SOURCE = "talkbench"


def _anchor(
    name: str, about: str, version: str = "1", assets: tuple[str, ...] = ()
) -> GeneratorSpec:
    return GeneratorSpec(
        name=name,
        version=version,
        kind="anchor",
        about=about,
        licence="Apache-2.0",
        source=_SOURCE,
        assets=assets,
    )


class GroundTruth:
    """The reference itself: what a perfect generator would return."""

    spec = GeneratorSpec(
        name="ground-truth",
        version="1",
        kind="reference",
        about="the reference video itself: the ceiling of every metric",
        source=_SOURCE,
    )

    def generate(self, sample: Sample, out: Path, seed: int) -> Path:
        """The reference, where it lies."""
        del out, seed
        if sample.reference is None:
            raise GenerationError("this sample has no reference video")
        return sample.reference


class Reencoded:
    """The video through a coarse codec (x264, crf 35): sharp metrics drop, sync does not."""

    spec = _anchor("reencoded", "the video encoded again with x264 at crf 35")

    def generate(self, sample: Sample, out: Path, seed: int) -> Path:
        """H.264 crf 35 with AAC."""
        del seed
        return _write(sample, out, FrameReader(sample.video), encoding=Encoding(crf=35))


class Still:
    """The first frame throughout: perfect picture, no motion."""

    spec = _anchor("still", "the first frame, held for the whole clip")

    def generate(self, sample: Sample, out: Path, seed: int) -> Path:
        """Frame 0 for as long as the video is."""
        del seed
        return _write(sample, out, _held(FrameReader(sample.video)))


class Shifted:
    """The video k frames early against its audio; frame i shows what belongs to frame i + k.

    Args:
        by: k, in frames; the last frame is held at the end.
    """

    def __init__(self, by: int = 3) -> None:
        self.by = by
        about = f"the video {by} frames early against its audio"
        self.spec = replace(_anchor("shifted", about), version=f"1, by {by}")

    def generate(self, sample: Sample, out: Path, seed: int) -> Path:
        """Frames k, k+1, ..., then the last one k times."""
        del seed
        return _write(sample, out, _advanced(FrameReader(sample.video), self.by))


class MouthBlur:
    """The lower third of the face blurred: hurts the mouth and nothing else."""

    strength = 0.03  # sigma of the blur, as a share of the height of the face

    spec = _anchor(
        "mouth-blur", "the lower third of the face box blurred", version="2", assets=("yunet",)
    )

    def generate(self, sample: Sample, out: Path, seed: int) -> Path:
        """Blur the face that the clip is about; a frame without it takes the nearest's place.

        Raises:
            GenerationError: No face in any frame.
        """
        del seed
        boxes = _face_boxes(FrameReader(sample.video))
        return _write(sample, out, self._blurred(FrameReader(sample.video), boxes))

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

    spec = _anchor("swapped-audio", "the same video with the speech of another speaker's clip")

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
        frames = _count(reader)
        wanted = round(float(frames / reader.info.fps) * other.rate)
        repeats = -(-wanted // len(other.samples))
        samples = np.tile(other.samples, (repeats, 1))[:wanted]
        return _write(sample, out, FrameReader(sample.video), audio=Audio(samples, other.rate))


def _write(
    sample: Sample,
    out: Path,
    frames: Iterable[Frames],
    *,
    encoding: Encoding = LOSSLESS,
    audio: Audio | None = None,
) -> Path:
    """Write frames at the video's size and rate, with the driving audio unless another is given."""
    info = probe(sample.video)
    if audio is None and sample.audio is not None:
        audio = read_audio(sample.audio)
    with VideoWriter(
        out, width=info.width, height=info.height, fps=info.fps, encoding=encoding, audio=audio
    ) as writer:
        for piece in frames:
            writer.add(piece)
    return out


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


def _count(reader: FrameReader) -> int:
    for _ in reader:
        continue
    return reader.frames or 0


def _face_boxes(reader: FrameReader) -> NDArray[np.float32]:
    """x, y, w, h of the clip's face for every frame, [T, 4]; gaps take the nearest in time."""
    rows = [YUNET.extract(piece, {}) for piece in reader]
    seen_faces = {name: np.concatenate([r[name] for r in rows]) for name in rows[0]}
    face = FACE.follow({YUNET.id: seen_faces})
    found, boxes = np.asarray(face["found"], dtype=np.bool_), np.asarray(face["boxes"])
    if not found.any():
        raise GenerationError(f"no face in any of {len(found)} frames")
    seen, all_frames = np.flatnonzero(found), np.arange(len(found))
    after = np.searchsorted(seen, all_frames).clip(max=len(seen) - 1)
    before = (after - 1).clip(min=0)
    later = np.abs(seen[after] - all_frames) <= np.abs(seen[before] - all_frames)
    filled: NDArray[np.float32] = boxes[seen[np.where(later, after, before)]].astype(np.float32)
    return filled


def _blur_lower_third(frame: Frames, box: NDArray[np.float32], strength: float) -> None:
    height, width = frame.shape[:2]
    x, y, w, h = (float(v) for v in box)
    top, bottom = int(max(0, y + 2 * h / 3)), int(min(height, y + h))
    left, right = int(max(0, x)), int(min(width, x + w))
    if top >= bottom or left >= right:
        return
    blurred = cv2.GaussianBlur(frame, (0, 0), max(1.0, strength * h))
    frame[top:bottom, left:right] = blurred[top:bottom, left:right]
