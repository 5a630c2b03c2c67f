"""Disks that fill up, kills, interrupts, clocks that jump: nothing is lost."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from evaluation.datasets.folder import FolderDataset
from evaluation.folder_lock import writing
from evaluation.plan import Plan
from evaluation.registry import load_generator, load_metrics
from evaluation.run import execute
from evaluation.store import sweep, write_atomically
from evaluation.suite import Suite
from evaluation.video_writer import VideoWriter

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def clips(tmp_path_factory, write_clip):
    """Three clips and a system's."""
    folder = tmp_path_factory.mktemp("clips")
    for seed in range(3):
        write_clip(folder / "gt" / f"{seed}.mp4", seed=seed, frames=24)
        write_clip(folder / "mine" / f"{seed}.mp4", seed=seed + 9, frames=24)
    return folder


def words(clips, run, *more):
    reference, mine = clips / "gt", f"mine={clips / 'mine'}"
    return (
        *("score", "--reference", reference, "--generated", mine, "-m", "psnr", "-m", "ssim"),
        *("-o", run, *more),
    )


@pytest.fixture(scope="module")
def calm(clips, tmp_path_factory):
    """``results.json`` of a run that nobody disturbed."""
    return undisturbed(clips, tmp_path_factory.mktemp("calm") / "run")


def undisturbed(clips, run):
    command = [sys.executable, "-m", "evaluation.cli", *map(str, words(clips, run))]
    subprocess.run(command, check=True, capture_output=True)
    return (run / "results.json").read_bytes()


@contextmanager
def mounted(folder: Path, options: str):
    """A small disk; skips where nobody may mount one."""
    mount = shutil.which("mount")
    unmount = shutil.which("umount")
    folder.mkdir()
    if os.geteuid() or not mount or not unmount:
        pytest.skip("only root mounts disks")
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", options, "tmpfs", folder], check=False, capture_output=True
    )
    if done.returncode:
        pytest.skip(f"no disk can be mounted here: {done.stderr.decode().strip()}")
    try:
        yield lambda changed: subprocess.run(
            [mount, "-o", f"remount,{changed}", folder], check=True, capture_output=True
        )
    finally:
        subprocess.run([unmount, "-l", folder], check=True)


