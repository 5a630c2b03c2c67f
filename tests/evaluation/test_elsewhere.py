"""Media and tracks at an S3 server: what is fetched, kept and said, and what if it cannot be."""

import json
import logging
import os
import shutil
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.dataset import DatasetError
from evaluation.datasets.folder import FolderDataset
from evaluation.elsewhere import shared_tracks
from evaluation.elsewhere.addresses import checked, home_of, store_root, tell
from evaluation.elsewhere.fetched import absent, here, using
from evaluation.elsewhere.mirror import find, mirror
from evaluation.elsewhere.remote import Remote, UnreachableError
from evaluation.finished import FinishedVideos
from evaluation.generate import file_sha256, generate_once, video_of
from evaluation.generator import GeneratorSpec
from evaluation.opening import VideoError, open_container
from evaluation.plan import Plan, UnusableInputError
from evaluation.run import execute
from evaluation.store import KeptTrack, TrackStore
from evaluation.suite import Suite
from evaluation.video import has_audio
from metrics import Measurement, MetricSpec, mean_of_clips

CLIPS = ("a", "b", "c", "d")


class Server:
    """moto's S3, which counts what it is asked for, and breaks where a test says."""

    def __init__(self, app):
        self.app = app
        self.asked = []
        self.refused = self.cut = ()
        self.slow = 0.0

    def fetched(self):
        """Whole objects that were sent, by key."""
        return Counter(
            key for method, key, ranged in self.asked if method == "GET" and key and not ranged
        )

    def __call__(self, environ, start_response):
        key = environ["PATH_INFO"].lstrip("/").partition("/")[2]
        method = environ["REQUEST_METHOD"]
        self.asked.append((method, key, "HTTP_RANGE" in environ))
        if key in self.refused:
            start_response("403 Forbidden", [("Content-Type", "application/xml")])
            return [b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"]
        time.sleep(self.slow)
        answer = self.app(environ, start_response)
        if method == "GET" and key in self.cut:
            return [b"".join(answer)[:100]]  # the connection ends before the file does
        return answer


@pytest.fixture(scope="session")
def serving():
    moto_server = pytest.importorskip("moto.server", reason="needs moto and flask (extra: dev)")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    moto = moto_server.ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    moto.start()
    moto._server.app = server = Server(moto._server.app)
    server.endpoint = "http://127.0.0.1:{1}".format(*moto.get_host_and_port())
    yield server
    moto.stop()


@pytest.fixture
def server(serving, monkeypatch, tmp_path):
    """The server with this test's bucket, and a cache of its own."""
    for name, value in {
        "AWS_ENDPOINT_URL": serving.endpoint,
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "NO_PROXY": "127.0.0.1",
        "TALKBENCH_CACHE": str(tmp_path / "cache"),
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setattr("s3fs.S3FileSystem.retries", 1)
    fsspec.filesystem("s3").invalidate_cache()
    serving.files = fsspec.filesystem("s3")
    serving.bucket = f"lab-{os.getpid()}-{len(tmp_path.name)}-{abs(hash(tmp_path)) % 10**8}"
    serving.files.mkdir(serving.bucket)
    serving.at = f"s3://{serving.bucket}"
    serving.asked.clear()
    yield serving
    serving.refused, serving.cut, serving.slow = (), (), 0.0
    shared_tracks._given_up.clear()


@pytest.fixture(scope="session")
def clips(write_clip, tmp_path_factory):
    """Four references, what a system made of them, and the same scored from this disk."""
    folder = tmp_path_factory.mktemp("clips")
    for seed, name in enumerate(CLIPS):
        write_clip(folder / "hdtf" / f"{name}.mp4", seed=seed, audio=name != "d")
        write_clip(folder / "mine" / f"{name}.mp4", seed=seed + 10)
    return folder


@pytest.fixture
def bucket(server, clips):
    for path in sorted(clips.rglob("*.mp4")):
        server.files.put_file(str(path), f"{server.bucket}/{path.relative_to(clips).as_posix()}")
    server.files.pipe_file(f"{server.bucket}/hdtf/notes.txt", b"not for scoring")
    server.asked.clear()
    return server


def words(at, run, *more):
    pair = ("--reference", f"{at}/hdtf", "--generated", f"mine={at}/mine")
    return ("score", *pair, "-m", "psnr", "-m", "ssim", "-o", run, *more)


@pytest.fixture(scope="session")
def local(clips, tmp_path_factory):
    """results.json of the same command on paths."""
    from click.testing import CliRunner

    from evaluation.cli import main

    run = tmp_path_factory.mktemp("local") / "run"
    done = CliRunner().invoke(main, [str(w) for w in words(clips, run)])
    assert done.exit_code == 0, done.output
    return (run / "results.json").read_bytes()


def names(*folders):
    return {f"{folder}/{clip}.mp4": 1 for folder in folders for clip in CLIPS}


def test_a_run_is_the_local_run_and_fetches_each_clip_once(
    bucket, local, talkbench, tmp_path, write_clip
):
    run = tmp_path / "run"
    done = talkbench(*words(bucket.at, run))
    assert done.returncode == 0, done.stderr
    assert (run / "results.json").read_bytes() == local
    assert bucket.fetched() == names("hdtf", "mine")

    bucket.asked.clear()
    assert talkbench(*words(bucket.at, run)).returncode == 0
    assert talkbench(*words(bucket.at, tmp_path / "another")).returncode == 0
    assert not [key for method, key, _ in bucket.asked if method == "GET" and key]
    assert (tmp_path / "another" / "results.json").read_bytes() == local

    # What the run says of its files are addresses, and a report finds them on a bare machine.
    said = json.loads((run / "run.json").read_text())
    assert said["settings"]["reference"] == f"{bucket.at}/hdtf"
    assert said["generators"]["mine"]["source"] == f"{bucket.at}/mine"
    assert said["samples"]["a"]["reference"] == f"{bucket.at}/hdtf/a.mp4"
    for file in run.rglob("*.json*"):
        assert str(tmp_path / "cache") not in file.read_text(), file
    bare = str(tmp_path / "bare")
    done = talkbench("report", run, "--format", "html", TALKBENCH_CACHE=bare)
    assert done.returncode == 0, done.stderr
    assert bucket.fetched()["mine/a.mp4"] == 1
    assert "video not found" not in (run / "report" / "index.html").read_text()

    # One object changed: it alone is fetched, and scored anew.
    write_clip(tmp_path / "new.mp4", seed=20)
    bucket.files.put_file(str(tmp_path / "new.mp4"), f"{bucket.bucket}/mine/b.mp4")
    bucket.asked.clear()
    done = talkbench(*words(bucket.at, run))
    assert bucket.fetched() == {"mine/b.mp4": 1}
    assert "2 records computed" in done.stdout
    assert (run / "results.json").read_bytes() != local


def test_a_shard_and_a_limit_fetch_what_is_their_own(bucket, talkbench, tmp_path):
    done = talkbench(*words(bucket.at, tmp_path / "one", "--shard", "2/4"))
    assert done.returncode == 0, done.stderr
    assert bucket.fetched() == {"hdtf/b.mp4": 1, "mine/b.mp4": 1}
    bucket.asked.clear()
    talkbench(*words(bucket.at, tmp_path / "two", "--limit", 1))
    assert set(bucket.fetched()) == {"hdtf/a.mp4", "mine/a.mp4"}


def test_what_cannot_be_had_is_unavailable_and_tried_again(
    bucket, local, talkbench, tmp_path, records_of
):
    run = tmp_path / "run"
    bucket.refused, bucket.cut = ("hdtf/a.mp4",), ("mine/b.mp4",)
    peeked = FolderDataset()
    with pytest.raises(UnreachableError, match=r"hdtf/a\.mp4 may not be read"):
        peeked.samples(mirror(f"{bucket.at}/hdtf"))  # no key is not the same as no sound
    bucket.refused = ()
    peeked.samples(mirror(f"{bucket.at}/hdtf"))
    bucket.refused = ("hdtf/a.mp4",)
    bucket.files.rm(f"{bucket.bucket}/mine/c.mp4")

    done = talkbench(*words(bucket.at, run))
    found = {(r["sample"], r["status"]) for r in records_of(run)}
    assert found == {("a", "unavailable"), ("b", "unavailable"), ("c", "failed"), ("d", "ok")}
    reasons = {r["sample"]: r["reason"] for r in records_of(run)}
    assert f"{bucket.at}/hdtf/a.mp4 may not be read" in reasons["a"]
    assert f"{bucket.at}/mine/b.mp4" in reasons["b"]
    assert reasons["c"] == f"{bucket.at}/mine has no video called c"
    assert done.returncode == 1

    bucket.refused = bucket.cut = ()
    bucket.files.put_file(str(find(f"{bucket.at}/mine/d.mp4")), f"{bucket.bucket}/mine/c.mp4")
    assert talkbench(*words(bucket.at, run)).returncode == 0
    assert {r["status"] for r in records_of(run)[-6:]} == {"ok"}


def test_an_object_that_goes_or_changes_meanwhile_is_no_fault_of_the_clip(bucket):
    paths = FinishedVideos.read("mine", f"{bucket.at}/mine").videos
    bucket.files.rm(f"{bucket.bucket}/mine/a.mp4")
    with pytest.raises(UnreachableError, match=r"mine/a\.mp4 is not there"):
        file_sha256(paths["a"])
    size = paths["b"].stat().st_size
    bucket.files.pipe_file(f"{bucket.bucket}/mine/b.mp4", b"x" * size)
    with pytest.raises(UnreachableError, match="was changed while"):
        file_sha256(paths["b"])
    assert absent(paths["b"]) is not None


def test_two_workers_within_a_small_bound(bucket, local, clips, talkbench, tmp_path, monkeypatch):
    sizes = [p.stat().st_size for p in clips.rglob("*.mp4")]
    monkeypatch.setenv("TALKBENCH_ELSEWHERE_BYTES", str(2 * max(sizes)))
    run = tmp_path / "run"
    done = talkbench(*words(bucket.at, run, "--workers", 2))
    assert done.returncode == 0, done.stderr
    assert (run / "results.json").read_bytes() == local
    kept = [p for p in (store_root() / "objects").iterdir() if p.stat().st_mtime_ns]
    assert 0 < len(kept) <= 4  # two that two workers use, at most, beside the last
    # What was removed is known by its hash, and is not fetched to be told so.
    bucket.asked.clear()
    again = talkbench(*words(bucket.at, run))
    assert "0 records computed" in again.stdout
    players = len([e for e in bucket.fetched() if e])
    assert bucket.fetched().total() == players <= 8  # by the report, for its players, once


def test_what_is_in_use_is_not_removed(bucket, monkeypatch):
    videos = FinishedVideos.read("mine", f"{bucket.at}/mine").videos
    monkeypatch.setenv("TALKBENCH_ELSEWHERE_BYTES", "1")
    with using():
        content = here(videos["a"]).read_bytes()
        with using():
            here(videos["b"])
        here(videos["c"])
        assert absent(videos["a"]) is None
        assert absent(videos["b"]) is not None  # its unit had ended
        assert videos["a"].read_bytes() == content
    here(videos["d"])
    assert absent(videos["a"]) is not None
    assert videos["a"].stat().st_size == len(content)


def test_all_who_want_a_file_wait_for_the_one_who_fetches_it(bucket, clips):
    path = FinishedVideos.read("mine", f"{bucket.at}/mine").videos["a"]
    bucket.slow = 0.2
    with ThreadPoolExecutor(4) as pool:
        contents = set(pool.map(lambda p: here(p).read_bytes(), [path] * 4))
    assert contents == {(clips / "mine" / "a.mp4").read_bytes()}
    assert bucket.fetched() == {"mine/a.mp4": 1}


def test_a_file_that_was_removed_is_known_and_comes_back(bucket, clips, tmp_path, monkeypatch):
    samples = FolderDataset().samples(mirror(f"{bucket.at}/hdtf"))
    first, second, third = samples[:3]
    sha256 = file_sha256(first.video)
    monkeypatch.setenv("TALKBENCH_ELSEWHERE_BYTES", "1")
    here(second.video)
    bucket.asked.clear()
    assert absent(first.video) is not None
    assert file_sha256(first.video) == sha256
    assert bucket.asked == []

    class Copies:
        """A foreign program: it opens what it is given, as any program would."""

        spec = GeneratorSpec(name="copies", version="1", kind="system", about="", source="")

        def generate(self, sample, out, seed):
            return shutil.copyfile(sample.video, out)

    with using():
        made = generate_once(Copies(), first, tmp_path / "videos", 0)
    assert made.video is not None
    assert made.video.sha256 == sha256

    here(third.video)
    (fact,) = [p for p in (store_root() / "facts").iterdir() if sha256 in p.read_text()]
    fact.write_text(json.dumps({"sha256": "0" * 64}))
    with pytest.raises(UnreachableError, match="another file than before"):
        here(first.video)


def test_a_file_of_another_length_is_not_taken(bucket, tmp_path):
    size = FinishedVideos.read("mine", f"{bucket.at}/mine").videos["a"].stat().st_size
    for wrong, said in ((size + 1, "bytes came; the next run"), (size - 1, "more than the")):
        remote = Remote(f"{bucket.at}/mine", "a.mp4", wrong, "unknown")
        with pytest.raises(UnreachableError, match=said):
            remote.fetch(tmp_path / "a.mp4")


def test_planning_reads_headers_and_fetches_nothing(bucket, clips):
    bucket.files.pipe_file(f"{bucket.bucket}/hdtf/broken.mp4", b"no video" * 100)
    bucket.files.pipe_file(f"{bucket.bucket}/hdtf/empty.mp4", b"")
    list_ = f"ffconcat version 1.0\nfile '{clips}/hdtf/a.mp4'\n"
    bucket.files.pipe_file(f"{bucket.bucket}/hdtf/list.mp4", list_.encode())
    tree = mirror(f"{bucket.at}/hdtf")
    bucket.asked.clear()
    samples = {s.id: s for s in FolderDataset().samples(tree)}
    heard = {name for name, s in samples.items() if s.audio is not None}
    assert heard == {"a", "b", "c"}
    assert samples.keys() == {*CLIPS, "broken", "empty", "list"}
    assert not bucket.fetched()
    with pytest.raises(VideoError, match="no container that talkbench opens"):
        open_container(tree / "list.mp4", header=True)
    bucket.asked.clear()
    assert [has_audio(s.video) for s in samples.values()].count(True) == 3
    assert bucket.asked == []  # remembered, by version


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (["up/../x.mp4"], "cannot be a file in a folder"),
        (["up/a\\b.mp4"], "cannot be a file in a folder"),
        (["up//x.mp4"], "cannot be a file in a folder"),
        (["up/a", "up/a/b.mp4"], "lies in it as in a folder"),
    ],
)
def test_names_that_no_folder_can_hold(server, keys, said):
    for key in keys:
        server.files.pipe_file(f"{server.bucket}/{key}", b"x")
    with pytest.raises(DatasetError, match=said):
        mirror(f"{server.at}/up")
    assert not (store_root() / "objects").exists()


