"""LPIPS against the official package, and the laws it must obey."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest
import torch

from metrics.backbones import lpips_nets
from metrics.base import STATED, Measurement, UnscorableError
from metrics.perceptual import LPIPS

ALEX, VGG = LPIPS
# float32 on both sides; values are 0.01 to 0.5.
ROUNDING = 1e-6

both = pytest.mark.parametrize("metric", LPIPS, ids=["alex", "vgg"])


@pytest.fixture(autouse=True)
def weights(asset):
    for metric in LPIPS:
        asset(metric.net.asset)


@pytest.mark.data
@pytest.mark.parametrize(
    ("metric", "every", "frames", "clip", "of"),
    [
        (ALEX, 5, "lpips_alex", "lpips_alex_every5", 1),
        (VGG, 25, "lpips_vgg", "lpips_vgg_every25", 3),
    ],
    ids=["alex", "vgg"],
)
def test_equals_the_recorded_values(recorded, pair, metric, every, frames, clip, of):
    """All that were recorded of AlexNet, every third of the larger network."""
    expected = np.array(recorded.per_frame(frames))
    assert expected.mean() == pytest.approx(recorded.value(clip), abs=1e-9)
    step = every * of
    ours = metric.measure(pair(recorded.generated[::step], recorded.reference[::step]))
    np.testing.assert_allclose(ours.per_frame, expected[::of], rtol=0, atol=ROUNDING)
    assert ours.value == pytest.approx(expected[::of].mean(), abs=ROUNDING)


@pytest.mark.data
@pytest.mark.parametrize(("metric", "frames"), [(ALEX, "lpips_alex"), (VGG, "lpips_vgg")])
def test_useless_generators_get_what_the_card_says(recorded, pair, metric, frames):
    gt = recorded.reference[::125]
    still = recorded.damaged["still_first_frame"][frames]
    stated = re.search(r"along: ([.\d]+); black frames: ([.\d]+)", metric.spec.protocol["useless"])
    assert stated[1] == f"{still:.3f}"
    # Of three frames only, which differ little from each other in how unlike black they are.
    black = metric.measure(pair(np.zeros_like(gt), gt)).value
    assert float(stated[2]) == pytest.approx(black, abs=0.003)


@pytest.fixture(scope="module")
def their_distance(official, asset):
    """The package's own code and heads; its backbone, a download, from our file."""
    lpips = official("lpips")

    def build(net: str):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = lpips.LPIPS(net=net, version="0.1", pnet_rand=True, verbose=False)
        tree = lpips_nets.read_arrays(asset(f"lpips-{net}").read_bytes())
        layers = tree[{"alex": "AlexNet_0", "vgg": "VGG16_0"}[net]]
        convolutions = [m for m in model.net.modules() if isinstance(m, torch.nn.Conv2d)]
        for i, convolution in enumerate(convolutions):
            kernel, bias = layers[f"Conv_{i}"]["kernel"], layers[f"Conv_{i}"]["bias"]
            convolution.weight.data[:] = torch.tensor(kernel.transpose(3, 2, 0, 1).copy())
            convolution.bias.data[:] = torch.tensor(bias)
        assert len(convolutions) == len(layers)

        def distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
            x, y = (torch.from_numpy(z).permute(0, 3, 1, 2) / 127.5 - 1 for z in (a, b))
            with torch.inference_mode():
                return model(x, y).flatten().numpy()

        return distance

    return build


@pytest.mark.reference
@pytest.mark.filterwarnings("ignore::UserWarning:torchvision")
@both
def test_equals_the_official_package(their_distance, carphone, blurred, pair, metric):
    theirs = their_distance(metric.net.asset.removeprefix("lpips-"))
    smallest = metric.net.smallest
    noise = np.random.default_rng(0).integers(0, 256, (2, smallest, smallest + 3, 3), np.uint8)
    for a, b in [
        (carphone[:2], blurred(carphone[:2], 1.5)),
        (carphone[:1, :137, :101], carphone[60:61, 7:, 75:]),
        (noise[:1], noise[1:]),
    ]:
        ours = metric.measure(pair(a, b)).per_frame
        np.testing.assert_allclose(ours, theirs(a, b), rtol=2e-6, atol=ROUNDING)
    with pytest.raises(RuntimeError, match="too small"):
        theirs(noise[:1, : smallest - 1], noise[1:, : smallest - 1])


