"""Perturbations of the ground truth: some that nobody can see or hear, some that everybody can.

What a metric makes of the invisible ones is its noise; the visible ones it should see, and of
those that come in grades it should say which is worse. ``talkbench certify`` asks both. As with
the anchors, everything but the one thing that changes is written losslessly.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from numpy.typing import NDArray

from baselines.anchors import MouthBlur, Reencoded, Shifted
from baselines.rewriting import FaceTrack, anchor, count, follow_face, rewrite
from evaluation.generator import GenerationError
from evaluation.sample import Sample
from evaluation.video import FrameReader, VideoError, VideoInfo, open_container, plain, probe
from evaluation.video_writer import Encoding
from metrics import Frames

_Matrix = NDArray[np.float64]


class FineCodec:
    """The picture through a fine codec, the sound as it was."""

    spec = anchor("invisible-crf18", "the picture encoded again with x264 at crf 18")

    def generate(self, sample: Sample, out: Path, seed: int) -> Path:
        """H.264 4:2:0 crf 18 with lossless sound."""
        del seed
        encoding = Encoding(crf=18, aac=False)
        return rewrite(sample, out, FrameReader(sample.video), encoding=encoding)


class Aac:
    """The sound through AAC, the picture as it was."""

    spec = anchor("invisible-aac", "the sound encoded again with AAC at 128 kbit/s")

    def generate(self, sample: Sample, out: Path, seed: int) -> Path:
        """Every pixel as it was, AAC at 128 kbit/s.

        Raises:
            GenerationError: The clip is mute.
        """
        del seed
        if sample.audio is None:
            raise GenerationError("this clip has no sound to encode")
        encoding = Encoding(crf=None, aac=True)
        return rewrite(sample, out, FrameReader(sample.video), encoding=encoding)


class Remux:
    """The same packets in another container: Matroska, or MP4 where it was Matroska.

    What ``ffmpeg -c copy`` does (up to FFmpeg 8), with its consequences: Matroska counts in
    milliseconds, and the priming of AAC (64 ms at 16 kHz), which an edit list of MP4 hides, is
    there to be heard, so that the picture starts as much later on the clock of the file. The same
    is still seen and heard at the same moment.
    """

    spec = anchor("invisible-remux", "picture and sound copied as they are into another container")

    def generate(self, sample: Sample, out: Path, seed: int) -> Path:
        """Copy the picture, and the sound where it drives the clip.

        Returns:
            The path beside ``out`` whose ending is the container's.

        Raises:
            GenerationError: The other container cannot show the same.
        """
        del seed
        if sample.audio not in (None, sample.video):
            raise GenerationError("the sound lies in another file, not in the video's container")
        partial = None
        try:
            with open_container(sample.video) as source:
                before = source.format.name
                kind, suffix = ("mp4", ".mp4") if "matroska" in before else ("matroska", ".mkv")
                partial = _beside(out, suffix)
                # Otherwise Matroska files hold a random number and are never twice the same.
                options = {"fflags": "+bitexact"}
                with av.open(str(partial), "w", format=kind, options=options) as target:
                    _copy(source, target, sound=sample.audio is not None)
            partial.chmod(0o644)
            return partial.replace(out.with_suffix(suffix))
        except VideoError:
            raise
        except (FFmpegError, ValueError) as error:
            raise GenerationError(
                f"no other container takes it as it is: {plain(error)}"
            ) from error
        finally:
            if partial is not None:
                partial.unlink(missing_ok=True)


class Crop:
    """The picture moved by one pixel, as a crop of the first row and column moves it.

    Metrics that compare pixels need frames of one size, so the last row and column are repeated
    where the frame would end one pixel early.
    """

    spec = anchor("invisible-crop1", "first row and column cut off, last ones repeated")

    def generate(self, sample: Sample, out: Path, seed: int) -> Path:
        """Pixel (y, x) shows what was at (y + 1, x + 1)."""
        del seed
        return rewrite(sample, out, map(_moved, FrameReader(sample.video)))


class MouthFrozen:
    """The mouth of the first frame with a face, on the face as it goes on moving.

    The patch follows eyes, nose and middle of the mouth by a similarity (shift, turn, scale), so it
    rides on the head; its edge is soft. Frames before the first face stay as they are.
    """

    spec = anchor(
        "mouth-frozen", "the mouth held as in the first frame with a face", assets=("yunet",)
    )

    def generate(self, sample: Sample, out: Path, seed: int) -> Path:
        """Freeze the mouth of the face that the clip is about.

        Raises:
            GenerationError: No face in any frame.
        """
        del seed
        face = follow_face(FrameReader(sample.video))
        return rewrite(sample, out, _frozen(FrameReader(sample.video), face))


class IdentitySwap:
    """Another speaker's pictures with this clip's sound, at this clip's size, rate and length.

    The other clip is scaled until it covers the frame and cut at its middle; its frames are taken
    by the clock, from its beginning, and again from there where it is shorter.
    """

    spec = anchor("identity-swap", "pictures of another speaker's clip with this clip's sound")

    def generate(self, sample: Sample, out: Path, seed: int) -> Path:
        """The clip whose speech ``SwappedAudio`` takes, seen instead of heard.

        Raises:
            GenerationError: The split has no other speaker, or sound alone of them.
        """
        del seed
        if sample.other_audio is None:
            raise GenerationError("no clip of another speaker in this split has audio")
        try:
            other = probe(sample.other_audio)
        except VideoError as error:
            raise GenerationError(f"the other speaker's pictures: {error}") from error
        return rewrite(sample, out, _in_place_of(FrameReader(sample.video), other))


SHIFTED_1 = Shifted(1, "shifted-1")
SHIFTED_9 = Shifted(9, "shifted-9")
MOUTH_BLUR_WEAK = MouthBlur(0.015, "mouth-blur-weak")
MOUTH_BLUR_STRONG = MouthBlur(0.06, "mouth-blur-strong")
REENCODED_CRF28 = Reencoded(28, "reencoded-crf28")
REENCODED_CRF42 = Reencoded(42, "reencoded-crf42")


def _beside(out: Path, suffix: str) -> Path:
    handle, name = tempfile.mkstemp(dir=out.parent, prefix=f".{out.stem}-", suffix=suffix)
    os.close(handle)
    return Path(name)


def _copy(source: InputContainer, target: OutputContainer, *, sound: bool) -> None:
    streams = [source.streams.video[0], *(source.streams.audio[:1] if sound else ())]
    copies = {s.index: target.add_stream_from_template(s) for s in streams}
    for packet in source.demux(streams):
        if not packet.size:
            continue
        if packet.is_discard and packet.stream.type == "video":
            raise GenerationError("an edit list hides frames; another container would show them")
        packet.stream = copies[packet.stream.index]
        target.mux(packet)


def _moved(frames: Frames) -> Frames:
    return np.pad(frames[:, 1:, 1:], ((0, 0), (0, 1), (0, 1), (0, 0)), mode="edge")


_PATCH = 0.38, 0.21  # half axes of the patch around the mouth, as shares of the box's width, height
_EDGE = 0.05  # sigma of its edge, as a share of the box's height


def _frozen(reader: FrameReader, face: FaceTrack) -> Iterator[Frames]:
    index = 0
    still: Frames | None = None
    mask = np.zeros(0, np.float32)
    for piece in reader:
        frames = piece.copy()
        for frame in frames:
            if index == face.first:
                still = frame.copy()
                mask = _mask(frame.shape[:2], face.boxes[index], _anchors(face.points[index])[-1])
            elif still is not None:
                way = _similarity(_anchors(face.points[face.first]), _anchors(face.points[index]))
                _paste(frame, still, mask, way)
            index += 1
        yield frames


def _anchors(points: NDArray[np.float32]) -> _Matrix:
    """Eyes, nose and the middle of the mouth's corners, float64 [4, 2]."""
    middle = points[3:5].mean(axis=0, keepdims=True)
    return np.concatenate([points[:3], middle]).astype(np.float64)


