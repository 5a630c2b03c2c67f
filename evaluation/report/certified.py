"""A certificate as the terminal prints it, and as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from evaluation.certificate import (
    BASE,
    DAMAGES,
    INVISIBLE,
    LADDERS,
    CardFacts,
    Certificate,
    Change,
    Floor,
    Ladder,
    Step,
)
from evaluation.report.cells import arrow
from evaluation.report.markdown import escape
from evaluation.report.numbers import NOTHING, decimals, number
from evaluation.report.words import count, listed, ordinal, plain, printable

_SIGNS: Mapping[Step, str] = {"worse": ">", "tie": "≈", "better": "<", "": "?"}
_GRADES = {
    "shift": ("1", "3", "9"),
    "mouth blur": ("w", "m", "s"),
    "codec": ("28", "35", "42"),
}
_NAME_WIDTH = 30

READ = (
    "Floor: the largest change that something invisible makes to the ground truth's number",
    f"Gaps: the same on a video that is coarsely encoded already ({BASE}), and on the ground "
    "truth unless it is perfect by definition; tables grey out gaps below it",
    "T>w>m>s: the number gets worse by more than the floor from the ground truth (T) to the first "
    "grade (weak), and by more than that for gaps from grade to grade; ≈ by less; < it gets better "
    "by more. Grades: frames of the shift; weak, medium, strong blur; crf of the codec",
    "yes: worse by more than the floor; within: changed by less; no: not changed at all; wrong "
    "way: better by more. A card that does not listen sees no swapped audio, and need not",
)


def print_certificate(certificate: Certificate, console: Console) -> None:
    """Two tables, readable at 100 columns: floors, and what is seen and ordered."""
    console.print()
    head = Text(printable(certificate.suite), "bold")
    console.print(head.append(f"  {_data(certificate)}", "not bold"))
    for title, heads, rows in (
        ("Invisible changes", _floor_heads(), _floor_rows(certificate)),
        ("Visible damages", _damage_heads(), _damage_rows(certificate)),
    ):
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="")
        table.add_column(Text(title, "bold"), max_width=_NAME_WIDTH, overflow="fold")
        for name in heads[1:]:
            # Heads of two words stand on two lines. Below 80 columns numbers are folded, not cut.
            head = Text(name.replace(" ", "\n"), "bold")
            table.add_column(head, justify="right", overflow="fold")
        for cells in rows:
            table.add_row(*(Text(cell, _style(cell)) for cell in cells))
        console.print()
        console.print(table)
    console.print()
    for line in (*READ, *_reasons(certificate)):
        console.print(Text(line, "dim"))
    console.print()


def certificate_markdown(certificate: Certificate) -> str:
    """The same tables, every change, and what it was measured with."""
    changes = [c for card in certificate.cards for c in (*card.invisible, *card.visible)]
    heads = ["Card", *dict.fromkeys(c.perturbation for c in changes)]
    parts = [
        f"# Certificate of {escape(certificate.suite)}",
        f"{escape(_data(certificate))}; {escape(certificate.at)}.",
        "## Invisible changes",
        _table(_floor_heads(), _floor_rows(certificate)),
        "## Visible damages",
        _table(_damage_heads(), _damage_rows(certificate)),
        "\n".join(f"- {escape(line)}" for line in (*READ, *_reasons(certificate))),
        "## Every change",
        f"To the number of the ground truth; behind a plus, to that of {BASE}.",
        _table(heads, [[card.name, *_all(card)] for card in certificate.cards]),
        "## Perturbations",
        "\n".join(
            f"- **{escape(name)}** (version {escape(p['version'])}) {escape(p['about'])}"
            for name, p in certificate.perturbations.items()
        ),
        "## Environment",
        "\n".join(f"- {escape(str(k))}: {escape(_flat(v))}" for k, v in _environment(certificate)),
    ]
    return "\n\n".join(parts) + "\n"


def _data(certificate: Certificate) -> str:
    speakers = len({c["speaker"] for c in certificate.clips.values()})
    every = certificate.every
    frames = "every frame" if every == 1 else f"every {ordinal(every)} frame"
    part = "" if certificate.limit is None else ", a part of the suite"
    clips = count(len(certificate.clips), "clip")
    return f"{clips} of {count(speakers, 'speaker')}, {frames}{part}"


def _floor_heads() -> list[str]:
    return ["Card", "truth", *map(_short_name, INVISIBLE), "floor", "gaps"]


def _floor_rows(certificate: Certificate) -> list[list[str]]:
    return [_floor_row(card) for card in certificate.cards]


def _floor_row(card: CardFacts) -> list[str]:
    digits = _digits(card)
    changes = {c.perturbation: c for c in card.invisible}
    value = NOTHING if card.value is None else number(card.value, digits)
    return [
        f"{card.name} {arrow(card.direction)}",
        f"{value} {card.unit}".rstrip(),
        *(_signed(changes[name], digits) for name in INVISIBLE),
        _floor(card.floor, digits),
        _floor(card.gap_floor, digits),
    ]


def _damage_heads() -> list[str]:
    return ["Card", *LADDERS, *(name.replace("-", " ") for name in DAMAGES)]


def _damage_rows(certificate: Certificate) -> list[list[str]]:
    return [_damage_row(card) for card in certificate.cards]


def _damage_row(card: CardFacts) -> list[str]:
    seen = {c.perturbation: c.sees for c in card.visible}
    short = {"within the floor": "within", "": NOTHING}
    return [
        f"{card.name} {arrow(card.direction)}",
        *(_climbed(ladder, _GRADES[name]) for name, ladder in card.ladders.items()),
        *(short.get(seen[name], seen[name]) for name in DAMAGES),
    ]


def _climbed(ladder: Ladder, grades: Sequence[str]) -> str:
    """``T>1>3≈9``."""
    steps = (f"{_SIGNS[step]}{grade}" for step, grade in zip(ladder.steps, grades, strict=True))
    return "T" + "".join(steps)


def _digits(card: CardFacts) -> int:
    """Digits that show the card's number and what moves it."""
    changes = [c.change for c in (*card.invisible, *card.visible) if c.change is not None]
    return decimals([*([] if card.value is None else [card.value]), *changes])


