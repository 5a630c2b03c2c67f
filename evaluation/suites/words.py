"""What suites say alike about crops, frames and lengths."""

from __future__ import annotations

WHOLE = "none: whole frames as the file stores them, turned upright"
ALL_FRAMES = "all, mean of each clip's frames, then of clips, unless the card says otherwise"
OWN_RATE = "the file's own; lip-sync cards take a steady 25 a second by FFmpeg's rule"
STRICT = (
    "nothing is cut, padded or repeated: a video of another frame count, size or rate than its "
    "reference is a failed record"
)
THE_SOUND = (
    "the generator's affair: nothing is held against it frame by frame, and lip-sync cards read "
    "its picture and sound as far as both go"
)
OWN = "the same clip"
NOBODY = "nothing frame by frame: nobody knows the right video"
LIKENESS = (
    "the driven videos, as a set of frames (FID), whose mouths say something else; nothing frame "
    "by frame"
)


def reconstruction(**more: str) -> dict[str, str]:
    """Choices of a suite in which every clip is driven by its own sound and held against itself."""
    return {
        "driven by": "the clip's own sound",
        "held against": OWN,
        "crop": WHOLE,
        "frames": ALL_FRAMES,
        "rate": OWN_RATE,
        "lengths": STRICT,
    } | more


def dubbing(**more: str) -> dict[str, str]:
    """Choices of a suite in which a face gets speech that is not its own."""
    return {
        "driven by": "another clip's sound",
        "held against": LIKENESS,
        "crop": WHOLE,
        "frames": ALL_FRAMES,
        "rate": OWN_RATE,
        "lengths": THE_SOUND,
    } | more
