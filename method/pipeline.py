"""IP-LAP from a video and a sound to a video: both stages, frame by frame, memory bounded.

As inference_single.py of Weizhi-Zhong/IP_LAP @ 9b9dc03, with these differences. With ``compat`` the
first four are as there.

- Every frame comes out once. There, of L windows of sound, L - 2 results, the first of them three
  times.
- The video lasts as long as the sound, and silence follows it. There it ends with the last window
  that is whole, four frames earlier.
- A frame without a face borrows the box and landmarks of the one before, in up to a tenth of the
  frames. There the run ends.
- Every length of video and sound can be driven. There some end with an IndexError.
- The mesh is the refined one where its package is installed, else the plain one (``mesh``). There
  it is refined, of the face that the detector is surest of; here of the clip's.
- The face is put back inside the mesh's contour. There inside dlib's 68 points, found once more.
- Only the result is written, once, by x264. There the sketch beside it, by way of an MPEG-4 file.
- A still image is a video of one frame. There it ends with a NameError.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evaluation.video_writer import Encoding, VideoWriter
from method import choices, driving, mel, schedule
from method.driving import FPS, MOST_LOST, Driving, Frame, MeshChoice, UndrivableError
from method.landmark_generator import REFERENCES, LandmarkGenerator
from method.pasting import cut_face, paste
from method.renderer import SIDE, References, Renderer
from method.schedule import Schedule, ScheduleError
from method.sketches import sketch
from method.sound import read_driving_sound

RENDERED = 25  # reference images
_AT_ONCE = 32  # windows of landmarks
_ENCODING = Encoding(crf=12)

Precision = Literal["float32", "bf16", "fp16"]
_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Told(Protocol):
    """Hears of progress."""

    def __call__(self, done: int, total: int, /) -> object:
        """So many frames are done."""


@dataclass(frozen=True)
class Settings:
    """What may be chosen.

    Attributes:
        compat: Times as in the official script, faults included.
        mesh: By which the face is found.
        precision: Of stage 2, which is nearly all of the work; others than float32 by autocast.
    """

    compat: bool = False
    mesh: MeshChoice = "auto"
    precision: Precision = "float32"


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
    told: Told | None = None,
    settings: Settings = Settings(),
) -> Driving:
    """Let the face of a video say what is heard.

    Args:
        models: Both stages.
        video: Whose face; played forward and backward as long as the sound lasts. A still image is
            a video of one frame.
        audio: What it says: a file with an audio stream, or the video itself.
        out: MP4 at 25 frames a second and the video's size, with the sound. It appears when it is
            whole.
        told: Hears of progress.
        settings: What may be chosen.

    Returns:
        What was found in the video.

    Raises:
        VideoError: A file cannot be read.
        UndrivableError: No face; no sound, or none that can be carried over.
        ModuleNotFoundError: The refined mesh is asked for, and its package is not there.
    """
    sound, carried = read_driving_sound(audio)
    face = driving.read_driving(video, settings.mesh, 0 if settings.compat else MOST_LOST)
    if settings.compat:
        try:
            plan = schedule.official(sound, len(face))
        except ScheduleError as error:
            raise UndrivableError(f"{video}, {audio}: {error}; leave compat off") from error
    else:
        count = len(face) if audio == video else max(1, round(len(sound.samples) / mel.RATE * FPS))
        plan = schedule.every_frame(sound, len(face), count)
    references = see(models.renderer, face, settings.precision)
    sketches = drawn(models.landmarks, face, plan)
    shown = driving.played(video, len(face), plan.rendered.stop)
    frames = islice(shown, plan.rendered.start, None)
    first = next(frames)
    height, width = first.shape[:2]
    with VideoWriter(
        out, width=width, height=height, fps=Fraction(FPS), encoding=_ENCODING, audio=carried
    ) as writer:
        written = 0
        for place, seen in zip(plan.rendered, _rest(first, frames), strict=True):
            number = plan.frames[place]
            box, contour = face.boxes[number], face.contour[number]
            upper, heard = picture(seen, box), plan.windows[place]
            made = render(
                models.renderer, upper, next(sketches), references, heard, settings.precision
            )
            result = paste(seen, made, box, contour)[None]
            for _ in range(1 if written else plan.first):
                writer.add(result)
                written += 1
            if told is not None:
                told(written, len(plan))
    return face


def _rest(first: Frame, others: Iterator[Frame]) -> Iterator[Frame]:
    yield first
    yield from others


def picture(frame: Frame, box: NDArray[np.int64]) -> NDArray[np.float32]:
    """The face that is cut out of a frame, BGR 0..1, float32 [3, 128, 128]."""
    return np.asarray(cut_face(frame, box).transpose(2, 0, 1) / 255.0, dtype=np.float32)


def drawing(landmarks: NDArray[np.floating], size: tuple[int, int]) -> NDArray[np.float32]:
    """A sketch as the renderer takes it, 0..1, float32 [3, 128, 128]."""
    lines = (sketch(landmarks, *size) / 255.0).astype(np.float32)
    return np.broadcast_to(lines, (3, SIDE, SIDE))


def _at(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, dtype=_TYPES[precision])


@torch.inference_mode()
def see(renderer: Renderer, face: Driving, precision: Precision = "float32") -> References:
    """The reference images, by how far their mouths are open, and their features."""
    picks = choices.references(face.openings, RENDERED)
    # Cut out as they come: 25 whole frames may be more than fits.
    cut = {i: picture(frame, face.boxes[i]) for i, frame in driving.frames_at(face.path, picks)}
    images = [cut[i] for i in picks]
    drawings = [drawing(face.landmarks[i], face.size(i)) for i in picks]
    device = next(renderer.parameters()).device
    with _at(precision, device):
        return renderer.look(*(_batch(x, device) for x in (images, drawings)))


def _batch(pictures: list[NDArray[np.float32]], device: torch.device) -> Tensor:
    return torch.from_numpy(np.stack(pictures)[None]).to(device)


@torch.inference_mode()
def drawn(
    generator: LandmarkGenerator, face: Driving, plan: Schedule
) -> Iterator[NDArray[np.float32]]:
    """For every place that is rendered the sketches of the five around it, [5, 3, 128, 128]."""
    device = next(generator.parameters()).device
    picks = choices.references(face.openings, REFERENCES)
    known = (face.pose[picks], face.content[picks])
    ref_pose, ref_content = (torch.from_numpy(x)[None].to(device) for x in known)
    numbers = np.asarray(plan.frames)
    for start in range(plan.rendered.start, plan.rendered.stop, _AT_ONCE):
        middles = np.arange(start, min(start + _AT_ONCE, plan.rendered.stop))
        around = plan.around(middles)  # [B, 5] places
        shown = numbers[around]  # [B, 5] frames of the video
        pose = face.pose[shown]  # [B, 5, 2, 74]
        batch = len(middles)
        content = generator(
            torch.from_numpy(plan.windows[around][:, :, None]).to(device),
            torch.from_numpy(pose).to(device),
            ref_pose.expand(batch, -1, -1, -1),
            ref_content.expand(batch, -1, -1, -1),
        )
        inferred = content.view(batch, len(around[0]), 2, -1).cpu().numpy()
        whole = np.concatenate([pose, inferred], axis=3)  # [B, 5, 2, 131]
        for row, frames in zip(whole, shown, strict=True):
            yield np.stack([drawing(x, face.size(i)) for x, i in zip(row, frames, strict=True)])


@torch.inference_mode()
def render(
    renderer: Renderer,
    face: NDArray[np.float32],
    sketches: NDArray[np.float32],
    references: References,
    window: NDArray[np.float32],
    precision: Precision = "float32",
) -> Frame:
    """One face, uint8 RGB [128, 128, 3], cut off and not rounded."""
    device = references.images.device
    upper, lines = (torch.from_numpy(x)[None].to(device) for x in (face, sketches))
    heard = torch.from_numpy(window)[None, None].to(device)
    with _at(precision, device):
        made, _ = renderer.render(upper, lines, references, heard)
    bgr = (made[0].float().permute(1, 2, 0).cpu().numpy() * 255).astype(np.uint8)
    return np.ascontiguousarray(bgr[:, :, ::-1])
