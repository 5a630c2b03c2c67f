"""The networks against the files they come from and the packages they re-tell."""

from __future__ import annotations

import os
import pickle
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from metrics.assets import AssetMissingError
from metrics.backbones import inception, lpips_nets
from metrics.backbones.device import device, exact, pieces, to_tensor
from metrics.backbones.inception import TAPS, InceptionFeatures, features
from metrics.base import Extractor

# Features reach 2.6; folding batch norm and another order of sums move them by 8e-6.
FEATURE_ROUNDING = 5e-5


class TestDevice:
    def test_the_variable_decides(self, monkeypatch):
        monkeypatch.setenv("TALKBENCH_DEVICE", "cuda:1")
        assert device() == torch.device("cuda", 1)

    @pytest.mark.parametrize(("gpu", "expected"), [(True, "cuda"), (False, "cpu")])
    def test_a_gpu_is_used_where_there_is_one(self, monkeypatch, gpu, expected):
        monkeypatch.delenv("TALKBENCH_DEVICE", raising=False)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
        assert device() == torch.device(expected)

    def test_exact_means_float32_and_gives_the_settings_back(self):
        conv, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
        before = conv.allow_tf32, matmul.allow_tf32
        assert before[0], "torch no longer convolves in TF32 by default: exact() may go"
        with exact():
            assert (conv.allow_tf32, matmul.allow_tf32) == (False, False)
            assert torch.is_inference_mode_enabled()
        with pytest.raises(ZeroDivisionError), exact():
            _ = 1 / 0
        assert (conv.allow_tf32, matmul.allow_tf32) == before
        assert not torch.is_inference_mode_enabled()

    def test_any_view_becomes_a_channels_last_tensor(self):
        frames = np.arange(2 * 4 * 5 * 3, dtype=np.uint8).reshape(2, 4, 5, 3)
        frames.flags.writeable = False
        for view in (frames, frames[::-1, 1:, ::2, ::-1]):
            found = to_tensor(view, torch.device("cpu"))
            assert found.dtype == torch.float32
            assert found.is_contiguous(memory_format=torch.channels_last)
            np.testing.assert_array_equal(found.permute(0, 2, 3, 1), view)

    @pytest.mark.parametrize(
        ("pixels", "most", "sizes"),
        [(10**9, 4, [4, 3]), (13, 99, [2, 2, 2, 1]), (1, 99, [1] * 7), (10**9, 99, [7])],
    )
    def test_pieces_cover_all_frames_within_the_budget(self, pixels, most, sizes):
        frames = np.zeros((7, 2, 3, 3), np.uint8)
        assert [len(frames[p]) for p in pieces(frames, pixels, most)] == sizes


