"""Do the metrics of a run agree with people: rank correlations over systems and over clips.

Signs are turned so that more is agreement: a metric of which less is better counts negated. Over
clips, the interval leaves each speaker out in turn (``evaluation.stats``). Over systems it is that
of Bonett and Wright (Psychometrika 65, 2000) for Spearman and of Fieller, Hartley and Pearson
(Biometrika 44, 1957) for Kendall; it speaks of systems beyond those rated, and a study has few:
there is none below five.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import ndtri
from scipy.stats import kendalltau, rankdata

from evaluation.results import Results
from evaluation.stats import LEVEL, Interval, jackknife

_FEWEST = 5  # systems


@dataclass(frozen=True)
class Correlation:
    """One metric against one question.

    Attributes:
        metric: Card.
        title: Of the card.
        question: Or ``preference``: strengths of pairs.
        over: ``systems`` or ``clips``.
        count: Of these.
        spearman: With its interval; None where either side does not vary.
        kendall: tau-b, likewise.
        note: Why there is none.
    """

    metric: str
    title: str
    question: str
    over: Literal["systems", "clips"]
    count: int
    spearman: Interval | None
    kendall: Interval | None
    note: str = ""


def spearman(x: Sequence[float], y: Sequence[float]) -> float:
    """Of midranks; NaN where one side does not vary."""
    a, b = rankdata(x), rankdata(y)
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return math.nan
    return float(np.corrcoef(a, b)[0, 1])


def kendall(x: Sequence[float], y: Sequence[float]) -> float:
    """tau-b; NaN where one side does not vary."""
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return math.nan
    return float(kendalltau(x, y).statistic)


def over_systems(results: Results, question: str, scores: Mapping[str, float]) -> list[Correlation]:
    """Every card's number of each system against what people gave it.

    Args:
        results: Of the run.
        question: That people answered.
        scores: System -> mean opinion, or strength.
    """
    found = []
    for metric in results.metrics:
        sign = 1 if metric.spec.direction == "higher" else -1
        values = {
            g: sign * e.value
            for g in scores
            if (e := results.estimates.get((g, metric.spec.name))) is not None
            and e.value is not None
        }
        systems = sorted(values)
        x, y = [values[s] for s in systems], [scores[s] for s in systems]
        n = len(systems)
        one = two = None
        note = "fewer than three systems have both" if n < 3 else ""
        if n >= 3:
            rho, tau = spearman(x, y), kendall(x, y)
            if math.isnan(rho):
                note = "one side does not vary"
            else:
                one = _fisher(rho, n, math.sqrt((1 + rho**2 / 2) / max(n - 3, 1)))
                two = _fisher(tau, n, math.sqrt(0.437 / max(n - 4, 1)))
        found.append(
            Correlation(metric.spec.name, metric.spec.title, question, "systems", n, one, two, note)
        )
    return found


def _fisher(value: float, count: int, error: float) -> Interval:
    if count < _FEWEST or abs(value) >= 1:
        return Interval(value, None, None, count)
    half = float(ndtri(0.5 + LEVEL / 2)) * error
    middle = math.atanh(value)
    return Interval(value, math.tanh(middle - half), math.tanh(middle + half), count)


def over_clips(
    results: Results, question: str, scores: Mapping[tuple[str, str], float]
) -> list[Correlation]:
    """Every clip's value under the cards that have one, against its mean opinion.

    Args:
        results: Of the run.
        question: That people answered.
        scores: (system, sample) -> mean opinion.
    """
    speakers = {s: str(x["speaker"]) for s, x in results.manifest["samples"].items()}
    found = []
    for metric in results.metrics:
        spec = metric.spec
        if not spec.per_clip:
            note = "a number of sets of clips: no clip has one"
            found.append(Correlation(spec.name, spec.title, question, "clips", 0, None, None, note))
            continue
        sign = 1 if spec.direction == "higher" else -1
        rows = [
            (speakers[r.sample], sign * r.value, scores[r.generator, r.sample])
            for r in results.records
            if r.metric == spec.name
            and r.value is not None
            and r.status == "ok"
            and (r.generator, r.sample) in scores
        ]
        one, two = (_left_out(rows, kind) for kind in ("spearman", "kendall"))
        note = "" if one is not None else "fewer than three clips, or one side does not vary"
        found.append(
            Correlation(spec.name, spec.title, question, "clips", len(rows), one, two, note)
        )
    return found


def _left_out(
    rows: Sequence[tuple[str, float, float]], kind: Literal["spearman", "kendall"]
) -> Interval | None:
    rank = spearman if kind == "spearman" else kendall

    def statistic(speakers: Sequence[str]) -> float:
        chosen = [(x, y) for speaker, x, y in rows if speaker in set(speakers)]
        return rank(*zip(*chosen, strict=True)) if len(chosen) > 2 else math.nan

    found = jackknife(statistic, [speaker for speaker, _, _ in rows], (-1.0, 1.0)) if rows else None
    if found is None or math.isnan(found.value):
        return None
    if found.lo is not None and math.isnan(found.lo):
        return Interval(found.value, None, None, found.n_speakers)
    return found
