"""Wav2Lip's unpaired lists of LRS2, LRS3 and LRW: one clip's face, another clip's sound."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation.dataset import DatasetError, DatasetSpec
from evaluation.datasets.lists import inside, read_lines, refuse_doubled, refuse_missing, root_of
from evaluation.datasets.lrs import (
    LRS2_ACCESS,
    LRS2_LICENCE,
    LRS2_SOURCE,
    LRS2_SPEAKER,
    LRS3_ACCESS,
    LRS3_LICENCE,
    LRS3_SOURCE,
    LRS3_SPEAKER,
    LRS3_UNVERIFIED,
    clip_name,
)
from evaluation.sample import Sample

_LISTS = (
    "it is evaluation/test_filelists/{} of Rudrabha/Wav2Lip, for those who have the data; put it "
    "beside {}"
)
_WAV2LIP = "Prajwal et al., A Lip Sync Expert Is All You Need, ACM MM 2020, arXiv 2008.10010"
_SPLIT = (
    "{} lines AUDIO VIDEO of Wav2Lip's list; the id of a clip is the number of its line from 0, "
    "which is also the name of the video that Wav2Lip's script makes of it"
)


@dataclass(frozen=True)
class UnpairedClips:
    """A list of lines ``AUDIO VIDEO``; the order is the one of ``gen_videos_from_filelist.py``.

    Attributes:
        spec: The form.
        file: Name of the list, beside ``folder``.
        folder: Where the clips lie.
        place: Name in the list -> path below the folder without ending.
        speaker: Name in the list -> whose face.
    """

    spec: DatasetSpec
    file: str
    folder: str
    place: Callable[[str, Path, int], str]
    speaker: Callable[[str], str]

    def samples(self, data: Path | None) -> Sequence[Sample]:
        """Every line of the list; nobody knows what a perfect generator would return."""
        root = root_of(data, self.spec, self.folder)
        path = root / self.file
        lines = read_lines(path, "AUDIO VIDEO", 2, 2, _LISTS.format(self.file, self.folder))
        refuse_doubled([(line.number, " ".join(line.words)) for line in lines], path)
        samples = []
        for number, line in enumerate(lines):
            audio, video = (
                root / self.folder / f"{self.place(word, path, line.number)}.mp4"
                for word in line.words
            )
            samples.append(
                Sample(
                    id=str(number),
                    speaker=self.speaker(line.words[1]),
                    video=video,
                    audio=audio,
                    reference=None,
                    likeness=video,
                )
            )
        refuse_missing([f for s in samples for f in (s.video, s.audio) if f], root, path)
        return samples


def _word_clip(name: str, path: Path, line: int) -> str:
    """``WORD_nnnnn`` of LRW lies in ``WORD/test/``."""
    word, _, number = inside(name, path, line).rpartition("_")
    if not word or not number.isdigit() or "/" in name:
        raise DatasetError(f"{path}, line {line}: expected WORD_NNNNN, found {name!r}")
    return f"{word}/test/{name}"


def _first_folder(name: str) -> str:
    return name.split("/", 1)[0]


LRS2_UNPAIRED = UnpairedClips(
    spec=DatasetSpec(
        name="lrs2-unpaired",
        version="1",
        about="LRS2 test clips with the sound of other LRS2 test clips, by Wav2Lip's list",
        licence=LRS2_LICENCE,
        source=f"{LRS2_SOURCE}; {_WAV2LIP}",
        access=LRS2_ACCESS,
        layout="mvlrs_v1, with main/<id>/<nnnnn>.mp4 and Wav2Lip's list lrs2.txt beside main; "
        "lines are AUDIO VIDEO, each ID/NNNNN",
        speaker=LRS2_SPEAKER,
        split=_SPLIT.format("14,239"),
        clips=14239,
    ),
    file="lrs2.txt",
    folder="main",
    place=clip_name,
    speaker=_first_folder,
)

LRS3_UNPAIRED = UnpairedClips(
    spec=DatasetSpec(
        name="lrs3-unpaired",
        version="1",
        about="LRS3 test clips with the sound of other LRS3 test clips, by Wav2Lip's list",
        licence=LRS3_LICENCE,
        source=f"{LRS3_SOURCE}; {_WAV2LIP}",
        access=LRS3_ACCESS,
        layout="the folder with test/<youtube id>/<nnnnn>.mp4 and Wav2Lip's list lrs3.txt beside "
        "test; lines are AUDIO VIDEO, each ID/NNNNN",
        speaker=LRS3_SPEAKER,
        split=_SPLIT.format("14,000"),
        clips=14000,
        unverified=LRS3_UNVERIFIED,
    ),
    file="lrs3.txt",
    folder="test",
    place=clip_name,
    speaker=_first_folder,
)

LRW_UNPAIRED = UnpairedClips(
    spec=DatasetSpec(
        name="lrw-unpaired",
        version="1",
        about="LRW test clips (one word each) with the sound of others, by Wav2Lip's list",
        licence="BBC, for non-commercial research by those who have an agreement with the BBC; "
        "neither clips nor lists may be passed on",
        source=f"Chung and Zisserman, Lip Reading in the Wild, ACCV 2016; {_WAV2LIP}",
        access="by agreement: https://www.robots.ox.ac.uk/~vgg/data/lip_reading/lrw1.html",
        layout="the folder with lipread_mp4/<WORD>/test/<WORD>_<nnnnn>.mp4 and Wav2Lip's list "
        "lrw.txt beside lipread_mp4; lines are AUDIO VIDEO, each WORD_NNNNN",
        speaker="unknown: every clip counts as a speaker of its own, so intervals are too narrow",
        split=_SPLIT.format("28,000"),
        clips=28000,
    ),
    file="lrw.txt",
    folder="lipread_mp4",
    place=_word_clip,
    speaker=str,
)
