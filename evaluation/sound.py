"""The sound of a video as lip-sync metrics hear it: 16 kHz, mono, 16 bit."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
from av.error import FFmpegError
from av.filter import Graph

from evaluation.audio import check_samples, sample_rate
from evaluation.opening import VideoError, earliest, open_container, plain
from metrics import Sound

RATE = 16_000


def read_sound(path: Path) -> Sound | None:
    """The first audio stream, on the clock of the file: sample 0 sounds at its earliest moment.

    The same filters as ``ffmpeg -async 1 -ac 1 -ar 16000 -acodec pcm_s16le``: a late start is
    filled with silence, an early one is cut, holes are filled.

    Returns:
        int16 [N], or None where the file has no audio stream, or an empty one.

    Raises:
        VideoError: The sound cannot be decoded, or is beyond a limit.
    """
    with open_container(path) as container:
        if not container.streams.audio:
            return None
        stream = container.streams.audio[0]
        sample_rate(stream, path)
        graph = Graph()
        try:
            source = graph.add_abuffer(template=stream)
            placed = graph.add("aresample", "async=1:first_pts=0")
            shaped = graph.add(
                "aformat", f"sample_fmts=s16:channel_layouts=mono:sample_rates={RATE}"
            )
            source.link_to(placed)
            placed.link_to(shaped)
            shaped.link_to(graph.add("abuffersink"))
            graph.configure()
            begin = earliest(container)
            blocks: list[Sound] = []
            held = 0
            for frame in chain(container.decode(stream), [None]):
                if frame is not None and frame.pts is not None and frame.time_base is not None:
                    frame.pts -= round(begin / frame.time_base)
                source.push(frame)
                for block in _pulled(graph):
                    blocks.append(block)
                    held += len(block)
                    check_samples(path, held)
        except VideoError:
            raise
        except (FFmpegError, ValueError) as error:
            raise VideoError(f"{path}: the sound cannot be decoded: {plain(error)}") from error
    return np.concatenate(blocks) if blocks else None


def _pulled(graph: Graph) -> Iterator[Sound]:
    while True:
        try:
            frame = graph.pull()
        except (BlockingIOError, EOFError):
            return
        yield np.asarray(frame.to_ndarray(), dtype=np.int16).reshape(-1)
