"""The machine that figures are of."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.spending import device
from evaluation.calibration.packages import installed_version
from evaluation.environment import describe

# What the official sides are made of; ours is in what every run records.
_OTHERS = (
    "scikit-image",
    "piq",
    "pytorch-msssim",
    "lpips",
    "pytorch-fid",
    "dlib-bin",
    "cpbd",
    "librosa",
    "torchvision",
)


def described() -> dict[str, Any]:
    """JSON-ready: the processor, cores and threads, memory, the GPU in use, versions."""
    found = describe()
    other = [installed_version(name).split() for name in _OTHERS]
    packages = dict(found["packages"]) | {each[0]: each[1] for each in other if each}  # type: ignore[call-overload]
    return found | {
        "cpu": _processor(),
        "vectors": _vectors(),
        "cores": len(os.sched_getaffinity(0)),
        "threads": os.environ.get("OMP_NUM_THREADS", ""),
        "memory GB": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
        "device": device(),
        "gpu": _gpu(),
        "packages": packages,
    }


def in_words(machine: Mapping[str, Any]) -> str:
    """One line."""
    packages = machine["packages"]
    cores = f"{machine['cores']} core{'s' if machine['cores'] != 1 else ''} of {machine['cpu']}"
    vectors = f" ({machine['vectors']})" if machine["vectors"] else ""
    versions = [f"{name} {packages[name]}" for name in ("torch", "numpy") if name in packages]
    commit, _, dirty = machine["git"].partition("-")
    what = [
        f"{cores}{vectors}",
        f"OMP_NUM_THREADS={machine['threads'] or 'unset'}",
        f"{machine['memory GB']} GB",
        machine["gpu"] or "no GPU",
        f"Python {machine['python']}",
        *versions,
        f"talkbench {packages.get('talkbench', '')} {commit[:10]}{dirty and '-' + dirty}".rstrip(),
    ]
    return ", ".join(what)


def load() -> list[float]:
    """Load average of one, five and fifteen minutes."""
    return [round(x, 2) for x in os.getloadavg()]


def _cpuinfo() -> dict[str, str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return {}
    pairs = (line.split(":", 1) for line in lines if ":" in line)
    return {name.strip(): value.strip() for name, value in pairs}


def _processor() -> str:
    import platform

    return _cpuinfo().get("model name") or platform.processor() or "an unknown processor"


def _vectors() -> str:
    flags = _cpuinfo().get("flags", "").split()
    known = (("avx512f", "AVX-512"), ("avx2", "AVX2"))
    return next((name for flag, name in known if flag in flags), "")


def _gpu() -> str:
    """Its name and CUDA's version, where one is in use."""
    if not device().startswith("cuda"):
        return ""
    import torch

    return f"{torch.cuda.get_device_name(device())}, CUDA {torch.version.cuda}"


def command() -> str:
    """The command as typed."""
    return " ".join(["python -m benchmarks", *sys.argv[1:]])
