"""Runs: resumed, killed, shared out, locked; nothing lost, nothing doubled."""

import dataclasses
import json
import shutil
import signal
import subprocess
import sys
import time

import pytest
from filelock import FileLock

from evaluation.datasets.folder import FolderDataset
from evaluation.finished import FinishedVideos
from evaluation.generator import GenerationError, GeneratorSpec
from evaluation.plan import Plan, UnusableInputError
from evaluation.registry import load_generator, load_metrics
from evaluation.results import build
from evaluation.run import execute
from evaluation.suite import Suite

SUITE = Suite(name="t", version="1", dataset="folder", setting="reconstruction", metrics=())


@pytest.fixture
def clips(tmp_path, write_clip):
    """Four clips of three speakers."""
    for seed, name in enumerate(["a_000", "a_001", "b_000", "c_000"]):
        write_clip(tmp_path / "data" / f"{name}.mp4", seed=seed)
    return tmp_path / "data"


def plan_of(clips, generators=("ground-truth", "still"), metrics=("psnr", "ssim"), **changes):
    return Plan(
        **{
            "suite": SUITE,
            "metrics": tuple(load_metrics(metrics)),
            "generators": tuple(load_generator(g) if isinstance(g, str) else g for g in generators),
            "samples": tuple(FolderDataset().samples(clips)),
            "every": 2,
            "settings": {},
        }
        | changes
    )


def test_a_run_again_computes_nothing(clips, tmp_path, records_of):
    run = tmp_path / "run"
    assert len(execute(plan_of(clips), run)) == 16
    before = (run / "records.jsonl").read_bytes()
    assert execute(plan_of(clips), run) == []
    assert (run / "records.jsonl").read_bytes() == before
    row = records_of(run)[-1]
    assert row["suite"] == "t/1"
    assert row["speaker"] == "c"
    assert (row["every"], row["frames"]) == (2, 6)
    assert len(row["generated_sha256"]) == len(row["reference_sha256"]) == 64


def test_more_may_be_added_to_a_run(clips, tmp_path):
    run = tmp_path / "run"
    execute(plan_of(clips, metrics=["psnr"]), run)
    added = execute(plan_of(clips), run)
    assert {r.metric for r in added} == {"ssim@skimage-wang"}
    added = execute(plan_of(clips, generators=["shifted"]), run)
    assert {r.generator for r in added} == {"shifted"}
    results = build(run)
    assert results.generators == ("ground-truth", "still", "shifted")
    assert all(e.n_scored == 4 for e in results.estimates.values())


def test_another_question_does_not_go_into_the_same_run(clips, tmp_path):
    run = tmp_path / "run"
    execute(plan_of(clips), run)
    with pytest.raises(UnusableInputError, match="every 2; this one has 3"):
        execute(plan_of(clips, every=3), run)
    with pytest.raises(UnusableInputError, match="choose another folder"):
        execute(plan_of(clips, settings={"reference": "x"}), run)


def test_a_changed_video_is_scored_again(clips, tmp_path, write_clip):
    outputs = tmp_path / "out"
    for name in ("a_000", "a_001", "b_000", "c_000"):
        write_clip(outputs / f"{name}.mp4", seed=9)

    def go():
        return execute(plan_of(clips, [FinishedVideos.read("mine", outputs)]), tmp_path / "run")

    assert len(go()) == 8
    notes = {note: note.stat().st_ino for note in (tmp_path / "run" / "videos").rglob("*.json")}
    assert len(notes) == 4
    assert go() == []
    assert {note: note.stat().st_ino for note in notes} == notes  # not written again
    write_clip(outputs / "b_000.mp4", seed=8)
    assert {r.sample for r in go()} == {"b_000"}
    (outputs / "b_000.mp4").unlink()
    gone = go()
    assert {(r.sample, r.status) for r in gone} == {("b_000", "failed")}
    assert "has no video called b_000" in gone[0].reason
    estimate = build(tmp_path / "run").estimates["mine", "psnr"]
    assert (estimate.n_scored, estimate.n_attempted, estimate.n_failed) == (3, 4, 1)
    assert estimate.mark == ""
    write_clip(outputs / "b_000.mp4", seed=8)
    assert len(go()) == 2


