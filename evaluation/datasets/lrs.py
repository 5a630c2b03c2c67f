"""LRS2 and LRS3: every clip driven by its own sound and held against itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evaluation.dataset import DatasetError, DatasetSpec, with_other_audio
from evaluation.datasets.lists import inside, read_lines, refuse_doubled, refuse_missing, root_of
from evaluation.sample import Sample

LRS2_LICENCE = (
    "BBC, for non-commercial research by those who have an agreement with the BBC; neither clips "
    "nor lists may be passed on"
)
LRS2_ACCESS = "by agreement: https://www.robots.ox.ac.uk/~vgg/data/lip_reading/lrs2.html"
LRS2_SOURCE = "Afouras et al., Deep Audio-Visual Speech Recognition, TPAMI 2019, arXiv 1809.02108"
LRS2_SPEAKER = (
    "the folder of a clip: a programme of the BBC, since who speaks was never published. Two "
    "speakers of one programme count as one, one speaker of two programmes as two"
)
LRS3_LICENCE = "TED, CC BY-NC-ND 4.0; the annotations by the data set's own terms"
LRS3_ACCESS = "its publisher's page: https://www.robots.ox.ac.uk/~vgg/data/lip_reading/lrs3.html"
LRS3_UNVERIFIED = "the licence, and whether its publisher still offers the videos"
LRS3_SOURCE = "Afouras et al., LRS3-TED, 2018, arXiv 1809.00496"
LRS3_SPEAKER = "the folder of a clip: a talk on YouTube; one who gave two talks counts as two"


class Lrs2:
    """The official test list, in its order."""

    spec = DatasetSpec(
        name="lrs2",
        version="1",
        about="LRS2 test: 160x160 crops of faces out of BBC programmes, 25 fps, seconds long",
        licence=LRS2_LICENCE,
        source=LRS2_SOURCE,
        access=LRS2_ACCESS,
        layout="mvlrs_v1, with main/<id>/<nnnnn>.mp4 and the official list test.txt beside main; "
        "lines are ID/NNNNN or ID/NNNNN NF|MV",
        speaker=LRS2_SPEAKER,
        split="test.txt: 1,243 clips, also what IP-LAP's repository lists as test",
        clips=1243,
    )

    def samples(self, data: Path | None) -> Sequence[Sample]:
        """Every line of the list."""
        root = root_of(data, self.spec, "main")
        path = root / "test.txt"
        lines = read_lines(path, "ID/NNNNN or ID/NNNNN NF|MV", 1, 2, "it comes with the data set")
        names = []
        for line in lines:
            if line.words[1:] not in ((), ("NF",), ("MV",)):
                raise DatasetError(
                    f"{path}, line {line.number}: expected NF or MV, found {line.words[1]!r}"
                )
            names.append((line.number, clip_name(line.words[0], path, line.number)))
        refuse_doubled(names, path)
        samples = [own_sound(root / "main", name) for _, name in names]
        refuse_missing([s.video for s in samples], root, path)
        return with_other_audio(samples)


class Lrs3:
    """Every clip of the folder ``test``, by name: there is no list."""

    spec = DatasetSpec(
        name="lrs3",
        version="1",
        about="LRS3 test: 224x224 crops of faces out of TED talks, 25 fps, seconds long",
        licence=LRS3_LICENCE,
        source=LRS3_SOURCE,
        access=LRS3_ACCESS,
        layout="the folder with test/<youtube id>/<nnnnn>.mp4 (and pretrain, trainval)",
        speaker=LRS3_SPEAKER,
        split="every clip of the folder test, by name",
        unverified=f"{LRS3_UNVERIFIED}; how many clips a whole copy of test has: without a list, "
        "a copy with gaps cannot be told from a whole one",
    )

    def samples(self, data: Path | None) -> Sequence[Sample]:
        """Every clip of the folder."""
        folder = root_of(data, self.spec, "test") / "test"
        clips = sorted(folder.glob("*/*.mp4"))
        if not clips:
            raise DatasetError(f"{folder} holds no clips; expected: {self.spec.layout}")
        return with_other_audio([own_sound(folder, f"{p.parent.name}/{p.stem}") for p in clips])


def clip_name(name: str, path: Path, line: int) -> str:
    """``folder/clip`` as LRS lists write it.

    Raises:
        DatasetError: Of another form.
    """
    parts = inside(name, path, line).split("/")
    if len(parts) != 2 or not all(parts) or name.endswith(".mp4"):
        raise DatasetError(f"{path}, line {line}: expected ID/NNNNN, found {name!r}")
    return name


def own_sound(folder: Path, name: str) -> Sample:
    """A clip driven by its own sound and held against itself."""
    video = folder / f"{name}.mp4"
    return Sample(id=name, speaker=name.split("/", 1)[0], video=video, audio=video, reference=video)


LRS2 = Lrs2()
LRS3 = Lrs3()
