"""The official metric packages, imported so that they work beside any torch."""

from __future__ import annotations

import importlib
import sys
import warnings
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import TYPE_CHECKING, Any

import scipy.ndimage

if TYPE_CHECKING:
    import torch

_REPAIRS: list[torch.library.Library] = []


_WITHOUT_TORCH = ("cpbd", "skimage.metrics")


def official(name: str) -> ModuleType | None:
    """An official package by its import name; None where it is not installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if name not in _WITHOUT_TORCH:
            repair_torchvision()
        _repair_scipy()
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError:
            return None


class NotInstalledError(ImportError):
    """The official package is not here."""


def need(name: str) -> Any:  # noqa: ANN401 - a foreign package
    """An official package by its import name.

    Raises:
        NotInstalledError: It is not installed.
    """
    module = official(name)
    if module is None:
        raise NotInstalledError(f"{name} is not installed: pip install 'talkbench[reference]'")
    return module


def installed_version(distribution: str) -> str:
    """``name version``, or nothing."""
    try:
        return f"{distribution} {version(distribution)}"
    except PackageNotFoundError:
        return ""


def _repair_scipy() -> None:
    """The package cpbd imports an image reader that SciPy dropped; only its command calls it."""
    vars(scipy.ndimage).setdefault("imread", None)


def repair_torchvision() -> None:
    """Make ``import torchvision`` work beside a torch of another build.

    The package index ships torchvision for CUDA: beside a CPU torch its operators are missing.
    None of them is used by the packages compared here, so declaring them is enough.
    """
    try:
        importlib.import_module("torchvision")
    except ModuleNotFoundError:
        return
    except RuntimeError:
        for module in [m for m in sys.modules if m.partition(".")[0] == "torchvision"]:
            del sys.modules[module]
        import torch

        operators = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
        for operator in ("nms", "qnms"):
            signature = f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            operators.define(signature)  # type: ignore[no-untyped-call]
        _REPAIRS.append(operators)  # a library that is let go takes its operators with it
        importlib.import_module("torchvision")
