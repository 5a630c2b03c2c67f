"""What is complete and unchanged is not looked at again, and everything else is."""

import dataclasses
import json
import os
import shutil
import time

import numpy as np
import pytest

from evaluation import file_state
from evaluation.datasets.folder import FolderDataset
from evaluation.events import EVENTS, read_events
from evaluation.finished import FinishedVideos
from evaluation.generator import GeneratorSpec
from evaluation.plan import Plan
from evaluation.records import RecordLog
from evaluation.registry import load_generator, load_metrics
from evaluation.run import execute
from evaluation.settled import SETTLED, forget
from evaluation.sound_memory import heard_in
from evaluation.suite import Suite
from evaluation.video import has_audio
from metrics import Measurement, MetricSpec, UnscorableError
from metrics.assets import cache_root

SUITE = Suite(name="t", version="1", dataset="folder", setting="reconstruction", metrics=())
NAMES = ("a_000", "a_001", "b_000")


class Brightness:
    """A column of numbers, kept."""

    id = "brightness/1"
    uses = ()

    def extract(self, frames, tracks):
        return {"mean": frames.mean((1, 2, 3))}


class Spread:
    """A metric of a set, made of kept features."""

    spec = MetricSpec(
        name="spread",
        version="1",
        title="Spread",
        direction="lower",
        protocol={"rule": "a test's"},
        source="a test",
        needs_frames=False,
        per_clip=False,
    )
    extractors = (Brightness(),)

    def measure(self, inputs):
        rows = inputs.generated.tracks["brightness/1"]["mean"]
        return Measurement(None, len(rows), features={"generated": rows[:, None]})

    def aggregate(self, measurements):
        if not measurements:
            raise UnscorableError("no clip")
        return float(np.ptp(np.concatenate([m.features["generated"] for m in measurements])))


class Wanting:
    """A metric whose weights may be missing."""

    extractors = ()
    there, version = False, "1"

    @property
    def spec(self):
        return MetricSpec(
            name="wanting",
            version=self.version,
            title="Wanting",
            direction="lower",
            protocol={"rule": "a test's"},
            source="a test",
            assets=() if self.there else ("in no table",),
        )

    def measure(self, inputs):
        return Measurement.of_frames(np.zeros(len(inputs.generated.frames)))

    def aggregate(self, measurements):
        return 0.0


@pytest.fixture
def finished(tmp_path, write_clip):
    """A folder of clips, and a system's for them."""
    for seed, name in enumerate(NAMES):
        write_clip(tmp_path / "data" / f"{name}.mp4", seed=seed)
        write_clip(tmp_path / "mine" / f"{name}.mp4", seed=seed + 9, audio=False)
    return tmp_path


@pytest.fixture
def fine_clock(monkeypatch):
    """Files are at rest a moment after they were written."""
    monkeypatch.setattr(file_state, "GRAIN_NS", 20_000_000)
    return lambda: time.sleep(0.05)


def plan_of(root, generators=None, metrics=("psnr",), **changes):
    mine = FinishedVideos.read("mine", root / "mine")
    named = [m for m in metrics if isinstance(m, str)]
    return Plan(
        **{
            "suite": SUITE,
            "metrics": (*load_metrics(named), *(m for m in metrics if not isinstance(m, str))),
            "generators": tuple(generators or (mine, load_generator("ground-truth"))),
            "samples": tuple(FolderDataset().samples(root / "data")),
            "every": 2,
            "settings": {},
        }
        | changes
    )


def looked_at(plan, run, **how):
    """Run; the units that a worker was given, and new records."""
    added = execute(plan, run, **how)
    events = read_events(run / EVENTS)
    begun = max(i for i, e in enumerate(events) if e["event"] == "run started")
    units = {(e["generator"], e["sample"]) for e in events[begun:] if e["event"] == "unit started"}
    settled = [e["count"] for e in events[begun:] if e["event"] == "units settled"]
    assert sum(settled) + len(units) == len(plan.generators) * len(plan.samples)
    return units, len(added)


def test_what_is_complete_and_unchanged_is_not_looked_at(finished, fine_clock, records_of):
    run = finished / "run"
    fine_clock()
    units, added = looked_at(plan_of(finished, metrics=("psnr", Spread())), run)
    assert (len(units), added) == (6, 12)
    before = (run / "records.jsonl").read_bytes()
    # Features were made while the run went on: they are looked at once more, and then not again.
    fine_clock()
    looked_at(plan_of(finished, metrics=("psnr", Spread())), run)
    told = []
    units, added = looked_at(
        plan_of(finished, metrics=("psnr", Spread())), run, told=lambda *facts: told.append(facts)
    )
    assert (units, added) == (set(), 0)
    assert told == [(6, 6, "complete and unchanged")]
    assert (run / "records.jsonl").read_bytes() == before


