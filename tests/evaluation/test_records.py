"""Records: append-only, healed after a crash, the last line for a cell counts."""

import errno
import io
import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation import file_state, limits, records
from evaluation.events import read_events
from evaluation.records import Record, RecordLog, RecordsError


def record(**changes) -> Record:
    row = {
        "suite": "s/1",
        "generator": "g",
        "sample": "a",
        "speaker": "p",
        "metric": "psnr",
        "metric_version": "1",
        "value": 1.5,
        "status": "ok",
        "frames": 3,
    }
    return Record(**row | changes)


@pytest.fixture
def log(tmp_path) -> RecordLog:
    return RecordLog(tmp_path / "records.jsonl")


def test_what_is_appended_is_read(log):
    rows = [record(sample=s, notes={"identical frames": 2}) for s in "abc"]
    log.append(rows[:2])
    log.append(rows[2:])
    assert log.read() == rows


def test_the_last_line_of_a_cell_counts(log):
    log.append([record(value=1.0), record(sample="b"), record(value=2.0)])
    assert [(r.sample, r.value) for r in log.read()] == [("a", 2.0), ("b", 1.5)]


@given(cut=st.integers(1, 400))
@settings(max_examples=40, deadline=None)
def test_a_torn_line_is_cut_and_nothing_else_is_lost(tmp_path_factory, cut):
    log = RecordLog(tmp_path_factory.mktemp("run") / "records.jsonl")
    log.append([record(sample="a"), record(sample="b")])
    whole = log.path.read_bytes()
    os.truncate(log.path, max(0, len(whole) - cut))
    kept = [r.sample for r in log.read()]
    assert kept == ["a", "b"][: log.path.read_bytes().count(b"\n")]
    log.append([record(sample="c")])
    assert [r.sample for r in log.read()] == [*kept, "c"]
    assert all(json.loads(line) for line in log.path.read_text().splitlines())


def test_a_damaged_line_is_named(log):
    log.append([record(sample=s) for s in "abc"])
    lines = log.path.read_text().splitlines()
    log.path.write_text("\n".join([lines[0], lines[1][:20], lines[2]]) + "\n")
    with pytest.raises(RecordsError, match="line 2 is not a record"):
        log.read()


@pytest.mark.parametrize(
    "change",
    [
        {"status": "weird"},
        {"status": None},
        {"value": "abc"},
        {"speaker": None},
        {"frames": "x"},
        {"notes": []},
    ],
)
def test_a_field_of_a_wrong_kind_is_named(log, change):
    log.append([record()])
    row = json.loads(log.path.read_text()) | change
    log.path.write_text(json.dumps(row) + "\n")
    with pytest.raises(RecordsError, match=f"line 1 is not a record .*{next(iter(change))}"):
        log.read()


def test_no_number_is_no_value(log):
    log.append([record()])
    log.path.write_text(log.path.read_text().replace("1.5", "NaN"))
    with pytest.raises(RecordsError, match="NaN is no number"):
        log.read()


def test_another_schema_is_refused(log):
    log.path.write_text(json.dumps({"schema": 99}) + "\n")
    with pytest.raises(RecordsError, match="schema 99"):
        log.read()


def test_values_are_finite_or_absent(log):
    with pytest.raises(ValueError, match="not JSON compliant"):
        log.append([record(value=float("nan"))])
    assert log.read() == []


def test_a_full_disk_leaves_no_half_record(log, monkeypatch):
    log.append([record(sample="a")])
    before = log.path.read_bytes()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        log.append([record(sample="b")])
    assert log.path.read_bytes() == before


@pytest.mark.parametrize(
    "change",
    [
        {"generated_sha256": "x"},
        {"reference_sha256": "x"},
        {"metric_version": "2"},
        {"generator_version": "2"},
        {"every": 2},
        {"suite": "s/2"},
    ],
)
def test_an_answer_to_another_question_is_no_answer(change):
    assert record().answers(record(value=None, status="failed"))
    assert not record().answers(record(**change))


