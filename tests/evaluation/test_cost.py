"""What making a clip costs: measured around the generator, kept beside the video."""

import json
import sys
import time

import numpy as np
import pytest

from evaluation.cost import Cost, cost_of, watched
from evaluation.generate import costs, generate_once
from evaluation.generator import GenerationError, GeneratorSpec, Made
from evaluation.sample import Sample

LINUX = sys.platform.startswith("linux")


class Busy:
    """Copies the video, a little slowly, holding 80 MB."""

    spec = GeneratorSpec(name="busy", version="1", kind="system", about="takes its time")

    def __init__(self, peak_mb=None, elsewhere=None, fails=False):
        self.peak_mb, self.elsewhere, self.fails = peak_mb, elsewhere, fails

    def generate(self, sample, out, seed):
        if self.fails:
            raise GenerationError("no")
        if self.elsewhere:
            return self.elsewhere
        held = np.ones(10_000_000)
        time.sleep(0.2)
        out.write_bytes(sample.video.read_bytes())
        del held
        return Made(out, {}, self.peak_mb)


@pytest.fixture
def sample(tmp_path, write_clip):
    path = tmp_path / "a.mp4"
    write_clip(path, frames=10)
    return Sample(id="a", speaker="a", video=path, audio=path, reference=path)


def note_of(root):
    return json.loads((root / "videos" / "busy" / "a.json").read_text())


def test_a_clip_keeps_what_it_took(sample, tmp_path):
    generate_once(Busy(), sample, tmp_path / "videos", 0)
    note = note_of(tmp_path)
    assert 0.2 <= note["seconds"] < 5
    assert (note["frames"], note["device"]) == (10, "cpu")
    assert "gpu_mb" not in note
    found = costs(tmp_path, ["busy", "idle"], ["a", "b"])
    assert set(found) == {"busy"}
    assert found["busy"].clips == 1
    assert found["busy"].seconds_per_frame == pytest.approx(note["seconds"] / 10)


@pytest.mark.skipif(not LINUX, reason="no other system tells")
def test_the_peak_is_of_this_clip_and_not_of_an_earlier_one():
    with watched() as before:
        pass
    with watched() as large:
        held = np.ones(30_000_000)
        del held
    with watched() as after:
        pass
    assert large.peak_mb - before.peak_mb > 200
    assert large.peak_mb - after.peak_mb > 200


def test_a_process_of_its_own_says_its_peak(sample, tmp_path):
    generate_once(Busy(peak_mb=1234.56), sample, tmp_path / "videos", 0)
    assert note_of(tmp_path)["peak_mb"] == 1234.6
    generate_once(Busy(peak_mb=float("nan")), sample, tmp_path / "unknown" / "videos", 0)
    assert "peak_mb" not in note_of(tmp_path / "unknown")


def test_what_was_there_already_and_what_failed_cost_nothing(sample, tmp_path):
    generate_once(Busy(elsewhere=sample.video), sample, tmp_path / "videos", 0)
    assert costs(tmp_path, ["busy"], ["a"]) == {}
    generate_once(Busy(fails=True), sample, tmp_path / "other" / "videos", 0)
    assert costs(tmp_path / "other", ["busy"], ["a"]) == {}


def test_clips_are_summed_up():
    notes = [
        {"seconds": 1.0, "frames": 10, "device": "cpu", "peak_mb": 5.0},
        {"seconds": 9.0, "frames": 10, "device": "cuda:0", "peak_mb": 7.0, "gpu_mb": 3.0},
        {"seconds": 2.0, "frames": 10, "device": "cpu"},
        {"seconds": 8.0, "device": "cpu"},
        {"reason": "failed"},
        {"seconds": 1.0},  # of an older version
    ]
    assert cost_of(notes) == Cost(4, 0.2, 7.0, 3.0, ("cpu", "cuda:0"))
    assert cost_of([{"seconds": 1.0, "device": "cpu"}]) == Cost(1, None, devices=("cpu",))
    assert cost_of([]) is None
