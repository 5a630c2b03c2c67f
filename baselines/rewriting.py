"""What known damages share: a clip written again with one thing changed, and its face."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evaluation.generator import GenerationError, GeneratorSpec
from evaluation.sample import Sample
from evaluation.video import Audio, FrameReader, probe, read_audio
from evaluation.video_writer import LOSSLESS, Encoding, VideoWriter
from metrics import Frames
from metrics.backbones.faces import FACE
from metrics.backbones.yunet import YUNET

SOURCE = "talkbench"


def anchor(
    name: str, about: str, version: str = "1", assets: tuple[str, ...] = ()
) -> GeneratorSpec:
    """The form of a known damage."""
    return GeneratorSpec(
        name=name,
        version=version,
        kind="anchor",
        about=about,
        licence="Apache-2.0",
        source=SOURCE,
        assets=assets,
    )


def rewrite(
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


def count(reader: FrameReader) -> int:
    """Frames of the file, by decoding it."""
    for _ in reader:
        continue
    return reader.frames or 0


@dataclass(frozen=True)
class FaceTrack:
    """The clip's face in every frame; one without it has the nearest's in time.

    Attributes:
        first: Number of the first frame in which the face is seen.
        boxes: float32 [T, 4], x y w h in px.
        points: float32 [T, 5, 2] in px, as the detector orders them: eyes, nose, corners of the
            mouth.
    """

    first: int
    boxes: NDArray[np.float32]
    points: NDArray[np.float32]


def follow_face(reader: FrameReader) -> FaceTrack:
    """The face that a clip is about.

    Raises:
        GenerationError: It is in no frame.
    """
    rows = [YUNET.extract(piece, {}) for piece in reader]
    seen_faces = {name: np.concatenate([r[name] for r in rows]) for name in rows[0]}
    face = FACE.follow({YUNET.id: seen_faces})
    found = np.asarray(face["found"], dtype=np.bool_)
    if not found.any():
        raise GenerationError(f"no face in any of {len(found)} frames")
    nearest = _nearest(found)
    return FaceTrack(
        first=int(found.argmax()),
        boxes=np.asarray(face["boxes"], dtype=np.float32)[nearest],
        points=np.asarray(face["points"], dtype=np.float32)[nearest],
    )


def _nearest(found: NDArray[np.bool_]) -> NDArray[np.intp]:
    """For every frame the nearest one that is found; the later of two as near."""
    seen, frames = np.flatnonzero(found), np.arange(len(found))
    after = np.searchsorted(seen, frames).clip(max=len(seen) - 1)
    before = (after - 1).clip(min=0)
    later = np.abs(seen[after] - frames) <= np.abs(seen[before] - frames)
    return seen[np.where(later, after, before)]
