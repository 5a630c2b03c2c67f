"""A study's numbers as text: terminal and JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console
from rich.table import Table
from rich.text import Text

from evaluation.report.numbers import NOTHING
from evaluation.report.words import printable
from evaluation.stats import Interval
from leaderboards.study.correlation import Correlation
from leaderboards.study.outcome import Outcome, Read
from leaderboards.study.screening import RULES


def to_terminal(found: Read, console: Console) -> None:
    """Everything, with what was left out."""
    excluded = [s for s in found.screened if s.broken]
    console.print(Text(printable(found.key.title), "bold"))
    console.print(
        Text(
            f"{len(found.screened)} raters, {len(excluded)} left out by screening; "
            f"{len(found.refused)} files do not count."
        )
    )
    for refused in found.refused:
        console.print(Text(f"{refused.file} {printable(refused.reason)}", "yellow"))
    rules = Counter(rule for s in excluded for rule in s.broken)
    for one in excluded:
        console.print(Text(f"left out: {one.rater.name} ({', '.join(one.broken)})", "yellow"))
    for rule, count in rules.items():
        console.print(Text(f"  {rule}: {count}, {RULES[rule]}", "dim"))
    for remark in found.remarks:
        console.print(Text(f"{printable(remark)}.", "yellow"))
    _outcome(found.kept, console, "")
    if excluded:
        _outcome(found.everybody, console, "with everybody: ")


def _outcome(outcome: Outcome, console: Console, prefix: str) -> None:
    questions = list(dict.fromkeys(o.question for o in outcome.opinions))
    systems = list(dict.fromkeys(o.system for o in outcome.opinions))
    if questions:
        table = _table(f"{prefix}mean opinion, 1 to 5, {outcome.raters} raters", "", *questions)
        for system in systems:
            row = {o.question: o for o in outcome.opinions if o.system == system}
            cells = (
                NOTHING if (o := row[q]).score is None else f"{_shown(o.score, 2)}"
                for q in questions
            )
            table.add_row(Text(printable(system)), *cells)
        _print(table, console)
        table = _table(f"{prefix}agreement", "question", "alpha (ordinal)", "alpha (interval)")
        for name in ("ICC(1,1)", "ICC(1,k)", "ICC(2,1)", "k"):
            table.add_column(name, justify="right")
        for one in outcome.agreement:
            icc = one.icc
            numbers = (None,) * 4 if icc is None else (icc.one, icc.one_mean, icc.two, icc.k)
            table.add_row(
                one.question,
                _shown(one.ordinal, 2),
                _shown(one.interval, 2),
                *(NOTHING if x is None else f"{x:.2f}" for x in numbers),
            )
        _print(table, console)
    if outcome.strengths:
        table = _table(
            f"{prefix}preference: Bradley-Terry, Davidson's v {outcome.ties:.2f}",
            "",
            "log strength",
            "won",
            "lost",
            "no preference",
        )
        for s in outcome.strengths:
            strength = _shown(Interval(s.value, s.lo, s.hi, 0), 2)
            table.add_row(Text(printable(s.system)), strength, str(s.won), str(s.lost), str(s.tied))
        _print(table, console)
    elif outcome.no_strengths and not outcome.no_strengths.startswith("no pairs"):
        console.print(Text(outcome.no_strengths, "yellow"))
    if outcome.correlations:
        _correlations(outcome.correlations, console, prefix)


def _correlations(rows: Sequence[Correlation], console: Console, prefix: str) -> None:
    table = _table(
        f"{prefix}metrics against people (positive: they agree)",
        "question",
        "metric",
        "over",
        "n",
        "Spearman",
        "Kendall",
    )
    for row in rows:
        table.add_row(
            row.question,
            Text(printable(row.title)),
            row.over,
            str(row.count),
            _shown(row.spearman, 2) if not row.note else Text(row.note, "dim"),
            _shown(row.kendall, 2),
        )
    _print(table, console)


def _table(title: str, first: str, *others: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    table.add_column(first, overflow="fold")
    for name in others:
        table.add_column(name, justify="right", overflow="fold")
    return table


def _print(table: Table, console: Console) -> None:
    console.print()
    console.print(table)


def _shown(interval: Interval | None, digits: int) -> str:
    if interval is None:
        return NOTHING
    value = f"{interval.value:.{digits}f}"
    if interval.lo is None or interval.hi is None:
        return value
    return f"{value} [{interval.lo:.{digits}f}, {interval.hi:.{digits}f}]"


def to_json(found: Read) -> str:
    """All fields; the key's own content is left out."""
    content = {
        "study": found.key.study,
        "title": found.key.title,
        "suite": found.key.suite,
        "raters": [
            {
                "rater": s.rater.name,
                "number": s.rater.number,
                "sound": s.rater.sound,
                "answers": len(s.rater.answers),
                "asked": s.rater.asked,
                "broken": list(s.broken),
            }
            for s in found.screened
        ],
        "refused": [asdict(r) for r in found.refused],
        "remarks": list(found.remarks),
        "rules": RULES,
        "without_screened": asdict(found.kept),
        "with_everybody": asdict(found.everybody),
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
