"""What a report's tables hold: heads, cells, differences, notes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from evaluation.ranking import Mark
from evaluation.report.coverage import Counts
from evaluation.report.numbers import NOTHING
from evaluation.results import Difference, Estimate
from metrics import MetricSpec

Verdict = Literal["", "better", "worse", "open"]

NEAR = "≈"
OPTIMISED = "‡"


@dataclass(frozen=True, kw_only=True)
class Column:
    """A metric's head.

    Attributes:
        spec: The card.
        title: Unique in this table.
        arrow: Which way is better.
        unit: Of the values, may be empty.
        frames: ``750 frames`` for a set metric where all rows have as many, else empty.
        decimals: Of all numbers in the column.
    """

    spec: MetricSpec
    title: str
    arrow: str
    unit: str
    frames: str
    decimals: int

    @property
    def details(self) -> str:
        """What stands small below the title."""
        return ", ".join(part for part in (self.unit, self.frames) if part)


@dataclass(frozen=True, kw_only=True)
class Row:
    """A generator's head.

    Attributes:
        key: Generator name as in the records.
        name: The same, fit to print.
        kind: reference, anchor or system.
        first_of_kind: The row above is of another kind.
        trained_on_this: It says that it was trained on the data set of the suite.
    """

    key: str
    name: str
    kind: str
    first_of_kind: bool
    trained_on_this: bool


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A number with all that must stand beside it.

    Attributes:
        value: ``31.42`` or a dash.
        interval: ``±0.53``, ``[0.00, 1.20]`` or empty.
        coverage: ``2/3`` clips, empty where every clip is scored.
        frames: ``500 frames`` where rows of a set metric differ, else empty.
        mark: best, second or none.
        near: Its gap to the best is smaller than the card's noise floor: greyed, with ``NEAR``
            before the value.
        optimised: The generator was trained with this metric's own network or score.
        note: Key into the notes, empty where there is none.
        reason: Text of that note.
        counts: Clips behind it.
        estimate: What it was made of, None where there is none.
    """

    value: str = NOTHING
    interval: str = ""
    coverage: str = ""
    frames: str = ""
    mark: Mark = ""
    near: bool = False
    optimised: bool = False
    note: str = ""
    reason: str = ""
    counts: Counts
    estimate: Estimate | None

    @property
    def has_value(self) -> bool:
        """Whether there is a number."""
        return self.value != NOTHING

    @property
    def shown(self) -> str:
        """The value as it is printed: ``31.42``, ``≈31.42`` near the best, ``31.42‡``."""
        value = NEAR + self.value if self.near else self.value
        return value + OPTIMISED if self.optimised else value


@dataclass(frozen=True, kw_only=True)
class Change:
    """A difference to the baseline.

    Attributes:
        value: ``+1.20`` or a dash.
        interval: ``±0.53`` or empty.
        verdict: Better or worse where the interval leaves zero out, else open; empty without
            an interval. Open too where it is smaller than the card's noise floor.
        near: It is smaller than the card's noise floor.
        clips: ``on 2 clips`` where not all clips are common to both, else empty.
        difference: What it was made of, None where there is none.
    """

    value: str = NOTHING
    interval: str = ""
    verdict: Verdict = ""
    near: bool = False
    clips: str = ""
    difference: Difference | None = None

    @property
    def shown(self) -> str:
        """The value as it is printed: ``+1.20``, ``≈+0.01`` below the noise floor."""
        return NEAR + self.value if self.near else self.value


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The main table and the table of differences, ready to print.

    Attributes:
        columns: Metrics.
        rows: Generators.
        cells: By (generator, card name).
        notes: (key, text), in order of first appearance.
        changes: By (generator, card name); baseline's own row left out.
        baseline: Fit to print.
    """

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    cells: Mapping[tuple[str, str], Cell]
    notes: tuple[tuple[str, str], ...]
    changes: Mapping[tuple[str, str], Change]
    baseline: str

    @property
    def detailed(self) -> bool:
        """Whether any head needs its small line."""
        return any(c.details for c in self.columns)

    @property
    def marked(self) -> bool:
        """Whether anything is best or second."""
        return any(c.mark for c in self.cells.values())

    @property
    def near(self) -> tuple[Column, ...]:
        """Columns in which a gap is smaller than the card's noise floor."""
        found = {name for (_, name), c in self.cells.items() if c.near}
        found |= {name for (_, name), c in self.changes.items() if c.near}
        return tuple(c for c in self.columns if c.spec.name in found)

    @property
    def compared(self) -> tuple[Row, ...]:
        """Rows of the table of differences."""
        found = {g for g, _ in self.changes}
        return tuple(r for r in self.rows if r.key in found)
