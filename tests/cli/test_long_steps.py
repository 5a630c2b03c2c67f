"""Long steps of commands: a bar in a terminal, quiet elsewhere, events for programs."""

import json
import os
import pty
import re
import signal
import subprocess
import sys

import click
import pytest

from evaluation.cli import main
from evaluation.cli.console import step
from evaluation.cli.rates import Bytes, Lines
from evaluation.events import Events, Pace, read_events

LONG = (
    *("run", "score", "certify", "calibrate", "generate", "mock-run", "demo", "report"),
    *("data prepare hdtf", "data manifest", "data doctor", "merge", "figures", "board build"),
    *("verify", "submission validate", "submission pack", "submission verify", "study make"),
    *("train prepare", "train iplap-landmarks", "train iplap-renderer"),
)


@pytest.fixture
def clips(tmp_path, write_clip):
    for seed, name in enumerate(["a_000", "b_000"]):
        write_clip(tmp_path / "data" / f"{name}.mp4", seed=seed)
    return tmp_path / "data"


@pytest.mark.parametrize("words", LONG)
def test_every_long_command_logs_its_events(words):
    command = main
    for word in words.split():
        command = command.get_command(click.Context(command), word)
    assert "--log-json" in [text for p in command.params for text in p.opts]


def steps(path):
    """Events by step, in order, once each with its first and last progress."""
    found = {}
    for event in read_events(path):
        if "step" in event:
            found.setdefault(event["step"], []).append(event)
    return found


def test_a_command_is_quiet_in_a_pipe_and_tells_programs_all(talkbench, clips, tmp_path):
    done = talkbench("data", "manifest", "data", "-o", "split.jsonl", "--log-json", "log")
    assert (done.returncode, done.stderr) == (0, "")
    (found,) = steps(tmp_path / "log").values()
    assert [e["event"] for e in found][:1] + [e["event"] for e in found][-2:] == [
        *("step started", "progress", "step ended")
    ]
    assert found[0].keys() == {"at", "event", "step", "pid", "host"}
    last, ended = found[-2:]
    assert (last["done"], last["total"], last["what"]) == (2, 2, "b_000")
    assert (ended["step"], ended["how"]) == ("data manifest", "done")
    assert ended["seconds"] > 0
    done = talkbench("data", "manifest", "data", "-o", "split.jsonl", "--log-json", "-")
    assert [json.loads(line)["event"] for line in done.stderr.splitlines()][-1] == "step ended"
    done = talkbench("data", "manifest", "data", "-o", "s", "--log-json", "none/log")
    assert done.returncode == 2
    assert "--log-json none/log: No such file" in done.stderr
    assert not (tmp_path / "s").exists()


def test_a_pipe_gets_a_line_now_and_then(talkbench, clips, monkeypatch):
    monkeypatch.setattr(Lines, "EVERY_S", 0.0)
    done = talkbench("data", "manifest", "data", "-o", "split.jsonl")
    assert re.fullmatch(
        r"1 of 2, .*/s, \d+ s left: a_000\n2 of 2, .*/s, 0 s left: b_000\n", done.stderr
    )


def test_what_stops_a_step_is_its_last_word(talkbench, clips, tmp_path):
    (tmp_path / "data" / "c_000.mp4").write_bytes(b"no video")
    words = ["generate", "still", "--video", "data/c_000.mp4", "-o", "out.mp4"]
    done = talkbench(*words, "--log-json", "log")
    assert done.returncode == 1
    (found,) = steps(tmp_path / "log").values()
    assert (found[-1]["event"], found[-1]["how"]) == ("step ended", "stopped")
    assert "c_000.mp4" in found[-1]["reason"]


def test_merge_pack_and_verify_tell_their_steps(talkbench, clips, tmp_path):
    cheap = ["run", "folder", "--data", "data", "-g", "still", "-m", "psnr"]
    for number in "12":
        assert talkbench(*cheap, "--shard", f"{number}/2", "-o", f"parts/{number}").returncode == 0
    assert talkbench("merge", "parts", "-o", "run", "--log-json", "m.log").returncode == 0
    assert [*steps(tmp_path / "m.log")] == ["merge", "report"]
    assert steps(tmp_path / "m.log")["merge"][1]["what"] == "files of parts/1"
    assert talkbench("submission", "pack", "run", "-o", "b", "--log-json", "p.log").returncode == 0
    (found,) = steps(tmp_path / "p.log").values()
    assert (found[1]["done"], found[1]["total"], found[1]["what"]) == (0, 2, "still · a_000")
    assert talkbench("submission", "verify", "b", "--log-json", "v.log").returncode == 0
    (found,) = steps(tmp_path / "v.log").values()
    assert found[1]["what"] == "records.jsonl"


BAR = """
import sys, time
from evaluation.cli.console import step
with step("a long step") as told:
    for n in range(8):
        told(n + 1, 40, "clip [x]")
        time.sleep(0.1)
"""


def in_a_terminal(code):
    """What a program writes to a terminal of 100 columns, without colours."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "100", "NO_COLOR": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    ) as process:
        os.close(theirs)
        said = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # the other side is closed
                break
            if not piece:
                break
            said += piece
    os.close(ours)
    assert process.returncode == 0, said
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said.decode())


def test_a_terminal_gets_a_bar_with_rate_and_time_left_that_goes_when_it_is_done():
    said = in_a_terminal(BAR)
    assert "a long step" in said  # before the first is done
    found = re.findall(r"clip \[x\] .*?(\d+)/40 (\S+)/s 0:00:\d\d (0:00:\d\d)", said)
    assert found, said
    done, rate, left = found[-1]
    assert int(done) >= 6
    assert 2 < float(rate) <= 10.5
    assert int(left[-2:]) <= 16


def test_time_left_is_counted_from_where_training_goes_on(capsys):
    from rich.console import Console

    clock = [0.0]
    told = Lines(Console(stderr=True, width=80), lambda: clock[0])
    for done in (501, 502, 503):
        clock[0] += 20
        told(done, 512, "step")
    # Two told of in 40 seconds, and the line comes with the second.
    assert capsys.readouterr().err == "502 of 512, 20.0 s each, 3 min left: step\n"


def test_a_download_says_how_far_it_is_in_a_log_file_now_and_then(capsys):
    from rich.console import Console

    clock = [0.0]
    told = Bytes(Console(stderr=True, width=80), lambda: clock[0])
    clock[0] = 100.0  # another file took its time before
    for megabytes in range(0, 100, 10):
        told("s3fd", megabytes * 1_000_000, 100_000_000)
        clock[0] += 5
    said = capsys.readouterr().err
    assert said.splitlines() == [
        f"s3fd: {n}0.0 MB of 100.0 MB, 2.0 MB/s, {50 - 5 * n} s left" for n in (1, 7)
    ]


def test_progress_is_told_once_a_second_with_the_first_and_the_last():
    clock, lines = [0.0], []
    told = Pace(Events(lines.append), "step", lambda: clock[0])
    for done in range(1, 31):
        told(done, 30, "x")
        clock[0] += 0.125
    assert [json.loads(line)["done"] for line in lines] == [1, 9, 17, 25, 30]


def test_sigterm_ends_a_step_as_ctrl_c_does():
    with pytest.raises(KeyboardInterrupt), step("x"):
        signal.raise_signal(signal.SIGTERM)
