"""Training losses against numbers that the official code printed, under formula weights.

``golden/README.md`` says how they were recorded: Weizhi-Zhong/IP_LAP @ 9b9dc03, float32 on a CPU.
"""

import json

import numpy as np
import pytest
import torch

from method.training import losses
from method.training.perceptual import load
from method.training.settings import RENDERER

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def recorded(data):
    return json.loads((data / "golden" / "iplap_losses.json").read_text())


class TestLandmarks:
    def test_both_losses_are_the_official_ones(self, data, recorded):
        given = np.load(data / "golden" / "iplap_landmark_loss_inputs.npz")
        pred, truth = (torch.from_numpy(given[k]) for k in ("pred", "gt"))
        velocity = losses.velocity_loss(pred, truth, 5)
        assert velocity.item() == pytest.approx(recorded["landmark"]["velocity"], rel=1e-6)
        assert (pred - truth).abs().mean().item() == pytest.approx(
            recorded["landmark"]["L1"], rel=1e-6
        )

    def test_what_does_not_move_otherwise_costs_nothing(self):
        truth = torch.rand(10, 2, 57)
        assert losses.velocity_loss(truth + 0.3, truth, 5) < 2e-5  # torch's 1e-6 a coordinate
        jumped = truth.clone()
        jumped[5:] += 0.3  # between two windows
        assert losses.velocity_loss(jumped, truth, 5) < 2e-5


class TestDiscriminator:
    def test_scores_and_features_are_the_official_ones(self, judge, painted, recorded):
        expected = recorded["renderer"]
        with torch.no_grad():
            made, real = judge(painted["generated"]), judge(painted["truth"])
        assert [[list(x.shape) for x in scale] for scale in made] == expected["feature_shapes"]
        found = {
            "D_fake": losses.least_squares(made, 0),
            "D_real": losses.least_squares(real, 1),
            "G_GAN": losses.least_squares(made, 1),
            "feature_matching_with_2p5": 2.5 * losses.feature_matching(made, real),
        }
        for name, value in found.items():
            assert value.item() == pytest.approx(expected[name], rel=1e-5), name
        means = [scale[-1].mean().item() for scale in made]
        np.testing.assert_allclose(means, expected["patch_logit_means"], rtol=1e-4)


class TestPerceptual:
    def test_losses_are_the_official_ones(self, perceptual, painted, recorded):
        expected, settings = recorded["renderer"], RENDERER["official"]
        with torch.no_grad():
            warp, _ = perceptual(painted["wrapped_ref"], painted["truth"])
            content, style = perceptual(painted["generated"], painted["truth"])
        assert warp.item() == pytest.approx(expected["perceptual_warp"], rel=1e-5)
        whole = content + settings.style * style
        assert whole.item() == pytest.approx(expected["perceptual_gen"], rel=1e-5)
        total = (
            settings.warp * warp
            + settings.painted * whole
            + settings.adversarial * expected["G_GAN"]
            + expected["feature_matching_with_2p5"]
        )
        assert total.item() == pytest.approx(expected["total_epoch_gt25"], rel=1e-5)

    def test_one_picture_gives_what_was_recorded_for_it(self, perceptual, painted, data):
        expected = np.load(data / "golden" / "iplap_renderer_n3_b1_losses.npz")
        with torch.no_grad():
            warp, _ = perceptual(painted["wrapped_ref"][:1], painted["truth"][:1])
            content, style = perceptual(painted["generated"][:1], painted["truth"][:1])
        np.testing.assert_allclose(warp, expected["perceptual_warp_loss"][0], rtol=1e-5)
        np.testing.assert_allclose(
            content + 250 * style, expected["perceptual_gen_loss"][0], rtol=1e-5
        )

    def test_only_the_picture_gets_a_gradient(self, perceptual):
        made, truth = torch.rand(2, 1, 3, 32, 32).unbind()
        made.requires_grad_(), truth.requires_grad_()
        content, style = perceptual(made, truth)
        (content + style).backward()
        assert made.grad.abs().max() > 0
        assert truth.grad is None
        assert not list(perceptual.parameters())

    @pytest.mark.assets
    def test_vgg_16_comes_from_the_asset_table(self, asset):
        asset("lpips-vgg")
        features = load("vgg16", taps=3)
        seen = features(torch.rand(1, 3, 32, 48))
        assert [x.shape[1:] for x in seen] == [(64, 32, 48), (128, 16, 24), (256, 8, 12)]
        assert len(list(features.buffers())) == 2 * 5
