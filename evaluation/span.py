"""An interval of a video: its frames at a steady rate, and its sound, exact at both ends.

The clock is the file's own, from the earliest moment of its streams. A frame belongs to the
interval where its time is at or after the beginning and before the end; a sample likewise.
"""

from __future__ import annotations

from collections.abc import Iterator
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
from numpy.typing import NDArray

from evaluation.audio import Audio, sample_rate
from evaluation.opening import (
    VideoError,
    earliest,
    open_container,
    plain,
    strict,
    video_stream,
)
from evaluation.steady import SteadyRate
from evaluation.video import probe, rotation_of, upright
from metrics import Frames

_TICK = Fraction(1, 2000)  # s; Matroska rounds times to ms
_BEFORE = 3  # s before the interval at which decoding begins; a decoder needs some to settle
_HOLE = Fraction(1, 2)  # s without a new frame: worth a note
_HDR = {16: "PQ", 18: "HLG"}  # transfer characteristics of ITU-T H.273
_SILENT_HOLE = 0.1  # s; below, sounds follow each other, as FFmpeg's aresample=async has it


@dataclass(frozen=True)
class Span:
    """Where an interval of a file lies, in s."""

    begin: int
    end: int

    def __str__(self) -> str:
        return f"{self.begin}-{self.end} s"


class SpanReader:
    """The frames of an interval, uint8 RGB [H, W, 3], upright, at a steady rate.

    The file's own frames of the interval come out as :class:`evaluation.steady.SteadyRate` says,
    the first of them as frame 0, and the last stays until the interval's end: there are always
    exactly ``fps`` frames for each second.

    Args:
        path: The file.
        span: The interval.
        fps: Frames per second to come out.

    Attributes:
        notes: After reading: what is odd in the frames of the interval.
    """

    def __init__(self, path: Path, span: Span, fps: int) -> None:
        self.path = path
        self.span = span
        self.fps = fps
        self.info = probe(path)
        self.notes: list[str] = []

    def __iter__(self) -> Iterator[Frames]:
        """Frames in order.

        Raises:
            VideoError: The interval is not wholly in the video, or damaged.
        """
        left = (self.span.end - self.span.begin) * self.fps
        rate = SteadyRate(self.fps)
        rotation = rotation_of(self.path)
        last: Frames | None = None
        for frame, time, length in self._inside():
            before, times = rate.of_frame(time - self.span.begin, length)
            pixels = upright(frame, rotation)
            again = min(left, before)
            yield from repeat(pixels if last is None else last, again)
            now = min(left - again, times)
            yield from repeat(pixels, now)
            left -= again + now
            last = pixels
        if last is not None:
            yield from [last] * left

    def _inside(self) -> Iterator[tuple[av.VideoFrame, Fraction, Fraction]]:
        """Frames of the interval with their time and, where the file says, length, in s."""
        begin, end = self.span.begin - _TICK, self.span.end - _TICK
        shown = begin
        before: Fraction | None = None
        hole, interlaced = Fraction(0), False
        for frame, time in self._from_before():
            if before is not None and time < before:
                raise VideoError(
                    f"{self.path}: the frames' times run backwards at {float(time):.2f} s; "
                    "does it play in order? AVI cannot hold the order of modern codecs"
                )
            before = time
            if time >= end:
                hole = max(hole, end - shown)
                shown = time
                break
            if time < begin:
                continue
            if frame.is_corrupt:
                raise VideoError(f"{self.path}: damaged at {float(time):.2f} s")
            length = Fraction(frame.time_base or 0) * (frame.duration or 0)
            hole = max(hole, time - shown)
            interlaced |= frame.interlaced_frame
            shown = time + (length or 1 / self.info.fps)
            yield frame, time, length
        if shown < end - 1 / self.info.fps:
            raise VideoError(
                f"{self.path}: ends at {max(0.0, float(shown)):.2f} s, inside or before the "
                f"interval {self.span}; is this the whole video?"
            )
        if hole > _HOLE:
            self.notes.append(f"no new frame for {float(hole):.1f} s")
        if interlaced:
            self.notes.append("interlaced; the authors advise to deinterlace the source")
        self.notes += _odd_pixels(self.path)

    def _from_before(self) -> Iterator[tuple[av.VideoFrame, Fraction]]:
        """Frames from somewhere before the interval on, with their times in s."""
        if self.span.begin > _BEFORE:
            frames = self._decoded(self.span.begin - _BEFORE)
            try:
                first = next(frames, None)
            except VideoError:
                first = None
            if first is not None and first[1] < self.span.begin:
                yield first
                yield from frames
                return
        # Where a file cannot be entered in the middle, all of it is decoded.
        yield from self._decoded(None)

    def _decoded(self, start: int | None) -> Iterator[tuple[av.VideoFrame, Fraction]]:
        with open_container(self.path) as container:
            stream = video_stream(container, self.path)
            strict(stream)
            origin = earliest(container)
            clock = Fraction(0)
            try:
                if start is not None:
                    _seek(container, stream, origin + start)
                    clock = self.span.begin + Fraction(1)  # a frame without a time is no way in
                for frame in container.decode(stream):
                    tick = Fraction(frame.time_base or 0)
                    clock = clock if frame.pts is None else frame.pts * tick - origin
                    yield frame, clock
                    clock += tick * (frame.duration or 0) or 1 / self.info.fps
            except (FFmpegError, ValueError) as error:
                raise VideoError(
                    f"{self.path}: damaged near {float(clock):.2f} s: {plain(error)}"
                ) from error