def _similarity(before: _Matrix, after: _Matrix) -> _Matrix:
    """Shift, turn and scale that bring one nearest to the other, float64 [2, 3]."""
    z, w = before @ (1, 1j), after @ (1, 1j)
    centre, there = z.mean(), w.mean()
    turn = np.vdot(z - centre, w - there) / np.vdot(z - centre, z - centre).real
    shift = there - turn * centre
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def _mask(size: tuple[int, int], box: NDArray[np.float32], mouth: _Matrix) -> NDArray[np.float32]:
    """1 on the mouth, 0 away from it, float32 [H, W]."""
    y, x = np.mgrid[: size[0], : size[1]]
    across, down = _PATCH[0] * float(box[2]), _PATCH[1] * float(box[3])
    inside = ((x - mouth[0]) / across) ** 2 + ((y - mouth[1]) / down) ** 2 < 1
    blurred = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), _EDGE * float(box[3]))
    return np.asarray(blurred, dtype=np.float32)


def _paste(frame: Frames, still: Frames, mask: NDArray[np.float32], way: _Matrix) -> None:
    size = frame.shape[1], frame.shape[0]
    patch = cv2.warpAffine(still, way, size, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
    weight = cv2.warpAffine(mask, way, size)[..., None]
    frame[:] = np.rint(weight * patch + (1 - weight) * frame).astype(np.uint8)


def _in_place_of(reader: FrameReader, other: VideoInfo) -> Iterator[Frames]:
    """One frame of the other clip for every frame of this one."""
    wanted, info = count(reader), reader.info
    step = other.fps / info.fps
    shown = _endless(other.path)
    position, frame = 0, next(shown)
    for index in range(wanted):
        while position < int(index * step):
            position, frame = position + 1, next(shown)
        yield _covering(frame, info.width, info.height)[None]


def _endless(path: Path) -> Iterator[Frames]:
    while True:
        for piece in FrameReader(path, piece=8):  # seldom all of it is wanted
            yield from piece


def _covering(frame: Frames, width: int, height: int) -> Frames:
    """Scaled until it covers width x height, and cut at its middle."""
    scale = max(Fraction(width, frame.shape[1]), Fraction(height, frame.shape[0]))
    size = max(width, round(frame.shape[1] * scale)), max(height, round(frame.shape[0] * scale))
    rule = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    scaled: Frames = np.asarray(cv2.resize(frame, size, interpolation=rule), dtype=np.uint8)
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    return scaled[top : top + height, left : left + width]
