"""One row of a split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What a generator is given, and what its result is held against.

    Attributes:
        id: Unique within the split; also the file name of generated videos.
        speaker: Whose face it is; clips of one speaker are not independent.
        video: The face to drive.
        audio: File whose audio stream drives it (often ``video`` itself), None where mute.
        reference: The video a perfect generator would return, None where nobody knows it
            (dubbing to new speech).
        likeness: Where there is no reference, a video that shows what frames of it should look
            like, mouths aside: metrics of sets of frames (FID) are held against it, paired ones
            are not.
        lacks: What it cannot be judged on, and why: ``{"face": "always turned away"}``. A metric
            that needs it is recorded as not applicable.
        other_audio: File with another speaker's speech, if the split has one: what
            cross-driven settings and the swapped-audio anchor use.
    """

    id: str
    speaker: str
    video: Path
    audio: Path | None
    reference: Path | None
    likeness: Path | None = None
    other_audio: Path | None = None
    lacks: Mapping[str, str] = field(default_factory=dict)