def test_neighbours_and_folder_marks_are_not_below(bucket):
    bucket.files.pipe_file(f"{bucket.bucket}/hdtf2/x.mp4", b"x")
    bucket.files.pipe_file(f"{bucket.bucket}/hdtf/sub/", b"")
    found = {p.name for p in mirror(f"{bucket.at}/hdtf/").rglob("*")}
    assert found == {"notes.txt", *(f"{c}.mp4" for c in CLIPS)}


def test_patterns_and_lists_lie_elsewhere_too(bucket):
    pattern = FinishedVideos.read("mine", f"{bucket.at}/mi{{id}}.mp4")
    assert set(pattern.videos) == {f"ne/{clip}" for clip in CLIPS}
    assert pattern.spec.source == bucket.at
    rows = "id,file\none,mine/a.mp4\ntwo,mine/none.mp4\n"
    bucket.files.pipe_file(f"{bucket.bucket}/list.csv", rows.encode())
    listed = FinishedVideos.read("mine", f"{bucket.at}/list.csv")
    assert [tell(p) for p in listed.videos.values()] == [f"{bucket.at}/mine/a.mp4"]


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("s3://key:secret@lab/x", "user or password"),
        ("https://host/x?token=abc", "query"),
        ("zip://a::s3://lab/x", "one address after another"),
        ("s3://lab/../x", "empty part, . or .."),
        ("s3://", "names no place"),
        (f"s3://lab/{'x' * 300}", "too long"),
        ("gs://lab/x", "package for gs:// is not installed.*gcsfs"),
        ("s3a://lab/x", r"pip install 'talkbench\[s3\]'"),
        ("nothing://lab/x", "not known"),
    ],
)
def test_addresses_that_are_not_taken(talkbench, tmp_path, monkeypatch, where, said):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(UnusableInputError, match=said) as told:
        mirror(where)
    assert not any(secret in str(told.value) for secret in ("secret", "abc"))


