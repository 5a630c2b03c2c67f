"""Workers as actors of Ray: in a cluster of two nodes here, which loses one, and in our own."""

import importlib
import json
import os
import secrets
import signal
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from evaluation.engines import ray_cluster
from evaluation.engines.base import Asked
from evaluation.engines.ray_cluster import RayCluster
from evaluation.plan import UnusableInputError

SET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_AUTH_MODE": "token",  # of this cluster alone, and written nowhere
    "RAY_AUTH_TOKEN": secrets.token_hex(32),
}
NODE = {"node_ip_address": "127.0.0.1", "object_store_memory": 80_000_000}

pytestmark = pytest.mark.filterwarnings("ignore")  # Ray's own

WORK = """
import os, signal, time

class Work:
    def __init__(self, folder):
        self.folder = folder
    def __call__(self, unit):
        with (self.folder / unit).open("a") as file:
            file.write("x")
        if unit == "deadly" or (unit == "unlucky" and (self.folder / unit).read_text() == "x"):
            os.kill(os.getpid(), signal.SIGKILL)
        if unit == "hangs":
            time.sleep(100)
        return os.environ.get("CUDA_VISIBLE_DEVICES")
"""


@pytest.fixture(scope="module")
def cluster():
    """Two nodes: one with a GPU, as Ray sees it, and the command; and one to be lost."""
    before = {name: os.environ.get(name) for name in SET}
    os.environ |= SET
    ray = pytest.importorskip("ray", reason="ray is not installed: pip install 'talkbench[ray]'")
    from ray.cluster_utils import Cluster

    head = {**NODE, "num_cpus": 2, "num_gpus": 1, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args=head)
    node = made.add_node(**NODE, num_cpus=1)
    ray.init(made.address, log_to_driver=False, logging_level="error")
    yield made, node
    ray.shutdown()
    made.shutdown()
    for name, value in before.items():
        os.environ.pop(name) if value is None else os.environ.update({name: value})


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "ray_work.py").write_text(textwrap.dedent(WORK))
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("ray_work")
    sys.modules.pop("ray_work")


class Heard(list):
    def __call__(self, event, unit=None, **facts):
        self.append((event, unit, facts))

    def all(self, event):
        return [facts for name, _, facts in self if name == event]


class Losing(Heard):
    """Removes a node as soon as every worker has begun something."""

    def __init__(self, made, node, workers):
        super().__init__()
        self.removal, self.workers = None, workers
        self.remove = lambda: made.remove_node(node, allow_graceful=False)

    def __call__(self, event, unit=None, **facts):
        super().__call__(event, unit, **facts)
        begun = {f["worker"] for f in self.all("unit started")}
        if len(begun) == self.workers and self.removal is None:
            self.removal = threading.Thread(target=self.remove)
            self.removal.start()


def wait_until(reached, seconds=60):
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def gone(pids):
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_a_crash_and_a_hang_cost_their_clips_and_a_gpu_is_shared(cluster, module, tmp_path):
    heard = Heard()
    engine = RayCluster(2, clip_timeout=3, gpus_per_worker=0.5)
    units = ["deadly", "hangs", "a", "unlucky"]
    found = dict(engine.each(module.Work(tmp_path), units, lambda unit, why: why, heard))
    assert found["deadly"].startswith("the worker process died twice on this clip (SIGKILL")
    assert found["hangs"] == "took longer than 3 s (--clip-timeout) and was ended"
    assert (found["a"], found["unlucky"]) == ("0", "0")  # the GPU that Ray gave
    assert [(tmp_path / u).read_text() for u in units] == ["xx", "x", "x", "xx"]
    assert {f["worker"] for f in heard.all("worker started")} == {1, 2}  # on one GPU
    assert gone(f["pid"] for f in heard.all("worker started"))


def test_who_stops_listening_stops_the_actors_and_their_workers(cluster, module, tmp_path):
    heard = Heard()
    work = module.Work(tmp_path)
    doing = RayCluster(2).each(work, ["hangs", "a"], lambda unit, why: why, heard)
    assert next(doing)[0] == "a"
    wait_until((tmp_path / "hangs").exists)
    doing.close()
    wait_until(lambda: gone(f["pid"] for f in heard.all("worker started")))


def test_an_interrupt_that_was_swallowed_ends_it_as_well(cluster, module, tmp_path):
    before = signal.getsignal(signal.SIGINT)

    def tell(event, unit=None, **facts):
        if event == "unit started":
            with suppress(KeyboardInterrupt):  # as in a callback of Ray's
                signal.raise_signal(signal.SIGINT)

    work = module.Work(tmp_path)
    doing = RayCluster(1).each(work, ["a", "b"], lambda unit, why: why, tell)
    with pytest.raises(KeyboardInterrupt):
        next(doing)
    assert signal.getsignal(signal.SIGINT) is before


def test_workers_without_a_place_are_told_of(cluster, monkeypatch):
    monkeypatch.setattr(ray_cluster, "_PATIENCE_S", 0.5)

    class EnoughError(Exception):
        pass

    def tell(event, unit=None, **facts):
        if event == "waiting for the cluster":
            raise EnoughError(facts["reason"])

    said = r"1 of 1 workers have no place yet: each wants 1 CPU and 2 GPUs, and of 3 CPUs and 1 GPU"
    with pytest.raises(EnoughError, match=said):
        list(RayCluster(1, gpus_per_worker=2).each(len, ["a"], lambda unit, why: why, tell))


