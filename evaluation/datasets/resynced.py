"""ReSyncED, Wav2Lip's real-world pairs: random speech, or speech that a machine read out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evaluation.dataset import DatasetSpec
from evaluation.datasets.lists import inside, read_lines, refuse_doubled, refuse_missing, root_of
from evaluation.sample import Sample


class ReSyncEd:
    """A list of lines ``VIDEO AUDIO``: the other way round than Wav2Lip's LRS lists.

    Args:
        kind: ``random`` or ``tts``.
        clips: Lines of the list as published.
    """

    def __init__(self, kind: str, clips: int) -> None:
        self.file = f"{kind}_pairs.txt"
        self.spec = DatasetSpec(
            name=f"resynced-{kind}",
            version="1",
            about=f"ReSyncED {self.file}: videos from the web with foreign speech",
            licence="not stated; videos of third parties",
            source="Prajwal et al., A Lip Sync Expert Is All You Need, ACM MM 2020",
            access=f"the list: evaluation/test_filelists/ReSyncED/{self.file} of Rudrabha/Wav2Lip; "
            "the videos were announced there and are not in it",
            layout=f"a folder with {self.file} and the files that it names; lines are VIDEO AUDIO, "
            "file names with endings",
            speaker="the video's file name; one person in two videos counts as two",
            split=f"the {clips} lines of the list; the id of a clip is the number of its line from "
            "0, which is also the name of the video that Wav2Lip's script makes of it",
            clips=clips,
            unverified="where the files lie: their authors' folder was never seen",
        )

    def samples(self, data: Path | None) -> Sequence[Sample]:
        """Every line of the list; nobody knows what a perfect generator would return."""
        root = root_of(data, self.spec, self.file)
        path = root / self.file
        lines = read_lines(path, "VIDEO AUDIO", 2, 2, self.spec.access)
        refuse_doubled([(line.number, " ".join(line.words)) for line in lines], path)
        samples = []
        for number, line in enumerate(lines):
            video, audio = (root / inside(word, path, line.number) for word in line.words)
            samples.append(
                Sample(
                    id=str(number),
                    speaker=video.stem,
                    video=video,
                    audio=audio,
                    reference=None,
                    likeness=video,
                )
            )
        refuse_missing([f for s in samples for f in (s.video, s.audio) if f], root, path)
        return samples


RANDOM = ReSyncEd("random", 160)
TTS = ReSyncEd("tts", 17)