def test_a_flipped_bit_is_found_and_its_line_named(log):
    """Whatever bit of the content it is: the line is no JSON any more, or disagrees with itself."""
    log.append([record(sample="a", speaker="p", reason="x"), record(sample="b", value=0.25)])
    whole = log.path.read_bytes()
    second = whole.index(b"\n") + 1
    missed, named = [], []
    for place in range(second, len(whole) - 1, 3):
        spoilt = bytearray(whole)
        spoilt[place] ^= 1
        if b"\n" in spoilt[second:-1]:
            continue
        log.path.write_bytes(spoilt)
        try:
            log.read()
        except RecordsError as error:
            named.append(str(error))
        else:
            missed.append(whole[second:place].decode())
    assert all("line 2" in text for text in named)
    # What has another name is not read: a field more, and `check` under another name.
    assert all(m.endswith(('"check"', '"chec', '"che', '"ch', '"c', '"')) for m in missed), missed


def test_lines_of_before_the_check_and_lines_written_anew_are_read(log):
    log.append([record(sample="a", notes={"no face": 1}), record(sample="b")])
    rows = [json.loads(line) for line in log.path.read_text().splitlines()]
    whole = log.read()
    rows[0].pop("check")
    anew = dict(reversed(rows[1].items()))
    log.path.write_text(f"{json.dumps(rows[0])}\n{json.dumps(anew, separators=(',', ':'))}\n")
    assert log.read() == whole
    anew["value"] = 9.5
    log.path.write_text(json.dumps(anew) + "\n")
    with pytest.raises(RecordsError, match=r"line 1 .*does not agree with its own check"):
        log.read()


def test_a_file_is_read_once_while_nobody_touches_it(log, tmp_path, monkeypatch):
    read = []
    decoded = records._decoded
    monkeypatch.setattr(records, "_decoded", lambda text: read.append(text) or decoded(text))
    log.append([record()])
    with monkeypatch.context() as clock:
        clock.setattr(file_state, "GRAIN_NS", 10**12)
        assert log.read() == log.read() == [record()]
        assert len(read) == 2  # of this moment: it may change and its time not tell
    monkeypatch.setattr(file_state, "GRAIN_NS", -(10**9))
    first = log.read()
    first.clear()  # its reader's own list
    assert log.read() == [record()]
    assert len(read) == 3
    other = RecordLog(tmp_path / "other.jsonl")
    other.append([record(value=2.0)])
    assert other.read() == [record(value=2.0)]
    assert log.read() == [record()]
    log.append([record(value=3.0)])
    assert log.read() == [record(value=3.0)]


def test_stages_are_read_where_asked_for(log):
    log.append([record(stages={"decode": 0.5, "measure": 0.25}), record(sample="b")])
    with_stages = log.read(stages=True)
    assert [r.stages for r in with_stages] == [{"decode": 0.5, "measure": 0.25}, {}]
    assert [r.stages for r in log.read()] == [{}, {}]
    assert "stages" not in json.loads(log.path.read_text().splitlines()[1])
    row = json.loads(log.path.read_text().splitlines()[1])
    del row["check"]
    log.path.write_text(json.dumps(row | {"stages": [0.5]}) + "\n")
    with pytest.raises(RecordsError, match="stages is"):
        log.read(stages=True)


class Written(io.BytesIO):
    """A file whose last line is finished by its writer as soon as it was read."""

    def readline(self, size=-1, /):
        line = super().readline(size)
        if not line.endswith(b"\n"):
            at = self.tell()
            self.seek(0, 2)
            self.write(b"end\n")
            self.seek(at)
        return line


def test_a_line_that_is_being_written_is_the_last(tmp_path):
    assert list(limits.lines_of(Written(b"one\ntwo\nthree"))) == [b"one\n", b"two\n", b"three"]


def test_a_line_without_an_end_is_refused(log, monkeypatch):
    log.append([record()])
    monkeypatch.setattr(limits, "LONGEST_LINE", 1000)
    monkeypatch.setattr(records, "LONGEST_LINE", 1000)
    with log.path.open("ab") as file:
        file.write(b" " * 2000 + b"\n")
    with pytest.raises(RecordsError, match="line 2 is longer than 1,000 bytes"):
        log.read()
    events = log.path.with_name("events.jsonl")
    told = b'{"at": "2026-01-01T00:00:00+00:00", "event": "run started"}\n'
    events.write_bytes(told + b"[" * 3000 + b"\n" + told)
    assert len(read_events(events)) == 2
