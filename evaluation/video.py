"""Read videos: every frame once, in order, in pieces of bounded memory.

Nothing here resamples, trims or repeats. Frames come out as OpenCV and PyAV both decode them:
uint8 RGB with the file's own matrix and colour range applied, and turned upright where the
container says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import soxr
from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream
from numpy.typing import NDArray

from evaluation.steady import SteadyRate
from metrics import Frames

PIECE_BYTES = 48 << 20
"""A piece of decoded frames stays below this, unless one frame alone is larger."""

# Containers that drop a frame or two (an empty AVI chunk) are not damaged; a cut file is.
_LOST_FRAMES_ALLOWED = 2
_LOST_SHARE_ALLOWED = 0.01


class VideoError(ValueError):
    """A file cannot be read as a video; the text names the file and what is wrong."""


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


@dataclass(frozen=True)
class Audio:
    """float32 samples [N, channels], -1..1, and their rate per second."""

    samples: NDArray[np.float32]
    rate: int


def probe(path: Path) -> VideoInfo:
    """Read the header.

    Raises:
        VideoError: Not a video, damaged, empty, or without a video stream.
    """
    with open_container(path) as container:
        stream = video_stream(container, path)
        audio = container.streams.audio
        rotation = rotation_of(path)
        first = _seconds(stream.start_time, stream.time_base)
        width, height = stream.width, stream.height
        if rotation % 180:
            width, height = height, width
        return VideoInfo(
            path=path,
            width=width,
            height=height,
            fps=_rate(stream, path),
            declared_frames=stream.frames or _expected(container, stream),
            codec=stream.codec_context.name,
            audio_rate=audio[0].rate if audio else None,
            start=Fraction(0) if first is None else first - earliest(container),
        )


def has_audio(path: Path) -> bool:
    """Whether the file opens and has an audio stream."""
    if path.suffix.lower() in (".m4v", ".mov", ".mp4"):  # its header says, without a look further
        try:
            with av.open(str(path), options={"probesize": "32"}) as container:
                if "mp4" in container.format.name:
                    return bool(container.streams.audio)
        except (OSError, FFmpegError):
            pass
    try:
        with open_container(path) as container:
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

    def __iter__(self) -> Iterator[Frames]:
        """Pieces in order.

        Raises:
            VideoError: The stream is damaged or ends early; says at which frame.
        """
        kept: list[Frames] = []
        for pixels in self._steady() if self.fps else self._thinned():
            kept.append(pixels)
            if len(kept) == self.piece:
                yield np.stack(kept)
                kept = []
        if kept:
            yield np.stack(kept)

    def _thinned(self) -> Iterator[Frames]:
        for number, (frame, rotation) in enumerate(self._decoded()):
            if number % self.every == 0:
                yield upright(frame, rotation)

    def _steady(self) -> Iterator[Frames]:
        rate = SteadyRate(self.fps or 1)
        last: Frames | None = None
        with open_container(self.path) as container:
            begin = earliest(container)
        clock = Fraction(0)
        for frame, rotation in self._decoded():
            tick = Fraction(frame.time_base or 0)
            length = tick * (frame.duration or 0)
            # A frame without a time of its own follows the one before it.
            clock = clock if frame.pts is None else frame.pts * tick - begin
            before, times = rate.of_frame(clock, length)
            clock += length or 1 / self.info.fps
            pixels = upright(frame, rotation)
            yield from [pixels if last is None else last] * before
            yield from [pixels] * times
            last = pixels
        if last is not None:
            yield from [last] * rate.at_end()

    def _decoded(self) -> Iterator[tuple[av.VideoFrame, int]]:
        """Every sound frame of the file, with the degrees it is to be turned by."""
        rotation = rotation_of(self.path)
        seen = discarded = 0
        with open_container(self.path) as container:
            stream = video_stream(container, self.path)
            stream.thread_type = "AUTO"
            # A decoder that paints over damage flags it, but with threads not every time; one that
            # must give up does so every time, at the same frame.
            stream.codec_context.options = {"err_detect": "explode"}
            try:
                for packet in container.demux(stream):
                    discarded += packet.is_discard
                    for frame in packet.decode():
                        _check_sound(frame, self.info, seen)
                        yield frame, rotation
                        seen += 1
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


def read_audio(path: Path, rate: int | None = None, *, mono: bool = False) -> Audio | None:
    """The first audio stream, placed on the video's clock: sample 0 sounds with frame 0.

    Audio that starts after the video is preceded by silence; what sounds before frame 0 is cut.

    Args:
        path: The file.
        rate: Resample to this many samples per second (soxr, high quality); None keeps.
        mono: Average the channels.

    Returns:
        float32 [N, channels], or None where the file has no audio stream.

    Raises:
        VideoError: The audio cannot be decoded.
    """
    with open_container(path) as container:
        if not container.streams.audio:
            return None
        stream = container.streams.audio[0]
        resampler = av.AudioResampler(format="fltp")
        blocks: list[NDArray[np.float32]] = []
        begin: Fraction | None = None
        try:
            for frame in container.decode(stream):
                if begin is None and frame.pts is not None and frame.time_base is not None:
                    begin = frame.pts * frame.time_base
                blocks.extend(np.asarray(f.to_ndarray()) for f in resampler.resample(frame))
            blocks.extend(np.asarray(f.to_ndarray()) for f in resampler.resample(None))
        except (FFmpegError, ValueError) as error:
            raise VideoError(f"{path}: the audio cannot be decoded: {plain(error)}") from error
        video = container.streams.video
        video_begin = Fraction(0)
        if video and video[0].start_time is not None and video[0].time_base is not None:
            video_begin = video[0].start_time * video[0].time_base
        native = int(stream.rate)
    if not blocks:
        return None
    samples = np.concatenate(blocks, axis=1).T.astype(np.float32, copy=False)
    samples = _shifted(samples, round(float((begin or Fraction(0)) - video_begin) * native))
    if mono:
        samples = samples.mean(axis=1, keepdims=True)
    if rate is not None and rate != native:
        samples = soxr.resample(samples, native, rate, quality="HQ")
    return Audio(np.ascontiguousarray(samples, dtype=np.float32), rate or native)


def open_container(path: Path) -> InputContainer:
    """The file, opened.

    Raises:
        VideoError: Absent, empty or no container.
    """
    try:
        if path.stat().st_size == 0:
            raise VideoError(f"{path}: the file is empty")
        return av.open(str(path), "r")
    except OSError as error:
        raise VideoError(f"{path}: {error.strerror or error}") from error
    except FFmpegError as error:
        raise VideoError(f"{path}: not a readable video ({plain(error)})") from error


def earliest(container: InputContainer) -> Fraction:
    """The time at which the earliest stream begins, in seconds of the file's clock."""
    return _seconds(container.start_time, Fraction(1, av.time_base)) or Fraction(0)


