"""Write videos: an MP4 that appears under its name only when it is whole."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self, cast

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream

from evaluation.video import Audio
from metrics import Frames


@dataclass(frozen=True)
class Encoding:
    """How to write: H.264 4:2:0 or lossless RGB H.264, with AAC or lossless FLAC.

    Attributes:
        crf: Of x264; None keeps every pixel.
        aac: Sound as AAC at 128 kbit/s, or as much of it as AAC takes at the sound's rate;
            False keeps every 16-bit sample. None goes with the picture: AAC where it is lossy.
        web: For browsers to step through: 4:2:0, a key frame every twelfth frame, no frame out
            of order, colours tagged (BT.709), written fast. Of lossy H.264 with even sides.
    """

    crf: int | None
    aac: bool | None = None
    web: bool = False

    @property
    def lossless(self) -> bool:
        """Every pixel comes back as it was."""
        return self.crf is None

    @property
    def lossless_sound(self) -> bool:
        """Every 16-bit sample comes back as it was."""
        return self.lossless if self.aac is None else not self.aac


LOSSLESS = Encoding(None)
_AAC_BITS = 128_000  # per second; FFmpeg's own default

# Records quote hashes of these files, and a number must not depend on what else the machine is
# doing. x264's macroblock tree gave up to three different files for one input on one machine
# (fourteen of fourteen equal without it); the thread count is part of its decisions too.
_REPEATABLE = {"threads": "1", "mbtree": "0"}
_WEB = {"preset": "veryfast", "g": "12", "bf": "0", "sc_threshold": "0"}
_BT709 = 1  # of FFmpeg's enumerations of matrices, primaries and transfers alike
_LIMITED = 1


class VideoWriter:
    """Writes an MP4; the file appears under its name only when it is whole.

    Args:
        path: Target; its folder must exist.
        width: Pixels; H.264 4:2:0 needs even sides, 4:4:4 is written where one is odd.
        height: Pixels.
        fps: Exact rate.
        encoding: ``LOSSLESS`` or an ``Encoding``.
        audio: Muxed as it is; None writes a silent file.
    """

    def __init__(
        self,
        path: Path,
        *,
        width: int,
        height: int,
        fps: Fraction,
        encoding: Encoding = LOSSLESS,
        audio: Audio | None = None,
    ) -> None:
        if audio is not None and audio.samples.shape[1] > 2:
            raise ValueError(
                f"{path}: {audio.samples.shape[1]} audio channels; only mono and stereo are written"
            )
        if encoding.web and (encoding.lossless or width % 2 or height % 2):
            raise ValueError(f"{path}: browsers play lossy H.264 with even sides alone")
        self.path = path
        self._audio = audio
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-", suffix=".mp4")
        os.close(handle)
        self._partial = Path(name)
        self._container = av.open(name, "w", options={"movflags": "+faststart"})
        codec = "libx264rgb" if encoding.lossless else "libx264"
        stream = cast("VideoStream", self._container.add_stream(codec, rate=fps))
        stream.width, stream.height = width, height
        if encoding.lossless:
            stream.pix_fmt = "rgb24"
            stream.options = {"qp": "0", "preset": "veryfast", **_REPEATABLE}
        else:
            stream.pix_fmt = "yuv444p" if width % 2 or height % 2 else "yuv420p"
            stream.options = {"crf": str(encoding.crf), "preset": "medium", **_REPEATABLE}
        self._web = encoding.web
        if encoding.web:
            stream.options |= _WEB
            context = stream.codec_context
            context.colorspace = context.color_primaries = context.color_trc = _BT709
            context.color_range = _LIMITED
        self._video = stream
        self._sound: AudioStream | None = None
        if audio is not None:
            self._sound = _sound_stream(self._container, audio, lossless=encoding.lossless_sound)

    def add(self, frames: Frames) -> None:
        """Append uint8 RGB [n, H, W, 3]."""
        for pixels in frames:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            matrix = "ITU709" if self._web else None
            converted = frame.reformat(format=self._video.pix_fmt, threads=1, dst_colorspace=matrix)
            self._container.mux(self._video.encode(converted))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._container.mux(self._video.encode(None))
                if self._sound is not None and self._audio is not None:
                    _mux_sound(self._container, self._sound, self._audio)
            self._container.close()
            if kind is None:
                self._partial.chmod(0o644)
                self._partial.replace(self.path)
        finally:
            self._partial.unlink(missing_ok=True)


def copy_with_sound(video: Path, audio: Audio, path: Path) -> None:
    """The same picture, packet by packet, with this sound as AAC."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-", suffix=".mp4")
    os.close(handle)
    partial = Path(name)
    try:
        with (
            av.open(str(video)) as source,
            av.open(name, "w", options={"movflags": "+faststart"}) as target,
        ):
            picture = source.streams.video[0]
            copied = target.add_stream_from_template(picture)
            sound = _sound_stream(target, audio, lossless=False)
            for packet in source.demux(picture):
                if packet.dts is not None:
                    packet.stream = copied
                    target.mux(packet)
            _mux_sound(target, sound, audio)
        partial.chmod(0o644)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _sound_stream(container: OutputContainer, audio: Audio, *, lossless: bool) -> AudioStream:
    layout = "mono" if audio.samples.shape[1] == 1 else "stereo"
    codec, sample = ("flac", "s16") if lossless else ("aac", "fltp")
    sound = cast("AudioStream", container.add_stream(codec, rate=audio.rate, layout=layout))
    if not lossless:
        sound.bit_rate = _AAC_BITS
    sound.codec_context.format = av.AudioFormat(sample)
    return sound


def _mux_sound(container: OutputContainer, sound: AudioStream, audio: Audio) -> None:
    samples = audio.samples
    planes = np.ascontiguousarray(samples.T)
    if sound.format.name == "s16":
        integers = np.clip(np.rint(samples * 32768.0), -32768, 32767).astype(np.int16)
        planes = integers.reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(planes, format=sound.format.name, layout=sound.layout.name)
    frame.sample_rate = audio.rate
    frame.pts = 0
    frame.time_base = Fraction(1, audio.rate)
    fifo = av.AudioFifo()
    fifo.write(frame)
    block = sound.codec_context.frame_size or 4096
    while (piece := fifo.read(block)) is not None:
        container.mux(sound.encode(piece))
    rest = fifo.read()
    if rest is not None:
        container.mux(sound.encode(rest))
    container.mux(sound.encode(None))
