"""What is wrong with finished videos, clip by clip, before anything is scored."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from evaluation.finished import FinishedVideos
from evaluation.generate import file_sha256
from evaluation.sample import Sample
from evaluation.video import Audio, FrameReader, VideoError, VideoInfo, probe, read_audio

Weight = Literal["problem", "warning"]

RATE = 16_000
SILENT = 1e-3
"""Peak of samples in -1..1 (-60 dB) below which a sound is silent."""

COARSE = 0.01
"""Bits a pixel below which a video shows its codec; x264 at crf 35 is near it."""

_ALIKE = 0.3  # correlation of two sounds that are one
_LATE = 0.04  # s
_LONGER = 0.1  # s

Told = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Finding:
    """One thing about one clip.

    Attributes:
        clip: Id.
        weight: ``problem``: its records will fail, or say something else than they seem to;
            ``warning``: to know.
        what: Kind of finding, in few words.
        expected: What there should be.
        found: What there is.
    """

    clip: str
    weight: Weight
    what: str
    expected: str = ""
    found: str = ""


def check(
    system: FinishedVideos, samples: Sequence[Sample], told: Told = lambda *_: None
) -> list[Finding]:
    """Look at every clip of a suite, and at the videos that belong to none.

    Args:
        system: The videos.
        samples: What they were made from.
        told: Hears of progress.

    Returns:
        Findings, by clip in the samples' order; those without a sample last.
    """
    findings: list[Finding] = []
    for done, sample in enumerate(samples, start=1):
        video = system.videos.get(sample.id)
        if video is None:
            findings.append(Finding(sample.id, "problem", "missing", "a video", "none"))
        else:
            findings += _of_clip(sample, video)
        told(done, len(samples), sample.id)
    ids = [s.id for s in samples]
    for name in system.unpaired(samples):
        near = difflib.get_close_matches(name, ids, n=1)
        hint = f"a clip of the suite; {near[0]} is near" if near else "a clip of the suite"
        findings.append(Finding(name, "warning", "extra", hint, str(system.videos[name])))
    return findings


def _of_clip(sample: Sample, video: Path) -> Iterator[Finding]:
    try:
        info = probe(video)
        frames = _count(video)
    except VideoError as error:
        yield Finding(sample.id, "problem", "unreadable", "a whole video", str(error))
        return
    if sample.reference is not None:
        yield from _against(sample, sample.reference, video, info, frames)
    bits = video.stat().st_size * 8 / (frames * info.width * info.height)
    if bits < COARSE:
        yield Finding(
            sample.id, "warning", "coarsely encoded", f"{COARSE:g} bits a pixel", f"{bits:.2g}"
        )
    yield from _sound(sample, video)


def _against(
    sample: Sample, reference: Path, video: Path, info: VideoInfo, frames: int
) -> Iterator[Finding]:
    try:
        truth, wanted = probe(reference), _count(reference)
    except VideoError as error:
        yield Finding(sample.id, "warning", "the reference is unreadable", found=str(error))
        return
    if file_sha256(video) == file_sha256(reference):
        yield Finding(sample.id, "problem", "the reference itself", "a generated video", "its copy")
        return
    if frames != wanted:
        yield Finding(
            sample.id, "problem", "another length", f"{wanted} frames", f"{frames} frames"
        )
    if info.fps != truth.fps:
        expected, found = (f"{float(x.fps):g} frames a second" for x in (truth, info))
        yield Finding(sample.id, "problem", "another rate", expected, found)
    if (info.width, info.height) != (truth.width, truth.height):
        turned = (info.height, info.width) == (truth.width, truth.height)
        what = "width and height swapped" if turned else "another size"
        yield Finding(sample.id, "problem", what, truth.size, info.size)


def _sound(sample: Sample, video: Path) -> Iterator[Finding]:
    if sample.audio is None:
        return
    try:
        made = read_audio(video, RATE, mono=True)
    except VideoError as error:
        yield Finding(sample.id, "problem", "unreadable sound", "a whole track", str(error))
        return
    if made is None or not len(made.samples):
        yield Finding(sample.id, "problem", "no sound", "the driving sound", "no audio stream")
        return
    if np.abs(made.samples).max() < SILENT:
        yield Finding(sample.id, "problem", "silent", "the driving sound", "peak below -60 dB")
        return
    try:
        driving = read_audio(sample.audio, RATE, mono=True)
    except VideoError:
        driving = None
    if driving is not None and np.abs(driving.samples).max(initial=0) >= SILENT:
        yield from _compared(sample, made, driving)


def _compared(sample: Sample, made: Audio, driving: Audio) -> Iterator[Finding]:
    likeness, lag = alike(made.samples[:, 0], driving.samples[:, 0])
    if likeness < _ALIKE:
        yield Finding(
            sample.id,
            "problem",
            "another sound",
            "the driving sound",
            f"correlation {likeness:.2f}",
        )
        return
    if abs(lag) > _LATE:
        yield Finding(
            sample.id,
            "problem",
            "moved sound",
            "the driving sound in its place",
            f"{abs(lag) * 1000:.0f} ms {'late' if lag > 0 else 'early'}",
        )
    lengths = [len(x.samples) / RATE for x in (driving, made)]
    if abs(lengths[0] - lengths[1]) > _LONGER:
        expected, found = (f"{x:.2f} s" for x in lengths)
        yield Finding(sample.id, "warning", "sound of another length", expected, found)


def alike(made: NDArray[np.floating], driving: NDArray[np.floating]) -> tuple[float, float]:
    """How alike two sounds are where they fit best, and how late the first one is.

    Args:
        made: [N] at 16 kHz.
        driving: [M] at 16 kHz.

    Returns:
        Correlation over the shorter one, at most 1 whatever their loudness; s.
    """
    from scipy.signal import correlate  # half a second to import, and no other check needs it

    x, y = (np.asarray(s, dtype=np.float64) for s in (made, driving))
    products = correlate(x, y, mode="full", method="fft")
    place = int(np.abs(products).argmax())
    lag = place - (len(y) - 1)
    common = slice(max(0, lag), min(len(x), len(y) + lag))
    power = np.linalg.norm(x[common]) * np.linalg.norm(y[common.start - lag : common.stop - lag])
    return float(abs(products[place]) / power) if power > 0 else 0.0, lag / RATE


def _count(video: Path) -> int:
    return sum(len(piece) for piece in FrameReader(video))
