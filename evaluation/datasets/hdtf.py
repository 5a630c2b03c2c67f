"""HDTF: speeches cut out of online videos; the folder that ``talkbench data prepare hdtf`` writes.

No split of HDTF is official. ``hdtf`` is every clip at hand; each list that the literature tests
on is a dataset of its own, which is whole or an error.
"""

from __future__ import annotations

import csv
import io
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from evaluation.dataset import DatasetError, DatasetSpec, with_other_audio
from evaluation.datasets.folder import videos_in
from evaluation.limits import text_of
from evaluation.sample import Sample
from evaluation.sound_memory import heard_in

_CLIP = re.compile(r"(RD|WDA|WRA)_(\w+)_\d{3}")
_ALL = 421  # intervals with a crop in the authors' files
_NAMED = 10  # clips that an error names; it counts them all
_REPORT = "report.csv"


@dataclass(frozen=True)
class NamedList:
    """A list of clips that somebody tests on.

    Attributes:
        about: What it is.
        source: Where it was read.
        clips: Ids, in the list's own order.
    """

    about: str
    source: str
    clips: tuple[str, ...]


def read_lists() -> Mapping[str, NamedList]:
    """The lists by name: ``musetalk20`` and so on."""
    text = files("evaluation.datasets").joinpath("hdtf_lists.toml").read_text(encoding="utf-8")
    return {
        name: NamedList(row["about"], row["source"], tuple(row["clips"]))
        for name, row in tomllib.loads(text).items()
    }


def speaker_of(clip: str) -> str:
    """Whose clip it is, from its id.

    Politicians' videos are named after them and numbered, so the name without number:
    ``WDA_NancyPelosi3_000`` is ``WDA_NancyPelosi``. The authors do not say who speaks in the
    addresses of RD, so there a video is a speaker, though some of them return in another.
    """
    match = _CLIP.fullmatch(clip)
    if match is None:
        return clip
    subset, video = match.groups()
    return f"{subset}_{video if subset == 'RD' else video.rstrip('0123456789')}"


@dataclass(frozen=True)
class Hdtf:
    """The clips of a prepared folder.

    Attributes:
        part: Name of a list; None is every clip that is there.
    """

    part: str | None = None

    @property
    def spec(self) -> DatasetSpec:
        """The form."""
        about = "every prepared clip of HDTF; two copies are alike only if their manifests are"
        source, split, clips = _PAPER, "every clip that is there", _ALL
        name = "hdtf"
        if self.part is not None:
            chosen = read_lists()[self.part]
            name = f"hdtf-{self.part}"
            about = f"HDTF, {chosen.about}"
            source, split, clips = _PAPER, chosen.source, len(chosen.clips)
        return DatasetSpec(
            name=name,
            version="1",
            about=about,
            licence="annotations CC BY 4.0; the videos belong to their publishers",
            source=source,
            access="addresses, intervals and crops at github.com/MRzzm/HDTF; "
            "talkbench data prepare hdtf makes the clips of them",
            speaker="the video's name without its number; in RD, where nobody is named, the video",
            split=split,
            clips=clips,
            layout="what talkbench data prepare hdtf writes: RD_Radio11_000.mp4 and so on, 512x512 "
            "at 25 frames a second with sound, in one folder",
        )

    def samples(self, data: Path | None) -> Sequence[Sample]:
        """The clips, each driven by its own sound.

        Raises:
            DatasetError: No folder, no clips of HDTF in it, or clips of the list are missing.
        """
        if data is None:
            raise DatasetError(f"the {self.spec.name} dataset needs a folder: --data DIR")
        there = _clips_in(data)
        if self.part is None:
            wanted: Sequence[str] = [name for name in there if _CLIP.fullmatch(name)]
            if not wanted:
                raise DatasetError(
                    f"{data} holds no clips of HDTF, which are called RD_Radio11_000.mp4 and so "
                    "on; talkbench data prepare hdtf makes them"
                )
        else:
            wanted = read_lists()[self.part].clips
            missing = [clip for clip in wanted if clip not in there]
            if missing:
                raise DatasetError(_what_is_missing(self.spec.name, data, wanted, missing))
        heard = heard_in(data, (there[clip] for clip in wanted))
        return with_other_audio([_sample(clip, there[clip], heard) for clip in wanted])


def _clips_in(data: Path) -> dict[str, Path]:
    """Videos by the last part of their name, in folders or not."""
    there: dict[str, Path] = {}
    for path in videos_in(data).values():
        if path.stem in there:
            raise DatasetError(
                f"{data} has two clips called {path.stem}: {there[path.stem]} and {path}; keep one"
            )
        there[path.stem] = path
    return there


def _sample(clip: str, path: Path, heard: Mapping[Path, bool]) -> Sample:
    return Sample(
        id=clip,
        speaker=speaker_of(clip),
        video=path,
        audio=path if heard[path] else None,
        reference=path,
    )


def _what_is_missing(name: str, data: Path, wanted: Sequence[str], missing: Sequence[str]) -> str:
    reasons = _reasons(data)
    said = [f"{c} ({reasons[c]})" if c in reasons else c for c in missing[:_NAMED]]
    if len(missing) > _NAMED:
        said.append(f"and {len(missing) - _NAMED} more")
    return (
        f"{data} lacks {len(missing)} of the {len(wanted)} clips of {name}: {', '.join(said)}. "
        "talkbench data prepare hdtf makes them where their sources can be had. Without them no "
        f"number on this list can be compared; on the {len(wanted) - len(missing)} clips that are "
        "there, the suite folder gives numbers of your own set"
    )


def _reasons(data: Path) -> dict[str, str]:
    """Why clips are not there, as the preparation's report says; nothing where there is none."""
    try:
        rows = list(csv.DictReader(io.StringIO(text_of(data / _REPORT), newline="")))
    except (OSError, ValueError, csv.Error):
        return {}
    return {r["clip"]: r["status"] for r in rows if r.get("clip") and r.get("status")}


_PAPER = (
    "Zhang et al., Flow-guided One-shot Talking Face Generation with a High-resolution "
    "Audio-visual Dataset, CVPR 2021; github.com/MRzzm/HDTF"
)

HDTF = Hdtf()
MUSETALK20 = Hdtf("musetalk20")
LIA20 = Hdtf("lia20")
DAWN41 = Hdtf("dawn41")
EDTALK77 = Hdtf("edtalk77")
UNNAMED42 = Hdtf("unnamed42")
XDUB10 = Hdtf("xdub10")
