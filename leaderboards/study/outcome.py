"""A study's answers as numbers: with the raters who were screened out, and without them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from evaluation.results import Results
from evaluation.stats import Interval, jackknife
from leaderboards.study import agreement, correlation
from leaderboards.study.agreement import Icc
from leaderboards.study.answers import Answer, Rater, Refused
from leaderboards.study.correlation import Correlation
from leaderboards.study.key import Key
from leaderboards.study.opinions import mean
from leaderboards.study.preferences import Duel, NoStrengthsError, Strength, strengths
from leaderboards.study.screening import Screened

PREFERENCE = "preference"


@dataclass(frozen=True)
class Opinion:
    """A mean opinion score.

    Attributes:
        system: Whose.
        question: Which.
        score: 1 to 5, with its interval over raters and clips; None where nobody answered.
        answers: Behind it.
        raters: Who gave them.
        clips: About how many samples.
    """

    system: str
    question: str
    score: Interval | None
    answers: int
    raters: int
    clips: int


@dataclass(frozen=True)
class Agreement:
    """How far raters agree on a question; intervals leave each clip out in turn."""

    question: str
    ordinal: Interval | None
    interval: Interval | None
    icc: Icc | None


@dataclass(frozen=True)
class Outcome:
    """Numbers of one set of raters."""

    raters: int
    opinions: Sequence[Opinion]
    agreement: Sequence[Agreement]
    strengths: Sequence[Strength]
    ties: float
    no_strengths: str
    correlations: Sequence[Correlation]


@dataclass(frozen=True)
class Read:
    """All that a study says.

    Attributes:
        key: Of the study.
        screened: Every rater, with the rules broken.
        refused: Files that do not count.
        kept: Numbers without the raters who broke a rule.
        everybody: Numbers with them.
        remarks: What to know, in sentences.
    """

    key: Key
    screened: Sequence[Screened]
    refused: Sequence[Refused]
    kept: Outcome
    everybody: Outcome
    remarks: Sequence[str]


def read(
    key: Key, screened: Sequence[Screened], refused: Sequence[Refused], run: Results | None
) -> Read:
    """Put it together.

    Args:
        key: Of the study.
        screened: Raters whose files count.
        refused: The other files.
        run: Whose metrics are held against people.
    """
    everybody = [s.rater for s in screened]
    kept = [s.rater for s in screened if not s.broken]
    one = outcome(key, kept, run)
    return Read(
        key,
        screened,
        refused,
        one,
        one if len(kept) == len(everybody) else outcome(key, everybody, run),
        list(_remarks(key, everybody)),
    )


def outcome(key: Key, raters: Sequence[Rater], run: Results | None) -> Outcome:
    """Numbers of these raters. Checks, repeated clips and clips that did not play do not count."""
    rated = [(r, a) for r in raters for a in r.answers if _counts(a, "rate")]
    duels = [_duel(key, r, a) for r in raters for a in r.answers if _counts(a, "pair")]
    opinions = [_opinion(key, rated, s, q) for q in key.questions for s in key.systems]
    found: list[Strength] = []
    ties, why = 0.0, "" if duels else "no pairs were compared"
    if duels:
        try:
            found, ties = strengths(duels)
        except NoStrengthsError as error:
            why = str(error)
    return Outcome(
        raters=len(raters),
        opinions=opinions,
        agreement=[_agreement(key, rated, q) for q in key.questions],
        strengths=found,
        ties=ties,
        no_strengths=why,
        correlations=[] if run is None else list(_correlations(key, run, opinions, rated, found)),
    )


def _counts(answer: Answer, kind: str) -> bool:
    return answer.trial.kind == kind and answer.trial.role == "" and not answer.problem


_Rated = Sequence[tuple[Rater, Answer]]


def _opinion(key: Key, rated: _Rated, system: str, question: str) -> Opinion:
    rows = [
        (a.scores[question], r.name, clip.sample)
        for r, a in rated
        if (clip := key.clips[a.trial.clips[0]]).generator == system
    ]
    if not rows:
        return Opinion(system, question, None, 0, 0, 0)
    values, raters, clips = zip(*rows, strict=True)
    score = mean(values, raters, clips)
    return Opinion(system, question, score, len(rows), len(set(raters)), len(set(clips)))


def _duel(key: Key, rater: Rater, answer: Answer) -> Duel:
    left, right = (key.clips[name] for name in answer.trial.clips)
    won = {"left": 1.0, "right": 0.0, "none": 0.5}[answer.choice]
    return Duel(left.generator, right.generator, won, rater.name, left.sample)


def _agreement(key: Key, rated: _Rated, question: str) -> Agreement:
    answers = {(r.name, a.trial.clips[0]): float(a.scores[question]) for r, a in rated}
    of_sample: dict[str, list[str]] = defaultdict(list)
    for unit in sorted({u for _, u in answers}):
        of_sample[key.clips[unit].sample].append(unit)

    def alpha(level: agreement.Level) -> Interval | None:
        def statistic(samples: Sequence[str]) -> float:
            units = {u for s in samples for u in of_sample[s]}
            chosen = {cell: v for cell, v in answers.items() if cell[1] in units}
            found = agreement.krippendorff(agreement.matrix(chosen), level) if chosen else None
            return math.nan if found is None else found

        if not answers:
            return None
        found = jackknife(statistic, list(of_sample), (-1.0, 1.0))
        if math.isnan(found.value):
            return None
        if found.lo is not None and math.isnan(found.lo):
            return Interval(found.value, None, None, found.n_speakers)
        return found

    data = agreement.matrix(answers) if answers else None
    found = None if data is None else agreement.icc(data)
    return Agreement(question, alpha("ordinal"), alpha("interval"), found)


def _correlations(
    key: Key,
    run: Results,
    opinions: Sequence[Opinion],
    rated: _Rated,
    found: Sequence[Strength],
) -> Iterable[Correlation]:
    for question in key.questions:
        means = {
            o.system: o.score.value
            for o in opinions
            if o.question == question and o.score is not None
        }
        yield from correlation.over_systems(run, question, means)
        cells: dict[tuple[str, str], list[int]] = defaultdict(list)
        for _, a in rated:
            clip = key.clips[a.trial.clips[0]]
            cells[clip.generator, clip.sample].append(a.scores[question])
        yield from correlation.over_clips(
            run, question, {cell: fmean(scores) for cell, scores in cells.items()}
        )
    if found:
        yield from correlation.over_systems(run, PREFERENCE, {s.system: s.value for s in found})


def _remarks(key: Key, raters: Sequence[Rater]) -> Iterable[str]:
    partial = [r for r in raters if not r.complete]
    if partial:
        names = ", ".join(f"{r.name} ({len(r.answers)} of {r.asked})" for r in partial)
        yield f"{len(partial)} raters did not finish, and what they said counts: {names}"
    problems = sum(a.problem for r in raters for a in r.answers)
    if problems:
        yield f"{problems} clips did not play and have no answer"
    numbers: dict[int, list[str]] = defaultdict(list)
    for r in raters:
        numbers[r.number].append(r.name)
    doubled = {n: names for n, names in numbers.items() if len(names) > 1}
    if doubled:
        said = "; ".join(f"{n}: {', '.join(names)}" for n, names in sorted(doubled.items()))
        yield f"raters share a number, so that the design is no longer balanced: {said}"
    speakers = sum(r.sound == "loudspeakers" for r in raters)
    if speakers:
        yield f"{speakers} of {len(raters)} raters listened with loudspeakers"
    if key.left_out:
        said = "; ".join(f"{s} ({why})" for s, why in sorted(key.left_out.items()))
        yield f"{len(key.left_out)} samples of the run are not in the study: {said}"