def _signed(change: Change, digits: int) -> str:
    return NOTHING if change.change is None else number(change.change, digits, sign=True)


def _floor(floor: Floor | None, digits: int) -> str:
    return NOTHING if floor is None else number(floor.value, digits)


def _all(card: CardFacts) -> list[str]:
    digits = _digits(card)
    return [_signed(change, digits) for change in (*card.invisible, *card.visible)]


def _short_name(name: str) -> str:
    return name.removeprefix("invisible-")


def _reasons(certificate: Certificate) -> list[str]:
    """Why numbers are missing or rest on fewer clips: each reason once, with where it struck."""
    places: dict[str, list[str]] = {}
    for card in certificate.cards:
        if card.value is None:
            places.setdefault(plain(card.reason), []).append(card.name)
            continue
        for change in (*card.invisible, *card.visible):
            if change.reason:
                where = f"{card.name} on {change.perturbation}"
                if change.change is not None:
                    where += f" ({change.n_clips} of {count(card.n_clips, 'clip')} left)"
                places.setdefault(plain(change.reason), []).append(where)
    return [f"{NOTHING} {reason}: {listed(where, 4)}" for reason, where in places.items()]


def _style(cell: str) -> str:
    if cell == "wrong way" or "<" in cell:
        return "yellow"
    return "dim" if cell in (NOTHING, "within") else ""


def _environment(certificate: Certificate) -> Iterable[tuple[str, object]]:
    return ((k, v) for k, v in certificate.environment.items() if v)


def _flat(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {v}" for k, v in value.items())
    return str(value)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    rule = ["---"] + ["--:"] * (len(heads) - 1)
    texts = ([escape(cell) for cell in row] for row in rows)
    return "\n".join(f"| {' | '.join(row)} |" for row in (map(escape, heads), rule, *texts))
