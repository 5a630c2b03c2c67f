"""Benchmarks end to end through their command line, at their smallest; no time is asserted."""

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[1]
DASH = "\N{EN DASH}"


def bench(*words, code=0):
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"TALKBENCH_DEVICE": "cpu"},
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def parts():
    """The modules: ``benchmarks`` is installed nowhere."""
    with pytest.MonkeyPatch.context() as here:
        here.syspath_prepend(str(ROOT))
        from benchmarks import spending, tables
    return spending, tables


def is_png(path):
    return path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 5000


def cells(line):
    return [c.strip() for c in line.strip("|").split(" | ")]


def test_a_kind_that_fails_stops_no_other(tmp_path):
    """And the one that goes on prints a table and keeps it with the machine and a plot."""
    (tmp_path / "data").mkdir()
    done = bench(
        *("all", "--quick", "--only", "workers", "--only", "resume", "--only", "iplap"),
        *("--data", tmp_path / "data", "--out", tmp_path / "out"),
        code=1,
    )
    became = {
        cells(line)[0]: cells(line)[1]
        for line in done.stdout.split("became")[-1].split("\n")
        if "|" in line
    }
    assert became["workers"] == "failed: exit code 2"
    assert became["resume"] == "done"
    assert became["iplap"].startswith("not run: --iplap DIR is a clone; git clone https")
    assert "expected gt/*.mp4" in done.stderr
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["resume.json", "resume.png"]
    assert is_png(tmp_path / "out" / "resume.png")

    kept = json.loads((tmp_path / "out" / "resume.json").read_text())
    assert kept["quick"]
    assert kept["options"] == {"clips": [20, 100], "cards": ["psnr"], "rounds": 1}
    assert kept["machine"]["cpu"]
    assert kept["machine"]["threads"] == os.environ["OMP_NUM_THREADS"]
    assert kept["machine"]["packages"]["torch"]
    assert len(kept["load"]["before"]) == len(kept["load"]["after"]) == 3
    assert kept["command"].startswith("python -m benchmarks resume")
    first, second = kept["rows"]
    assert [r["clips"] for r in (first, second)] == [20, 100]
    assert (first["records"], second["records"]) == (40, 200)
    took = [row["rounds"]["resume"][0]["cpu"] for row in kept["rows"]]
    times = second["a clip's CPU, times the first row's"]["median"]
    assert times == pytest.approx((took[1] / 100) / (took[0] / 20))
    assert [r["resume CPU s"] for r in (first, second)] == took

    # What was kept is what was printed.
    again = bench("table", tmp_path / "out" / "resume.json").stdout
    assert "not to be quoted" in again
    assert again.strip() in done.stdout
    table = [line for line in again.split("\n") if line.startswith("|")]
    assert cells(table[0])[0] == "clips"
    assert cells(table[3])[:2] == ["100", "200"]


@pytest.mark.data
@pytest.mark.reference
def test_official_scripts_are_held_against_ours(data, tmp_path):
    bench(
        *("official", "--quick", "--data", data / "hdtf_mini", "--cards", "ssim@skimage-wang"),
        *("--out", tmp_path),
    )
    assert is_png(tmp_path / "official.png")
    one, together = json.loads((tmp_path / "official.json").read_text())["rows"]
    assert (one["card"], together["card"]) == ("ssim@skimage-wang", "all in one run")
    for row in (one, together):
        theirs, ours = row["rounds"]["official"], row["rounds"]["ours"]
        assert row["official s"] == theirs[0]["wall"]
        assert row["times faster"]["median"] == theirs[0]["wall"] / ours[0]["wall"]
        assert row["times less CPU"]["median"] == theirs[0]["cpu"] / ours[0]["cpu"]
    # In sequence is what the cards' scripts took, and no further run of them.
    assert together["rounds"]["official"] == one["rounds"]["official"]
    assert together["rounds"]["ours"] != one["rounds"]["ours"]
    assert together["ours peak MB"] > 50


