"""Benchmarks end to end through their command line, at their smallest; no time is asserted."""

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
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
        from benchmarks import cli, resume, spending, tables

        yield SimpleNamespace(main=cli.main, resume=resume, spending=spending, tables=tables)


def is_png(path):
    return path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 5000


def cells(line):
    return [c.strip() for c in line.strip("|").split(" | ")]


@pytest.fixture(scope="module")
def everything(data, asset, tmp_path_factory):
    """``all`` with a kind that works between two that do not, and what it left."""
    asset("lpips-alex")
    folder = tmp_path_factory.mktemp("bench")
    (folder / "clone").mkdir()
    done = bench(
        *("all", "--quick", "--only", "wav2lip", "--only", "stages", "--only", "iplap"),
        *("--iplap", folder / "clone", "--data", data / "hdtf_mini", "--out", folder / "out"),
        code=1,
    )
    return done, folder / "out"


@pytest.mark.data
@pytest.mark.assets
def test_a_kind_that_fails_stops_no_other(everything):
    done, out = everything
    lines = done.stdout.split("became")[-1].splitlines()
    became = {cells(line)[0]: cells(line)[1] for line in lines if line.startswith("|")}
    assert became["stages"] == "done"
    assert became["iplap"] == "failed: exit code 2"
    assert became["wav2lip"].startswith("not run: --wav2lip DIR is a clone; git clone https")
    assert "no clone of IP_LAP" in done.stderr
    assert sorted(p.name for p in out.iterdir()) == ["stages.json", "stages.png"]


@pytest.mark.data
@pytest.mark.assets
def test_what_is_measured_is_kept_with_the_machine_and_a_plot(everything):
    done, out = everything
    assert is_png(out / "stages.png")
    kept = json.loads((out / "stages.json").read_text())
    assert kept["quick"]
    assert kept["options"]["every"] == 50
    assert kept["options"]["cards"] == ["psnr", "lpips@alex-0.1"]
    assert kept["machine"]["cpu"]
    assert kept["machine"]["threads"] == os.environ["OMP_NUM_THREADS"]
    assert kept["machine"]["device"] == "cpu"
    assert kept["machine"]["packages"]["torch"]
    assert len(kept["load"]["before"]) == len(kept["load"]["after"]) == 3
    assert kept["command"].startswith("python -m benchmarks stages")

    # What was kept is what was printed.
    again = bench("table", out / "stages.json").stdout
    assert "not to be quoted" in again
    assert again.strip() in done.stdout
    table = [cells(line) for line in again.splitlines() if line.startswith("|")]
    assert table[0][:4] == ["part", "s", "bare networks s", "times the networks"]
    assert table[2][0] == "card psnr"
    assert table[2][2:4] == [DASH, DASH]


@pytest.mark.data
@pytest.mark.assets
def test_stages_add_up_to_the_command(everything):
    _, out = everything
    rows = {
        row["part"].split(":")[0]: row
        for row in json.loads((out / "stages.json").read_text())["rows"]
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


@pytest.mark.data
@pytest.mark.reference
def test_official_scripts_are_held_against_ours(data, tmp_path):
    bench(
        *("official", "--quick", "--data", data / "hdtf_mini", "--cards", "ssim@skimage-wang"),
        *("--out", tmp_path),
    )
    assert is_png(tmp_path / "official.png")
    one, together, players = json.loads((tmp_path / "official.json").read_text())["rows"]
    assert (one["card"], together["card"]) == ("ssim@skimage-wang", "all in one run")
    assert players["card"] == "the same with the page's players"
    for row in (one, together, players):
        theirs, ours = row["rounds"]["official"], row["rounds"]["ours"]
        assert row["official s"] == theirs[0]["wall"]
        assert row["times faster"]["median"] == theirs[0]["wall"] / ours[0]["wall"]
        assert row["times less CPU"]["median"] == theirs[0]["cpu"] / ours[0]["cpu"]
    # In sequence is what the cards' scripts took, and no further run of them.
    assert together["rounds"]["official"] == one["rounds"]["official"]
    assert players["rounds"]["official"] == one["rounds"]["official"]
    assert players["rounds"]["ours"][0]["cpu"] > together["rounds"]["ours"][0]["cpu"]
    assert together["rounds"]["ours"] != one["rounds"]["ours"]
    assert players["ours peak MB"] > 50


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("stages", "--cards", "psnr,niqe"), "the networks of niqe are not known here"),
        (("iplap", "--official", "."), "no clone of IP_LAP; git clone https://"),
        (("wav2lip", "--official", "."), "no clone of Wav2Lip; git clone https://"),
        (("workers", "--data", "."), "expected gt/*.mp4, and beside it a folder a system"),
        (("resume", "--clips", "10,0"), "expected 1 or more, got 0"),
        (("table", "part.json"), "part.json: not what a benchmark wrote (KeyError: 'title')"),
        (("table", "later.json"), "later.json: schema 2, expected 1"),
    ],
)
def test_what_cannot_be_done_is_told_before(parts, tmp_path, monkeypatch, words, said):
    (tmp_path / "part.json").write_text('{"schema": 1, "kind": "official", "rows": []}')
    (tmp_path / "later.json").write_text('{"schema": 2}')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TALKBENCH_DEVICE", "cpu")
    done = CliRunner().invoke(parts.main, words)
    assert done.exit_code == 2, done.output
    assert said in " ".join(done.stderr.split())


def test_a_run_for_resuming_is_done(parts, talkbench, records_of, tmp_path):
    words = parts.resume.finished_run(tmp_path, 3, ["psnr"])
    before = records_of(tmp_path / "run")
    assert [r["value"] for r in before] != []
    done = talkbench(*words[words.index("run") :])
    assert done.returncode == 0, done.stderr
    assert records_of(tmp_path / "run") == before
    assert len(before) == 3 * 2


seconds = st.floats(0.01, 1000)


@given(st.lists(st.tuples(seconds, seconds), min_size=1, max_size=7))
def test_ratios_are_those_of_the_medians_and_lie_between_the_rounds(parts, pairs):
    spending = parts.spending
    above, below = ([p[i] for p in pairs] for i in (0, 1))
    found = spending.ratio(above, below)
    assert found["median"] == median(above) / median(below)
    assert (found["least"], found["most"]) == (
        min(a / b for a, b in pairs),
        max(a / b for a, b in pairs),
    )
    assert found["least"] * (1 - 1e-12) <= found["median"] <= found["most"] * (1 + 1e-12)


def test_sides_come_in_turn(parts):
    spending = parts.spending
    order = []

    def side(name, step):
        def call():
            order.append(name)
            return spending.Spent(wall=step * len(order) ** 2, cpu=1.0)

        return call

    took = spending.in_turn({"official": side("A", 2.0), "ours": side("B", 1.0)}, rounds=3)
    assert order == ["A", "B", "A", "B", "A", "B"]
    assert [s.wall for s in took["official"]] == [2.0, 18.0, 50.0]
    assert [s.wall for s in took["ours"]] == [4.0, 16.0, 36.0]
    row = spending.versus(took)
    assert (row["official s"], row["ours s"]) == (18.0, 16.0)
    assert row["times faster"] == {"median": 18 / 16, "least": 0.5, "most": 50 / 36}
    assert "official GPU MB" not in row


def test_cells_read_as_printed(parts):
    tables = parts.tables
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
        [*map(str, words), "no-such-command", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "no command is called 'no-such-command'" in done.stderr
    assert not (tmp_path / "gpu").exists()
