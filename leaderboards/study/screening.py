"""Raters who did not look: rules stated before the numbers are seen, each with what broke it."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from leaderboards.study.answers import Answer, Rater
from leaderboards.study.key import Key

SHIFTED_AT_MOST = 3
"""A clip whose sound is a second late may get that much for lip-sync."""
REPEAT_AT_MOST = 2.0
"""Mean difference between the answers to one clip seen twice."""
STRAIGHT_FROM = 6
"""Rated clips from which on equal answers to all of them are a straight line."""
FAST_MS = 400
"""A question, after the clip's end; half of all trials below it are too fast."""

RULES = {
    "instruction": "did not answer what a clip told them to",
    "shifted": f"gave more than {SHIFTED_AT_MOST} for lip-sync to a clip whose sound is late, or "
    "preferred it",
    "inconsistent": f"answers to a repeated clip differ by more than {REPEAT_AT_MOST:g} on average",
    "straight line": f"the same answer to every question of {STRAIGHT_FROM} clips or more",
    "too fast": f"half of the answers within {FAST_MS / 1000:g} s a question of the clip's end",
    "impossible": "answers before the clip can have ended",
}


@dataclass(frozen=True)
class Screened:
    """A rater and the rules that were broken; nobody is left out without one."""

    rater: Rater
    broken: Sequence[str]


def screen(key: Key, raters: Sequence[Rater]) -> list[Screened]:
    """Hold every rater against the rules."""
    return [Screened(rater, _broken(key, rater)) for rater in raters]


def _broken(key: Key, rater: Rater) -> list[str]:
    answers = [a for a in rater.answers if not a.problem]
    found = {
        "instruction": any(_ignored(key, a) for a in answers),
        "shifted": any(_deaf(key, a) for a in answers),
        "inconsistent": any(_unlike(answers, a) for a in answers if a.trial.role == "repeat"),
        "straight line": _straight(answers),
        "too fast": _fast(answers),
        "impossible": any(_impossible(key, a) for a in answers),
    }
    return [name for name, broken in found.items() if broken]


def _ignored(key: Key, answer: Answer) -> bool:
    if answer.trial.role != "instruction":
        return False
    wanted = key.clips[answer.trial.clips[0]].answer
    return any(score != wanted for score in answer.scores.values())


def _deaf(key: Key, answer: Answer) -> bool:
    if answer.trial.role != "shifted":
        return False
    if answer.trial.kind == "pair":
        sides = dict(zip(("left", "right"), answer.trial.clips, strict=True))
        chosen = sides.get(answer.choice)
        return chosen is not None and key.clips[chosen].role == "shifted"
    return answer.scores.get("lip-sync", 0) > SHIFTED_AT_MOST


def _unlike(answers: Sequence[Answer], again: Answer) -> bool:
    first = next(
        (a for a in answers if a.trial.clips == again.trial.clips and a.trial.role == ""), None
    )
    if first is None or not again.scores:
        return False
    return (
        statistics.fmean(abs(first.scores[q] - again.scores[q]) for q in again.scores)
        > REPEAT_AT_MOST
    )


def _straight(answers: Sequence[Answer]) -> bool:
    rated = [a for a in answers if a.trial.kind == "rate" and a.trial.role == ""]
    given = {score for a in rated for score in a.scores.values()}
    return len(rated) >= STRAIGHT_FROM and len(given) == 1


def _fast(answers: Sequence[Answer]) -> bool:
    quick = [a.after_ms < FAST_MS * max(len(a.scores), 1) for a in answers]
    return bool(quick) and sum(quick) * 2 > len(quick)


def _impossible(key: Key, answer: Answer) -> bool:
    length = max(key.clips[name].seconds for name in answer.trial.clips)
    return answer.ms < 0.9 * 1000 * length