class Moody:
    """Refuses one sample, crashes on another."""

    spec = GeneratorSpec(name="moody", version="1", kind="system", about="refuses")

    def __init__(self):
        self.calls = 0

    def generate(self, sample, out, seed):
        del seed
        self.calls += 1
        if sample.id == "a_000":
            raise GenerationError("no face in the picture")
        if sample.id == "a_001":
            raise IndexError("list index out of range")
        if sample.id == "b_000":
            return out
        return sample.video


def test_a_generator_that_fails_loses_its_clip_alone(clips, tmp_path):
    moody = Moody()
    records = execute(plan_of(clips, [moody], ["psnr"]), tmp_path / "run")
    found = {r.sample: (r.status, r.reason) for r in records}
    assert found == {
        "a_000": ("failed", "generation failed: no face in the picture"),
        "a_001": ("failed", "generation failed: IndexError: list index out of range"),
        "b_000": ("failed", "generation failed: moody wrote no file"),
        "c_000": ("ok", ""),
    }
    calls = moody.calls
    assert execute(plan_of(clips, [moody], ["psnr"]), tmp_path / "run") == []
    assert moody.calls == calls + 1  # failures are remembered
    again = execute(plan_of(clips, [moody], ["psnr"]), tmp_path / "run", retry_failed=True)
    assert {r.sample for r in again} == {"a_000", "a_001", "b_000"}
    assert moody.calls == calls + 1 + 4


class Messy:
    """Leaves half a file behind and gives up, the first time."""

    spec = GeneratorSpec(name="messy", version="1", kind="system", about="out of memory")

    def __init__(self):
        self.calls = 0

    def generate(self, sample, out, seed):
        del seed
        self.calls += 1
        if self.calls == 1:
            out.write_bytes(b"half")
            raise RuntimeError("out of memory")
        shutil.copy(sample.video, out)
        return out


def test_what_a_failed_generator_left_is_no_result(clips, tmp_path):
    messy = Messy()
    plan = plan_of(clips, [messy], ["psnr"])
    first = execute(plan, tmp_path / "run")
    assert [r.status for r in first].count("failed") == 1
    assert not (tmp_path / "run" / "videos" / "messy" / "a_000.mp4").exists()
    assert execute(plan, tmp_path / "run") == []
    again = execute(plan, tmp_path / "run", retry_failed=True)
    assert [(r.sample, r.status) for r in again] == [("a_000", "ok")]


def test_a_reference_that_is_gone_is_a_failed_record(clips, tmp_path):
    plan = plan_of(clips, ["shifted"], ["psnr"])
    gone = dataclasses.replace(plan.samples[1], reference=tmp_path / "gone.mp4")
    plan = dataclasses.replace(plan, samples=(plan.samples[0], gone, *plan.samples[2:]))
    records = execute(plan, tmp_path / "run")
    assert [r.status for r in records] == ["ok", "failed", "ok", "ok"]
    assert "gone.mp4: No such file" in records[1].reason


def test_a_part_of_a_finished_run_leaves_it_whole(clips, tmp_path):
    run, plan = tmp_path / "run", plan_of(clips)
    execute(plan, run)
    execute(dataclasses.replace(plan, samples=plan.samples[:1], limit=1), run)
    results = build(run)
    assert results.manifest["limit"] is None
    assert results.estimates["still", "psnr"].n_scored == 4


def test_a_sample_that_left_the_split_leaves_the_numbers(clips, tmp_path):
    run, plan = tmp_path / "run", plan_of(clips)
    execute(plan, run)
    execute(dataclasses.replace(plan, samples=plan.samples[1:]), run)
    assert build(run).estimates["still", "psnr"].n_attempted == 3