def replaced(root):
    """Another video of the same size and date under the same name."""
    path = root / "mine" / "a_001.mp4"
    stat = path.stat()
    other = bytearray(path.read_bytes())
    other[-1] ^= 1
    path.write_bytes(other)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def swapped(root):
    """Two files change places; none of their bytes or dates does."""
    one, other = (root / "mine" / f"{name}.mp4" for name in NAMES[:2])
    shutil.move(one, root / "aside")
    shutil.move(other, one)
    shutil.move(root / "aside", other)


def unrecorded(root):
    lines = (root / "run" / "records.jsonl").read_bytes().splitlines(keepends=True)
    rows = [json.loads(line) for line in lines]
    kept = [
        line
        for line, row in zip(lines, rows, strict=True)
        if (row["generator"], row["sample"], row["metric"]) != ("mine", "b_000", "psnr")
    ]
    assert len(kept) == len(lines) - 1
    (root / "run" / "records.jsonl").write_bytes(b"".join(kept))


def features_gone(root):
    record = next(
        r
        for r in RecordLog(root / "run" / "records.jsonl").read()
        if (r.generator, r.sample, r.metric) == ("mine", "b_000", "spread")
    )
    shutil.rmtree(root / "run" / "tracks" / record.generated_sha256[:2] / record.generated_sha256)


def features_spoilt(root):
    record = next(
        r for r in RecordLog(root / "run" / "records.jsonl").read() if r.sample == "b_000"
    )
    (path,) = (root / "run" / "tracks").glob(f"*/{record.generated_sha256}/*.npz")
    path.write_bytes(path.read_bytes()[:-8])


def of_another_video(root):
    """Lines in which records rest on another file than the one that is there."""
    path = root / "run" / "records.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    with path.open("a") as file:
        for row in rows:
            if row["generator"] != "ground-truth" and row["sample"] == "b_000":
                del row["check"]
                file.write(json.dumps(row | {"generated_sha256": "0" * 64}) + "\n")


def touched(root):
    """All units hear of it: it is the other speaker's speech of a's clips, and its own reference
    hears theirs."""
    (root / "data" / "b_000.mp4").touch()


def unlinked(root):
    (root / "mine" / "b_000.mp4").unlink()


def spoilt(root):
    (root / "run" / SETTLED).write_bytes(b'["mine", "a_000"]\n\xff[[[\n{}\n')


def forgotten(root):
    forget(root / "run")


EVERY = {(g, s) for g in ("mine", "ground-truth") for s in NAMES}


@pytest.mark.parametrize(
    ("change", "units", "records"),
    [
        (replaced, {("mine", "a_001")}, 2),
        (swapped, {("mine", "a_000"), ("mine", "a_001")}, 4),
        (unlinked, {("mine", "b_000")}, 2),
        (unrecorded, {("mine", "b_000")}, 1),
        (features_gone, {("mine", "b_000")}, 1),
        (features_spoilt, {("mine", "b_000")}, 1),
        (of_another_video, {("mine", "b_000")}, 2),
        (touched, EVERY, 0),
        (spoilt, EVERY, 0),
        (forgotten, EVERY, 0),
    ],
)
def test_whatever_changed_is_looked_at(finished, fine_clock, change, units, records):
    plan, run = plan_of(finished, metrics=("psnr", Spread())), finished / "run"
    for _ in range(2):
        fine_clock()
        execute(plan, run)
    assert looked_at(plan, run) == (set(), 0)
    change(finished)
    fine_clock()
    again = plan_of(finished, metrics=("psnr", Spread()))
    assert looked_at(again, run) == (units, records)


def test_a_file_of_this_moment_is_looked_at_again(finished):
    """It may change within the clock's grain, and its time would not tell."""
    plan, run = plan_of(finished), finished / "run"
    execute(plan, run)
    assert not (run / SETTLED).exists()
    assert len(looked_at(plan, run)[0]) == 6


class Meddling:
    """A metric that touches a file, once."""

    spec = MetricSpec(
        name="meddling",
        version="1",
        title="Meddling",
        direction="lower",
        protocol={"rule": "a test's"},
        source="a test",
    )
    extractors = ()

    def __init__(self, path):
        self.path = path

    def measure(self, inputs):
        if self.path is not None:
            self.path.touch()
            self.path = None
        return Measurement.of_frames(np.zeros(len(inputs.generated.frames)))

    def aggregate(self, measurements):
        return 0.0


def test_a_file_that_changed_meanwhile_is_looked_at_again(finished, fine_clock):
    plan = plan_of(finished, metrics=[Meddling(finished / "mine" / "b_000.mp4")])
    run = finished / "run"
    fine_clock()
    execute(plan, run)
    fine_clock()
    assert looked_at(plan, run) == ({("mine", "b_000")}, 0)
    assert looked_at(plan, run) == (set(), 0)


class Copies:
    """Makes its videos."""

    spec = GeneratorSpec(name="copies", version="1", kind="system", about="a test's")

    def generate(self, sample, out, seed):
        return shutil.copy(sample.video, out)