def test_a_run_lies_on_this_machine(talkbench, tmp_path):
    done = talkbench("run", "sample", "-o", "s3://lab/run")
    assert done.returncode == 2
    assert "s3://lab/run is an address, and this must be a path of this machine" in done.stderr


def test_no_such_bucket(server, talkbench, tmp_path):
    done = talkbench(*words("s3://no-such-bucket", tmp_path / "run"))
    assert done.returncode == 2
    assert "s3://no-such-bucket/hdtf is not there" in done.stderr
    assert not (tmp_path / "run").exists()


@given(st.lists(st.text(st.characters(blacklist_categories=["C", "Z"]), min_size=1), min_size=1))
def test_a_folder_tells_the_address_that_it_stands_for(parts):
    address = "s3://" + "/".join(parts)
    try:
        address = checked(address)
    except UnusableInputError:
        return
    inside = home_of(address) / "@0123456789abcdef" / "a b@1.mp4"
    assert tell(f"reference {inside}: odd") == f"reference {address}/a b@1.mp4: odd"
    assert home_of(address).is_relative_to(store_root())


# Tracks that runs share


class Average:
    """Mean colour of every frame; counts how often it is asked."""

    id = "average/1"
    uses = ()

    def __init__(self):
        self.asked = 0

    def extract(self, frames, tracks):
        self.asked += len(frames)
        return {"colour": frames.mean((1, 2)).astype(np.float32)}


