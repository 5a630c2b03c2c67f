"""What protocol cards say alike: one wording for one choice."""

from __future__ import annotations

DECODED = (
    "every frame once, as FFmpeg decodes it (by PyAV): uint8 RGB with the file's own matrix and "
    "range, upright; nothing trimmed, repeated or resampled in time"
)
OWN_FPS = "the file's own; frames 0, N, 2N, ... where the suite says every N-th"
WHOLE_FRAME = "none: whole frames as handed over"
NO_BACKBONE = "none"
CLIPS = "mean of the frames' values in a clip, then mean of the clips: a long clip weighs no more"
FRAMES = "mean over all frames of all clips: a long clip weighs more"
NO_TRAPS = "none known"
DECODED_25 = (
    "as FFmpeg decodes it (by PyAV): uint8 RGB with the file's own matrix and range, upright; 25 "
    "frames a second by the file's clock, of a slower or faster file repeated or left out"
)
STEADY_25 = "25, all of them, whatever the suite thins out"
