"""What a copy of a split lacks beside its manifest, and what of it can still be compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from evaluation.fingerprints import RATE, picture_distance, sound_bits, sound_distance
from evaluation.generate import file_sha256
from evaluation.split_manifest import Entry, Manifest, Seen, look, spread
from evaluation.submission import Finding
from evaluation.video import VideoError
from evaluation.workers import each

Verdict = Literal["same", "re-encoded", "different", "missing"]
Told = Callable[[int, int, str], None]

SAME_PICTURES = 4.0
"""Bits of 64: x264 at crf 35 changes 1.2 on average, another clip at least 18 (nine real clips)."""

SAME_SOUND = 0.25
"""Share of bits: AAC at 48 kbit/s changes 0.06, half a moment's shift 0.24, another speech 0.36."""

_PHASES = 5  # the 0.1 s of a moment, in steps of 0.02 s
_MOVED = 0.05  # s
_LONGER = 0.25  # s
_UNSURE = 3  # frames between which it cannot be told where a clip was cut


@dataclass(frozen=True)
class Diagnosis:
    """What a copy is.

    Attributes:
        verdicts: Of every clip of the manifest: ``same``: the very file; ``re-encoded``: the same
            footage in another file; ``different``; ``missing``.
        findings: Clip by clip, in the manifest's order; clips that are not in it last.
    """

    verdicts: Mapping[str, Verdict]
    findings: tuple[Finding, ...]

    @property
    def comparable(self) -> list[str]:
        """Clips that can still be compared."""
        return [c for c, v in self.verdicts.items() if v in ("same", "re-encoded")]


def examine(
    manifest: Manifest,
    found: Mapping[str, Path],
    workers: int = 1,
    told: Told = lambda *_: None,
) -> Diagnosis:
    """Hold a copy against a manifest; files whose hash agrees are not decoded.

    Args:
        manifest: What there should be.
        found: What there is, by id.
        workers: Processes.
        told: Hears of progress.
    """
    entries = manifest.entries
    names = {e.sha256: e.id for e in entries.values()}
    verdicts: dict[str, Verdict] = dict.fromkeys(entries, "missing")
    findings = {c: [Finding(c, "problem", "missing", "a clip", "none")] for c in entries}
    units = [(entries[clip], found[clip]) for clip in entries if clip in found]
    doing = each(partial(_of_clip, names), units, workers, _lost)
    for done, ((entry, _), result) in enumerate(doing, start=1):
        findings[entry.id] = result
        bad = any(f.weight == "problem" for f in result)
        verdicts[entry.id] = "different" if bad else "re-encoded" if result else "same"
        told(done, len(units), entry.id)
    listed = [f for clip in entries for f in findings[clip]]
    for clip in sorted(found.keys() - entries.keys()):
        other = names.get(_hash(found[clip]))
        said = f"the file of {other} under another name" if other else str(found[clip])
        listed.append(Finding(clip, "warning", "extra", "a clip of the manifest", said))
    return Diagnosis(verdicts, tuple(listed))


def _of_clip(names: Mapping[str, str], unit: tuple[Entry, Path]) -> list[Finding]:
    entry, path = unit
    sha256 = _hash(path)
    if sha256 == entry.sha256:
        return []
    if sha256 in names:
        return [_problem(entry, "another content", "its own", f"the file of {names[sha256]}")]
    try:
        seen = look(entry.id, entry.speaker, path)
    except (VideoError, OSError) as error:
        return [_problem(entry, "unreadable", "a whole video", str(error))]
    found = [*_form(entry, seen.entry)]
    begin, others = _sound(entry, seen)
    found += others
    found += _footage(entry, seen, begin)
    if not found:
        said = "other bytes, the same pictures and sound"
        found.append(Finding(entry.id, "warning", "re-encoded", "the very file", said))
    return found


def _lost(unit: tuple[Entry, Path], reason: str) -> list[Finding]:
    return [_problem(unit[0], "unreadable", "a whole video", f"{unit[1]}: {reason}")]


def _form(entry: Entry, seen: Entry) -> Iterator[Finding]:
    if seen.rate != entry.rate:
        expected, found = (f"{float(e.rate):g} frames a second" for e in (entry, seen))
        yield _problem(entry, "another rate", expected, found)
    if seen.size != entry.size:
        turned = (seen.height, seen.width) == (entry.width, entry.height)
        what = "width and height swapped" if turned else "another size"
        yield _problem(entry, what, entry.size, seen.size)


