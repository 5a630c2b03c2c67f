"""Cut one panel out of a comparison video, without loss: the same samples, the same sound."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError

from evaluation.video import VideoError, open_container, plain

# Records quote hashes of these files: see evaluation/video_writer.py.
_LOSSLESS = {"qp": "0", "preset": "veryfast", "threads": "1", "mbtree": "0"}


@dataclass(frozen=True)
class Panel:
    """A rectangle of the frame, in px; even numbers, because colour is stored at half size."""

    x: int
    y: int
    width: int
    height: int


def cut_panel(video: Path, panel: Panel, out: Path) -> Path:
    """Write a panel as a video of its own: H.264 at qp 0, the sound's packets as they are.

    Cut from the stored planes, not from RGB, so that neither rounding nor a neighbour's colour
    comes in.

    Args:
        video: H.264 4:2:0.
        panel: What to cut.
        out: MP4; appears under its name when it is whole.

    Raises:
        VideoError: Not readable, of another pixel format, or smaller than the panel.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}-", suffix=".mp4")
    os.close(handle)
    partial = Path(name)
    try:
        with open_container(video) as source, av.open(name, "w") as target:
            try:
                _copy(source, panel, target, video)
            except FFmpegError as error:
                raise VideoError(f"{video}: cannot be cut ({plain(error)})") from error
        partial.chmod(0o644)
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)
    return out


def _copy(source: InputContainer, panel: Panel, target: OutputContainer, path: Path) -> None:
    if not source.streams.video:
        raise VideoError(f"{path}: has no video stream")
    picture = source.streams.video[0]
    if picture.pix_fmt != "yuv420p":
        raise VideoError(f"{path}: stored as {picture.pix_fmt}, expected yuv420p")
    if panel.x + panel.width > picture.width or panel.y + panel.height > picture.height:
        raise VideoError(f"{path}: {picture.width}x{picture.height} has no {panel}")
    rate = Fraction(picture.average_rate or picture.guessed_rate or 25)
    written = target.add_stream("libx264", rate=rate, options=_LOSSLESS)
    written.width, written.height, written.pix_fmt = panel.width, panel.height, "yuv420p"
    written.time_base = picture.time_base
    sounds = [(s, target.add_stream_from_template(s)) for s in source.streams.audio]
    targets = {s.index: t for s, t in sounds}
    for packet in source.demux():
        if packet.stream.index == picture.index:
            for frame in packet.decode():
                target.mux(written.encode(_cropped(cast("av.VideoFrame", frame), panel)))
        elif packet.stream.index in targets and packet.dts is not None:
            packet.stream = targets[packet.stream.index]
            target.mux(packet)
    target.mux(written.encode(None))


def _cropped(frame: av.VideoFrame, panel: Panel) -> av.VideoFrame:
    planes = []
    for plane, part in zip(frame.planes, (1, 2, 2), strict=True):
        pixels = np.frombuffer(bytes(plane), np.uint8).reshape(plane.height, plane.line_size)
        y, x = panel.y // part, panel.x // part
        planes.append(pixels[y : y + panel.height // part, x : x + panel.width // part].ravel())
    stacked = np.concatenate(planes).reshape(-1, panel.width)
    cut = av.VideoFrame.from_ndarray(stacked, format="yuv420p")
    cut.pts, cut.time_base = frame.pts, frame.time_base
    cut.colorspace, cut.color_range = frame.colorspace, frame.color_range
    return cut
