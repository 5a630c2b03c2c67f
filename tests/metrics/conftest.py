"""What the metric tests share: one clip, damage to do to it, and the official packages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace

import cv2
import numpy as np
import pytest

from evaluation.calibration import packages
from evaluation.calibration.inception_sets import pytorch_fid_weights
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
        module = packages.official(name)
        if module is None:
            pytest.skip(f"{name} is not installed (pip install 'talkbench[reference]')")
        return module

    return load


@pytest.fixture(scope="session")
def pytorch_fid(official, asset, tmp_path_factory) -> Iterator[ModuleType]:
    """pytorch-fid, its network loaded from the place where it keeps its download."""
    package = official("pytorch_fid")
    official("pytorch_fid.fid_score")
    asset("inception-fid")
    home = tmp_path_factory.mktemp("torch_home")
    pytorch_fid_weights(home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCH_HOME", str(home))
        yield package
