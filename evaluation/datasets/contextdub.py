"""ContextDubBench 1.0, in a layout of our own until its authors publish theirs."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from evaluation.dataset import DatasetError, DatasetSpec
from evaluation.datasets.lists import inside, refuse_doubled, refuse_missing, root_of
from evaluation.limits import text_of
from evaluation.sample import Sample

MANIFEST = "contextdub.csv"
OURS = (
    "Layout and split are talkbench's own: the authors of X-Dub (arXiv 2512.25066) have published "
    "neither the videos of ContextDubBench, also called X-DubBench, nor its split, nor how they "
    "score. These numbers do not compare with theirs"
)
_COLUMNS = ("id", "speaker", "video", "audio")


class ContextDub:
    """What ``contextdub.csv`` names: a face, and speech that is not its own."""

    spec = DatasetSpec(
        name="contextdubbench",
        version="1",
        about="ContextDubBench 1.0, videos dubbed to new speech, as far as its user has them",
        licence="not published",
        source="X-Dub, arXiv 2512.25066",
        access="not published; a copy that you were given, or clips of your own choice",
        layout=f"a folder with {MANIFEST} (columns id, speaker, video, audio; others are ignored) "
        "and the files it names, paths from where it lies",
        speaker="the column speaker",
        split="the rows of the manifest, in their order",
        unverified="everything but the name: layout, split and number of clips are ours",
    )

    def samples(self, data: Path | None) -> Sequence[Sample]:
        """Every row of the manifest; nobody knows what a perfect generator would return."""
        root = root_of(data, self.spec, MANIFEST)
        path = root / MANIFEST
        rows = _read(path)
        refuse_doubled([(line, row["id"]) for line, row in rows], path)
        samples = []
        for line, row in rows:
            video = root / inside(row["video"], path, line)
            samples.append(
                Sample(
                    id=row["id"],
                    speaker=row["speaker"],
                    video=video,
                    audio=root / inside(row["audio"], path, line),
                    reference=None,
                    likeness=video,
                )
            )
        refuse_missing([f for s in samples for f in (s.video, s.audio) if f], root, path)
        return samples


def _read(path: Path) -> list[tuple[int, Mapping[str, str]]]:
    """Rows with the numbers of their last lines.

    Raises:
        DatasetError: Not a CSV file with these columns, each filled.
    """
    rows: list[tuple[int, Mapping[str, str]]] = []
    try:
        reader = csv.DictReader(io.StringIO(text_of(path, "utf-8-sig"), newline=""))
        found = [(reader.line_num, row) for row in reader]
    except (OSError, ValueError, csv.Error) as error:
        raise DatasetError(f"{path} cannot be read: {error}") from error
    lacking = [c for c in _COLUMNS if c not in (reader.fieldnames or ())]
    if lacking:
        raise DatasetError(
            f"{path} lacks the column {' and '.join(lacking)}; expected "
            f"{', '.join(_COLUMNS)} in its first line"
        )
    for line, row in found:
        filled = {c: (row[c] or "").strip() for c in _COLUMNS}
        empty = [c for c, text in filled.items() if not text]
        if empty:
            raise DatasetError(f"{path}, line {line}: {' and '.join(empty)} is empty")
        rows.append((line, filled))
    if not rows:
        raise DatasetError(f"{path} has no rows")
    return rows


CONTEXTDUB = ContextDub()