@pytest.mark.data
@pytest.mark.assets
def test_stages_add_up_to_the_command(data, tmp_path, asset):
    asset("lpips-alex")
    bench("stages", "--quick", "--data", data / "hdtf_mini", "--out", tmp_path)
    assert is_png(tmp_path / "stages.png")
    rows = {
        row["part"].split(":")[0]: row
        for row in json.loads((tmp_path / "stages.json").read_text())["rows"]
    }
    inside = ("generate", "decode", "extract", "measure", "write")
    assert rows["the unit"]["s"] == pytest.approx(sum(rows[part]["s"] for part in inside))
    parts = ("start", "the unit", "end")
    assert rows["the whole command"]["s"] == pytest.approx(
        sum(rows[part]["s"] for part in parts), abs=0.02
    )
    assert rows["card psnr"]["times the networks"] is None
    network = rows["card lpips@alex-0.1"]["bare networks s"]
    assert network > 0
    for part in ("card lpips@alex-0.1", "the unit", "the whole command"):
        assert rows[part]["bare networks s"] == network
        assert rows[part]["times the networks"]["median"] == rows[part]["s"] / network


def test_what_cannot_be_measured_is_told_before(tmp_path):
    asked = (
        (("stages", "--cards", "psnr,niqe"), "the networks of niqe are not known here"),
        (("iplap", "--official", tmp_path), "no clone of IP_LAP; git clone https://"),
        (("wav2lip", "--official", tmp_path), "no clone of Wav2Lip; git clone https://"),
        (("resume", "--clips", "10,0"), "expected 1 or more, got 0"),
    )
    for words, said in asked:
        told = bench(*words, code=2).stderr
        assert said in " ".join(told.split())


def test_a_file_that_is_no_result_is_refused(tmp_path):
    (tmp_path / "old.json").write_text('{"kind": "official", "rows": []}')
    told = bench("table", tmp_path / "old.json", code=2).stderr
    assert "old.json: not what a benchmark wrote" in " ".join(told.split())


seconds = st.floats(0.01, 1000)


@given(st.lists(st.tuples(seconds, seconds), min_size=1, max_size=7))
def test_ratios_are_those_of_the_medians_and_lie_between_the_rounds(parts, pairs):
    spending, _ = parts
    above, below = ([p[i] for p in pairs] for i in (0, 1))
    found = spending.ratio(above, below)
    assert found["median"] == median(above) / median(below)
    assert (found["least"], found["most"]) == (
        min(a / b for a, b in pairs),
        max(a / b for a, b in pairs),
    )
    assert found["least"] * (1 - 1e-12) <= found["median"] <= found["most"] * (1 + 1e-12)


def test_sides_come_in_turn(parts):
    spending, _ = parts
    order = []

    def side(name, step):
        def call():
            order.append(name)
            return spending.Spent(wall=step * len(order), cpu=1.0)

        return call

    took = spending.in_turn({"official": side("A", 2.0), "ours": side("B", 1.0)}, rounds=3)
    assert order == ["A", "B", "A", "B", "A", "B"]
    assert [s.wall for s in took["official"]] == [2.0, 6.0, 10.0]
    assert [s.wall for s in took["ours"]] == [2.0, 4.0, 6.0]
    row = spending.versus(took)
    assert (row["official s"], row["ours s"]) == (6.0, 4.0)
    assert row["times faster"] == {"median": 1.5, "least": 1.0, "most": pytest.approx(10 / 6)}
    assert "official GPU MB" not in row


def test_cells_read_as_printed(parts):
    _, tables = parts
    shown = {
        1234.5: "1,234",
        99.96: "100",
        12.345: "12.3",
        1.2345: "1.23",
        0.1: "0.10",
        0.01234: "0.012",
        12345: "12,345",
        None: DASH,
        "a|b": "a\\|b",
    }
    assert {value: tables.cell(value) for value in shown} == shown
    assert tables.cell({"median": 1.5, "least": 1.25, "most": 2.0}) == f"1.50 (1.25{DASH}2.00)"
    assert tables.cell({"median": 1.5, "least": 1.5, "most": 1.5}) == "1.50"
    table = tables.markdown([{"a": 1, "rounds": {}}, {"b": "x"}])
    assert table == f"| a | b |\n| --: | --- |\n| 1 | {DASH} |\n| {DASH} | x |"


def test_a_watched_process_ends_as_it_does_alone(tmp_path):
    words = [sys.executable, "-m", "benchmarks.watched", tmp_path / "gpu", "evaluation.cli"]
    done = subprocess.run(
        [*map(str, words), "card", "no-such-card"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "no-such-card" in done.stderr
    assert not (tmp_path / "gpu").exists()