def test_one_worker_two_a_cluster_and_shards_make_the_same_bytes(
    cluster, talkbench, write_clip, tmp_path
):
    """The cluster is a stranger's to the command: it leaves it as it was."""
    ray = sys.modules["ray"]
    made, _ = cluster
    other = ray.remote(num_cpus=0)(type("Other", (), {"says": lambda self: id(self)})).remote()
    before = ray.get(other.says.remote())
    for seed, name in enumerate(["a_000", "b_000", "c_000"]):
        write_clip(tmp_path / "data" / f"{name}.mp4", seed=seed)
    cheap = ["run", "folder", "--data", "data", "-g", "shifted", "-m", "psnr"]
    assert talkbench(*cheap, "-o", "one").returncode == 0
    assert talkbench(*cheap, "--workers", "2", "-o", "two").returncode == 0
    for number in (3, 1, 2):
        assert talkbench(*cheap, "--shard", f"{number}/3", "-o", f"part/{number}").returncode == 0
    parts = [f"part/{n}" for n in (2, 3, 1)]
    assert talkbench("merge", *parts, "-o", "merged").returncode == 0
    # Begun here, gone on with there, and here again with nothing left to do.
    assert talkbench(*cheap, "--limit", "1", "-o", "ray").returncode == 0
    command = [*cheap, "--engine", "ray", "--address", made.address, "--workers", "2", "-o", "ray"]
    code = "import sys; from evaluation.cli import main; main(sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", code, *command],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "2 records computed, 1 were there already" in done.stdout
    assert "0 records computed" in talkbench(*cheap, "-o", "ray").stdout
    results = {
        (tmp_path / name / "results.json").read_bytes() for name in ("one", "two", "merged", "ray")
    }
    assert len(results) == 1
    assert ray.get(other.says.remote()) == before
    assert all(node["Alive"] for node in ray.nodes())
    assert {node["NodeManagerAddress"] for node in ray.nodes()} == {"127.0.0.1"}


def test_a_lost_node_loses_nothing(cluster):
    made, node = cluster
    losing = Losing(made, node, 3)
    units = [0.5 + i / 100 for i in range(9)]
    found = list(RayCluster(3).each(time.sleep, units, lambda unit, why: why, losing))
    losing.removal.join()
    assert sorted(found) == [(unit, None) for unit in units]
    assert losing.all("worker died")
    wait_until(lambda: gone(f["pid"] for f in losing.all("worker started")))


SLEEPS = """
name = "sleeps"
about = "takes its time"
trained_on = []
optimises = []
folder = "."
environment = { python = "PYTHON" }
command = ["sleep", "100"]
licence = { code = "MIT", weights = "none" }
output = { fps = 25, size = "same", frames = "as video" }
time_limit = { seconds = 100, per_second = 1 }
"""


def test_ctrl_c_leaves_nothing_of_a_cluster_of_our_own(write_clip, tmp_path):
    pytest.importorskip("ray", reason="ray is not installed: pip install 'talkbench[ray]'")
    write_clip(tmp_path / "data" / "a_000.mp4")
    (tmp_path / "sleeps.toml").write_text(SLEEPS.replace("PYTHON", sys.executable))
    words = ["run", "folder", "--data", "data", "-g", "sleeps.toml", "-m", "psnr", "-o", "run"]
    code = "import sys; from evaluation.cli import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", code, *words, "--engine", "ray", "--log-json", "log"]
    home = {"HOME": str(tmp_path / "home")} | {n: "" for n in SET if n.startswith("RAY_AUTH")}
    environment = {n: v for n, v in (os.environ | home).items() if v}
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environment,
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        log = tmp_path / "log"
        wait_until(lambda: log.exists() and "unit started" in log.read_text(), 100)
        family = [psutil.Process(process.pid)]
        family += family[0].children(recursive=True)
        heard = [c for p in family for c in p.net_connections("inet") if c.status == "LISTEN"]
        assert heard
        assert {c.laddr.ip.removeprefix("::ffff:") for c in heard} <= {"127.0.0.1", "::1"}
        wait_until(lambda: any("sleep" in p.name() for p in family[0].children(recursive=True)))
        family = [family[0], *family[0].children(recursive=True)]
        os.killpg(process.pid, signal.SIGINT)
        said = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "the same command goes on" in said
    last = json.loads(log.read_text().splitlines()[-1])
    assert (last["event"], last["how"]) == ("run ended", "interrupted")
    wait_until(lambda: gone(p.pid for p in family))
    assert not (tmp_path / "home").exists()  # no token is left in it


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("127.0.0.1:1", "no Ray cluster answers at '127.0.0.1:1': .*refused"),
        ("ray://127.0.0.1:1", "refused"),
        ("somewhere:", "is no address: auto, HOST:PORT"),
    ],
)
def test_an_address_where_nobody_answers_is_said_at_once(monkeypatch, address, words):
    ray = pytest.importorskip("ray", reason="ray is not installed: pip install 'talkbench[ray]'")
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    for name, value in SET.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UnusableInputError, match=words):
        ray_cluster.ray_cluster(Asked(address=address))


def test_without_ray_the_extra_is_named(monkeypatch):
    for name, value in SET.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UnusableInputError, match=r"pip install 'talkbench\[ray\]'"):
        ray_cluster.ray_cluster(Asked())
