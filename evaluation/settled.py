"""Which units of a run are known to be complete, so that going on need not open their files.

Beside the records lies ``settled.jsonl``: a line per unit with a digest of all that its records
rest on. These are the card and generator versions, the sample, the records themselves, and the
state of every file (:mod:`evaluation.file_state`): sample, video, kept features. A digest that
comes out again means that nothing has changed since a worker looked at everything and found nothing
to do; then the unit is not given to one. Where anything differs, or the file is gone or spoilt,
the unit is looked at in full: this file saves time and decides no number.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

from evaluation.environment import talkbench_version
from evaluation.file_state import State, at_rest, state_of
from evaluation.generate import video_path
from evaluation.generator import Generator, HasVideos
from evaluation.reading import Sampling
from evaluation.records import Record
from evaluation.sample import Sample
from evaluation.store import TrackStore
from evaluation.unit import Setting

SETTLED = "settled.jsonl"

_question = attrgetter(
    *("suite", "metric", "metric_version", "generator_version", "every", "status"),
    *("generated_sha256", "reference_sha256"),
)


class Settled:
    """The settled units of one run, for who holds its lock.

    Args:
        setting: The run.
    """

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._path = setting.root / SETTLED
        self._tracks = TrackStore(setting.root)
        self._of_sets = [m for m in setting.metrics if not m.spec.per_clip]
        self._cards = {m.spec.name: m.spec.version for m in setting.metrics}
        self._known = dict(self._lines())
        self._before: dict[tuple[str, str], str] = {}
        self._seen: dict[Path, tuple[State | None, bool]] = {}

    def holds(self, generator: Generator, sample: Sample, known: Mapping[str, Record]) -> bool:
        """Whether there is nothing to do, by the files as they are now.

        What is not held is noted, to be compared with what is there when the unit is done.
        """
        unit = (generator.spec.name, sample.id)
        files = self._files(generator, sample, self._seen)
        if files is None:
            return False
        before = self._known.get(unit)
        whole = before is not None and self._whole(known)
        if whole and before == self._digest(generator, files, known):
            return True
        if files.at_rest:
            self._before[unit] = files.digest
        return False

    def asked(self) -> None:
        """All units were asked for; what was seen of their files need not be kept."""
        self._seen.clear()

    def note(self, generator: Generator, sample: Sample, known: Mapping[str, Record]) -> None:
        """A unit is done: these are all its records.

        It is settled if no file has changed since :meth:`holds` was asked.
        """
        unit = (generator.spec.name, sample.id)
        before = self._before.pop(unit, None)
        if before is None or not self._whole(known):
            return
        files = self._files(generator, sample, {})
        if files is None or files.digest != before:
            return
        digest = self._digest(generator, files, known)
        if digest is None or self._known.get(unit) == digest:
            return
        self._known[unit] = digest
        with contextlib.suppress(OSError), self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps([*unit, digest]) + "\n")

    def _whole(self, known: Mapping[str, Record]) -> bool:
        """Whether every card has an answer that is not to be asked again."""
        again = {"unavailable", "failed"} if self._setting.retry_failed else {"unavailable"}
        return all(
            name in known
            and known[name].metric_version == version
            and known[name].status not in again
            for name, version in self._cards.items()
        )

    def _files(
        self, generator: Generator, sample: Sample, seen: dict[Path, tuple[State | None, bool]]
    ) -> _Files | None:
        """The files of a unit, as they were ``seen`` or are now; None where there is no video."""
        if isinstance(generator, HasVideos):
            video = generator.video_of(sample)
        else:
            video = video_path(self._setting.root / "videos", generator.spec.name, sample.id)
        if video is None:
            return None
        given = (sample.video, sample.audio, sample.reference, sample.likeness, sample.other_audio)
        found = []
        for path in dict.fromkeys((video, *given)):
            if path is None:
                continue
            if path not in seen:
                state = state_of(path)
                seen[path] = state, state is None or at_rest(state)
            found.append(seen[path])
        if found[0][0] is None:
            return None
        text = repr((str(video), sample, [state for state, _ in found]))
        return _Files(_hashed(text), all(rests for _, rests in found))

    def _digest(
        self, generator: Generator, files: _Files, known: Mapping[str, Record]
    ) -> str | None:
        """None where there was no video, or features of a set metric are gone."""
        spec, setting = generator.spec, self._setting
        records = [_question(known[name]) for name in self._cards]
        if not all(known[name].generated_sha256 for name in self._cards):
            return None  # there was no video
        features = [state_of(path) for path in self._features(known)]
        if not all(features):
            return None
        asked = (talkbench_version(), setting.suite, setting.every, setting.seed)
        made = (spec.name, spec.version, spec.weights_sha256)
        return _hashed(repr((asked, made, files.digest, records, features)))

    def _features(self, known: Mapping[str, Record]) -> Iterator[Path]:
        for metric in self._of_sets:
            record = known[metric.spec.name]
            if record.status != "ok":
                continue
            sides = [record.generated_sha256]
            if metric.spec.needs_reference:
                sides.append(record.reference_sha256)
            sampling = Sampling(self._setting.every, metric.spec.fps)
            for extractor in metric.extractors:
                for sha256 in sides:
                    yield self._tracks.path_of(sha256, extractor.id, sampling.tag_of(extractor))

    def _lines(self) -> Iterator[tuple[tuple[str, str], str]]:
        """Lines as they are; torn and spoilt ones settle nothing."""
        try:
            lines = self._path.read_bytes().split(b"\n")
        except OSError:
            return
        for line in lines:
            with contextlib.suppress(ValueError, TypeError, RecursionError):
                generator, sample, digest = json.loads(line)
                if all(isinstance(text, str) for text in (generator, sample, digest)):
                    yield (generator, sample), digest


@dataclass(frozen=True)
class _Files:
    """The files of a unit, told apart; and whether a later change would show."""

    digest: str
    at_rest: bool


def _hashed(text: str) -> str:
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=12).hexdigest()


def forget(root: Path) -> None:
    """Look at every unit of a run in full the next time."""
    with contextlib.suppress(OSError):
        (root / SETTLED).unlink(missing_ok=True)
