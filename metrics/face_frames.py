"""Which frames a metric of faces scores: one rule for all of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from metrics.base import UnscorableError

MOST_LOST = 0.1
"""Share of the reference's faces that a generated clip may lose and still be scored."""

IN_WORDS = (
    "frames whose reference shows no face are not scored, and counted; frames whose reference "
    "shows one and whose generated side does not are not scored, and counted"
)
FAILURE_IN_WORDS = (
    "no face anywhere in the reference: no value. Generated side without a face in more than "
    f"{MOST_LOST:.0%} of the frames whose reference shows one: no value, so that nobody gains by "
    "breaking faces"
)


def scored_frames(
    generated_found: NDArray[np.generic], reference_found: NDArray[np.generic]
) -> tuple[NDArray[np.bool_], dict[str, int]]:
    """Frames that count, and what to note about those that do not.

    Args:
        generated_found: bool [T], a face was found in the generated frame.
        reference_found: bool [T], the same for the reference.

    Returns:
        bool [T], a face on both sides; and counts for ``Measurement.notes``.

    Raises:
        UnscorableError: No face in the reference, or too many lost in the generated video.
        ValueError: The two sides differ in length.
    """
    generated, reference = (
        np.asarray(x, dtype=np.bool_) for x in (generated_found, reference_found)
    )
    if generated.shape != reference.shape:
        raise ValueError(
            f"{generated.size} generated frames do not fit {reference.size} of the reference"
        )
    faces = int(reference.sum())
    if faces == 0:
        raise UnscorableError("no face in the reference")
    lost = int((reference & ~generated).sum())
    if lost > MOST_LOST * faces:
        raise UnscorableError(
            f"no face in {lost} of {faces} generated frames whose reference shows one"
        )
    notes = {"no face in reference": reference.size - faces, "no face in generated": lost}
    return generated & reference, notes