def _sound(entry: Entry, seen: Seen) -> tuple[float | None, list[Finding]]:
    """Where in the entry's sound this one begins, in s, if it can be told; and what is wrong."""
    has = seen.entry.audio
    if entry.audio != "sound":
        if has != "sound":
            return None, []
        expected = "silence" if entry.audio == "silent" else "no sound"
        return None, [_problem(entry, "another sound", expected, "a sound")]
    if has != "sound":
        what, said = ("no sound", "no audio stream") if has == "none" else ("silent", "silence")
        return None, [_problem(entry, what, "the clip's sound", said)]
    known = entry.sound_bits
    best, begin = 1.0, 0.0
    for phase in range(_PHASES):
        late = phase * 0.1 / _PHASES
        heard = seen.sound if not phase else sound_bits(seen.samples[round(late * RATE) :])
        share, place = sound_distance(heard, known, seen.counts[: len(heard)])
        if share < best:
            best, begin = share, place / 10 - late
    if best > SAME_SOUND:
        said = f"{best:.0%} of the bits differ"
        return None, [_problem(entry, "another sound", "the clip's sound", said)]
    return begin, []


def _footage(entry: Entry, seen: Seen, begin: float | None) -> list[Finding]:
    """What is wrong with the length, the pictures, and the place of the sound beside them."""
    rate = seen.entry.rate
    lacking = round(entry.frames * rate / entry.rate) - seen.entry.frames
    if rate != entry.rate and abs(lacking) == 1:
        lacking = 0  # another rate leaves a fraction of a frame at the end
    start, unsure = _start(entry, seen, lacking, begin)
    distance = _distance_at(entry, seen, start)
    if distance > SAME_PICTURES:
        said = f"{distance:.0f} of 64 bits of the pictures differ"
        return [_problem(entry, "another content", "its own", said)]
    found = []
    if lacking:
        where = "it cannot be told where"
        if not unsure:
            where = f"{abs(start)} at its start and {abs(lacking - start)} at its end"
        what = "trimmed" if lacking > 0 else "longer"
        said = f"{seen.entry.frames} frames: {abs(lacking)} {'fewer' if lacking > 0 else 'more'}"
        found.append(_problem(entry, what, f"{entry.frames} frames", f"{said}, {where}"))
    if begin is not None:
        wanted = len(entry.sound) / 40 - float(lacking / rate)  # 4 digits for each 0.1 s
        heard = len(seen.sound) / 10
        if abs(heard - wanted) > _LONGER:
            expected, said = f"{wanted:.1f} s", f"{heard:.1f} s"
            found.append(_problem(entry, "sound of another length", expected, said))
    # A clip whose pictures hardly move says too little about where it was cut.
    if begin is not None and not (unsure and lacking):
        late = float(start / rate) - begin
        if abs(late) > _MOVED:
            said = f"{abs(late) * 1000:.0f} ms {'late' if late > 0 else 'early'}"
            found.append(_problem(entry, "moved sound", "the sound in its place", said))
    return found


def _start(entry: Entry, seen: Seen, lacking: int, begin: float | None) -> tuple[int, bool]:
    """The frame of the entry's clip with which this one begins, and whether that is a guess.

    Pictures and sound are asked. Below 0 where the clip begins before the entry's.
    """
    places = range(min(0, lacking), max(0, lacking) + 1)
    scores = np.array([_distance_at(entry, seen, place) for place in places])
    good = np.flatnonzero(scores <= scores.min() + 0.5)
    if begin is not None:
        heard = float(begin * seen.entry.rate)
        near = [i for i in good if abs(places[i] - heard) <= _UNSURE]
        if near:
            return places[min(near, key=lambda i: (scores[i], abs(places[i] - heard)))], False
    return places[int(scores.argmin())], int(good.max() - good.min()) > _UNSURE


def _distance_at(entry: Entry, seen: Seen, start: int) -> float:
    """How far the pictures are apart if the clip begins with that frame of the entry's; bits."""
    rate = seen.entry.rate / entry.rate
    numbers = np.array([round(n * rate) for n in spread(entry.frames)]) - start
    inside = (numbers >= 0) & (numbers < len(seen.pictures))
    if not inside.any():
        return 64.0
    return picture_distance(seen.pictures[numbers[inside]], entry.picture_bits[inside])


def _hash(path: Path) -> str:
    try:
        return file_sha256(path)
    except OSError:
        return ""


def _problem(entry: Entry, what: str, expected: str, found: str) -> Finding:
    return Finding(entry.id, "problem", what, expected, found)
