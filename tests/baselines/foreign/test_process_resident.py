"""A program that stays: one line a clip, and nothing else."""

import re
import time
from pathlib import Path

import pytest

from baselines import child, resident
from evaluation.generator import GenerationError, GeneratorFileError

RESIDENT = {
    "resident": "true",
    "command": '["python", "program.py", "resident"]',
    "time_limit": "{ seconds = 1, start = 20 }",
}


@pytest.fixture
def worker(foreign, sample, tmp_path, monkeypatch):
    """Ask a program for a clip; it does in turn what its list of modes says."""
    modes = tmp_path / "modes"
    monkeypatch.setenv("MODES", str(modes))
    monkeypatch.setattr(child, "GRACE_S", 0.3)

    def ask(mode, **changes):
        before = modes.read_text() if modes.exists() else ""
        modes.write_text(f"{before} {mode}")
        more = 'inherit = ["MODES", "FOREIGN_TOKEN", "PIDS"]'
        generator = foreign(more=more, **(RESIDENT | changes))
        return generator.generate(sample, tmp_path / "out/clip.mp4", 3)

    return ask


def log(tmp_path):
    return (tmp_path / "out/clip.log").read_text()


def process_of(tmp_path):
    """The number of the process that made the last clip."""
    return int(next(t for t in log(tmp_path).splitlines() if " by " in t).rpartition(" ")[2])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no other system tells")
def test_its_memory_is_its_own(worker):
    light, heavy = worker("good"), worker("heavy")
    assert 5 < light.peak_mb < 100
    assert 190 < heavy.peak_mb - light.peak_mb < 230


def test_the_model_is_loaded_once(worker, tmp_path, sample):
    made = worker("good")
    assert made.video.read_bytes() == sample.video.read_bytes()
    assert "model loaded" in log(tmp_path)
    first = process_of(tmp_path)
    worker("good")
    assert process_of(tmp_path) == first
    assert "model loaded" not in log(tmp_path)


def test_it_may_refuse_a_clip_and_stay(worker, tmp_path):
    worker("good")
    first = process_of(tmp_path)
    with pytest.raises(GenerationError, match="says that it cannot: the face is too small"):
        worker("refuse")
    worker("good")
    assert process_of(tmp_path) == first


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("garbage", "answered '100%|#####| done', which is no JSON"),
        ("endless", "and no line"),
        ("wrong-id", "answered for id '99', asked was '2'"),
        ("number", "answered '5'; expected"),
        ("hang", "was silent past its limit of 1 s"),
        ("deaf", "was silent past its limit of 1 s"),
        ("killed", "ended with signal SIGKILL before it answered"),
        ("crash", "ended with exit code 1 before it answered"),
        ("variable", "KeyError: 'FOREIGN_TOKEN'"),
    ],
)
def test_what_is_no_answer_costs_one_clip(worker, tmp_path, mode, words):
    worker("good")
    first = process_of(tmp_path)
    begun = time.monotonic()
    with pytest.raises(GenerationError) as caught:
        worker(mode)
    assert time.monotonic() - begun < 20
    assert words in str(caught.value)
    assert str(tmp_path / "out/clip.log") in str(caught.value)
    assert not (tmp_path / "out/clip.mp4").exists()
    assert not Path(f"/proc/{first}").exists()
    worker("good")
    assert process_of(tmp_path) != first


@pytest.mark.parametrize("mode", ["nothing", "half", "link"])
def test_a_lie_costs_one_clip(worker, tmp_path, mode):
    with pytest.raises(GenerationError, match=r"foreign (wrote|left|failed)"):
        worker(mode)
    worker("good")


@pytest.mark.parametrize("mode", ["twice", "leave"])
def test_what_it_does_after_its_answer_costs_no_clip(worker, tmp_path, mode):
    worker(mode)
    first = process_of(tmp_path)
    time.sleep(0.3)
    worker("good")
    assert process_of(tmp_path) != first


def test_a_resident_spammer_is_heard_in_part(worker, tmp_path):
    worker("spam", time_limit="{ seconds = 20 }")
    assert len(log(tmp_path)) < 2 * child.KEPT_BYTES + 200


def test_at_the_end_its_stdin_is_closed_and_its_children_go(
    worker, tmp_path, monkeypatch, is_running
):
    monkeypatch.setenv("PIDS", str(tmp_path / "pids"))
    worker("children")
    worker("good")
    resident.end_all()
    assert (tmp_path / "modes.closed").read_text() == "closed"
    pid = int((tmp_path / "pids").read_text())
    time.sleep(0.2)
    assert not is_running(pid)


def test_children_of_one_that_died_go_too(worker, tmp_path, monkeypatch, is_running):
    monkeypatch.setenv("PIDS", str(tmp_path / "pids"))
    worker("children")
    pid = int((tmp_path / "pids").read_text())
    assert is_running(pid)
    with pytest.raises(GenerationError, match="SIGKILL"):
        worker("killed")
    time.sleep(0.2)
    assert not is_running(pid)


def test_one_command_and_no_clip_in_it(foreign):
    with pytest.raises(GeneratorFileError, match=r"no placeholder is called video"):
        foreign(**(RESIDENT | {"command": '["python", "{video}"]'}))


def test_the_example_of_the_page_works(foreign, sample, tmp_path):
    page = (Path(__file__).parents[3] / "docs/RUNNERS.md").read_text()
    example = re.search(r"```python\n(.*?)```", page, re.DOTALL)[1]
    generator = foreign(**(RESIDENT | {"command": '["python", "worker.py"]'}))
    (tmp_path / "checkout/worker.py").write_text(example)
    (tmp_path / "checkout/my_system.py").write_text(
        """
import shutil

class Model:
    def __init__(self, weights):
        print("loading", weights)

    def drive(self, video, audio, output, seed):
        print("drives with seed", seed)
        if seed == 5:
            raise ValueError("no face")
        shutil.copyfile(video, output)
"""
    )
    generator.generate(sample, tmp_path / "out/clip.mp4", 3)
    assert "loading weights.pth" in log(tmp_path)
    assert "drives with seed 3" in log(tmp_path)
    with pytest.raises(GenerationError, match="says that it cannot: ValueError: no face"):
        generator.generate(sample, tmp_path / "out/clip.mp4", 5)
