"""Records: one line per (generator, sample, metric), append-only, never lost, never doubled.

A line is written with a single write and synced. A line torn by a crash has no newline at its
end, was never reported as done, and is cut off before the next append. The last line for a
(generator, sample, metric) is the one that counts. The schema is docs/RECORDS.md.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal, get_args

from evaluation.file_state import State, at_rest, state_of
from evaluation.limits import LONGEST_LINE, lines_of

SCHEMA = 1
CHECK = "check"
"""Field of a line that the others are held against; lines of before it was there have none."""

LARGEST = 1e100
"""No value is larger: squares of values are summed, and must stay finite."""

Status = Literal["ok", "failed", "not-applicable", "unavailable"]


class RecordsError(ValueError):
    """A records file cannot be read; names the line and what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """One row of ``records.jsonl``.

    Attributes:
        suite: ``name/version``.
        generator: Row of the table.
        sample: Sample id.
        speaker: Speaker of the sample.
        metric: Card name.
        metric_version: Card version.
        value: The clip's value; None unless ``status`` is ok, and for set metrics.
        status: ok; failed (the clip or the generator is at fault); not-applicable (the question
            has no meaning for this sample); unavailable (something is missing on this machine).
        reason: Why, where the status is not ok.
        frames: Frames the value rests on.
        every: Frames 0, N, 2N, ... were scored.
        seconds: Time spent on it.
        stages: Seconds by stage: ``generate`` and ``decode`` of its unit, told with each of its
            cards; ``extract`` and ``measure`` of this card, ``seconds`` in all. Read where asked
            for.
        notes: Counts worth knowing, such as frames without a face.
        generated_sha256: Of the scored file, empty where there is none.
        reference_sha256: Of the reference file, empty where there is none.
        generator_version: Of the generator.
        schema: Version of this layout.
    """

    suite: str
    generator: str
    sample: str
    speaker: str
    metric: str
    metric_version: str
    value: float | None
    status: Status
    reason: str = ""
    frames: int = 0
    every: int = 1
    seconds: float = 0.0
    notes: dict[str, int] = field(default_factory=dict)
    generated_sha256: str = ""
    reference_sha256: str = ""
    generator_version: str = ""
    schema: int = SCHEMA
    stages: dict[str, float] = field(default_factory=dict, compare=False)

    @property
    def cell(self) -> tuple[str, str, str]:
        """Which cell of the run this line fills."""
        return (self.generator, self.sample, self.metric)

    def answers(self, other: Record) -> bool:
        """Whether this line was made from the very same question and files."""
        return bool(_question(self) == _question(other))


_question = attrgetter(
    *("suite", "cell", "metric_version", "generator_version", "every"),
    *("generated_sha256", "reference_sha256"),
)
_read_last: dict[tuple[Path, State, bool], tuple[Record, ...]] = {}
"""The file that was read last: a command goes on with a run, and then makes its tables."""

_FIELDS = {f.name for f in fields(Record)}
_TEXTS = ("suite", "generator", "sample", "speaker", "metric", "metric_version", "reason")
_STATUSES = frozenset(get_args(Status))


def _checked(record: Record) -> Record:
    """The record, if its fields are of their kinds.

    Raises:
        TypeError: Names the field.
    """
    for name in _TEXTS:
        if not isinstance(getattr(record, name), str):
            raise TypeError(f"{name} is {getattr(record, name)!r}")
    if record.status not in _STATUSES:
        raise TypeError(f"status is {record.status!r}")
    if not isinstance(record.value, int | float | None):
        raise TypeError(f"value is {record.value!r}")
    if record.value is not None and not abs(record.value) <= LARGEST:
        raise TypeError(f"value is {record.value!r}")
    if not isinstance(record.frames, int) or not isinstance(record.notes, dict):
        raise TypeError(f"frames is {record.frames!r}, notes is {record.notes!r}")
    if not isinstance(record.stages, dict):
        raise TypeError(f"stages is {record.stages!r}")
    return record


def row_of(record: Record) -> dict[str, Any]:
    """The fields of a line, its check aside."""
    row = asdict(record)
    if not record.stages:
        del row["stages"]
    return row