def test_the_environment_of_the_numbers_is_kept(clips, tmp_path, monkeypatch):
    run = tmp_path / "run"
    execute(plan_of(clips), run)
    before = build(run).manifest["environment"]
    monkeypatch.setattr("evaluation.manifest.describe", lambda: {"python": "9.9"})
    execute(plan_of(clips), run)
    manifest = build(run).manifest
    assert manifest["environment"] == before
    assert manifest["commands"][1]["environment"] == {"python": "9.9"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"samples": ()}, "no samples"),
        ({"generators": ()}, "list generators"),
        ({"metrics": ()}, "list metrics"),
    ],
)
def test_an_empty_plan_is_refused_before_anything_is_written(clips, tmp_path, changes, words):
    with pytest.raises(UnusableInputError, match=words):
        execute(plan_of(clips, **changes), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_one_generator_named_twice_is_refused(clips, tmp_path):
    with pytest.raises(UnusableInputError, match="still is there twice"):
        execute(plan_of(clips, ["still", "still"]), tmp_path / "run")


def test_two_runs_in_one_folder(clips, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    with FileLock(run / ".lock"), pytest.raises(UnusableInputError, match="another talkbench"):
        execute(plan_of(clips), run)


def comparable(rows):
    return sorted(
        json.dumps(
            {k: v for k, v in row.items() if k not in ("seconds", "stages", "check")},
            sort_keys=True,
        )
        for row in rows
    )


def test_kill_nine_in_the_middle_loses_and_doubles_nothing(tmp_path, write_clip, records_of):
    for i in range(12):
        write_clip(tmp_path / "data" / f"s{i}_000.mp4", frames=40, seed=i)
    command = [
        *(sys.executable, "-m", "evaluation.cli", "run", "folder", "--data", tmp_path / "data"),
        *("-g", "ground-truth", "-g", "still", "-g", "shifted", "-m", "psnr", "-m", "ssim@piq"),
    ]
    records = tmp_path / "killed" / "records.jsonl"
    seen = b""
    for enough in (5, 20, 41):
        process = subprocess.Popen(
            [*command, "-o", tmp_path / "killed"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and process.poll() is None:
            if records.exists() and records.read_bytes().count(b"\n") >= enough:
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.002)
        assert process.wait() == -signal.SIGKILL
        now = records.read_bytes()
        assert now.startswith(seen[: seen.rfind(b"\n") + 1])
        seen = now
    for folder in ("killed", "whole"):
        done = subprocess.run(
            [*command, "-o", tmp_path / folder], capture_output=True, check=False, text=True
        )
        assert done.returncode == 0, done.stderr
    rows = records_of(tmp_path / "killed")
    cells = [(r["generator"], r["sample"], r["metric"]) for r in rows]
    assert len(cells) == len(set(cells)) == 12 * 3 * 2
    assert comparable(rows) == comparable(records_of(tmp_path / "whole"))
    answers = [json.loads((tmp_path / f / "results.json").read_text()) for f in ("killed", "whole")]
    assert answers[0] == answers[1]


class Leaving:
    """A generator whose weights are taken away."""

    spec = GeneratorSpec(name="leaving", version="1", kind="system", about="a test's")
    gone = False

    def lacking(self):
        return ["its weights: talkbench assets get them"] if self.gone else []

    def generate(self, sample, out, seed):
        return shutil.copy(sample.video, out)


def test_what_was_made_stays_where_its_maker_is_gone(clips, tmp_path):
    leaving, run = Leaving(), tmp_path / "run"
    assert len(execute(plan_of(clips, [leaving], ["psnr"]), run)) == 4
    leaving.gone = True
    assert execute(plan_of(clips, [leaving], ["psnr"]), run) == []
    added = execute(plan_of(clips, [leaving], ["psnr", "ssim"]), run)
    assert {(r.metric, r.status) for r in added} == {("ssim@skimage-wang", "ok")}
    (run / "videos" / "leaving" / "b_000.mp4").unlink()
    gone = execute(plan_of(clips, [leaving], ["psnr", "ssim"]), run)
    assert {(r.sample, r.status) for r in gone} == {("b_000", "unavailable")}
