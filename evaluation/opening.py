"""Open a media file, and nothing but that file.

FFmpeg opens more than videos: a playlist or a list under the name ``clip.mp4`` would bring in other
files of this machine, or addresses. Only containers that hold their streams themselves are opened,
and only as files.
"""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.error import ArgumentError, FFmpegError
from av.video.stream import VideoStream

from evaluation.elsewhere.fetched import absent, here, using
from evaluation.elsewhere.remote import Peeked, UnreachableError
from evaluation.limits import PIXELS

CONTAINERS = (
    *("mov", "matroska", "webm", "avi", "mpeg", "mpegts", "mpegvideo", "flv", "asf", "nut", "mxf"),
    *("h264", "hevc", "m4v", "av1", "obu", "ivf", "yuv4mpegpipe", "dv", "gif", "apng", "rm"),
    *("png_pipe", "jpeg_pipe", "bmp_pipe", "webp_pipe"),  # one picture; image2 looks for more
    *("ogg", "wav", "w64", "mp3", "flac", "aac", "ac3", "eac3", "aiff", "au", "caf", "amr", "wv"),
)
"""FFmpeg's names of the containers that are opened: no playlist, no list of files, no device."""


class VideoError(ValueError):
    """A file cannot be read as a video; the text names the file and what is wrong."""


def open_container(path: Path, *, look: int | None = None, header: bool = False) -> InputContainer:
    """The file, opened.

    Args:
        path: The file.
        look: Bytes that are looked at beyond the header, FFmpeg's own choice if not given: 32 are
            enough where the header says which streams there are, and cost a sixth.
        header: Only the header is wanted: a file elsewhere is then read where it lies, as far as
            FFmpeg asks, and not fetched.

    Raises:
        VideoError: Absent, empty, no plain file or no container.
        UnreachableError: It lies elsewhere and cannot be had now.
    """
    remote = absent(path) if header else None
    if remote is not None and not remote.size:
        return _opened(path, None, b"", look)  # it is empty, which needs no fetching
    if remote is not None:
        with suppress(UnreachableError):  # also of a server without ranges, or said again below
            peeked = remote.peek()
            begin = peeked.read(12)
            peeked.seek(0)
            return _opened(path, peeked, begin, look)
    with using():
        here(path)
        return _opened(path, None, b"", look)


def _opened(path: Path, peeked: Peeked | None, begin: bytes, look: int | None) -> InputContainer:
    try:
        if path.exists() and not path.is_file():
            raise VideoError(f"{path}: is no plain file")
        if path.stat().st_size == 0:
            raise VideoError(f"{path}: the file is empty")
        return av.open(
            peeked or str(path.absolute()),  # "concat:a.mp4" alone would be an address
            "r",
            format=_picture(path, begin),
            container_options={
                "format_whitelist": ",".join(CONTAINERS),
                "protocol_whitelist": "none" if peeked else "file",
                **({} if look is None else {"probesize": str(look)}),
            },
        )
    except ArgumentError as error:
        raise VideoError(
            f"{path}: not a readable video (no container that talkbench opens; lists of other "
            "files and playlists are not opened)"
        ) from error
    except OSError as error:
        raise VideoError(f"{path}: {error.strerror or error}") from error
    except (FFmpegError, ValueError) as error:
        if isinstance(error, VideoError):
            raise
        raise VideoError(f"{path}: not a readable video ({plain(error)})") from error


_PICTURES = {b"\x89PNG": "png_pipe", b"BM": "bmp_pipe", b"RIFF": "webp_pipe"}


def _picture(path: Path, begin: bytes) -> str | None:
    """The container of what FFmpeg would take for one of a sequence, whose other files it seeks.

    It does so with every JPEG, and with other pictures where ``%d`` stands in the path.
    """
    if not begin:
        with path.open("rb") as file:
            begin = file.read(12)
    if begin.startswith(b"\xff\xd8\xff"):
        return "jpeg_pipe"
    if "%" not in str(path.absolute()) or (begin[:4] == b"RIFF" and begin[8:] != b"WEBP"):
        return None
    return next((name for magic, name in _PICTURES.items() if begin.startswith(magic)), None)


def video_stream(container: InputContainer, path: Path) -> VideoStream:
    """The first video stream.

    Raises:
        VideoError: There is none, or one that cannot be decoded.
    """
    if not container.streams.video:
        raise VideoError(f"{path}: has no video stream")
    stream = container.streams.video[0]
    if stream.codec_context is None:
        raise VideoError(f"{path}: the codec of its video is unknown")
    return stream


def strict(stream: VideoStream) -> None:
    """Have a stream's decoder give up at damage, and at frames beyond the limit."""
    # A decoder that paints over damage flags it, but with threads not every time; one that must
    # give up does so every time, at the same frame.
    stream.thread_type = "AUTO"
    stream.codec_context.options = {
        "err_detect": "explode",
        "max_pixels": decoded_pixels(),
    }


def decoded_pixels() -> str:
    """The limit on pixels as decoders take it: they count the edges that they add, too."""
    return str(PIXELS.value * 5 // 4)


def earliest(container: InputContainer) -> Fraction:
    """The time at which the earliest stream begins, in seconds of the file's clock."""
    return seconds(container.start_time, Fraction(1, av.time_base)) or Fraction(0)


def seconds(time: int | None, base: Fraction | None) -> Fraction | None:
    """A time of the file's clock in seconds, None where it has none."""
    return None if time is None or base is None else time * Fraction(base)


def plain(error: Exception) -> str:
    """What FFmpeg says, without the path and number around it."""
    return getattr(error, "strerror", None) or str(error)