@both
class TestLaws:
    @pytest.fixture
    @classmethod
    def carphone(cls, carphone):
        """The man's head, 96x96."""
        return np.ascontiguousarray(carphone[:4, 8:104, 32:128])

    def test_a_video_against_itself_is_exactly_zero(self, metric, carphone, pair):
        assert metric.measure(pair(carphone[:2], carphone[:2])).per_frame.tolist() == [0, 0]

    def test_equal_frames_among_others_are_zero_where_they_stand(
        self, metric, carphone, blurred, pair
    ):
        gt, damaged = carphone[:4], carphone[:4].copy()
        damaged[[0, 2]] = blurred(gt[[0, 2]], 2)
        mixed = metric.measure(pair(damaged, gt)).per_frame
        alone = metric.measure(pair(damaged[[0, 2]], gt[[0, 2]])).per_frame
        assert mixed[[1, 3]].tolist() == [0, 0]
        np.testing.assert_allclose(mixed[[0, 2]], alone, atol=1e-7)

    def test_more_blur_is_worse(self, metric, carphone, blurred, pair):
        gt = carphone[:1]
        ladder = [metric.measure(pair(blurred(gt, s), gt)).value for s in (0.5, 1, 2, 4)]
        assert ladder == sorted(ladder)
        assert ladder[0] > 0.001
        assert ladder[-1] > 0.3

    def test_symmetric(self, metric, carphone, blurred, pair):
        a, b = carphone[:2], blurred(carphone[:2], 2)
        there, back = (metric.measure(p).per_frame for p in (pair(a, b), pair(b, a)))
        assert metric.spec.symmetric
        np.testing.assert_allclose(there, back, rtol=0, atol=ROUNDING)

    def test_pieces_join_to_the_whole(self, metric, carphone, blurred, pair):
        a, b = carphone[:4], blurred(carphone[:4], 1)
        whole = metric.measure(pair(b, a))
        joined = Measurement.join(
            [metric.measure(pair(b[s], a[s])) for s in (slice(0, 1), slice(1, 4))]
        )
        np.testing.assert_allclose(joined.per_frame, whole.per_frame, rtol=0, atol=ROUNDING)

    def test_batches_and_strips_do_not_matter(self, metric, carphone, blurred, pair, monkeypatch):
        inputs = pair(blurred(carphone[:3], 1), carphone[:3])
        usual = metric.measure(inputs).per_frame
        monkeypatch.setattr(lpips_nets, "_STRIP_VALUES", 1)  # one row at a time
        monkeypatch.setattr(  # all frames at once
            lpips_nets, "pieces", lambda frames, *_, **__: [slice(0, len(frames))]
        )
        np.testing.assert_allclose(metric.measure(inputs).per_frame, usual, rtol=0, atol=ROUNDING)

    def test_frames_too_small_for_the_network_are_unscorable(self, metric, pair):
        side = metric.net.smallest
        enough, little = (np.zeros((1, n, 64, 3), np.uint8) for n in (side, side - 1))
        assert metric.measure(pair(enough, enough)).value == 0
        with pytest.raises(UnscorableError, match=f"64x{side - 1} px are too small.*{side} px"):
            metric.measure(pair(little, little))

    def test_every_clip_counts_the_same(self, metric, carphone, blurred, pair):
        short, long = (metric.measure(pair(blurred(carphone[:n], n), carphone[:n])) for n in (1, 3))
        expected = (short.value + long.value) / 2
        assert metric.aggregate([short, long]) == pytest.approx(expected, rel=1e-12)


@both
def test_the_card_states_what_it_must(metric):
    assert set(STATED) <= metric.spec.protocol.keys()
    assert metric.net.asset in metric.spec.protocol["backbone"]


def test_the_bare_name_means_alexnet():
    assert [m.spec.id for m in LPIPS] == ["lpips@alex-0.1/1", "lpips@vgg-0.1/1"]
    assert [m.spec.assets for m in LPIPS] == [("lpips-alex",), ("lpips-vgg",)]
