"""Result files of raters: read as strangers' text, held against the key, refused with a reason."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.limits import parsed_json, text_of
from evaluation.report.words import printable
from leaderboards.study.key import Key, Trial

SCHEMA = 1
LARGEST = 4 << 20
"""Bytes of a result file; one of a hundred trials has thirty thousand."""
_LONGEST = 64
_LONG = 24 * 3600 * 1000  # ms


@dataclass(frozen=True)
class Answer:
    """What one rater said on one screen.

    Attributes:
        trial: What was shown.
        scores: Question -> 1 to 5, of a rated clip.
        choice: ``left``, ``right`` or ``none``, of a pair; empty otherwise.
        problem: The clip did not play, and there is no answer.
        ms: From the first play to the answer.
        after_ms: From the end of the last clip to the answer.
    """

    trial: Trial
    scores: dict[str, int]
    choice: str
    problem: bool
    ms: int
    after_ms: int


@dataclass(frozen=True)
class Rater:
    """One rater's answers, in their order.

    Attributes:
        name: As typed, fit to print.
        number: Of the assignment, from 1.
        sound: headphones or loudspeakers.
        answers: As far as the rater came.
        asked: Trials of the assignment.
        file: Where they were read.
    """

    name: str
    number: int
    sound: str
    answers: Sequence[Answer]
    asked: int
    file: str

    @property
    def complete(self) -> bool:
        """Every trial is there."""
        return len(self.answers) == self.asked


@dataclass(frozen=True)
class Refused:
    """A file that does not count, and why."""

    file: str
    reason: str


class _BadFileError(ValueError):
    """Why a result file is refused."""


def read_answers(key: Key, paths: Iterable[Path]) -> tuple[list[Rater], list[Refused]]:
    """Every file of the study, once.

    Args:
        key: Of the study.
        paths: Result files, or folders of them (``*.json``).

    Returns:
        Raters by name, and the files that do not count: of another study, changed, damaged, a copy,
        or one of two that the same rater gave with other answers.
    """
    raters: dict[str, list[tuple[Rater, str]]] = {}
    refused: list[Refused] = []
    for path in _files(paths):
        shown = printable(path.name)
        try:
            rater, content = _read(key, path, shown)
        except _BadFileError as error:
            refused.append(Refused(shown, str(error)))
            continue
        raters.setdefault(rater.name, []).append((rater, content))
    counted = []
    for name, found in sorted(raters.items()):
        first = found[0]
        if any(content != first[1] for _, content in found):
            others = ", ".join(r.file for r, _ in found)
            refused += [
                Refused(r.file, f"rater {name} gave different answers in {others}; keep one")
                for r, _ in found
            ]
            continue
        counted.append(first[0])
        refused += [Refused(r.file, f"is a copy of {first[0].file}") for r, _ in found[1:]]
    return counted, refused


def _files(paths: Iterable[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        found += sorted(path.glob("*.json")) if path.is_dir() else [path]
    return list(dict.fromkeys(found))


def fingerprint(text: str) -> str:
    """FNV-1a, 64 bits: tells a file that was changed by accident or by hand; it is no signature."""
    value = 0xCBF29CE484222325
    for character in text:
        value = ((value ^ ord(character)) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


def _read(key: Key, path: Path, shown: str) -> tuple[Rater, str]:
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise _BadFileError(f"has {size} bytes, at most {LARGEST} are read")
        raw = parsed_json(text_of(path))
    except OSError as error:
        raise _BadFileError(f"cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise _BadFileError(f"is not JSON: {error}"[:200]) from error
    if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
        raise _BadFileError("is no result file of a study")
    if raw.get("study") != key.study:
        raise _BadFileError(f"is of another study, {printable(str(raw.get('study')))[:40]}")
    check = raw.pop("check", None)
    if check != fingerprint(json.dumps(raw, separators=(",", ":"), ensure_ascii=False)):
        raise _BadFileError("was changed after it was downloaded")
    name = _text(raw, "rater")
    number = raw.get("number")
    if not _whole(number, 1, len(key.assignments)):
        raise _BadFileError(f"number {number!r:.40} is none of 1 to {len(key.assignments)}")
    plan = key.assignments[int(str(number)) - 1]
    trials = raw.get("trials")
    if not isinstance(trials, list) or len(trials) > len(plan):
        raise _BadFileError(f"has no list of up to {len(plan)} trials")
    answers = [
        _answer(key, asked, said, place)
        for place, (asked, said) in enumerate(zip(plan, trials, strict=False), start=1)
    ]
    rater = Rater(name, int(str(number)), _text(raw, "sound"), answers, len(plan), shown)
    return rater, json.dumps(raw, sort_keys=True)


def _answer(key: Key, asked: Trial, said: Any, place: int) -> Answer:  # noqa: ANN401 - a stranger's
    where = f"trial {place}"
    if not isinstance(said, dict) or said.get("kind") != asked.kind:
        raise _BadFileError(f"{where} is not the one that was asked")
    if said.get("clips") != list(asked.clips):
        raise _BadFileError(f"{where} is of other clips than were shown")
    times = [said.get(name) for name in ("ms", "after_ms")]
    if not all(_whole(t, 0, _LONG) for t in times):
        raise _BadFileError(f"{where} has no times")
    answers = said.get("answers")
    if not isinstance(answers, dict) or not isinstance(said.get("problem"), bool):
        raise _BadFileError(f"{where} has no answers")
    scores: dict[str, int] = {}
    choice = ""
    if not said["problem"]:
        if asked.kind == "rate":
            if answers.keys() != set(key.questions):
                raise _BadFileError(f"{where} does not answer {', '.join(key.questions)}")
            if not all(_whole(v, 1, 5) for v in answers.values()):
                raise _BadFileError(f"{where} has an answer that is none of 1 to 5")
            scores = {question: answers[question] for question in key.questions}
        else:
            allowed = ("left", "right", "none") if key.ties else ("left", "right")
            choice = answers.get("choice", "")
            if answers.keys() != {"choice"} or choice not in allowed:
                raise _BadFileError(f"{where} has a choice that is none of {', '.join(allowed)}")
    return Answer(asked, scores, choice, said["problem"], int(said["ms"]), int(said["after_ms"]))


def _text(raw: dict[str, Any], name: str) -> str:
    value = raw.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST:
        raise _BadFileError(f"has no {name}")
    return printable(value)


def _whole(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
