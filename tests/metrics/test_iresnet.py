"""IResNet: the official code's features, under weights that a formula makes.

The published weights may not be passed on.
"""

from __future__ import annotations

import hashlib
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from metrics.backbones.device import exact
from metrics.backbones.iresnet import IResNet, load_iresnet

R18 = (2, 2, 2, 2)
TINY = (1, 1, 1, 1)

# deepinsight/insightface @ d9cb10e, recognition/arcface_torch/backbones/iresnet.py, PyTorch 2.13.0
# on the CPU: state dict of iresnet100 and every 64th feature of ``pictures``, after
# inference.py's (x / 255 - 0.5) / 0.5, under the weights of ``formula_weights``.
KEYS_R100 = "f6e4c7a7ac8382eb74f90dbff605870f4e26c5a588134bb0892d0d53803baca7"
FEATURES_R18 = (
    (-2.59866, -1.757106, -0.8608598, 1.03777, -0.5237669, -1.919627, 1.800892, -0.887322),
    (-1.144154, 0.7417681, 0.1042769, 0.8672714, 0.6825768, -1.973401, 2.324043, -0.9959384),
)
FEATURES_R100 = (1874306, -634296.3, -3400130, 225900.6, -988319.1, 579738.9, -898786, -3410.576)
LENGTHS = {"r18": (41.79809, 42.50453), "r100": 40915864.0}
# float32 and float64 differ by this share of the length in the official code itself.
ROUNDING = 1e-6


def around(key):
    """What weights of norms lie around: here PReLU's slopes, too."""
    return 0.25 if "prelu" in key else 1.0


def bare(depths=None):
    with torch.device("meta"):
        return IResNet() if depths is None else IResNet(depths)


@pytest.fixture(scope="module")
def pictures():
    """Two patterns, uint8 RGB [2, 112, 112, 3]."""
    y, x = np.mgrid[0:112, 0:112]
    made = np.empty((2, 112, 112, 3), np.uint8)
    for i in range(2):
        for c in range(3):
            phase = (x * (1 + 0.3 * i) + y * (c + 1) + 17 * i * c) / (7 + 2 * c)
            made[i, :, :, c] = (128 + 100 * np.sin(phase)).astype(np.uint8)
    assert made.sum() == 9594548  # as the recorded features saw them
    return made


def features_of(network, pictures):
    x = torch.from_numpy(pictures).permute(0, 3, 1, 2).float()
    with exact():
        return network(x.div_(255).sub_(0.5).div_(0.5)).numpy()


def test_the_published_file_fits_key_by_key():
    state = sorted(bare().state_dict().items())
    assert len(state) == 925
    keys = "\n".join(f"{key} {list(value.shape)} {value.dtype}" for key, value in state)
    assert hashlib.sha256(keys.encode()).hexdigest() == KEYS_R100


def test_r18_has_the_official_features(formula_weights, pictures):
    features = features_of(
        load_iresnet(formula_weights(bare(R18).state_dict(), around), R18), pictures
    )
    assert (features.dtype, features.shape) == (np.float32, (2, 512))
    for row, expected, length in zip(features, FEATURES_R18, LENGTHS["r18"], strict=True):
        assert np.linalg.norm(row) == pytest.approx(length, rel=ROUNDING)
        np.testing.assert_allclose(row[::64], expected, atol=ROUNDING * length)


def test_r100_has_the_official_features(formula_weights, pictures):
    (row,) = features_of(load_iresnet(formula_weights(bare().state_dict(), around)), pictures[:1])
    assert np.linalg.norm(row) == pytest.approx(LENGTHS["r100"], rel=ROUNDING)
    np.testing.assert_allclose(row[::64], FEATURES_R100, atol=ROUNDING * LENGTHS["r100"])


def test_other_weights_are_refused():
    small = {k: torch.zeros(v.shape, dtype=v.dtype) for k, v in bare(TINY).state_dict().items()}
    lacking = {k: v for k, v in small.items() if k != "layer3.0.prelu.weight"}
    with pytest.raises(RuntimeError, match=r"Missing key.*layer3\.0\.prelu\.weight"):
        load_iresnet(lacking, TINY)
    with pytest.raises(RuntimeError, match=r"Unexpected key.*head\.weight"):
        load_iresnet(small | {"head.weight": torch.zeros(3)}, TINY)
    with pytest.raises(RuntimeError, match=r"size mismatch for fc\.bias"):
        load_iresnet(small | {"fc.bias": torch.zeros(3)}, TINY)


def test_pickles_that_run_code_are_refused(tmp_path):
    torch.save({"conv1.weight": SimpleNamespace()}, tmp_path / "bad.pth")
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
        load_iresnet(tmp_path / "bad.pth")
