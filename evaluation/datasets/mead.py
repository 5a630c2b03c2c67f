"""MEAD: actors speaking with eight emotions, seen from the front; its authors' test sentences."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from evaluation.dataset import DatasetError, DatasetSpec, with_other_audio
from evaluation.datasets.lists import refuse_missing
from evaluation.sample import Sample

EMOTIONS = (
    "angry",
    "contempt",
    "disgusted",
    "fear",
    "happy",
    "neutral",
    "sad",
    "surprised",
)
_ACTOR = re.compile(r"[MW]\d{3}")
_TESTED = {"neutral": 10}
_TESTED_ELSE = 6


class Mead:
    """The last ten neutral sentences and the last six of every other emotion and level."""

    spec = DatasetSpec(
        name="mead",
        version="1",
        about="MEAD test sentences, front view, recorded sound of its own",
        licence="for non-commercial research, by the data set's terms of use",
        source="Wang et al., MEAD: A Large-scale Audio-visual Dataset for Emotional Talking-face "
        "Generation, ECCV 2020",
        access="https://wywu.github.io/projects/MEAD/MEAD.html",
        layout="<M|W><nnn>/video/front/<emotion>/level_<n>/<nnn>.mp4 and "
        "<M|W><nnn>/audio/<emotion>/level_<n>/<nnn>.m4a",
        speaker="the actor's folder",
        split="by the authors' README (uniBruce/Mead@cbdd2e0): of each actor, emotion and level "
        "the last 6 sentences by number, of neutral the last 10",
        unverified="the layout of a copy, that its clips are numbered without gaps, and how many "
        "test sentences a whole one has: the last of those that are there are taken. Papers "
        "that hold out actors instead have another split",
    )

    def samples(self, data: Path | None) -> Sequence[Sample]:
        """Test sentences of every actor that is there, by actor, emotion and level."""
        if data is None:
            raise DatasetError(f"mead needs your own copy: --data DIR, with {self.spec.layout}")
        if not data.is_dir():
            raise DatasetError(f"{data} is not a folder")
        if _ACTOR.fullmatch(data.name):
            raise DatasetError(f"{data} is one actor's folder; did you mean --data {data.parent}?")
        actors = sorted(p for p in data.iterdir() if _ACTOR.fullmatch(p.name))
        samples = [s for actor in actors for s in _of_actor(actor)]
        if not samples:
            raise DatasetError(f"{data} holds no clips of MEAD; expected: {self.spec.layout}")
        refuse_missing([s.audio for s in samples if s.audio], data, data)
        return with_other_audio(samples)


def _of_actor(actor: Path) -> list[Sample]:
    front = actor / "video" / "front"
    samples = []
    for level in sorted(front.glob("*/level_*")):
        emotion = level.parent.name
        if emotion not in EMOTIONS:
            raise DatasetError(f"{level.parent}: expected one of {', '.join(EMOTIONS)}")
        clips = sorted(level.glob("*.mp4"))
        for video in clips[-_TESTED.get(emotion, _TESTED_ELSE) :]:
            audio = actor / "audio" / emotion / level.name / f"{video.stem}.m4a"
            samples.append(
                Sample(
                    id=f"{actor.name}/{emotion}/{level.name}/{video.stem}",
                    speaker=actor.name,
                    video=video,
                    audio=audio,
                    reference=video,
                )
            )
    return samples


MEAD = Mead()
