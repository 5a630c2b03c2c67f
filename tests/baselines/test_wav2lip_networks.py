"""Wav2Lip's two networks against numbers that its official code printed.

Recorded from models/wav2lip.py and face_detection/ of Rudrabha/Wav2Lip @ 5c90fa9, float32 on a CPU,
under the weights and inputs that are made by formula here.
"""

import hashlib

import numpy as np
import pytest
import torch

from baselines.wav2lip import s3fd
from baselines.wav2lip.faces import padded
from baselines.wav2lip.network import Wav2Lip, load_wav2lip
from method.checkpoints import CheckpointError

TOLERANCE = 1e-5  # in 0..1; other batch sizes and memory layouts differ by about 1e-6


def fingerprint(state):
    """Of all names and shapes."""
    lines = "\n".join(f"{k} {tuple(v.shape)}" for k, v in sorted(state.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


@pytest.fixture(scope="module")
def weights(wav2lip_weights):
    return wav2lip_weights


@pytest.fixture(scope="module")
def network(weights):
    return load_wav2lip(weights)


@pytest.fixture(scope="module")
def given():
    """Windows [2, 1, 80, 16] and faces [2, 6, 96, 96]."""
    windows = np.sin(np.arange(2 * 80 * 16) * 0.11).reshape(2, 1, 80, 16) * 4
    faces = (np.sin(np.arange(2 * 6 * 96 * 96) * 0.013).reshape(2, 6, 96, 96) + 1) / 2
    return torch.from_numpy(windows).float(), torch.from_numpy(faces).float()


class TestWav2Lip:
    def test_it_has_the_official_tensors(self, weights):
        assert len(weights) == 352
        assert fingerprint(weights) == (
            "ea1a1b1f18bddfb5ac77c3cead5dcbd644de1d444c8288eb32f534b143f38314"
        )
        assert sum(p.numel() for p in Wav2Lip().parameters()) == 36_298_035

    def test_faces_are_the_official_ones(self, network, given):
        with torch.inference_mode():
            made = network(*given)
        assert made.shape == (2, 3, 96, 96)
        means = [
            [0.4370197236631712, 0.4169213216324958, 0.5184714014079267],
            [0.43612338518303456, 0.4165165261122941, 0.5183676420096567],
        ]
        spreads = [  # mean distances from 0.5
            [0.07080321965784403, 0.08652781532792789, 0.06263367849492675],
            [0.07213199056018817, 0.0871279823396536, 0.06316224998833302],
        ]
        points = {
            (0, 0, 0, 0): 0.51462477,
            (0, 1, 17, 80): 0.34456107,
            (0, 2, 95, 95): 0.51197624,
            (1, 0, 48, 48): 0.36205184,
            (1, 1, 70, 33): 0.44337294,
            (1, 2, 3, 60): 0.49281105,
        }
        exact = made.double()
        np.testing.assert_allclose(exact.mean((2, 3)), means, atol=TOLERANCE, rtol=0)
        np.testing.assert_allclose(
            (exact - 0.5).abs().mean((2, 3)), spreads, atol=TOLERANCE, rtol=0
        )
        for at, value in points.items():
            assert float(made[at]) == pytest.approx(value, abs=TOLERANCE)

    def test_items_do_not_touch_each_other(self, network, given):
        with torch.inference_mode():
            both, alone = network(*given), network(*(x[1:] for x in given))
        torch.testing.assert_close(both[1:], alone, atol=TOLERANCE, rtol=0)


class TestCheckpoints:
    @pytest.mark.parametrize("wrapped", [True, False])
    @pytest.mark.parametrize("prefix", ["", "module."])
    def test_files_of_the_authors_load(self, weights, network, tmp_path, wrapped, prefix):
        state = {prefix + k: v for k, v in weights.items()}
        whole = {"state_dict": state, "optimizer": {"state": {}}, "global_step": 1}
        torch.save(whole if wrapped else state, tmp_path / "wav2lip.pth")
        loaded = load_wav2lip(tmp_path / "wav2lip.pth")
        assert not loaded.training
        pairs = zip(network.state_dict().values(), loaded.state_dict().values(), strict=True)
        assert all(torch.equal(ours, again) for ours, again in pairs)

    def test_a_tensor_too_few_too_many_or_of_another_shape_is_refused(self, weights):
        lacking = dict(weights)
        del lacking["output_block.1.weight"]
        bent = weights | {"output_block.1.weight": torch.zeros(3, 64, 1, 1)}
        for state, words in (
            (lacking, r"not a checkpoint of Wav2Lip: 1 of 352 tensors missing \(to_picture\.1"),
            (weights | {"perceptual.x": torch.zeros(1)}, r"1 unknown \(perceptual"),
            (bent, r"size mismatch for to_picture\.1\.weight"),
        ):
            with pytest.raises(CheckpointError, match=words):
                load_wav2lip(state)

    @pytest.mark.filterwarnings(
        "ignore:`torch.jit:DeprecationWarning", "ignore:'torch.load' received"
    )
    def test_torchscript_as_the_authors_offer_it_today_is_refused(self, tmp_path):
        torch.jit.script(torch.nn.ReLU()).save(str(tmp_path / "Wav2Lip-SD-GAN.pt"))
        with pytest.raises(CheckpointError, match=r"SD-GAN\.pt: not a file of tensors .*TorchScr"):
            load_wav2lip(tmp_path / "Wav2Lip-SD-GAN.pt")


@pytest.fixture(scope="module")
def detector(formula_weights, renamed):
    """S3FD with clearer scores than the formula's own, which lie around a half."""
    names = (
        *((rf"^vgg\.{at}\.", f"{name}.") for name, at in s3fd._VGG.items()),
        *((rf"^extras\.{at}\.", f"{name}.") for at, name in enumerate(s3fd._EXTRAS)),
        *((rf"^(loc|conf)\.{i}\.", rf"{name}_mbox_\1.") for i, name in enumerate(s3fd._LAYERS)),
        (r"^L2Norm(\d)_3\.", r"conv\1_3_norm."),
    )
    with torch.device("meta"):
        shapes = renamed(s3fd.FanS3FD().state_dict(), names)
    assert fingerprint(shapes) == (
        "90505009c0c337d930bd48444400914b8858ea4a95ec73aaace0d798c28427e2"
    )
    state = {k: 5 * v if "conf" in k else v for k, v in formula_weights(shapes).items()}
    return s3fd.load_fan_s3fd(state)


@pytest.fixture(scope="module")
def frames():
    """uint8 RGB [2, 101, 126, 3]."""
    y, x = np.mgrid[0:101, 0:126]
    shades = [
        (x * (3 + c) + y * 5 + x * y // (7 + c) + 41 * t) % 256 for t in range(2) for c in range(3)
    ]
    return np.stack(shades).reshape(2, 3, 101, 126).transpose(0, 2, 3, 1).astype(np.uint8)


class TestS3FD:
    def test_scores_and_offsets_are_the_official_ones(self, detector, frames):
        shifted = torch.from_numpy(frames - np.array(s3fd.MEANS)).permute(0, 3, 1, 2).float()
        with torch.inference_mode():
            offsets, scores, layers = detector(shifted)
        counts = [rows * columns for rows, columns in layers]
        sums = [float(part.double().sum()) for part in scores.split(counts, dim=1)]
        lengths = [float(part.double().abs().sum()) for part in offsets.split(counts, dim=1)]
        assert sums == pytest.approx(
            [635.3353047, 139.9399317, 42.1955758, 36.3422612, 7.5377390, 4.0492939], rel=1e-5
        )
        assert lengths == pytest.approx(
            [289.8684475, 48.6948598, 19.3451129, 146.3565298, 40.9445555, 2.9475671], rel=1e-5
        )

    def test_the_surest_boxes_are_the_official_ones(self, detector, frames):
        found = s3fd.surest_faces(frames, detector)
        official = [
            [136.61807250976562, 81.78945922851562, 272.27252197265625, 210.26260375976562],
            [136.84170532226562, 83.90507507324219, 274.42755126953125, 211.93104553222656],
        ]
        np.testing.assert_allclose(found, official, atol=1e-3, rtol=0)
        # As its get_detections_for_batch rounds them: 136, 81, 272, 210 and 136, 83, 274, 211.
        whole = padded(found, 1000, 1000, bottom_pad=0)
        assert whole.tolist() == [[81, 210, 136, 272], [83, 211, 136, 274]]

    def test_no_score_of_more_than_a_half_is_no_face(self, detector, frames, monkeypatch):
        monkeypatch.setattr(s3fd, "SCORE_THRESHOLD", 0.993)  # they are 0.991 and 0.996
        found = s3fd.surest_faces(frames, detector)
        assert np.isnan(found[0]).all()
        assert np.isfinite(found[1]).all()
