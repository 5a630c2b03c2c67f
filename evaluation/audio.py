"""The first sound of a file as float samples, placed on the clock of its frames."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np
import soxr
from av.audio.stream import AudioStream
from av.error import FFmpegError
from numpy.typing import NDArray

from evaluation import limits
from evaluation.opening import VideoError, open_container, plain, seconds


@dataclass(frozen=True)
class Audio:
    """float32 samples [N, channels], -1..1, and their rate per second."""

    samples: NDArray[np.float32]
    rate: int


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
        native = sample_rate(stream, path)
        resampler = av.AudioResampler(format="fltp")
        blocks: list[NDArray[np.float32]] = []
        begin: Fraction | None = None
        held = 0
        try:
            for frame in chain(container.decode(stream), [None]):
                if begin is None and frame is not None:
                    begin = seconds(frame.pts, frame.time_base)
                for shaped in resampler.resample(frame):
                    blocks.append(np.asarray(shaped.to_ndarray()))
                    held += blocks[-1].size
                    check_samples(path, held)
        except VideoError:
            raise
        except (FFmpegError, ValueError) as error:
            raise VideoError(f"{path}: the audio cannot be decoded: {plain(error)}") from error
        video = container.streams.video
        video_begin = seconds(video[0].start_time, video[0].time_base) if video else None
    if not blocks:
        return None
    samples = np.concatenate(blocks, axis=1).T.astype(np.float32, copy=False)
    offset = round(float((begin or Fraction(0)) - (video_begin or Fraction(0))) * native)
    check_samples(path, (len(samples) + max(0, offset)) * samples.shape[1])
    samples = _shifted(samples, offset)
    if mono:
        samples = samples.mean(axis=1, keepdims=True)
    if rate is not None and rate != native:
        check_samples(path, samples.size * rate // native)
        samples = soxr.resample(samples, native, rate, quality="HQ")
    return Audio(np.ascontiguousarray(samples, dtype=np.float32), rate or native)


def sample_rate(stream: AudioStream, path: Path) -> int:
    """Samples a second of a stream.

    Raises:
        VideoError: None, or beyond the limit.
    """
    if stream.codec_context is None:
        raise VideoError(f"{path}: the codec of its sound is unknown")
    rate = int(stream.rate or 0)
    refused = "no sample rate" if rate < 1 else limits.SAMPLE_RATE.refusal(rate)
    if refused:
        raise VideoError(f"{path}: the sound has {refused}")
    return rate


def check_samples(path: Path, samples: int) -> None:
    """Stop at more sound than a file may have.

    Raises:
        VideoError: It has more.
    """
    refused = limits.SAMPLES.refusal(samples)
    if refused:
        raise VideoError(f"{path}: the sound has {refused}")


def _shifted(samples: NDArray[np.float32], offset: int) -> NDArray[np.float32]:
    if offset > 0:
        silence = np.zeros((offset, samples.shape[1]), np.float32)
        return np.concatenate([silence, samples])
    return samples[-offset:] if offset < 0 else samples
