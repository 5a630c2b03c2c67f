"""Clips that are prepared once, and stages that are small enough to train in a test."""

import re
import shutil

import numpy as np
import pytest
import torch

from method.training.discriminator import Discriminator
from method.training.perceptual import PerceptualLoss, VggFeatures, convolutions
from method.training.prepare import prepare
from method.training.processes import Processes


@pytest.fixture(scope="session")
def videos(data, asset, tmp_path_factory):
    """Two speakers of the GRID corpus, 3 s each, as LRS2 lays clips out."""
    for name in ("yunet", "face-mesh"):
        asset(name)
    folder = tmp_path_factory.mktemp("videos")
    for speaker, clip in (("s1", "bbaf2n"), ("s2", "lrwp9a")):
        (folder / speaker).mkdir()
        shutil.copy(data / "clips" / f"grid_{clip}.mpg", folder / speaker / f"{clip}.mpg")
    return folder


@pytest.fixture(scope="session")
def prepared(videos, tmp_path_factory):
    """The folder that they are prepared into."""
    folder = tmp_path_factory.mktemp("prepared")
    lines = prepare(videos, folder, name="grid", margin=15)
    assert [(x.clip, x.status) for x in lines] == [("s1/bbaf2n", "ok"), ("s2/lrwp9a", "ok")]
    return folder


@pytest.fixture
def alone():
    """One process, on the CPU."""
    return Processes(0, 1, torch.device("cpu"))


@pytest.fixture(autouse=True)
def one_thread():
    """Several test processes share the cores; threads that wait for each other take them all."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def painted(data):
    """Two faces and moved references as the official renderer made them, and the truth."""
    made = np.load(data / "golden" / "iplap_renderer_n3_b2.npz")
    truth = np.load(data / "golden" / "iplap_renderer_inputs.npz")["face"][:2]
    truth = torch.from_numpy((truth / 255.0).astype(np.float32)).permute(0, 3, 1, 2)
    return {k: torch.from_numpy(made[k]) for k in made.files} | {"truth": truth}


@pytest.fixture(scope="session")
def judge(official_weights):
    """The discriminator under formula weights; the authors count scales from the smallest."""
    weights = official_weights("iplap_discriminator")

    def ours(key):
        return re.sub(r"scale(\d)_layer(\d)", lambda m: f"scales.{1 - int(m[1])}.{m[2]}", key)

    judge = Discriminator()
    judge.load_state_dict({ours(key): value for key, value in weights.items()})
    return judge


@pytest.fixture(scope="session")
def perceptual(official_weights):
    """The perceptual loss under formula weights."""
    weights = convolutions(official_weights("iplap_renderer"), "perceptual.model.network.")
    assert len(weights) == 16
    return PerceptualLoss(VggFeatures(weights, "vgg19"))
