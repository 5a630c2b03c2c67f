"""VFHQ: clips of interviews, cut out by the authors' meta files, with their sound."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from evaluation.dataset import DatasetError, DatasetSpec, with_other_audio
from evaluation.datasets.folder import videos_in
from evaluation.sample import Sample

_NAME = re.compile(r"Clip\+(?P<video>.+)\+(?P<person>P\d+)\+C\d+\+F\d+-\d+")


class Vfhq:
    """Every clip of the folder; the name says the video and the person in it."""

    spec = DatasetSpec(
        name="vfhq",
        version="1",
        about="VFHQ, interviews in high resolution, as cut by whoever prepared the copy",
        licence="videos of third parties on YouTube; the meta files by the authors' terms",
        source="Xie et al., VFHQ: A High-Quality Dataset and Benchmark for Video Face "
        "Super-Resolution, CVPRW 2022, arXiv 2205.03409",
        access="meta files: https://liangbinxie.github.io/projects/vfhq/; the videos from YouTube",
        layout="clips Clip+<youtube id>+P<n>+C<n>+F<first>-<last>.mp4 at any depth, with sound",
        speaker="youtube id and P<n> of the name; one person in two videos counts as two",
        split="every clip of the folder: papers on talking faces each take a part of their own",
        unverified="cut, crop and sound of the copy: the authors publish frames without sound and "
        "where they were cut, so every copy with sound is somebody's own",
    )

    def samples(self, data: Path | None) -> Sequence[Sample]:
        """Every clip, by name."""
        if data is None:
            raise DatasetError(f"vfhq needs your own copy: --data DIR, with {self.spec.layout}")
        samples: dict[str, Sample] = {}
        for path in videos_in(data).values():
            found = _NAME.fullmatch(path.stem)
            if found is None:
                raise DatasetError(f"{path} is not named as a clip of VFHQ: {self.spec.layout}")
            if path.stem in samples:
                other = samples[path.stem].video
                raise DatasetError(f"{path} and {other} are one clip; keep one of them")
            samples[path.stem] = Sample(
                id=path.stem,
                speaker=f"{found['video']}+{found['person']}",
                video=path,
                audio=path,
                reference=path,
            )
        return with_other_audio(list(samples.values()))


VFHQ = Vfhq()
