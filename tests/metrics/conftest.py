"""What the metric tests share: one clip, damage to do to it, and the official packages."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from metrics.base import Inputs, Side


@pytest.fixture(scope="session")
def carphone(asset, decode) -> np.ndarray:
    """A man talking in a car: uint8 RGB [120, 144, 176, 3]."""
    return decode(asset("clip-carphone"))


@pytest.fixture(scope="session")
def singer(asset, decode) -> np.ndarray:
    """A larger picture: uint8 RGB [4, 528, 976, 3]."""
    return decode(asset("clip-singer"), limit=4)


@pytest.fixture(scope="session")
def recorded(data, decode, golden, golden_per_frame) -> SimpleNamespace:
    """One generated clip of ``values.json``: all 251 frames of both sides, and its values."""
    system, clip = "iplap", "RD_Radio8_000"
    return SimpleNamespace(
        generated=decode(data / "hdtf_mini" / system / f"{clip}.mp4"),
        reference=decode(data / "hdtf_mini" / "gt" / f"{clip}.mp4"),
        value=lambda key: golden[key][system][clip],
        per_frame=lambda key: golden_per_frame[key][system][clip],
        damaged=golden["perturbed_gt"],
    )


@pytest.fixture(scope="session")
def blurred() -> Callable[[np.ndarray, float], np.ndarray]:
    """Gaussian blur of every frame."""
    return lambda frames, sigma: np.stack([cv2.GaussianBlur(f, (0, 0), sigma) for f in frames])


@pytest.fixture(scope="session")
def pair() -> Callable[[np.ndarray, np.ndarray], Inputs]:
    """Generated and reference frames as a metric gets them."""
    return lambda generated, reference: Inputs(Side(generated), Side(reference))


@pytest.fixture(scope="session")
def official() -> Callable[[str], ModuleType]:
    """Import an official package by name; skip where it is not installed."""

    def load(name: str) -> ModuleType:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _import_torchvision()
            return pytest.importorskip(
                name, reason=f"{name} is not installed (pip install 'talkbench[reference]')"
            )

    return load


@pytest.fixture(scope="session")
def pytorch_fid(official, asset, tmp_path_factory) -> Iterator[ModuleType]:
    """pytorch-fid, its network loaded from the place where it keeps its download."""
    package = official("pytorch_fid")
    official("pytorch_fid.fid_score")
    import torchvision  # noqa: TID251

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        ours = torch.jit.load(asset("inception-fid")).state_dict()
        theirs = torchvision.models.inception_v3(
            num_classes=1008, aux_logits=False, init_weights=False
        ).state_dict()
    # Both list their layers in the order of the graph; neither the head (fc) nor batch norm's
    # gamma and counter are in our file.
    parts = {"conv.weight": "weight", "bn.bias": "beta", "bn.running_mean": "mean"}
    parts |= {"bn.running_var": "var"}
    for theirs_part, ours_part in parts.items():
        names = [n for n in theirs if n.endswith(theirs_part)]
        values = [v for n, v in ours.items() if n.endswith("." + ours_part)]
        assert len(names) == len(values) == 94
        assert all(theirs[n].shape == v.shape for n, v in zip(names, values, strict=True))
        theirs |= zip(names, values, strict=True)
    theirs |= {n: torch.ones_like(v) for n, v in theirs.items() if n.endswith("bn.weight")}
    theirs |= {n: torch.zeros_like(v) for n, v in theirs.items() if n.startswith("fc.")}

    home = tmp_path_factory.mktemp("torch_home")
    name = package.inception.FID_WEIGHTS_URL.rpartition("/")[2]
    (home / "hub" / "checkpoints").mkdir(parents=True)
    torch.save(theirs, home / "hub" / "checkpoints" / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCH_HOME", str(home))
        yield package


def _import_torchvision() -> None:
    """PyPI's torchvision is a CUDA build: beside CPU torch its operators are missing.

    None of them is used by the packages compared here, so declaring them is enough.
    """
    try:
        import torchvision  # noqa: TID251
    except ModuleNotFoundError:
        return
    except RuntimeError:
        for module in [m for m in sys.modules if m.partition(".")[0] == "torchvision"]:
            del sys.modules[module]
        for operator in ("nms", "qnms"):
            _OPERATORS.define(
                f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            )
        import torchvision  # noqa: F401, TID251


_OPERATORS = torch.library.Library("torchvision", "FRAGMENT")