class TestInception:
    @pytest.mark.assets
    def test_equals_the_network_of_the_file(self, asset, carphone, singer):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            theirs = torch.jit.load(asset("inception-fid")).eval()
        sizes = carphone[:2], singer[:1]
        small, large = (
            F.interpolate(
                torch.from_numpy(frames).permute(0, 3, 1, 2) / 255, (299, 299), mode="bilinear"
            )
            for frames in sizes
        )
        with torch.inference_mode():
            expected = theirs(2 * torch.cat([small, large]) - 1)
        ours = np.concatenate([features(frames)[2048] for frames in sizes])
        np.testing.assert_allclose(ours, expected, rtol=0, atol=FEATURE_ROUNDING)

    @pytest.mark.reference
    def test_equals_pytorch_fid_at_every_tap(self, pytorch_fid, carphone, singer):
        theirs = pytorch_fid.inception.InceptionV3((0, 1, 2, 3)).eval()
        for frames in (carphone[:2], singer[:1]):
            with torch.inference_mode():
                maps = theirs(torch.from_numpy(frames).permute(0, 3, 1, 2) / 255)
            ours = features(frames, TAPS)
            for tap, expected in zip(TAPS, maps, strict=True):
                np.testing.assert_allclose(
                    ours[tap], expected.mean((2, 3)), rtol=0, atol=FEATURE_ROUNDING
                )

    @pytest.mark.assets
    def test_each_tap_alone_is_the_same(self, asset, carphone):
        asset("inception-fid")
        together = features(carphone[:1], TAPS)
        for tap in TAPS:
            alone = features(carphone[:1], (tap,))
            assert list(alone) == [tap]
            assert alone[tap].shape == (1, tap)
            np.testing.assert_array_equal(alone[tap], together[tap])

    @pytest.mark.assets
    def test_batches_do_not_matter(self, asset, carphone):
        asset("inception-fid")
        whole = features(carphone[:10])[2048]  # a full batch and the rest
        ends = [0, 7, 8, 9]
        single = np.concatenate([features(carphone[i : i + 1])[2048] for i in ends])
        np.testing.assert_allclose(whole[ends], single, rtol=0, atol=1e-5)

    @pytest.mark.assets
    def test_extractor(self, asset, carphone):
        asset("inception-fid")
        extractor = pickle.loads(pickle.dumps(InceptionFeatures()))  # noqa: S301
        assert isinstance(extractor, Extractor)
        assert (extractor.id, extractor.uses) == ("inception-fid/1", ())
        rows = extractor.extract(carphone[:2], {})["features"]
        assert (rows.dtype, rows.shape) == (np.float32, (2, 2048))
        assert extractor.extract(carphone[:0], {})["features"].shape == (0, 2048)

    @pytest.mark.parametrize("change", ["missing", "unknown", "misshapen"])
    def test_a_file_that_does_not_fit_is_refused(self, monkeypatch, change):
        parameters = {}
        for name, value in inception.Inception().state_dict().items():
            if name.endswith("weight"):
                layer = "net.layers." + name.removesuffix("weight")
                parameters[layer + "weight"] = value
                parameters |= {
                    layer + p: value.new_ones(len(value)) for p in ("beta", "mean", "var")
                }
        if change == "missing":
            del parameters["net.layers.mixed_7.tower.conv_1.weight"]
        elif change == "unknown":
            parameters |= {
                k.replace("conv_4", "conv_5"): v
                for k, v in parameters.items()
                if k.startswith("net.layers.conv_4")
            }
        else:
            parameters["net.layers.conv.weight"] = torch.ones(32, 1, 3, 3)
        file = SimpleNamespace(state_dict=lambda: parameters)
        monkeypatch.setattr(torch.jit, "load", lambda *_, **__: file)
        with pytest.raises(RuntimeError, match="state_dict"):
            inception.load("default_1.pt")


class TestWeightsOfLpips:
    ARRAY = np.arange(6, dtype=np.float32).reshape(2, 3)

    @pytest.mark.parametrize("protocol", [3, 4])
    def test_arrays_in_containers_are_read(self, protocol):
        data = {"a": {"b": self.ARRAY}, "c": [1, "two", None, (self.ARRAY.T,)]}
        found = lpips_nets.read_arrays(pickle.dumps(data, protocol))
        np.testing.assert_array_equal(found["a"]["b"], self.ARRAY)
        np.testing.assert_array_equal(found["c"][3][0], self.ARRAY.T)

    @pytest.mark.parametrize("protocol", range(6))
    @pytest.mark.parametrize(
        "call", [(os.system, "exit 3"), (eval, "1/0"), (np.load, "x"), (getattr, "x")]
    )
    def test_anything_that_could_run_is_refused(self, protocol, call):
        class Bomb:
            def __reduce__(self):
                return call[0], (call[1],)

        data = pickle.dumps({"weights": self.ARRAY.tolist(), "hidden": [Bomb()]}, protocol)
        with pytest.raises(pickle.UnpicklingError, match="this file may hold NumPy arrays only"):
            lpips_nets.read_arrays(data)

    def test_object_arrays_cannot_smuggle(self):
        class Bomb:
            def __reduce__(self):
                return os.system, ("exit 3",)

        data = pickle.dumps(np.array([Bomb()], dtype=object), 3)
        with pytest.raises(pickle.UnpicklingError, match="refused"):
            lpips_nets.read_arrays(data)


@pytest.fixture
def empty_cache(monkeypatch, tmp_path):
    """No asset anywhere, no network in memory."""
    caches = inception._network, lpips_nets.weights
    monkeypatch.setenv("TALKBENCH_CACHE", str(tmp_path))
    monkeypatch.delenv("TALKBENCH_ASSETS", raising=False)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


@pytest.mark.usefixtures("empty_cache")
def test_missing_weights_say_how_to_get_them():
    frames = np.zeros((1, 64, 64, 3), np.uint8)
    with pytest.raises(AssetMissingError, match="talkbench assets get inception-fid"):
        InceptionFeatures().extract(frames, {})
    for net in (lpips_nets.ALEX, lpips_nets.VGG):
        with pytest.raises(AssetMissingError, match=f"talkbench assets get {net.asset}"):
            lpips_nets.distances(frames, frames + 1, net)