def _line(record: Record) -> str:
    row = row_of(record)
    return json.dumps(row | {CHECK: checksum(row)}, allow_nan=False) + "\n"


def checksum(row: Mapping[str, Any]) -> str:
    """CRC-32 of a line's other fields, as JSON with sorted keys and no spaces: 8 hex digits.

    Of the content and not of the bytes: a line that was written anew by another program agrees.
    """
    content = {name: value for name, value in row.items() if name != CHECK}
    return f"{zlib.crc32(_canonical(content).encode()):08x}"


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number")


# Made once: json.dumps and json.loads with arguments make theirs anew for every line.
_canonical = json.JSONEncoder(allow_nan=False, sort_keys=True, separators=(",", ":")).encode
_decoded = json.JSONDecoder(parse_constant=_no_number).decode


_NOTHING: dict[str, Any] = {}
"""One for all records without notes or stages; nobody changes a record's."""


def _record(row: Mapping[str, Any], texts: dict[str, str], *, stages: bool) -> Record:
    known: dict[str, Any] = {
        name: texts.setdefault(value, value) if type(value) is str else value
        for name, value in row.items()
        if name in _FIELDS
    }
    if known.get("notes") == {}:
        known["notes"] = _NOTHING
    if not stages:
        known["stages"] = _NOTHING
    return Record(**known)


class RecordLog:
    """The records of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, *, stages: bool = False) -> list[Record]:
        """The record that counts for each cell, in the order of first appearance.

        Args:
            stages: With their seconds by stage, which no table needs.

        Raises:
            RecordsError: A complete line is not a record.
        """
        state = state_of(self.path)
        key = None if state is None else (self.path, state, stages)
        if key is not None and key in _read_last:
            return list(_read_last[key])
        cells: dict[tuple[str, str, str], Record] = {}
        texts: dict[str, str] = {}
        for number, line in enumerate(self._complete_lines(), start=1):
            record = self._parse(number, line, texts, stages=stages)
            cells[record.cell] = record
        found = list(cells.values())
        _read_last.clear()
        if key is not None and at_rest(key[1]):
            _read_last[key] = tuple(found)
        return found

    def append(self, records: Iterable[Record]) -> None:
        """Add lines; when this returns they are on the disk."""
        text = "".join(_line(r) for r in records)
        if not text:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._cut_torn_line()
        with self.path.open("ab") as file:
            start = file.seek(0, os.SEEK_END)
            try:
                file.write(text.encode())
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                os.truncate(self.path, start)  # a full disk must not leave half a record
                raise

    def _complete_lines(self) -> Iterator[bytes]:
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            for number, line in enumerate(lines_of(file), start=1):
                if line.endswith(b"\n"):
                    yield line[:-1]
                elif len(line) == LONGEST_LINE:
                    raise RecordsError(
                        f"{self.path}, line {number} is longer than {LONGEST_LINE:,} bytes, which "
                        "no record is: the file is not ours, or damaged"
                    )

    def _cut_torn_line(self) -> None:
        if not self.path.exists() or self.path.stat().st_size == 0:
            return
        with self.path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            if file.read(1) == b"\n":
                return
        os.truncate(self.path, self.path.read_bytes().rfind(b"\n") + 1)

    def _parse(self, number: int, line: bytes, texts: dict[str, str], *, stages: bool) -> Record:
        """A line's record. ``texts``: every text once, because lines say the same over and over."""
        try:
            row = _decoded(line.decode(json.detect_encoding(line), "surrogatepass"))
            if row.get("schema") == SCHEMA:
                check = row.get(CHECK, "")
                if check not in ("", checksum(row)):
                    _checked(_record(row, texts, stages=stages))  # a wrong kind of field says more
                    raise ValueError(  # noqa: TRY301 - one end for all that is wrong with a line
                        f"it does not agree with its own check {check!r}: bits have changed"
                    )
                return _checked(_record(row, texts, stages=stages))
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise RecordsError(
                f"{self.path}, line {number} is not a record ({error}). Every other line is "
                "sound: delete this one and run again to compute what it held"
            ) from error
        raise RecordsError(
            f"{self.path}, line {number}: schema {row.get('schema')!r}, this talkbench reads "
            f"{SCHEMA}; use the version that wrote it, or a new folder"
        )
