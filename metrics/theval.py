"""Lip sync as THEval measures it: is the mouth as open as the voice is loud.

Quignon et al., "THEval. Evaluation Framework for Talking Head Video Generation", CVPR 2026
Findings (arXiv 2511.04520).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metrics import mouth_curves, words
from metrics.assets import lookup
from metrics.backbones import speech
from metrics.backbones.face_mesh import FACE_MESH, TALKING_MESH, FaceMesh
from metrics.backbones.loudness import LOUDNESS
from metrics.backbones.speech import SPEECH
from metrics.base import (
    AnyExtractor,
    Inputs,
    Measurement,
    MetricSpec,
    UnscorableError,
    mean_of_clips,
)
from metrics.sync_correlation import CORRELATION

FPS = 25
LEAST_SPEECH = 0.1  # of the frames
"""Share of the frames that speech must reach, as in the official code."""

_RANGE_FLOOR = 1e-8  # added to the range of a curve, as in the official code


def in_speech(stretches: NDArray[np.integer], frames: int) -> NDArray[np.bool_]:
    """Frames of speech, as the official code counts them.

    Args:
        stretches: int [k, 2], samples at 16 kHz.
        frames: How many, at 25 a second.

    Returns:
        bool [frames]. Stretches are rounded to tenths of a second first, and the frame in which
        one ends belongs to it.
    """
    inside = np.zeros(frames, dtype=np.bool_)
    for pair in np.asarray(stretches).tolist():
        start, end = (round(samples / speech.RATE, 1) for samples in pair)
        inside[int(start * FPS) : int(end * FPS) + 1] = True
    return inside


def differences(
    opening: NDArray[np.floating], loudness: NDArray[np.floating]
) -> NDArray[np.float64]:
    """How far apart two curves are in each frame, once both span 0..1.

    Args:
        opening: [n].
        loudness: [n].

    Returns:
        float64 [n], 0..1.
    """
    a, b = (
        (curve - curve.min()) / (np.ptp(curve) + _RANGE_FLOOR)
        for curve in (np.asarray(c, dtype=np.float64) for c in (opening, loudness))
    )
    apart: NDArray[np.float64] = np.abs(a - b)
    return apart


@dataclass(frozen=True)
class Theval:
    """Mean difference of mouth opening and loudness while somebody speaks."""

    spec: MetricSpec
    mesh: FaceMesh

    @property
    def extractors(self) -> tuple[AnyExtractor, ...]:
        """The face's mesh, the loudness, the speech."""
        return (self.mesh, LOUDNESS, SPEECH)

    def measure(self, inputs: Inputs) -> Measurement:
        """Mean over the frames of speech that show the face.

        Raises:
            UnscorableError: Hardly any speech, too many frames without a face, or a flat curve.
        """
        tracks = inputs.generated.tracks
        opening = mouth_curves.opening(np.asarray(tracks[self.mesh.id]["landmarks"]))
        frames = len(opening)
        spoken = in_speech(np.asarray(tracks[SPEECH.id]["stretches"]), frames)
        if spoken.sum() < max(2, LEAST_SPEECH * frames):
            raise UnscorableError(f"speech in {spoken.sum()} of {frames} frames only")
        scored = spoken & np.isfinite(opening)
        lost = int(spoken.sum() - scored.sum())
        mouth_curves.check_lost(lost, int(spoken.sum()), "face")
        rows = np.asarray(tracks[LOUDNESS.id]["loudness"], dtype=np.float64)
        moments = np.arange(len(rows)) * LOUDNESS.hop / speech.RATE
        loudness = np.interp(np.arange(frames) / FPS, moments, rows)
        mouth_curves.check_moves(opening[scored], "the mouth's opening")
        mouth_curves.check_moves(loudness[scored], "the sound's loudness")
        notes = {"no speech": frames - int(spoken.sum()), "no face in speech": lost}
        return Measurement.of_frames(differences(opening[scored], loudness[scored]), notes)

    pool = staticmethod(mean_of_clips)

    def aggregate(self, measurements: Sequence[Measurement]) -> float:
        """Mean over clips."""
        return self.pool(measurements)


def _theval(mesh: FaceMesh, part: str) -> Theval:
    return Theval(
        MetricSpec(
            name=f"lipsync@theval{part}",
            version="1",
            title="Lip sync",
            direction="lower",
            bounds=(0.0, 1.0),
            needs_reference=False,
            paired=False,
            fps=FPS,
            needs_frames=False,
            needs=("face", "sound"),
            protocol={
                "input": "the generated video and its own sound; no reference",
                "decoder": words.DECODED_25,
                "fps": words.STEADY_25,
                "crop": mouth_curves.whose(mesh.face),
                "backbone": "MediaPipe face mesh, 468 points, sha256 "
                f"{lookup('face-mesh').sha256[:8]}, float32 by LiteRT; {speech.IN_WORDS}",
                "mouth": mouth_curves.IN_WORDS,
                "loudness": "root mean square of 50 ms around 0, 50, 100 ms ... of the sound at "
                "16 kHz mono, silence beyond its ends, linear in between",
                "frames": "those of speech, stretches rounded to 0.1 s, the frame in which one "
                "ends included; of them those that show the face",
                "per frame": "|opening - loudness|, each curve first brought to 0..1 by its least "
                "and greatest value in the scored frames; no smoothing, no shift in time",
                "pooling": words.CLIPS,
                "useless": "a still frame has no value (its mouth does not move; coded by x264, "
                "one's noise got 0.59). Another clip's sound: 0.27 on average, where the clips' "
                "own gave 0.24 (20 real clips); the paper's ground truth has 0.2528",
                "failure": "no value: no sound; speech in less than 10% of the frames; no face in "
                f"more than {mouth_curves.MOST_LOST:.0%} of the frames of speech (fewer are left "
                "out and counted; the official code leaves out any number); a mouth or a "
                "loudness that stays the same (the official code scores it)",
                "traps": "it hardly knows whose sound it hears: a clip's own is better than 55% of "
                "swapped ones (lipsync@correlation: than 95%). THEval scores nearness to the "
                "ground truth's value, 1 - |m - GT| / |GT|, not smallness: report the ground "
                "truth beside it. One loud moment or one yawn stretches the whole clip's scale",
            },
            source="Newbyl/THEval @ cfe23fe, Synchronization/lip_sync.py: the same arithmetic, "
            "points and speech. Differs: sound at 16 kHz instead of 44.1 (on the same opening "
            "within 0.001 of it on 12 of 13 real clips, 0.007 on one with much above 8 kHz); our "
            "mesh instead of MediaPipe's video mode on frames with red and blue swapped, which "
            "moves clips by -0.06 to +0.03 (the swap alone by -0.03 to +0.04)",
            assets=("yunet", "face-mesh", "silero-vad"),
        ),
        mesh,
    )


THEVAL = (_theval(FACE_MESH, ""), _theval(TALKING_MESH, "@talking"))
LIPSYNC = (*THEVAL, *CORRELATION)
