"""What is driven and heard when: every frame once, or as the official script has it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.video import Audio
from method import choices, mel
from method.landmark_generator import WINDOW

BEFORE = WINDOW // 2  # frames of a window before the one that is made
_THRICE = 3


class ScheduleError(ValueError):
    """The official script cannot drive this video by this sound; the text says why."""


@dataclass(frozen=True)
class Schedule:
    """Places in time, of which some are rendered.

    Attributes:
        frames: Frame of the video at every place.
        windows: float32 [places, 80, 16]: what is heard at every place, 0.2 s that begin two frames
            before it.
        rendered: The places that are made, in order; the others only surround them.
        first: How many times the first result is written.
    """

    frames: list[int]
    windows: NDArray[np.float32]
    rendered: range
    first: int = 1

    def __len__(self) -> int:
        """Frames that are written."""
        return len(self.rendered) + self.first - 1

    def around(self, places: NDArray[np.intp]) -> NDArray[np.intp]:
        """The five places of each window, [B] -> [B, 5]; beyond the ends the last one is repeated.

        Each window is inferred as a whole, so a frame's lips differ a little from one to the next.
        """
        near = places[:, None] + np.arange(-BEFORE, WINDOW - BEFORE)
        return near.clip(0, len(self.frames) - 1)


def every_frame(sound: Audio, frames: int, count: int) -> Schedule:
    """Every frame once; where the sound ends, silence follows.

    Args:
        sound: At 16 kHz, mono.
        frames: Of the video, at 25 a second; played there and back.
        count: Frames to make.
    """
    heard = mel.mel_spectrogram(sound.samples[:, 0])
    starts = [mel.window_start(max(0, place - BEFORE)) for place in range(count)]
    short = max(0, starts[-1] + mel.COLUMNS - heard.shape[1])
    heard = np.pad(heard, ((0, 0), (0, short)), constant_values=mel.SILENCE)
    return Schedule(choices.driven(frames, count), _windows(heard, starts), range(count))


def official(sound: Audio, frames: int) -> Schedule:
    """As the loop of inference_single.py of Weizhi-Zhong/IP_LAP @ 9b9dc03 goes.

    Whole windows only: L of them, four fewer than frames. Result b is place b + 2 and hears window
    b; there are L - 2, and the first is written three times, which makes L frames: places 0 and 1
    are never made, and the sound's last four frames have no picture. What surrounds the last result
    reaches place L + 1. There the script ends with an IndexError if L is 2V - 1, 4V - 1, ... for V
    frames of video, because its list of frames has 2V entries for every 2V windows begun.

    Args:
        sound: At 16 kHz, mono.
        frames: Of the video, at 25 a second.

    Raises:
        ScheduleError: Where the script fails.
    """
    heard = mel.mel_spectrogram(sound.samples[:, 0])
    windows = mel.window_count(heard.shape[1])
    if windows <= BEFORE:
        raise ScheduleError(
            f"whole windows of 0.2 s in the sound: {windows}; of fewer than 3 (0.27 s of it) the "
            "official script makes no frame"
        )
    places = windows + BEFORE
    known = 2 * frames * ((windows // frames + 2) // 2)
    if places > known:
        raise ScheduleError(
            f"the official script ends with an IndexError on {frames} frames of video and "
            f"{windows} windows of sound: it looks for frame {places} and has {known}"
        )
    starts = [mel.window_start(max(0, place - BEFORE)) for place in range(places)]
    return Schedule(
        choices.driven(frames, places), _windows(heard, starts), range(BEFORE, windows), _THRICE
    )


def _windows(heard: NDArray[np.float64], starts: list[int]) -> NDArray[np.float32]:
    return np.stack([heard[:, s : s + mel.COLUMNS] for s in starts]).astype(np.float32)
