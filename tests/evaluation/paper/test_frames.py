"""Frames say what the run says, with types that stay, and name what is missing."""

import dataclasses
import json
import sys

import pytest
from click.testing import CliRunner

from evaluation import frames
from evaluation.cli import main

pytest.importorskip("pandas")


def test_a_line_per_generator_and_metric(paper, names):
    frame = frames.estimates(paper)
    assert len(frame) == 7 * 4
    assert list(frame.columns) == list(frames.ESTIMATES)
    assert {c: str(t) for c, t in frame.dtypes.items()} == dict(frames.ESTIMATES)
    row = frame[(frame.generator == "near_1") & (frame.metric == "psnr")].iloc[0]
    expected = paper.estimates["near_1", "psnr"]
    assert (row.value, row.lo, row.hi) == (expected.value, expected.lo, expected.hi)
    assert (row.rank_highest, row.rank_lowest, row.tie_groups) == (2, 3, "b")
    assert (row.group, row.coverage, row.trained_on_this) == ("Visual quality", 1.0, True)
    partial = frame[frame.generator == names("partial")]
    assert partial.coverage.tolist() == [0.95] * 4
    assert partial.rank_highest.isna().all()
    assert set(partial.unranked_because) == {"a value on 19 of 20 clips only"}


def test_a_line_per_clip(paper, paper_run):
    frame = frames.clips(paper)
    lines = (paper_run / "records.jsonl").read_text().splitlines()
    assert len(frame) == len(lines)
    failed = frame[frame.status == "failed"]
    assert failed.value.isna().all()
    assert set(failed.reason) == {"no face in 50% of its frames"}
    sums = sum(json.loads(line)["value"] or 0 for line in lines)
    assert frame.value.sum() == pytest.approx(sums)
    mean = frame[(frame.generator == "last") & (frame.metric == "psnr")].value.mean()
    assert mean == pytest.approx(paper.estimates["last", "psnr"].value)


def test_a_line_per_pair(paper, names):
    frame = frames.pairs(paper)
    assert len(frame) == 4 * 6
    assert str(frame.separated.dtype) == "boolean"
    lost = frame[(frame.metric == "lmd@vico") & ~frame.separated]
    assert [{a, b} for a, b in zip(lost.one, lost.other, strict=True)] == [
        {"near_1", names("foreign")}
    ]


def test_nobody_ranked_is_an_empty_frame_with_its_columns(paper):
    none = frames.pairs(dataclasses.replace(paper, rankings={}))
    assert len(none) == 0
    assert "separated" in none.columns
    assert str(none.value.dtype) == "float64"


def test_missing_pandas_is_named_with_its_command(paper, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"need pandas, which is not here .*talkbench\[frames\]"):
        frames.clips(paper)


def test_missing_matplotlib_is_named_before_anything_is_written(paper_run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    done = CliRunner().invoke(main, ["figures", str(paper_run), "-o", str(tmp_path / "x")])
    assert done.exit_code == 2
    assert "need matplotlib, which is not here" in done.output
    assert "pip install 'talkbench[figures]'" in done.output
    assert not (tmp_path / "x").exists()
