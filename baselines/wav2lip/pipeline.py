"""Wav2Lip from a video and a sound to a video: batch by batch, memory bounded.

As inference.py of Rudrabha/Wav2Lip @ 5c90fa9, at the video's own rate, with these differences. With
``compat`` the first is as there.

- The video lasts as long as the sound, or as the video that is driven by its own sound. There it
  ends with the last window of sound, three frames earlier at 25 a second, and no card would compare
  it with a reference of full length.
- Sound that starts late or early stays in its place on the video's clock. There it is moved to the
  first frame.
- The sound is resampled by soxr, its mel computed without librosa (equal to 1e-5).
- Only the result is written, once, by x264 at crf 12. There an MPEG-4 file first.
- A frame without a face, there the end with a ValueError, is the same end, with its number.

Files are read again instead of kept: once for the faces, once for the result, and once more each
time a longer video is played again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import chain, cycle, islice, repeat
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from baselines.wav2lip.faces import BOTTOM_PAD, Detector, face_boxes
from baselines.wav2lip.hearing import Hearing
from baselines.wav2lip.network import Wav2Lip
from baselines.wav2lip.pictures import Frame, cut_face, paste, shown
from evaluation.video import FrameReader, frames_per_piece, probe
from evaluation.video_writer import Encoding, VideoWriter
from method import mel
from method.driving import UndrivableError
from method.pipeline import Precision, Told
from method.sound import read_driving_sound
from metrics.backbones.device import exact

_AT_ONCE = 32  # faces
_ENCODING = Encoding(crf=12)
_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Settings:
    """What may be chosen.

    Attributes:
        detector: What looks for faces.
        bottom_pad: Px added below a face; ``--pads 0 10 0 0`` of the official script.
        smooth: Boxes over five frames; without it ``--nosmooth``.
        compat: As many frames as the official script makes.
        precision: Of the network; others than float32 by autocast.
    """

    detector: Detector = "s3fd"
    bottom_pad: int = BOTTOM_PAD
    smooth: bool = True
    compat: bool = False
    precision: Precision = "float32"


def generate(
    network: Wav2Lip,
    video: Path,
    audio: Path,
    out: Path,
    told: Told | None = None,
    settings: Settings = Settings(),
) -> None:
    """Let the face of a video say what is heard.

    Args:
        network: In eval mode, on any device.
        video: Whose face; played again from its start as long as the sound lasts. A still image is
            a video of one frame, 25 a second.
        audio: What it says: a file with an audio stream, or the video itself.
        out: MP4 at the video's rate and size, with the sound. It appears when it is whole.
        told: Hears of progress.
        settings: What may be chosen.

    Raises:
        VideoError: A file cannot be read.
        UndrivableError: A frame without a face; no sound, or none that can be carried over.
        AssetMissingError: The detector's weights are not on this machine.
    """
    sound, carried = read_driving_sound(audio)
    info = probe(video)
    hearing = Hearing(sound, float(info.fps))
    if settings.compat and not hearing.official:
        raise UndrivableError(
            f"{audio}: {len(sound.samples) / mel.RATE:.2f} s of sound; the official script fails "
            "on less than 0.19 s, one window; leave compat off"
        )
    count: int | None = max(1, round(len(sound.samples) / mel.RATE * info.fps))
    if settings.compat:
        count = hearing.official
    elif audio == video:
        count = None  # as many as there are
    boxes = face_boxes(
        video,
        settings.detector,
        bottom_pad=settings.bottom_pad,
        smooth=settings.smooth,
        limit=count,
    )
    total = len(boxes) if count is None else count
    frames = played(video, len(boxes), total)
    at_once = min(_AT_ONCE, frames_per_piece(info))
    with VideoWriter(
        out, width=info.width, height=info.height, fps=info.fps, encoding=_ENCODING, audio=carried
    ) as writer:
        for start in range(0, total, at_once):
            numbers = range(start, min(start + at_once, total))
            seen = list(islice(frames, len(numbers)))
            here = [boxes[i % len(boxes)] for i in numbers]
            cut = np.stack([cut_face(*each) for each in zip(seen, here, strict=True)])
            windows = np.stack([hearing.at(i) for i in numbers])
            made = render(network, windows, shown(cut), settings.precision)
            for each in zip(seen, made, here, strict=True):
                writer.add(paste(*each)[None])
            if told is not None:
                told(numbers.stop, total)


def played(path: Path, frames: int, count: int) -> Iterator[Frame]:
    """``count`` frames, uint8 RGB [H, W, 3]: the first ``frames`` of a video, again and again.

    Those of a piece are kept, of a longer video every frame is decoded anew.
    """
    if frames <= frames_per_piece(probe(path)):
        return islice(cycle(islice(_forward(path), frames)), count)
    rounds = (islice(_forward(path), frames) for _ in repeat(None))
    return islice(chain.from_iterable(rounds), count)


def _forward(path: Path) -> Iterator[Frame]:
    for piece in FrameReader(path):
        yield from piece


def render(
    network: Wav2Lip,
    windows: NDArray[np.float32],
    faces: NDArray[np.float32],
    precision: Precision = "float32",
) -> NDArray[np.float32]:
    """Faces that say what is heard.

    Args:
        network: In eval mode.
        windows: [B, 80, 16], -4..4.
        faces: [B, 6, 96, 96], 0..1, see :func:`baselines.wav2lip.pictures.shown`.
        precision: Of the network.

    Returns:
        float32 BGR [B, 3, 96, 96], 0..1.
    """
    on = next(network.parameters()).device
    heard, seen = torch.from_numpy(windows)[:, None].to(on), torch.from_numpy(faces).to(on)
    with torch.inference_mode(), _at(precision, on):
        made = network(heard, seen.contiguous(memory_format=torch.channels_last))
    return np.asarray(made.float().cpu().numpy(), dtype=np.float32)


def _at(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    if precision == "float32":
        return exact()
    return torch.autocast(device.type, dtype=_TYPES[precision])
