"""Cut the last part of a video as its own file, without loss."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from evaluation.video import Audio, FrameReader, read_audio
from evaluation.video_writer import VideoWriter
from metrics import Frames


def cut_last(video: Path, out: Path, first: int) -> int:
    """Write the frames from ``first`` to the end, and the sound from that moment.

    Pixels are those that the video decodes to; so are the samples, as 16-bit numbers.

    Args:
        video: What to cut.
        out: MP4; appears under its name when it is whole.
        first: Number of its first frame in ``video``, from 0.

    Returns:
        How many frames were written.

    Raises:
        VideoError: The video or its sound cannot be read.
    """
    reader = FrameReader(video)
    sound = read_audio(video)
    if sound is not None:
        start = round(float(first / reader.info.fps) * sound.rate)
        sound = Audio(sound.samples[start:], sound.rate)
    info = reader.info
    with VideoWriter(
        out, width=info.width, height=info.height, fps=info.fps, audio=sound
    ) as writer:
        written = 0
        for frames in _from(reader, first):
            writer.add(frames)
            written += len(frames)
    return written


def _from(reader: FrameReader, first: int) -> Iterator[Frames]:
    seen = 0
    for piece in reader:
        kept = piece[max(0, first - seen) :]
        seen += len(piece)
        if len(kept):
            yield kept
