"""Worker processes on plain functions: a crash, a hang and an error cost what they may, no more."""

import importlib
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from evaluation.engines.base import EngineError, Waiting
from evaluation.engines.local import Local, devices

WORK = """
import os, signal, subprocess, time
from pathlib import Path

class Work:
    def __init__(self, folder):
        self.folder = folder
        self.calls = 0
    def __call__(self, unit):
        self.calls += 1
        with (self.folder / unit).open("a") as file:
            file.write(f"{os.getpid()}\\n")
        tries = len((self.folder / unit).read_text().split())
        if unit == "deadly" or (unit == "unlucky" and tries == 1):
            os.kill(os.getpid(), signal.SIGKILL)
        if unit == "hangs":
            child = subprocess.Popen(["sleep", "100"])
            (self.folder / "child").write_text(str(child.pid))
            time.sleep(100)
        if unit == "raises":
            raise LookupError("not here")
        return unit, self.calls, os.environ["OMP_NUM_THREADS"]

class Dies:
    def __reduce__(self):
        return os._exit, (7,)

class Broken:
    def __reduce__(self):
        return int, ("no number",)
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Workers import it by name, so it lies on their path."""
    (tmp_path / "engine_work.py").write_text(textwrap.dedent(WORK))
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("engine_work")
    sys.modules.pop("engine_work")


def lose(unit, reason):
    return unit, reason, None


class Heard(list):
    def __call__(self, event, unit=None, **facts):
        self.append((event, unit, facts))

    def pids(self):
        return [facts["pid"] for event, _, facts in self if event == "worker started"]


def lives(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A process whose parent has not looked yet is there and dead.
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


def wait_until(reached, seconds=60):
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def tries(folder, unit):
    return (folder / unit).read_text().split()


@pytest.mark.parametrize("engine", [Local(1, isolate=True), Local(2)])
def test_a_crash_costs_the_unit_that_crashes_twice(module, tmp_path, engine):
    units = ["a", "deadly", "b", "unlucky", "c"]
    heard = Heard()
    found = dict(engine.each(module.Work(tmp_path), units, lose, heard))
    assert {u: r[0] for u, r in found.items()} == {u: u for u in units}
    assert found["deadly"][1].startswith("the worker process died twice on this clip (SIGKILL")
    assert [u for u in units if found[u][2] is None] == ["deadly"]
    assert [len(tries(tmp_path, u)) for u in units] == [1, 2, 1, 2, 1]
    deaths = [(u, f["again"]) for e, u, f in heard if e == "worker died"]
    assert sorted(deaths) == [("deadly", False), ("deadly", True), ("unlucky", True)]
    assert not any(map(lives, heard.pids()))


def test_workers_stay_and_share_the_cores(module, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)  # who asks for fewer gets fewer
    before = os.environ.get("OMP_NUM_THREADS")
    units = [f"u{i}" for i in range(8)]
    found = dict(Local(2).each(module.Work(tmp_path), units, lose))
    assert {r[2] for r in found.values()} == {"3"}
    pids = {tries(tmp_path, u)[0] for u in units}
    assert len(pids) <= 2
    assert sum(r[1] == 1 for r in found.values()) == len(pids)  # one Work each, which is kept
    assert os.environ.get("OMP_NUM_THREADS") == before


def test_a_unit_over_its_time_goes_with_all_that_it_started(module, tmp_path):
    heard = Heard()
    engine = Local(1, clip_timeout=3)
    found = dict(engine.each(module.Work(tmp_path), ["hangs", "a"], lose, heard))
    assert found["hangs"][1] == "took longer than 3 s (--clip-timeout) and was ended"
    assert found["a"][0] == "a"
    assert len(tries(tmp_path, "hangs")) == 1
    wait_until(lambda: not lives(int((tmp_path / "child").read_text())))


def test_what_the_work_raises_is_raised_and_nobody_is_left(module, tmp_path):
    heard = Heard()
    with pytest.raises(LookupError, match="not here") as caught:
        list(Local(1, isolate=True).each(module.Work(tmp_path), ["raises", "a"], lose, heard))
    assert "engine_work.py" in caught.value.__notes__[0]
    assert not any(map(lives, heard.pids()))


def test_who_stops_listening_stops_the_workers(module, tmp_path):
    heard = Heard()
    doing = Local(2).each(module.Work(tmp_path), ["a", "hangs"], lose, heard)
    assert next(doing)[0] == "a"
    wait_until((tmp_path / "child").exists)
    doing.close()
    assert not any(map(lives, heard.pids()))


OWNER = """
from pathlib import Path
from engine_work import Work
from evaluation.engines.local import Local
def lose(unit, why):
    return why
def tell(event, unit=None, **facts):
    if event == "worker started":
        print(facts["pid"], flush=True)
if __name__ == "__main__":
    list(Local(1, isolate=True).each(Work(Path(".")), ["hangs"], lose, tell))
"""


def test_a_worker_that_is_busy_goes_when_its_owner_is_killed(module, tmp_path):
    (tmp_path / "owner.py").write_text(OWNER)
    with subprocess.Popen(
        [sys.executable, "owner.py"], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as owner:
        pid = int(owner.stdout.readline())
        wait_until(lambda: (tmp_path / "child").exists() and (tmp_path / "child").read_text())
        owner.kill()
        owner.wait()
        wait_until(lambda: not lives(pid))
        wait_until(lambda: not lives(int((tmp_path / "child").read_text())))


@pytest.mark.parametrize(("work", "words"), [("Dies", "exit code 7"), ("Broken", "no number")])
def test_work_that_no_worker_can_load_ends_in_words(module, work, words):
    with pytest.raises(EngineError, match=words):
        list(Local(1, isolate=True).each(getattr(module, work)(), ["a"], lose))


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({"CUDA_VISIBLE_DEVICES": "2,GPU-5"}, ["2", "GPU-5"]),
        ({"CUDA_VISIBLE_DEVICES": ""}, []),
        ({"CUDA_VISIBLE_DEVICES": "0,1", "TALKBENCH_DEVICE": "cuda"}, ["0", "1"]),
        ({"CUDA_VISIBLE_DEVICES": "0,1", "TALKBENCH_DEVICE": "cuda:1"}, []),
        ({"CUDA_VISIBLE_DEVICES": "0,1", "TALKBENCH_DEVICE": "cpu"}, []),
    ],
)
def test_gpus_are_taken_in_turn_unless_one_is_named(monkeypatch, environment, found):
    monkeypatch.delenv("TALKBENCH_DEVICE", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert devices() == found


def test_a_second_try_is_last_and_alone():
    waiting = Waiting(["a", "b", "c"])
    assert waiting.take(0) == ("a", 1)
    assert waiting.died("a", 1)
    assert waiting.take(0) == ("b", 1)
    waiting.give_back("b", 1)  # its node went, it did not
    assert [waiting.take(n) for n in (0, 1)] == [("b", 1), ("c", 1)]
    assert waiting.take(1) is None
    assert waiting.take(0) == ("a", 2)
    assert not waiting.died("a", 2)
    assert not waiting