class Colour:
    """How far two videos are apart in colour."""

    def __init__(self):
        self.average = Average()
        self.extractors = (self.average,)
        self.spec = MetricSpec(
            name="colour",
            version="1",
            title="colour",
            direction="lower",
            protocol={"rule": "a test's"},
            source="a test",
            needs_frames=False,
        )

    def measure(self, inputs):
        sides = [s.tracks["average/1"]["colour"] for s in (inputs.generated, inputs.reference)]
        return Measurement.of_frames(np.abs(sides[0] - sides[1]).mean(1))

    def aggregate(self, measurements):
        return mean_of_clips(measurements)


def scored(clips: Path, run: Path, tracks: str = ""):
    metric = Colour()
    plan = Plan(
        suite=Suite(
            name="score",
            version="1",
            dataset="folder",
            setting="reconstruction",
            metrics=("psnr",),
            about="A test's.",
        ),
        metrics=(metric,),
        generators=(FinishedVideos.read("mine", clips / "mine"),),
        samples=tuple(FolderDataset().samples(clips / "hdtf")),
        every=1,
        settings={},
    )
    told = []
    records = execute(plan, run, tracks=tracks, log=[lambda line: told.append(json.loads(line))])
    return metric.average.asked, [r.value for r in records], told


@pytest.mark.parametrize("place", ["s3", "folder"])
def test_a_second_run_reads_the_tracks_of_the_first(server, clips, tmp_path, place):
    where = f"{server.at}/tracks" if place == "s3" else str(tmp_path / "tracks")
    asked, alone, _ = scored(clips, tmp_path / "alone")
    assert asked == 12 * 8
    assert scored(clips, tmp_path / "first", where)[:2] == (asked, alone)
    assert scored(clips, tmp_path / "second", where)[:2] == (0, alone)
    kept = [sorted((tmp_path / r / "tracks").rglob("*.npz")) for r in ("alone", "second")]
    assert [p.read_bytes() for p in kept[0]] == [p.read_bytes() for p in kept[1]]
    assert len(kept[1]) == 8


