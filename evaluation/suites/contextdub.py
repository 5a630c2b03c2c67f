"""ContextDubBench, with its caution."""

from __future__ import annotations

from evaluation.datasets.contextdub import OURS
from evaluation.suite import Suite
from evaluation.suites.words import dubbing

CONTEXTDUB = Suite(
    name="contextdubbench",
    version="1",
    dataset="contextdubbench",
    setting="dubbing",
    metrics=(
        "fid@pytorch-fid",
        "lse-d@syncnet-python",
        "lse-c@syncnet-python",
        "lipsync@correlation",
        "niqe@pyiqa",
    ),
    about="ContextDubBench 1.0: videos dubbed to new speech.",
    protocol=dubbing(),
    notes=(OURS,),
)
