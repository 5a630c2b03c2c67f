"""Foreign programs through the command line: a file is a row, a failure a record."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

CARDS = ("-m", "psnr", "-m", "ssim")


@pytest.fixture
def data(tmp_path, write_clip):
    """Two clips of two speakers."""
    for seed, name in enumerate(("anna_000", "bert_000")):
        write_clip(tmp_path / "data" / f"{name}.mp4", seed=seed)
    return tmp_path / "data"


def run(talkbench, data, *arguments, **environment):
    words = ("run", "folder", "--data", data, "-o", "runs/a", *CARDS, *arguments)
    return talkbench(*words, **environment)


def by_status(records):
    return {status: sum(r["status"] == status for r in records) for status in ("ok", "failed")}


def test_a_file_is_a_row_of_the_table(talkbench, data, write_runner, records_of, tmp_path):
    path = write_runner()
    done = run(talkbench, data, "-g", path, "-g", "still")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "foreign" in done.stdout
    records = records_of(tmp_path / "runs/a")
    foreign = [r for r in records if r["generator"] == "foreign"]
    assert {r["status"] for r in foreign} == {"ok"}
    assert {r["value"] for r in foreign if r["metric"] == "psnr"} == {100.0}
    assert all(r["generator_version"].startswith("runner ") for r in foreign)
    assert (tmp_path / "runs/a/videos/foreign/anna_000.log").is_file()
    again = run(talkbench, data, "-g", path, "-g", "still")
    assert "0 records computed" in again.stdout


def test_workers_run_it_too(talkbench, data, write_runner, records_of, tmp_path):
    done = run(talkbench, data, "-g", write_runner(), "--workers", 2)
    assert done.returncode == 0, done.stdout + done.stderr
    assert by_status(records_of(tmp_path / "runs/a")) == {"ok": 4, "failed": 0}


@pytest.mark.parametrize(
    ("mode", "changes", "words"),
    [
        ("hang", {"time_limit": "{ seconds = 1 }"}, "was stopped at its limit of 1 s"),
        ("nothing", {}, "wrote no file at output.mp4"),
        ("half", {}, "its video cannot be used"),
        ("killed", {}, "ended with signal SIGKILL"),
    ],
)
def test_a_failure_is_a_record_with_its_reason(
    talkbench, data, write_runner, records_of, tmp_path, mode, changes, words
):
    done = run(talkbench, data, "-g", write_runner(mode, **changes), "-g", "ground-truth")
    assert done.returncode == 1
    records = records_of(tmp_path / "runs/a")
    bad = [r for r in records if r["generator"] == "foreign"]
    assert len(bad) == 4
    for record in bad:
        assert record["status"] == "failed"
        assert record["value"] is None
        assert words in record["reason"]
        assert "/videos/foreign/" in record["reason"]
    assert {r["status"] for r in records if r["generator"] == "ground-truth"} == {"ok"}
    assert not list((tmp_path / "runs/a/videos/foreign").glob("*.mp4"))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_resident_program_serves_a_run(
    talkbench, data, write_runner, records_of, tmp_path, is_running, monkeypatch, workers
):
    (tmp_path / "modes").write_text("good garbage good")
    monkeypatch.setenv("MODES", str(tmp_path / "modes"))
    path = write_runner(
        more='inherit = ["MODES"]',
        resident="true",
        command='["python", "program.py", "resident"]',
        time_limit="{ seconds = 5, start = 20 }",
    )
    done = run(talkbench, data, "-g", path)
    assert done.returncode == 1
    assert not (tmp_path / "modes.closed").exists(), "it was ended, not closed"
    records = records_of(tmp_path / "runs/a")
    assert by_status(records) == {"ok": 2, "failed": 2}
    assert "which is no JSON" in next(r["reason"] for r in records if r["status"] == "failed")
    again = ("--retry-failed", "--workers", workers)
    # With one worker it is served from the process of the command, and closed when that ends.
    of_its_own = {"MODES": str(tmp_path / "modes")} if workers == 1 else {}
    done = run(talkbench, data, "-g", path, *again, **of_its_own)
    assert done.returncode == 0
    assert (tmp_path / "modes.closed").is_file(), "its stdin is closed at the end"
    logs = (tmp_path / "runs/a/videos/foreign").glob("*.log")
    pids = [t.rpartition(" ")[2] for p in logs for t in p.read_text().splitlines() if " by " in t]
    assert len(pids) == 2
    assert not any(is_running(pid) for pid in pids)


def test_what_is_missing_is_unavailable_and_tried_again(
    talkbench, data, write_runner, records_of, tmp_path
):
    more = """
    [[weights]]
    path = "net.pth"
    from = "https://example.org/net.pth"
    """
    path = write_runner(more=more)
    done = run(talkbench, data, "-g", path)
    assert done.returncode == 1
    records = records_of(tmp_path / "runs/a")
    assert {r["status"] for r in records} == {"unavailable"}
    assert "net.pth: from https://example.org/net.pth" in records[0]["reason"]
    (tmp_path / "checkout/net.pth").write_text("x")
    done = run(talkbench, data, "-g", path)
    assert done.returncode == 0, done.stdout
    assert {r["status"] for r in records_of(tmp_path / "runs/a")[4:]} == {"ok"}


def test_a_place_may_be_a_variable(talkbench, data, write_runner, tmp_path, foreign_venv):
    path = write_runner(folder=None, environment=None)
    done = talkbench("generate", path, "--video", data / "anna_000.mp4", "-o", "out.mp4")
    assert done.returncode == 2
    assert "TALKBENCH_RUNNER_FOREIGN_" in done.stderr
    done = talkbench(
        *("generate", path, "--video", data / "anna_000.mp4", "-o", "out.mp4"),
        TALKBENCH_RUNNER_FOREIGN_FOLDER=str(tmp_path / "checkout"),
        TALKBENCH_RUNNER_FOREIGN_VENV=str(foreign_venv),
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.mp4").read_bytes() == (data / "anna_000.mp4").read_bytes()


def test_a_wrong_file_is_unusable_input(talkbench, data, write_runner):
    path = write_runner(comand='"x"', output='{ fps = 25, size = "same" }')
    done = run(talkbench, data, "-g", path)
    assert done.returncode == 2
    assert "did you mean command?" in done.stderr
    assert "output.frames: is missing" in done.stderr
    done = run(talkbench, data, "-g", f"{path}:seed=3")
    assert done.returncode == 2
    assert "takes no arguments" in done.stderr
    done = run(talkbench, data, "-g", "no-such.toml")
    assert done.returncode == 2
    assert "no-such.toml: No such file" in done.stderr


def test_mock_run_says_what_was_found(talkbench, write_runner, tmp_path, write_clip):
    write_clip(tmp_path / "clip.mp4")
    done = talkbench("mock-run", write_runner(), "--video", "clip.mp4", "-o", "mock")
    assert done.returncode == 0, done.stdout + done.stderr
    for words in (
        *("ready: foreign, version runner ", "can be sent to worker processes"),
        *("decodes: 12 frames", "fps: 25, as", "size: 64x48, as", "sound: 0.48 s at 16000 Hz"),
        "log: mock/foreign.log",
    ):
        assert words in done.stdout


def test_mock_run_fails_with_the_reason(talkbench, write_runner, tmp_path, write_clip):
    empty = {"TALKBENCH_CACHE": str(tmp_path / "empty")}
    done = talkbench("mock-run", write_runner("crash"), "-o", "mock", **empty)
    assert done.returncode == 1
    assert "clip: drawn, 1.5 s, no face in it" in done.stdout
    assert "FAIL generates: foreign ended with exit code 1" in done.stdout
    done = talkbench("mock-run", write_runner(folder='"nowhere"', command='["x", "{folder}"]'))
    assert done.returncode == 1
    assert "FAIL lacks: its checkout" in done.stdout


def test_mock_run_takes_any_generator(talkbench, tmp_path):
    done = talkbench("mock-run", "still", TALKBENCH_CACHE=str(tmp_path / "empty"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "decodes: 38 frames" in done.stdout
    done = talkbench("mock-run", "mouth-blur", TALKBENCH_CACHE=str(tmp_path / "empty"))
    assert done.returncode == 1
    assert "talkbench assets get yunet" in done.stdout


def test_list_says_what_each_lacks(talkbench):
    done = talkbench("list", "generators")
    assert done.returncode == 0
    assert "things, see below" in done.stdout
    assert "\nwav2lip-official lacks\n  its checkout (https://github.com/" in done.stdout
    assert "$TALKBENCH_RUNNER_WAV2LIP_OFFICIAL_FOLDER, or folder in" in done.stdout
    assert "  checkpoints/wav2lip_gan.pth: from " in done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_program_does_not_outlive_the_harness(write_runner, data, tmp_path, is_running, number):
    command = '["python", "-c", "import time; time.sleep(600)"]'
    path = write_runner(command=command, time_limit="{ seconds = 600 }")
    words = ["run", "folder", "--data", data, "-g", path, "-o", "runs/a", *CARDS]
    (tmp_path / "tmp").mkdir()
    harness = subprocess.Popen(
        [sys.executable, "-m", "evaluation.cli", *map(str, words)],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"TMPDIR": str(tmp_path / "tmp")},
        # A shell's background job is deaf to SIGINT, and so would be what it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    child = wait_for_child(harness.pid)
    time.sleep(0.5)  # until its guard is there, too
    harness.send_signal(number)
    assert harness.wait(timeout=30) == (130 if number == signal.SIGINT else -number)
    until = time.monotonic() + 10
    while is_running(child) and time.monotonic() < until:
        time.sleep(0.05)
    assert not is_running(child)
    if number == signal.SIGINT:
        assert not list((tmp_path / "tmp").glob("talkbench-*"))


def wait_for_child(pid):
    """The first process whose parent is that one, once it runs what it is to run."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                parent = stat.read_text().rpartition(")")[2].split()[1]
                if parent == str(pid) and "sleep" in (stat.parent / "cmdline").read_text():
                    return int(stat.parent.name)
            except (FileNotFoundError, ProcessLookupError):
                continue
        time.sleep(0.05)
    raise AssertionError("it never started")
