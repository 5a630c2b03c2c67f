"""Workers as actors of a Ray cluster of two nodes on this machine, of which one is lost."""

import os
import threading
import time
from pathlib import Path

import pytest

from evaluation.datasets.folder import FolderDataset
from evaluation.engines.ray_cluster import RayCluster
from evaluation.plan import Plan
from evaluation.records import RecordLog
from evaluation.registry import load_generator, load_metrics
from evaluation.results import build, write_results
from evaluation.run import execute
from evaluation.suite import Suite

os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
ray = pytest.importorskip("ray", reason="ray is not installed: pip install 'talkbench[ray]'")

SUITE = Suite(name="t", version="1", dataset="folder", setting="reconstruction", metrics=())
NODE = {"node_ip_address": "127.0.0.1", "object_store_memory": 80_000_000}

pytestmark = pytest.mark.filterwarnings("ignore")  # Ray's own


@pytest.fixture
def cluster():
    """Two nodes with room for one worker each; the first is where the command runs."""
    from ray.cluster_utils import Cluster

    made = Cluster(
        initialize_head=True, head_node_args={**NODE, "num_cpus": 1, "include_dashboard": False}
    )
    node = made.add_node(**NODE, num_cpus=1)
    ray.init(made.address, log_to_driver=False, logging_level="error")
    yield made, node
    ray.shutdown()
    made.shutdown()


class Losing:
    """Removes a node as soon as both have begun something."""

    def __init__(self, made, node):
        self.made, self.node = made, node
        self.begun, self.deaths, self.pids = set(), [], []
        self.removing = None

    def __call__(self, event, unit=None, **facts):
        if event == "unit started":
            self.begun.add(facts["worker"])
        if event == "worker started":
            self.pids.append(facts["pid"])
        if event == "worker died":
            self.deaths.append(facts["reason"])
        if len(self.begun) == 2 and self.removing is None:
            self.removing = threading.Thread(
                target=self.made.remove_node, args=(self.node,), kwargs={"allow_graceful": False}
            )
            self.removing.start()


def test_a_lost_node_loses_nothing_and_the_numbers_are_those_of_one_process(
    cluster, tmp_path, write_clip
):
    made, node = cluster
    assert {n["NodeManagerAddress"] for n in ray.nodes()} == {"127.0.0.1"}
    losing = Losing(made, node)
    units = [0.5 + i / 100 for i in range(8)]
    found = list(RayCluster(2).each(time.sleep, units, lambda unit, why: why, losing))
    losing.removing.join()
    assert sorted(found) == [(unit, None) for unit in units]
    assert losing.deaths
    deadline = time.monotonic() + 60
    while any(Path(f"/proc/{pid}").exists() for pid in losing.pids):
        assert time.monotonic() < deadline
        time.sleep(0.05)

    for seed, name in enumerate(["a_000", "b_000"]):
        write_clip(tmp_path / "data" / f"{name}.mp4", seed=seed)
    plan = Plan(
        suite=SUITE,
        metrics=tuple(load_metrics(["psnr"])),
        generators=(load_generator("shifted"),),
        samples=tuple(FolderDataset().samples(tmp_path / "data")),
        every=1,
        settings={},
    )
    for name, engine in (("one", None), ("ray", RayCluster(1, clip_timeout=60))):
        execute(plan, tmp_path / name, engine=engine)
        write_results(tmp_path / name, build(tmp_path / name))
    one, other = (tmp_path / name / "results.json" for name in ("one", "ray"))
    assert one.read_bytes() == other.read_bytes()
    assert len(RecordLog(tmp_path / "ray" / "records.jsonl").read()) == 2
