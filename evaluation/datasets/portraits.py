"""Person-specific portraits: minutes of one person, the last eleventh of which is tested."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from evaluation.dataset import DatasetError, DatasetSpec, with_other_audio
from evaluation.last_part import cut_last
from evaluation.sample import Sample
from evaluation.video import FrameReader, VideoError, VideoInfo, probe

PEOPLE = ("May", "Shaheen", "Lieu", "Macron", "Obama", "Jae-in")
FPS = 25

_SOURCE = (
    "the videos of AD-NeRF (arXiv 2103.11078), GeneFace, RAD-NeRF, ER-NeRF and SyncTalk (CVPR "
    "2024, arXiv 2311.17590)"
)
_LICENCE = "public speeches, of third parties; each project's own terms"
_ACCESS = "those projects' pages; the videos are not theirs to licence"
_LAYOUT = (
    "<Name>/<Name>.mp4 for any of " + ", ".join(PEOPLE) + ", and beside it <Name>/<Name>_test.mp4, "
    "which `talkbench portraits DIR` cuts out of it"
)
_SPLIT = (
    "frames from number int(n * 10 / 11) on, as SyncTalk's data_utils/process.py (d2427a3) splits; "
    "those before are for training"
)
_UNVERIFIED = (
    "which cut of each video a paper had: the projects' copies differ in length. Their n counts "
    "the frames that face tracking kept, ours all frames: the same where none was lost"
)


def first_of_test(frames: int) -> int:
    """Number of the first test frame of a video of so many frames."""
    return frames * 10 // 11


def whole(data: Path, name: str) -> Path:
    """Where a person's whole video lies."""
    return data / name / f"{name}.mp4"


def tested(data: Path, name: str) -> Path:
    """Where the part that is tested lies."""
    return data / name / f"{name}_test.mp4"


def cut_tests(data: Path, told: Callable[[str], None] = lambda _: None) -> list[Path]:
    """Cut the test part of every whole video that has none yet.

    Args:
        data: The folder.
        told: Hears one sentence for each person.

    Returns:
        The files that were written.

    Raises:
        DatasetError: No person's video there, or one that cannot be read or does not run at 25
            frames a second.
    """
    here = [name for name in PEOPLE if whole(data, name).is_file()]
    if not here:
        raise DatasetError(f"{data} holds no portraits; expected: {_LAYOUT}")
    for name in here:
        fps = _probed(whole(data, name)).fps
        if fps != FPS:
            raise DatasetError(
                f"{whole(data, name)} runs at {float(fps):g} frames a second, portraits at {FPS}: "
                f"convert it first (ffmpeg -i IN -r {FPS} -qscale:v 1 OUT)"
            )
    written = []
    for name in here:
        out = tested(data, name)
        if out.exists():
            told(f"{name}: {out} is there already")
            continue
        try:
            total = sum(len(piece) for piece in FrameReader(whole(data, name)))
            first = first_of_test(total)
            count = cut_last(whole(data, name), out, first)
        except VideoError as error:
            raise DatasetError(str(error)) from error
        told(f"{name}: frames {first} to {total - 1} of {total}, {count} in all, into {out}")
        written.append(out)
    return written


class Portraits:
    """Every portrait that is there, driven by its own sound."""

    spec = DatasetSpec(
        name="portraits",
        version="1",
        about="portraits of " + ", ".join(PEOPLE) + ": the last eleventh of each video",
        licence=_LICENCE,
        source=_SOURCE,
        access=_ACCESS,
        layout=_LAYOUT,
        speaker="the person",
        split=f"{_SPLIT}; one clip a person",
        clips=len(PEOPLE),
        unverified=_UNVERIFIED,
    )

    def samples(self, data: Path | None) -> Sequence[Sample]:
        """The test part of everybody who is there."""
        folder = _folder(data, self.spec)
        here = [n for n in PEOPLE if whole(folder, n).exists() or tested(folder, n).exists()]
        if not here:
            raise DatasetError(f"{folder} holds no portraits; expected: {_LAYOUT}")
        clips = {name: _test_part(folder, name) for name in here}
        return with_other_audio(
            [
                Sample(id=name, speaker=name, video=clip, audio=clip, reference=clip)
                for name, clip in clips.items()
            ]
        )


class CrossDriven:
    """One person's face driven by another's speech: nobody knows the right answer.

    Args:
        face: Whose face.
        voice: Whose speech.
    """

    def __init__(self, face: str, voice: str) -> None:
        self.face, self.voice = face, voice
        self.spec = DatasetSpec(
            name=f"portraits-{face.lower()}-{voice.lower()}",
            version="1",
            about=f"the portrait of {face} driven by the speech of {voice}",
            licence=_LICENCE,
            source=_SOURCE,
            access=_ACCESS,
            layout=_LAYOUT,
            speaker="one, so that there is no interval",
            split=f"the test part of {face}'s video and the sound of {voice}'s: {_SPLIT}",
            clips=1,
            unverified=f"{_UNVERIFIED}. Which part of the speech drove the published numbers is "
            "not known",
        )

    def samples(self, data: Path | None) -> Sequence[Sample]:
        """The one clip."""
        folder = _folder(data, self.spec)
        face, voice = (_test_part(folder, name) for name in (self.face, self.voice))
        return [
            Sample(
                id=f"{self.face}-{self.voice}",
                speaker=self.face,
                video=face,
                audio=voice,
                reference=None,
                likeness=face,
            )
        ]


def _folder(data: Path | None, spec: DatasetSpec) -> Path:
    if data is None:
        raise DatasetError(f"{spec.name} needs your own copy: --data DIR, with {_LAYOUT}")
    if not data.is_dir():
        raise DatasetError(f"{data} is not a folder")
    if data.name in PEOPLE and whole(data.parent, data.name).exists():
        raise DatasetError(f"{data} is one person's folder; did you mean --data {data.parent}?")
    return data


def _test_part(data: Path, name: str) -> Path:
    """The test part of a person, if it is of that person's whole video.

    Raises:
        DatasetError: Not there, or of another length than the whole video's.
    """
    source, clip = whole(data, name), tested(data, name)
    if not clip.exists():
        if source.exists():
            raise DatasetError(f"{clip} is missing; cut it: talkbench portraits {data}")
        raise DatasetError(f"{source} is missing; expected: {_LAYOUT}")
    if source.exists():
        frames, cut = _probed(source).declared_frames, _probed(clip).declared_frames
        if frames and cut and cut != frames - first_of_test(frames):
            raise DatasetError(
                f"{clip} has {cut} frames, the last eleventh of {source} has "
                f"{frames - first_of_test(frames)}: it is another video's; delete it and run "
                f"talkbench portraits {data}"
            )
    return clip


def _probed(path: Path) -> VideoInfo:
    try:
        return probe(path)
    except VideoError as error:
        raise DatasetError(str(error)) from error


PORTRAITS = Portraits()
MAY_SHAHEEN = CrossDriven("May", "Shaheen")
MAY_LIEU = CrossDriven("May", "Lieu")