def test_a_spoilt_shared_track_is_made_again(tmp_path, clips):
    where = tmp_path / "tracks"
    _, alone, _ = scored(clips, tmp_path / "first", str(where))
    first, second, *_ = sorted(where.rglob("*.npz"))
    whole = first.read_bytes()
    first.write_bytes(whole[:50])
    np.savez(second, allow_pickle=True, colour=np.array([{}], dtype=object), __frames__=1)
    assert scored(clips, tmp_path / "second", str(where))[:2] == (24, alone)
    assert first.read_bytes() == whole


def test_a_run_goes_on_without_a_shared_place(server, clips, tmp_path, monkeypatch, capfd):
    asked, alone, told = scored(clips, tmp_path / "run", f"{server.at}-none/tracks")
    assert (asked, len(alone)) == (96, 4)
    assert capfd.readouterr().err.count("shared tracks at") == 1
    (tmp_path / "file").write_text("no folder")
    asked, alone, told = scored(clips, tmp_path / "other", str(tmp_path / "file"))
    assert (asked, len(alone)) == (96, 4)
    (event,) = [e for e in told if e["event"] == "shared tracks not used"]
    assert str(tmp_path / "file") in event["reason"]


def test_a_track_comes_from_the_run_first(tmp_path):
    shared = str(tmp_path / "shared")
    key = ("ab" * 32, "x/1", "1")
    TrackStore(tmp_path / "one", shared).save(*key, KeptTrack({"v": np.arange(3)}, 3))
    TrackStore(tmp_path / "two").save(*key, KeptTrack({"v": np.arange(4)}, 4))
    assert TrackStore(tmp_path / "two", shared).load(*key).frames == 4
    assert TrackStore(tmp_path / "new", shared).load(*key).frames == 3
    assert TrackStore(tmp_path / "new").load(*key).frames == 3


def test_video_of_a_local_run_is_as_ever(tmp_path):
    assert find(str(tmp_path / "x.mp4")) == tmp_path / "x.mp4"
    assert video_of(tmp_path, "mine", "a") is None
