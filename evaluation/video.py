"""Read videos: every frame once, in order, in pieces of bounded memory.

Nothing here resamples, trims or repeats. Frames come out as OpenCV and PyAV both decode them:
uint8 RGB with the file's own matrix and colour range applied, and turned upright where the
container says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import repeat
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream

from evaluation import limits
from evaluation.audio import Audio, read_audio
from evaluation.elsewhere.fetched import remembered
from evaluation.opening import (
    VideoError,
    decoded_pixels,
    earliest,
    open_container,
    plain,
    seconds,
    strict,
    video_stream,
)
from evaluation.steady import SteadyRate
from metrics import Frames

__all__ = [
    "PIECE_BYTES",
    "Audio",
    "FrameReader",
    "VideoError",
    "VideoInfo",
    "earliest",
    "frames_per_piece",
    "has_audio",
    "open_container",
    "plain",
    "probe",
    "read_audio",
    "rotation_of",
    "runs_at",
    "upright",
    "video_stream",
]

PIECE_BYTES = 48 << 20
"""A piece of decoded frames stays below this, unless one frame alone is larger."""

# Containers that drop a frame or two (an empty AVI chunk) are not damaged; a cut file is.
_LOST_FRAMES_ALLOWED = 2
_LOST_SHARE_ALLOWED = 0.01


@dataclass(frozen=True)
class VideoInfo:
    """What the container says, without decoding.

    Attributes:
        path: The file.
        width: Pixels, as displayed (after rotation).
        height: Pixels, as displayed.
        fps: Frames per second, exact.
        declared_frames: Frame count in the header, None where there is none.
        codec: Name of the video codec.
        audio_rate: Samples per second of the first audio stream, None without audio.
        start: Seconds from the earliest stream's first moment to the video's.
    """

    path: Path
    width: int
    height: int
    fps: Fraction
    declared_frames: int | None
    codec: str
    audio_rate: int | None
    start: Fraction

    @property
    def has_audio(self) -> bool:
        """Whether there is an audio stream."""
        return self.audio_rate is not None

    @property
    def size(self) -> str:
        """``WIDTHxHEIGHT``."""
        return f"{self.width}x{self.height}"


def probe(path: Path) -> VideoInfo:
    """Read the header.

    Raises:
        VideoError: Not a video, damaged, empty, or without a video stream.
    """
    with open_container(path) as container:
        stream = video_stream(container, path)
        audio = container.streams.audio
        first = seconds(stream.start_time, stream.time_base)
        width, height = stream.width, stream.height
        refused = limits.PIXELS.refusal(width * height)
        if refused:
            raise VideoError(f"{path}: {refused}")
        if not width * height:
            raise VideoError(f"{path}: says no frame size")
        if rotation_of(path) % 180:
            width, height = height, width
        return VideoInfo(
            path=path,
            width=width,
            height=height,
            fps=_rate(stream, path),
            declared_frames=stream.frames or _expected(container, stream),
            codec=stream.codec_context.name,
            audio_rate=_audio_rate(audio[0]) if audio else None,
            start=Fraction(0) if first is None else first - earliest(container),
        )


def has_audio(path: Path) -> bool:
    """Whether the file opens and has an audio stream; one that lies elsewhere is not fetched."""
    heard: bool = remembered(path, "audio", lambda: _hears(path))
    return heard


def _hears(path: Path) -> bool:
    if path.suffix.lower() in (".m4v", ".mov", ".mp4"):  # its header says, without a look further
        with suppress(VideoError), open_container(path, look=32, header=True) as container:
            if "mp4" in container.format.name:
                return bool(container.streams.audio)
    try:
        with open_container(path, header=True) as container:
            return bool(container.streams.audio)
    except VideoError:
        return False


def runs_at(path: Path, fps: int) -> bool:
    """Whether the file's own frames are those of that steady rate, by its packets' times.

    Raises:
        VideoError: Not a readable video.
    """
    if probe(path).fps != fps:
        return False
    with open_container(path) as container:
        begin, stream = earliest(container), video_stream(container, path)
        times = []
        for packet in container.demux(stream):
            if packet.is_discard or (packet.size and (packet.pts is None or not packet.time_base)):
                return False
            if packet.size and packet.pts is not None and packet.time_base:
                times.append(float((packet.pts * packet.time_base - begin) * fps))
    return all(abs(time - number) < 0.4 for number, time in enumerate(sorted(times)))


class FrameReader:
    """Decodes a video once, from the first frame to the last.

    Iterate it for pieces, uint8 RGB [n, H, W, 3], of the frames 0, ``every``, 2·``every``, ...;
    afterwards ``frames`` is the exact number of frames in the file.

    Args:
        path: The file.
        every: Hand out every N-th frame; all are decoded and counted.
        piece: Frames per piece; by default as many as fit ``PIECE_BYTES``.
        fps: Hand out this many frames per second of the file's clock, repeated and left out as
            :class:`evaluation.steady.SteadyRate` says; None hands out the file's own.
    """

    def __init__(
        self, path: Path, every: int = 1, piece: int | None = None, fps: int | None = None
    ) -> None:
        if every < 1:
            raise ValueError(f"every must be 1 or more, got {every}")
        if fps is not None and every != 1:
            raise ValueError("a steady rate hands out every frame")
        self.path = path
        self.info = probe(path)
        self.every = every
        self.fps = fps
        self.piece = piece or frames_per_piece(self.info)
        self.frames: int | None = None
        _check_count(self.info, self.info.declared_frames or 0, "declares")

    def __iter__(self) -> Iterator[Frames]:
        """Pieces in order.

        Raises:
            VideoError: The stream is damaged, ends early or is beyond a limit; says at which frame.
        """
        kept: list[Frames] = []
        try:
            for pixels in self._steady() if self.fps else self._thinned():
                kept.append(pixels)
                if len(kept) == self.piece:
                    yield np.stack(kept)
                    kept = []
            if kept:
                yield np.stack(kept)
        except MemoryError as error:
            raise VideoError(
                f"{self.path}: frames of {self.info.size} do not fit into memory"
            ) from error

    def _thinned(self) -> Iterator[Frames]:
        for number, (frame, rotation) in enumerate(self._decoded()):
            if number % self.every == 0:
                yield upright(frame, rotation)

    def _steady(self) -> Iterator[Frames]:
        rate = SteadyRate(self.fps or 1)
        last: Frames | None = None
        with open_container(self.path) as container:
            begin = earliest(container)
        clock, shown = Fraction(0), 0
        for frame, rotation in self._decoded():
            tick = Fraction(frame.time_base or 0)
            length = tick * (frame.duration or 0)
            # A frame without a time of its own follows the one before it.
            clock = clock if frame.pts is None else frame.pts * tick - begin
            before, times = rate.of_frame(clock, length)
            shown += before + times
            _check_count(self.info, shown, f"needs at {self.fps} a second")
            clock += length or 1 / self.info.fps
            pixels = upright(frame, rotation)
            yield from repeat(pixels if last is None else last, before)
            yield from repeat(pixels, times)
            last = pixels
        if last is not None:
            yield from [last] * rate.at_end()

    def _decoded(self) -> Iterator[tuple[av.VideoFrame, int]]:
        """Every sound frame of the file, with the degrees it is to be turned by."""
        rotation = rotation_of(self.path)
        seen = discarded = 0
        with open_container(self.path) as container:
            stream = video_stream(container, self.path)
            strict(stream)
            try:
                for packet in container.demux(stream):
                    discarded += packet.is_discard
                    for frame in packet.decode():
                        _check_sound(frame, self.info, seen, rotation)
                        yield frame, rotation
                        seen += 1
                        _check_count(self.info, seen, "has")
            except VideoError:
                raise
            except (FFmpegError, ValueError) as error:
                raise VideoError(
                    f"{self.path}: damaged at frame {seen}{_of_declared(self.info)}: {plain(error)}"
                ) from error
        _check_complete(self.info, seen, discarded)
        self.frames = seen


def frames_per_piece(info: VideoInfo) -> int:
    """How many frames of this size fit ``PIECE_BYTES``, at least one."""
    return max(1, PIECE_BYTES // (info.width * info.height * 3))


def _audio_rate(stream: AudioStream) -> int:
    """Samples a second; 0 where its codec is unknown: there is sound, and nobody can hear it."""
    return stream.rate if stream.codec_context is not None else 0


def _rate(stream: VideoStream, path: Path) -> Fraction:
    # The average counts the last frame's odd duration; the guess is the steady rate.
    rate = stream.guessed_rate or stream.average_rate
    if not rate or rate <= 0:
        raise VideoError(f"{path}: no frame rate")
    return Fraction(rate)


def _expected(container: InputContainer, stream: VideoStream) -> int | None:
    """Frames that a container without a frame count (Matroska) should hold, by its duration."""
    rate = stream.guessed_rate or stream.average_rate
    if len(container.streams) > 1 or not container.duration or not rate:
        return None  # the duration may be the audio's
    return int(Fraction(container.duration, av.time_base) * rate)


def rotation_of(path: Path) -> int:
    """Degrees counter-clockwise to turn a decoded frame; needs the first frame."""
    rotation = None
    with open_container(path) as container:
        stream = video_stream(container, path)
        stream.codec_context.options = {"max_pixels": decoded_pixels()}
        try:
            for frame in container.decode(stream):
                rotation = int(frame.rotation) % 360
                break
        except (FFmpegError, ValueError) as error:
            raise VideoError(f"{path}: no frame can be decoded ({plain(error)})") from error
    if rotation is None:
        raise VideoError(f"{path}: has no frames")
    if rotation % 90:
        raise VideoError(
            f"{path}: is turned by {rotation} degrees, and only quarter turns are read"
        )
    return rotation


def upright(frame: av.VideoFrame, rotation: int) -> Frames:
    """A decoded frame as uint8 RGB [H, W, 3], turned by ``rotation`` degrees."""
    # One thread: several are slower on small frames, and not repeatable to the last bit.
    pixels: Frames = np.asarray(frame.to_ndarray(format="rgb24", threads=1), dtype=np.uint8)
    return np.ascontiguousarray(np.rot90(pixels, k=rotation // 90)) if rotation else pixels


def _check_sound(frame: av.VideoFrame, info: VideoInfo, seen: int, rotation: int) -> None:
    """The decoder conceals damage and says so; a concealed frame is no frame."""
    if frame.is_corrupt:
        raise VideoError(f"{info.path}: damaged at frame {seen}{_of_declared(info)}")
    size = (frame.height, frame.width) if rotation % 180 else (frame.width, frame.height)
    if size != (info.width, info.height):
        raise VideoError(
            f"{info.path}: frame {seen} is {size[0]}x{size[1]} pixels and the header says "
            f"{info.size}; every frame of a clip is to be of one size"
        )


def _check_count(info: VideoInfo, frames: int, says: str) -> None:
    refused = limits.FRAMES.refusal(frames)
    if refused:
        raise VideoError(f"{info.path}: {says} {refused}")


def _check_complete(info: VideoInfo, seen: int, discarded: int) -> None:
    if seen == 0:
        raise VideoError(f"{info.path}: has no frames")
    if info.declared_frames is None:
        return
    lost = info.declared_frames - seen - discarded
    if lost > max(_LOST_FRAMES_ALLOWED, _LOST_SHARE_ALLOWED * info.declared_frames):
        raise VideoError(
            f"{info.path}: ends after {seen} of {info.declared_frames} frames; is it cut short?"
        )


def _of_declared(info: VideoInfo) -> str:
    return f" of {info.declared_frames}" if info.declared_frames else ""