def test_kill_nine_at_any_moment(tmp_path):
    """A handful of what ``python -m benchmarks.soak`` does hundreds of times."""
    command = [sys.executable, "-m", "benchmarks.soak", "--kills", "4", "--clips", "3"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert (found["kills"], found["problems"]) == (4, [])


def test_a_full_disk_stops_the_run_and_loses_nothing(talkbench, clips, calm, tmp_path, records_of):
    with mounted(tmp_path / "disk", "size=56k") as remount:
        run = tmp_path / "disk" / "run"
        done = talkbench(*words(clips, run))
        assert done.returncode == 3, done.stdout + done.stderr
        assert "No space left" in done.stderr
        assert "give the same command again" in done.stderr
        before = records_of(run) if (run / "records.jsonl").exists() else []
        remount("size=8m")
        done = talkbench(*words(clips, run))
        assert done.returncode == 0, done.stdout + done.stderr
        assert records_of(run)[: len(before)] == before
        assert (run / "results.json").read_bytes() == calm
        cells = [(r["sample"], r["metric"]) for r in records_of(run)]
        assert len(cells) == len(set(cells)) == 6


def test_read_only_folders(talkbench, clips, tmp_path):
    with mounted(tmp_path / "disk", "size=8m") as remount:
        cache = tmp_path / "disk" / "cache"
        cache.mkdir()
        remount("ro")
        done = talkbench(*words(clips, tmp_path / "run"), TALKBENCH_CACHE=str(cache))
        assert done.returncode == 0, done.stdout + done.stderr  # these metrics ask for nothing
        done = talkbench("assets", "get", "yunet", TALKBENCH_CACHE=str(cache))
        assert done.returncode in (2, 3), done.stdout + done.stderr
        assert "Read-only file system" in done.stderr
        assert "Traceback" not in done.stderr
        done = talkbench(*words(clips, tmp_path / "disk" / "run"))
        assert done.returncode in (2, 3), done.stdout + done.stderr
        assert "Read-only file system" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def slow(clips, tmp_path_factory, write_clip):
    """The same clips and one that keeps a worker busy for seconds."""
    root = tmp_path_factory.mktemp("slow") / "clips"
    shutil.copytree(clips, root)
    for folder, seed in (("gt", 1), ("mine", 2)):
        write_clip(root / folder / "9.mp4", frames=150, width=320, height=240, seed=seed)
    return root


@pytest.fixture(scope="module")
def calm_and_slow(slow, tmp_path_factory):
    """``results.json`` of a run of them that nobody disturbed."""
    return undisturbed(slow, tmp_path_factory.mktemp("calm") / "run")


def begun(line):
    """The command ``talkbench``, which is to be interrupted."""
    return subprocess.Popen(
        [sys.executable, "-m", "evaluation.start", *map(str, line)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell's background job is deaf to SIGINT, and so would be what it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


@pytest.mark.parametrize(
    ("workers", "whom"), [(1, os.killpg), (2, os.killpg), (2, os.kill)], ids=["1", "2", "2-alone"]
)
def test_ctrl_c_ends_at_once_and_says_how_to_go_on(
    slow, calm_and_slow, tmp_path, workers, whom, talkbench
):
    run = tmp_path / "run"
    process = begun(words(slow, run, "--workers", workers))
    while not (run / "records.jsonl").exists():
        assert process.poll() is None
        time.sleep(0.002)
    whom(process.pid, signal.SIGINT)  # a terminal sends it to the workers, too
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    pids = [event["pid"] for event in events if event["event"] == "worker started"]
    assert len(pids) == (2 if workers == 2 else 0)
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
    assert "Everything recorded is safe; the same command goes on from here." in said
    assert "Traceback" not in said
    assert talkbench(*words(slow, run)).returncode == 0
    assert (run / "results.json").read_bytes() == calm_and_slow


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_command_that_has_not_begun_ends_in_words_too(clips, tmp_path, number):
    """It imports for a second before it is a command; a plain Python shows where it was."""
    process = begun(words(clips, tmp_path / "run"))
    maps = Path(f"/proc/{process.pid}/maps")
    while "numpy" not in maps.read_text():  # in the middle of it
        assert process.poll() is None
        time.sleep(0.002)
    process.send_signal(number)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert said.strip().startswith("Interrupted")
    assert "Traceback" not in said
    assert not (tmp_path / "run").exists()


def test_two_runs_in_one_folder_are_told_apart(talkbench, clips, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    with writing(run):
        done = talkbench(*words(clips, run))
    assert done.returncode == 2
    assert f"is being written by another talkbench: process {os.getpid()}" in done.stderr


@pytest.mark.parametrize("moment", [0, 4102444800], ids=["1970", "2100"])
def test_a_clock_that_jumps(talkbench, clips, calm, tmp_path, moment, records_of):
    """Neither a video of tomorrow nor records of 1970 are computed again, or believed unread."""
    ours, run = shutil.copytree(clips, tmp_path / "clips"), tmp_path / "run"
    assert talkbench(*words(ours, run)).returncode == 0
    before = (run / "records.jsonl").read_bytes()
    for path in (*ours.rglob("*.mp4"), *run.rglob("*")):
        os.utime(path, (moment, moment))
    assert talkbench(*words(ours, run)).returncode == 0
    assert (run / "records.jsonl").read_bytes() == before
    assert (run / "results.json").read_bytes() == calm
    other = (ours / "mine" / "1.mp4").read_bytes()
    (ours / "mine" / "0.mp4").write_bytes(other)
    os.utime(ours / "mine" / "0.mp4", (moment, moment))  # its time says: untouched
    # In a process of its own: within one, a file of the same size and time is not read again.
    assert talkbench(*words(ours, run), PYTHONHASHSEED="0").returncode == 0
    changed = [r for r in records_of(run) if r["sample"] == "0" and r["metric"] == "psnr"]
    assert len(changed) == 2
    assert changed[0]["generated_sha256"] != changed[1]["generated_sha256"]


def test_answers_of_another_version_are_not_taken(talkbench, clips, calm, tmp_path, records_of):
    run = tmp_path / "run"
    assert talkbench(*words(clips, run)).returncode == 0
    rows = records_of(run)
    for row in rows:
        if row["metric"] == "psnr":
            row |= {"metric_version": "0", "value": 1.0}
            del row["check"]  # of what it was
    (run / "records.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert talkbench(*words(clips, run)).returncode == 0
    assert len(records_of(run)) == 6 + 3
    assert (run / "results.json").read_bytes() == calm
    (run / "records.jsonl").write_text(json.dumps(rows[0] | {"schema": 99}) + "\n")
    done = talkbench(*words(clips, run))
    assert done.returncode == 2
    assert "schema 99" in done.stderr


def killed_while_it_writes(video, copy):
    """Leave in ``copy`` what a kill would have left of a video, and in a text file its name."""
    with VideoWriter(video, width=16, height=16, fps=Fraction(25)) as writer:
        writer.add(np.zeros((1, 16, 16, 3), np.uint8))
        (half,) = video.parent.glob(f".{video.name}-*")
        shutil.copy(half, copy)
        copy.with_suffix(".txt").write_text(half.name)
        raise KeyboardInterrupt


def test_leftovers_of_kills_go_and_nothing_else_does(tmp_path):
    kept = [
        tmp_path / ".notes-of-mine.txt",
        tmp_path / "videos" / ".hidden.mp4",
        tmp_path / ".lock",
    ]
    for path in kept:
        path.parent.mkdir(exist_ok=True)
        path.touch()

    def killed(file):
        file.write(b"half")
        (leftover,) = tmp_path.glob("videos/.a.json-*")
        shutil.copy(leftover, tmp_path / "copy")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "videos" / "a.json", killed)
    left = tmp_path / "videos" / ".a.json-ab12_xyz"  # as tempfile names them
    (tmp_path / "copy").rename(left)
    kept.append(tmp_path / "videos" / "b.mp4")
    with pytest.raises(KeyboardInterrupt):
        killed_while_it_writes(kept[-1], tmp_path / "half")
    half = kept[-1].parent / (tmp_path / "half.txt").read_text()
    assert not kept.pop().exists()
    (tmp_path / "half").rename(half)
    sweep(tmp_path)
    assert not left.exists()
    assert not half.exists()
    assert all(path.exists() for path in kept)


def test_a_report_takes_away_what_a_killed_one_left_and_nothing_else(talkbench, clips, tmp_path):
    run, out = tmp_path / "run", tmp_path / "out"
    assert talkbench(*words(clips, run)).returncode == 0
    (out / "clips").mkdir(parents=True)
    left = [".index.html-ab12_xyz", "clips/.0.js-ab12_xyz"]
    left.append("clips/.0123456789abcdef0123.mp4-ab12_xyz.mp4")
    kept = [".bash.local-settings", "clips/.mine.mp4-ab12_xyz", ".index.html-backup"]
    for name in (*left, *kept):
        (out / name).touch()
    assert talkbench("report", run, "-o", out, "--clips", "none").returncode == 0
    assert [name for name in left if (out / name).exists()] == []
    assert [name for name in kept if not (out / name).exists()] == []


def test_memory_that_runs_out_costs_the_clip(
    talkbench, write_clip, tmp_path, records_of, monkeypatch
):
    """As frames of a size that the machine has no room for."""
    for folder, seed in (("gt", 77), ("mine", 78)):  # no other test's, which are still in memory
        write_clip(tmp_path / folder / "a.mp4", seed=seed)

    def full(*_):
        raise MemoryError

    monkeypatch.setattr("evaluation.video.np.stack", full)
    done = talkbench(*words(tmp_path, tmp_path / "run"))
    assert done.returncode == 1, done.stdout + done.stderr
    rows = records_of(tmp_path / "run")
    assert {r["status"] for r in rows} == {"failed"}
    assert all("frames of 64x48 do not fit into memory" in r["reason"] for r in rows)


HOG = """
import shutil
from evaluation.generator import GeneratorSpec
class Hog:
    spec = GeneratorSpec(name="hog", version="1", kind="system", about="takes all memory, once")
    def generate(self, sample, out, seed):
        kept = []
        while sample.id == "1":
            kept.append(bytearray(b"x" * (16 << 20)))
        shutil.copy(sample.video, out)
        return out
HOG = Hog()
"""


@contextmanager
def limited_memory(size):
    """The file that takes in a process which is to have no more; skips where nobody may say so."""
    own = [line.split(":") for line in Path("/proc/self/cgroup").read_text().splitlines()]
    kinds = {"memory": "/memory", "": ""}
    for place in (Path(f"/sys/fs/cgroup{kinds[k]}{path}") for _, k, path in own if k in kinds):
        group = place / f"talkbench-test-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            limits = [group / name for name in ("memory.limit_in_bytes", "memory.max")]
            if known := [limit for limit in limits if limit.exists()]:
                known[0].write_text(str(size))
                yield group / "cgroup.procs"
                return
        finally:
            for _ in range(100):  # processes that have just ended are still counted
                with suppress(OSError):
                    group.rmdir()
                    break
                time.sleep(0.1)
    pytest.skip("no control group for memory can be made here")


def test_a_worker_that_the_kernel_kills_for_its_memory_costs_its_clip(clips, tmp_path, records_of):
    plugin = tmp_path / "plugin" / "hog-1.dist-info"
    plugin.mkdir(parents=True)
    (plugin / "METADATA").write_text("Metadata-Version: 2.1\nName: hog\nVersion: 1\n")
    (plugin / "entry_points.txt").write_text("[talkbench.generators]\nhog = hog:HOG\n")
    (plugin.parent / "hog.py").write_text(HOG)
    command = [sys.executable, "-m", "evaluation.cli", "run", "folder", "--data", clips / "gt"]
    command += ["-g", "hog", "-m", "psnr", "--workers", "2", "-o", tmp_path / "run"]
    with limited_memory(700 << 20) as members:
        done = subprocess.run(
            ["/bin/sh", "-c", f'echo $$ > {members}; exec "$@"', "sh", *map(str, command)],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{plugin.parent}"},
        )
    assert done.returncode == 1, done.stdout + done.stderr
    rows = {r["sample"]: r for r in records_of(tmp_path / "run")}
    assert [rows[s]["status"] for s in "012"] == ["ok", "failed", "ok"]
    assert "died twice on this clip (SIGKILL: out of memory" in rows["1"]["reason"]


@pytest.mark.parametrize("died", [True, False])
def test_half_files_of_a_killed_worker_go_with_the_run(clips, tmp_path, died):
    half = tmp_path / "run" / "values" / ".psnr.npz-ab12_xyz"

    class Engine:
        def each(self, work, units, lose, tell):
            del lose
            for unit in units:
                yield unit, work(unit)
            half.touch()
            if died:
                tell("worker died", worker=1)

    suite = Suite(name="t", version="1", dataset="folder", setting="reconstruction", metrics=())
    plan = Plan(
        suite=suite,
        metrics=tuple(load_metrics(["psnr"])),
        generators=(load_generator("ground-truth"),),
        samples=tuple(FolderDataset().samples(clips / "gt")),
        every=12,
        settings={},
    )
    assert len(execute(plan, tmp_path / "run", engine=Engine())) == 3
    assert half.exists() is not died