def _odd_pixels(path: Path) -> list[str]:
    """What is lost, or looks wrong, when a pixel is taken as square and eight bits deep."""
    with open_container(path) as container:
        stream = video_stream(container, path)
        context, shape = stream.codec_context, stream.sample_aspect_ratio
        notes = []
        if shape not in (None, 0, 1):
            ratio = f"{shape.numerator}:{shape.denominator}"
            notes.append(f"pixels are {ratio}, not square, and are taken as they are stored")
        if context.color_trc in _HDR:
            notes.append(f"HDR ({_HDR[context.color_trc]}), and no tone mapping is done")
        if context.format is not None and context.format.components[0].bits > 8:
            notes.append(f"{context.format.components[0].bits} bits a sample become 8")
        return notes


def read_span_audio(path: Path, span: Span) -> tuple[Audio, list[str]]:
    """The sound of an interval from the first audio stream; more than two channels become two.

    Returns:
        float32 samples at the stream's own rate, exactly as long as the interval, silent where the
        file has no sound; and what is odd.

    Raises:
        VideoError: There is no sound in the interval, or it cannot be decoded.
    """
    with open_container(path) as container:
        if not container.streams.audio:
            raise VideoError(f"{path}: has no sound; was only the picture downloaded?")
        stream = container.streams.audio[0]
        notes = []
        if len(container.streams.audio) > 1:
            notes.append(f"{len(container.streams.audio)} audio streams; the first is taken")
        rate, many = sample_rate(stream, path), stream.channels > 2
        if many:
            notes.append(f"{stream.channels} audio channels mixed down to two")
        shape = (round((span.end - span.begin) * rate), min(stream.channels, 2))
        samples: NDArray[np.float32] = np.zeros(shape, np.float32)
        heard = np.zeros(len(samples), dtype=bool)
        resampler = av.AudioResampler(format="fltp", layout="stereo" if many else None)
        for frame, place in _sounding(container, stream, span, path):
            for shaped in resampler.resample(frame):
                block = shaped.to_ndarray().T
                skipped = max(0, -place)
                inside = slice(place + skipped, min(place + len(block), len(samples)))
                if inside.start < inside.stop:
                    taken = block[skipped : skipped + inside.stop - inside.start]
                    samples[inside] = taken
                    heard[inside] = True
                place += len(block)
    silent = (len(heard) - int(heard.sum())) / rate
    if not heard.any():
        raise VideoError(f"{path}: has no sound in the interval {span}")
    if silent > _SILENT_HOLE:
        notes.append(f"no sound for {silent:.1f} s of the interval; silent there")
    return Audio(samples, rate), notes


def _sounding(
    container: InputContainer, stream: AudioStream, span: Span, path: Path
) -> Iterator[tuple[av.AudioFrame, int]]:
    """Decoded blocks around an interval, with the sample of the interval at which each begins."""
    rate = sample_rate(stream, path)
    origin = earliest(container)
    place: int | None = None
    try:
        if span.begin > _BEFORE:
            _seek(container, stream, origin + span.begin - _BEFORE)
        for frame in container.decode(stream):
            if frame.pts is not None and frame.time_base is not None:
                time = frame.pts * frame.time_base - origin
                at = round((time - span.begin) * rate)
                if place is None or abs(at - place) > _SILENT_HOLE * rate:
                    place = at
            if place is None:
                continue
            if place >= (span.end - span.begin) * rate:
                return
            yield frame, place
            place += frame.samples
    except (FFmpegError, ValueError) as error:
        raise VideoError(f"{path}: the sound cannot be decoded: {plain(error)}") from error


def _seek(container: InputContainer, stream: VideoStream | AudioStream, time: Fraction) -> None:
    """To the last way into the stream at or before a time of the file's clock, in s."""
    base = stream.time_base or Fraction(1, av.time_base)
    container.seek(int(time / base), stream=stream)