def test_videos_made_in_the_run_are_looked_at_once_more(finished, fine_clock):
    plan, run = plan_of(finished, [Copies()]), finished / "run"
    fine_clock()
    execute(plan, run)
    fine_clock()
    assert looked_at(plan, run) == ({("copies", name) for name in NAMES}, 0)
    assert looked_at(plan, run) == (set(), 0)
    (run / "videos" / "copies" / "b_000.mp4").write_bytes(b"")
    fine_clock()
    assert looked_at(plan, run) == ({("copies", "b_000")}, 0)  # made again, the same


def test_what_failed_or_lacked_something_is_asked_again(finished, fine_clock):
    wanting, run = Wanting(), finished / "run"
    plan = plan_of(finished, metrics=("psnr", wanting))
    for _ in range(2):
        fine_clock()
        assert len(looked_at(plan, run)[0]) == 6  # unavailable
    wanting.there = True
    fine_clock()
    assert looked_at(plan, run)[1] == 6
    assert looked_at(plan, run) == (set(), 0)
    (finished / "mine" / "b_000.mp4").write_bytes(b"no video")
    fine_clock()
    assert looked_at(plan_of(finished, metrics=("psnr", wanting)), run)[1] == 2
    assert looked_at(plan, run) == (set(), 0)
    units, added = looked_at(plan, run, retry_failed=True)
    assert (units, added) == ({("mine", "b_000")}, 2)
    wanting.version = "2"
    assert looked_at(plan, run)[1] == 6
    fine_clock()
    assert looked_at(plan, run) == (set(), 0)
    assert len(looked_at(plan_of(finished, metrics=("psnr", wanting, "ssim")), run)[0]) == 6


class Versioned:
    """Finished videos of a system that has versions."""

    version = "1"

    def __init__(self, folder):
        self.folder = folder

    @property
    def spec(self):
        return GeneratorSpec(
            name="versioned", version=self.version, kind="system", about="a test's"
        )

    def video_of(self, sample):
        return self.folder / f"{sample.id}.mp4"

    def generate(self, sample, out, seed):
        return self.video_of(sample)


def test_another_question_is_looked_at(finished, fine_clock, monkeypatch):
    versioned, run = Versioned(finished / "mine"), finished / "run"
    plan = plan_of(finished, [versioned])
    fine_clock()
    assert looked_at(plan, run)[1] == 3
    assert looked_at(plan, run) == (set(), 0)
    whole = {("versioned", name) for name in NAMES}
    versioned.version = "2"
    assert looked_at(plan, run) == (whole, 3)
    other = [dataclasses.replace(s, lacks={"face": "none"}) for s in plan.samples]
    assert looked_at(dataclasses.replace(plan, samples=tuple(other)), run) == (whole, 0)
    assert looked_at(plan, run) == (whole, 0)  # the last answer is kept, and no other
    assert looked_at(plan, run) == (set(), 0)
    of_another_video(finished)
    assert looked_at(plan, run) == ({("versioned", "b_000")}, 1)
    fine_clock()
    assert looked_at(plan, run) == (set(), 0)
    monkeypatch.setattr("evaluation.settled.talkbench_version", lambda: "another")
    assert looked_at(plan, run) == (whole, 0)


def test_sound_is_asked_for_once(finished, fine_clock, monkeypatch, tmp_path):
    monkeypatch.setenv("TALKBENCH_CACHE", str(tmp_path / "cache"))
    data = finished / "data"
    files = sorted(data.glob("*.mp4"))
    opened = []
    monkeypatch.setattr(
        "evaluation.sound_memory.has_audio", lambda path: opened.append(path) or has_audio(path)
    )

    def ask(of=files):
        opened.clear()
        return [*heard_in(data, of).values()]

    with monkeypatch.context() as coarse:
        coarse.setattr(file_state, "GRAIN_NS", 10**12)
        assert ask() == ask() == [True] * 3
        assert len(opened) == 3  # of this moment: not remembered
    fine_clock()
    assert ask() == [True] * 3
    assert len(opened) == 3
    assert ask() == [True] * 3
    assert opened == []
    shutil.copy(finished / "mine" / "a_000.mp4", files[0])  # mute
    fine_clock()
    assert ask() == [False, True, True]
    assert opened == [files[0]]
    files[0].touch()
    fine_clock()
    assert ask(files[:1]) == [False]
    assert ask() == [False, True, True]
    assert opened == []
    (memory,) = (cache_root() / "sound").iterdir()
    for spoilt in (b"{", b"[]", memory.read_bytes().replace(b"PyAV", b"Other")):
        memory.write_bytes(spoilt)
        assert ask() == [False, True, True]
        assert len(opened) == 3
    shutil.rmtree(cache_root())
    cache_root().write_bytes(b"no folder")
    assert ask() == [False, True, True]
