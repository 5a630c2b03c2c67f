"""IP-LAP from a video and a sound to a video: both stages, frame by frame, memory bounded.

As inference_single.py of Weizhi-Zhong/IP_LAP @ 9b9dc03, with these differences. Every driven frame
comes out exactly once (there the first result is written three times and the last two frames are
lost); a frame without a face borrows the box and landmarks of the one before (there the run ends);
the mesh is the plain one of 468 points (there refined lips, 478); the face is put back inside the
mesh's contour (there inside dlib's 68 points, found once more); only the result is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evaluation.video import Audio, read_audio
from evaluation.video_writer import Encoding, VideoWriter
from method import choices, driving, mel
from method.driving import FPS, Driving, Frame
from method.landmark_generator import REFERENCES, WINDOW, LandmarkGenerator
from method.pasting import paste
from method.renderer import SIDE, References, Renderer
from method.sketches import sketch

RENDERED = 25  # reference images
_BEFORE = WINDOW // 2  # frames of a window before the one that is made
_AT_ONCE = 32  # windows of landmarks
_ENCODING = Encoding(crf=12)

Told = Callable[[int, int], None]
"""Called with (frames done, frames in all)."""


@dataclass(frozen=True)
class Models:
    """Both stages, in eval mode, on one device."""

    landmarks: LandmarkGenerator
    renderer: Renderer

    @property
    def device(self) -> torch.device:
        """Where they are."""
        return next(self.renderer.parameters()).device


def generate(
    models: Models,
    video: Path,
    audio: Path,
    out: Path,
    told: Told = lambda *_: None,
) -> Driving:
    """Let the face of a video say what is heard.

    Args:
        models: Both stages.
        video: Whose face; played forward and backward as long as the sound lasts.
        audio: What it says: a file with an audio stream, or the video itself.
        out: MP4 at 25 frames a second and the video's size, with the sound.
        told: Hears of progress.

    Returns:
        What was found in the video.

    Raises:
        VideoError: A file cannot be read.
        UndrivableError: No face, no sound.
    """
    sound = read_audio(audio, mel.RATE, mono=True)
    if sound is None:
        raise driving.UndrivableError(f"{audio}: no sound to drive with")
    face = driving.read_driving(video)
    count = len(face) if audio == video else max(1, round(len(sound.samples) / mel.RATE * FPS))
    windows = sound_windows(sound, count)
    order = choices.driven(len(face), count)
    references = see(models.renderer, face)
    sketches = drawn(models.landmarks, face, windows, order)
    frames = driving.played(video, len(face), count)
    first = next(frames)
    height, width = first.shape[:2]
    with VideoWriter(
        out,
        width=width,
        height=height,
        fps=Fraction(FPS),
        encoding=_ENCODING,
        audio=read_audio(audio),
    ) as writer:
        for done, (number, seen) in enumerate(zip(order, _rest(first, frames), strict=True)):
            box, contour = face.boxes[number], face.contour[number]
            upper, heard = picture(seen, box), windows[done]
            made = render(models.renderer, upper, next(sketches), references, heard)
            writer.add(paste(seen, made, box, contour)[None])
            told(done + 1, count)
    return face


def _rest(first: Frame, others: Iterator[Frame]) -> Iterator[Frame]:
    yield first
    yield from others


def sound_windows(sound: Audio, count: int) -> NDArray[np.float32]:
    """What is heard around each frame: 0.2 s that begin two frames before it.

    The official code leaves out the last frames, whose windows are not whole; here silence follows.

    Args:
        sound: At 16 kHz, mono.
        count: Of frames.

    Returns:
        float32 [count, 80, 16].
    """
    heard = mel.mel_spectrogram(sound.samples[:, 0])
    starts = [mel.window_start(max(0, frame - _BEFORE)) for frame in range(count)]
    short = max(0, starts[-1] + mel.COLUMNS - heard.shape[1])
    heard = np.pad(heard, ((0, 0), (0, short)), constant_values=mel.SILENCE)
    return np.stack([heard[:, s : s + mel.COLUMNS] for s in starts]).astype(np.float32)


def picture(frame: Frame, box: NDArray[np.int64]) -> NDArray[np.float32]:
    """The face that is cut out of a frame, BGR 0..1, float32 [3, 128, 128]."""
    top, bottom, left, right = (int(v) for v in box)
    cut = cv2.resize(np.ascontiguousarray(frame[top:bottom, left:right, ::-1]), (SIDE, SIDE))
    return np.asarray(cut.transpose(2, 0, 1) / 255.0, dtype=np.float32)


def drawing(landmarks: NDArray[np.floating], size: tuple[int, int]) -> NDArray[np.float32]:
    """A sketch as the renderer takes it, 0..1, float32 [3, 128, 128]."""
    lines = (sketch(landmarks, *size) / 255.0).astype(np.float32)
    return np.broadcast_to(lines, (3, SIDE, SIDE))


@torch.inference_mode()
def see(renderer: Renderer, face: Driving) -> References:
    """The reference images, by how far their mouths are open, and their features."""
    picks = choices.references(face.openings, RENDERED)
    frames = driving.chosen_frames(face.path, picks)
    images = [picture(frame, face.boxes[i]) for frame, i in zip(frames, picks, strict=True)]
    drawings = [drawing(face.landmarks[i], face.size(i)) for i in picks]
    device = next(renderer.parameters()).device
    return renderer.look(*(_batch(x, device) for x in (images, drawings)))


def _batch(pictures: list[NDArray[np.float32]], device: torch.device) -> Tensor:
    return torch.from_numpy(np.stack(pictures)[None]).to(device)


@torch.inference_mode()
def drawn(
    generator: LandmarkGenerator, face: Driving, windows: NDArray[np.float32], order: list[int]
) -> Iterator[NDArray[np.float32]]:
    """For every frame the sketches of the five around it, float32 [5, 3, 128, 128].

    Each window is inferred as a whole, so a frame's lips differ a little from window to window.
    """
    device = next(generator.parameters()).device
    picks = choices.references(face.openings, REFERENCES)
    known = (face.pose[picks], face.content[picks])
    ref_pose, ref_content = (torch.from_numpy(x)[None].to(device) for x in known)
    count = len(order)
    for start in range(0, count, _AT_ONCE):
        middles = np.arange(start, min(start + _AT_ONCE, count))
        around = (middles[:, None] + np.arange(-_BEFORE, WINDOW - _BEFORE)).clip(0, count - 1)
        shown = np.asarray(order)[around]  # [B, 5] frames of the video
        pose = face.pose[shown]  # [B, 5, 2, 74]
        batch = len(middles)
        content = generator(
            torch.from_numpy(windows[around][:, :, None]).to(device),
            torch.from_numpy(pose).to(device),
            ref_pose.expand(batch, -1, -1, -1),
            ref_content.expand(batch, -1, -1, -1),
        )
        inferred = content.view(batch, WINDOW, 2, -1).cpu().numpy()
        whole = np.concatenate([pose, inferred], axis=3)  # [B, 5, 2, 131]
        for row, numbers in zip(whole, shown, strict=True):
            yield np.stack([drawing(x, face.size(i)) for x, i in zip(row, numbers, strict=True)])


@torch.inference_mode()
def render(
    renderer: Renderer,
    face: NDArray[np.float32],
    sketches: NDArray[np.float32],
    references: References,
    window: NDArray[np.float32],
) -> Frame:
    """One face, uint8 RGB [128, 128, 3], cut off and not rounded."""
    device = references.images.device
    upper, lines = (torch.from_numpy(x)[None].to(device) for x in (face, sketches))
    heard = torch.from_numpy(window)[None, None].to(device)
    made, _ = renderer.render(upper, lines, references, heard)
    bgr = (made[0].permute(1, 2, 0).cpu().numpy() * 255).astype(np.uint8)
    return np.ascontiguousarray(bgr[:, :, ::-1])
