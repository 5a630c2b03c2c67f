"""Engines, shards, logs and ``talkbench status`` as a user meets them."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

CHEAP = ("-g", "still", "-g", "shifted", "-m", "psnr")


@pytest.fixture
def clips(tmp_path, write_clip):
    for seed, name in enumerate(["a_000", "b_000", "c_000"]):
        write_clip(tmp_path / "data" / f"{name}.mp4", seed=seed)
    return tmp_path / "data"


def run(talkbench, *arguments):
    return talkbench("run", "folder", "--data", "data", *CHEAP, *arguments)


def test_shards_are_run_watched_and_merged(talkbench, clips, tmp_path):
    for number in (2, 1):
        done = run(talkbench, "--shard", f"{number}/2", "-o", f"shards/{number}")
        assert done.returncode == 0, done.stderr
        assert f"Shard {number}/2: " in done.stdout
        assert not (tmp_path / "shards" / str(number) / "results.json").exists()
        assert done.stderr == ""
    found = json.loads(talkbench("status", "shards", "--format", "json").stdout)
    assert [(p["shard"], p["state"], p["units"], p["left"]) for p in found] == [
        ("1/2", "done", 4, 0),
        ("2/2", "done", 2, 0),
    ]
    assert "6 of 6 units in all, 0 with failures" in talkbench("status", "shards").stdout
    done = talkbench("merge", "shards", "-o", "merged")
    assert done.returncode == 0, done.stderr
    assert "6 records merged" in done.stdout
    assert run(talkbench, "-o", "whole").returncode == 0
    results = [(tmp_path / name / "results.json").read_bytes() for name in ("merged", "whole")]
    assert results[0] == results[1]
    done = talkbench("merge", "shards/1", "-o", "half")
    assert done.returncode == 2
    assert "shard 2 of 2 is missing" in done.stderr
    done = talkbench("merge", "shards/1", "-o", "half", "--incomplete")
    assert "shard 2 of 2 is missing" in done.stderr
    assert done.returncode == 1
    assert "Unfinished: 2 of 6 values" in (tmp_path / "half" / "report" / "results.md").read_text()


def test_the_log_tells_what_happened(talkbench, clips, tmp_path):
    (clips / "b_000.mp4").write_bytes(b"no video")
    done = run(talkbench, "--log-json", "log.jsonl", "-o", "run")
    assert done.returncode == 1
    log = (tmp_path / "log.jsonl").read_text()
    every = [json.loads(line) for line in log.splitlines()]
    steps = [(e["event"], e["step"]) for e in every if "step" in e]
    assert steps[0] == ("step started", "report")
    assert steps[-1] == ("step ended", "report")
    events = [e for e in every if "step" not in e]
    assert events[0]["event"] == "run started"
    assert (events[0]["units"], events[0]["pid"]) == (6, os.getpid())
    assert events[-1].keys() == {"at", "event", "how", "seconds"}
    assert (events[-1]["event"], events[-1]["how"]) == ("run ended", "done")
    failed = [e for e in events if e["event"] == "failed"]
    assert {(e["generator"], e["sample"]) for e in failed} == {
        ("still", "b_000"),
        ("shifted", "b_000"),
    }
    assert all(e["metrics"] == ["psnr"] and "not a readable video" in e["reason"] for e in failed)
    units = [e for e in events if e["event"] == "unit finished"]
    assert len(units) == 6
    whole = next(e for e in units if e["sample"] == "a_000" and e["generator"] == "shifted")
    assert set(whole["stages"]) == {"generate", "decode", "measure"}
    assert sum(whole["stages"].values()) <= whole["seconds"]
    text = (tmp_path / "run" / "records.jsonl").read_text()
    rows = [json.loads(line) for line in text.splitlines()]
    row = next(r for r in rows if r["sample"] == "a_000" and r["generator"] == "shifted")
    stages = row["stages"]
    for stage in ("generate", "decode", "measure"):
        assert stages[stage] == pytest.approx(whole["stages"][stage], abs=1e-3)
    assert stages["measure"] + stages["extract"] == pytest.approx(row["seconds"], abs=1e-3)
    assert log.startswith((tmp_path / "run" / "events.jsonl").read_text())
    done = talkbench("status", "run")
    assert "6 of 6 units done, 2 of them with failures, 0 left" in done.stdout
    assert "failed: shifted · b_000: " in done.stdout
    again = run(talkbench, "--log-json", "-", "-o", "run")
    assert [json.loads(line)["event"] for line in again.stderr.splitlines()][-1] == "step ended"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--engine", "rya"], "Did you mean ray"),
        (["--address", "auto"], "are for --engine ray"),
        (["--shard", "3/2"], "numbered 1/N to N/N"),
        (["--log-json", "none/log"], "--log-json none/log: No such file"),
        (["--clip-timeout", "0"], "clip-timeout"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_written(
    talkbench, clips, tmp_path, arguments, words
):
    done = run(talkbench, *arguments, "-o", "run")
    assert done.returncode == 2, done.stderr
    assert words in " ".join(done.stderr.split())
    assert not (tmp_path / "run").exists()


def test_status_of_what_is_no_run(talkbench, tmp_path):
    done = talkbench("status", "nothing")
    assert done.returncode == 2
    assert "nothing holds no run" in done.stderr


@pytest.mark.parametrize(
    ("number", "code", "state"),
    [(signal.SIGTERM, 130, "interrupted"), (signal.SIGKILL, -signal.SIGKILL, "killed")],
)
def test_a_run_that_is_ended_takes_its_workers_along(
    talkbench, tmp_path, write_clip, number, code, state
):
    for i in range(8):
        write_clip(tmp_path / "data" / f"s{i}_000.mp4", frames=200, seed=i)
    command = [sys.executable, "-m", "evaluation.cli", "run", "folder", "--data", "data", *CHEAP]
    process = subprocess.Popen(
        [*command, "--workers", "2", "-o", "run"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    records, events = (tmp_path / "run" / f"{name}.jsonl" for name in ("records", "events"))
    wait_until(lambda: records.exists() and records.stat().st_size > 0)
    (during,) = json.loads(talkbench("status", "run", "--format", "json").stdout)
    assert during["state"] == "running"
    assert 1 <= len(during["at_work"]) <= 2
    assert during["per_second"] > 0
    assert during["seconds_left"] > 0
    assert f"process {process.pid} on " in during["holder"]
    process.send_signal(number)
    assert process.wait(30) == code
    with process.stderr as said:
        text = said.read()
    if state == "interrupted":
        assert "the same command goes on from here" in text
        assert "Traceback" not in text
    told = [json.loads(line) for line in events.read_text().splitlines()]
    pids = [e["pid"] for e in told if e["event"] == "worker started"]
    assert len(pids) == 2
    wait_until(lambda: not any(map(group_lives, pids)))
    (after,) = json.loads(talkbench("status", "run", "--format", "json").stdout)
    assert after["state"] == state
    assert 0 < after["left"] < after["units"] == 16
    assert "the same command goes on" in talkbench("status", "run").stdout


def wait_until(reached, seconds=60):
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def group_lives(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