def _seconds(time: int | None, base: Fraction | None) -> Fraction | None:
    return None if time is None or base is None else time * Fraction(base)


def video_stream(container: InputContainer, path: Path) -> VideoStream:
    """The first video stream.

    Raises:
        VideoError: There is none.
    """
    if not container.streams.video:
        raise VideoError(f"{path}: has no video stream")
    return container.streams.video[0]


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
    with open_container(path) as container:
        try:
            for frame in container.decode(video_stream(container, path)):
                return int(frame.rotation) % 360
        except (FFmpegError, ValueError) as error:
            raise VideoError(f"{path}: no frame can be decoded ({plain(error)})") from error
    raise VideoError(f"{path}: has no frames")


def upright(frame: av.VideoFrame, rotation: int) -> Frames:
    """A decoded frame as uint8 RGB [H, W, 3], turned by ``rotation`` degrees."""
    # One thread: several are slower on small frames, and not repeatable to the last bit.
    pixels: Frames = np.asarray(frame.to_ndarray(format="rgb24", threads=1), dtype=np.uint8)
    return np.ascontiguousarray(np.rot90(pixels, k=rotation // 90)) if rotation else pixels


def _check_sound(frame: av.VideoFrame, info: VideoInfo, seen: int) -> None:
    """The decoder conceals damage and says so; a concealed frame is no frame."""
    if frame.is_corrupt:
        raise VideoError(f"{info.path}: damaged at frame {seen}{_of_declared(info)}")


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


def plain(error: Exception) -> str:
    """What FFmpeg says, without the path and number around it."""
    return getattr(error, "strerror", None) or str(error)


def _shifted(samples: NDArray[np.float32], offset: int) -> NDArray[np.float32]:
    if offset > 0:
        silence = np.zeros((offset, samples.shape[1]), np.float32)
        return np.concatenate([silence, samples])
    return samples[-offset:] if offset < 0 else samples
