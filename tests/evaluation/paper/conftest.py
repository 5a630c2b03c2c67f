"""A run on disk with numbers and no videos: ten speakers, five systems, hostile names."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from evaluation.generator import GeneratorSpec
from evaluation.manifest import card
from evaluation.records import Record
from evaluation.registry import load_metrics
from evaluation.results import Results, build

HOSTILE = "a_b & 50% \\x $y$ ~^{}#\"`'<>* \x1b[31m"
FOREIGN = "é Żółć 字 -- \N{RIGHT-TO-LEFT OVERRIDE}|"
PARTIAL = "partial"
CARDS = ("psnr", "ssim", "csim", "lmd")

# How far ahead by each card, best first; the second and third cannot be told apart.
LEVELS = {HOSTILE: 3.0, "near_1": 0.05, FOREIGN: 0.0, "last": -4.0, PARTIAL: 9.0}


def write_run(root: Path, speakers: int = 10, kind: str = "system") -> Path:
    """Two clips a speaker; ``partial`` lacks one of them; a reference and an anchor beside."""
    rng = np.random.default_rng(4)
    metrics = load_metrics(CARDS)
    kinds = {"truth": "reference", "blur": "anchor"}
    specs = {
        name: GeneratorSpec(
            name=name,
            version="1",
            kind=kinds.get(name, kind),
            about="a test's",
            trained_on=("hdtf", "lrs2") if name == "near_1" else (),
            optimises=("psnr",) if name == "last" else (),
        )
        for name in ("truth", "blur", *LEVELS)
    }
    ids = [f"p{s}_{i}" for s in range(speakers) for i in range(2)]
    records = []
    for metric in metrics:
        better = 1 if metric.spec.direction == "higher" else -1
        scale = 1.0 if metric.spec.unit else 0.01
        shared = 30 + rng.normal(0, 2, speakers).repeat(2)
        for name in specs:
            own = stats.zscore(rng.normal(size=speakers)).repeat(2)
            level = LEVELS.get(name, -9.0 if name == "blur" else 20.0)
            values = scale * (shared + better * level + 0.2 * own)
            for sample, value in zip(ids, values, strict=True):
                failed = name == PARTIAL and sample == "p0_0"
                records.append(
                    Record(
                        suite="s/1",
                        generator=name,
                        sample=sample,
                        speaker=sample.split("_", maxsplit=1)[0],
                        metric=metric.spec.name,
                        metric_version=metric.spec.version,
                        value=None if failed else float(value),
                        status="failed" if failed else "ok",
                        reason="no face in 50% of its frames" if failed else "",
                        frames=10,
                    )
                )
    manifest = {
        "schema": 1,
        "suite": {"id": "s_1/1", "dataset": "hdtf-mini", "protocol": {"crop": "50 % {x}\ny"}},
        "every": 1,
        "seed": 0,
        "limit": None,
        "whole": len(ids),
        "settings": {},
        "generators": {name: dataclasses.asdict(spec) for name, spec in specs.items()},
        "metrics": {m.spec.name: card(m.spec) for m in metrics},
        "samples": {i: {"speaker": i.split("_")[0], "reference": None} for i in ids},
        "environment": {},
        "commands": [],
    }
    root.mkdir(parents=True)
    (root / "run.json").write_text(json.dumps(manifest))
    lines = (json.dumps(dataclasses.asdict(r)) + "\n" for r in records)
    (root / "records.jsonl").write_text("".join(lines))
    return root


@pytest.fixture(scope="session")
def paper_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run with ten speakers."""
    return write_run(tmp_path_factory.mktemp("paper") / "run")


@pytest.fixture(scope="session")
def paper(paper_run: Path) -> Results:
    """Its numbers."""
    return build(paper_run)


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """The same with four speakers."""
    return build(write_run(tmp_path_factory.mktemp("few") / "run", speakers=4))


@pytest.fixture(scope="session")
def anchors(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """The same, and no system among them."""
    return build(write_run(tmp_path_factory.mktemp("anchors") / "run", kind="anchor"))


@pytest.fixture
def names() -> Callable[[str], str]:
    """What the hostile names are called here."""
    known = {"hostile": HOSTILE, "foreign": FOREIGN, "partial": PARTIAL}
    return known.__getitem__
