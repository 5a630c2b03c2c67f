"""Winograd's convolution against the library's."""

import pytest
import torch
from torch.nn import functional as F

from method import winograd
from method.winograd import Conv3x3


@pytest.fixture
def conv():
    torch.manual_seed(0)
    return Conv3x3(128, 136)


@pytest.mark.parametrize("shape", [(1, 64, 64), (3, 8, 20), (2, 4, 4), (1, 68, 128)])
@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_equals_a_convolution(conv, shape, memory):
    batch, height, width = shape
    x = torch.randn(batch, 128, height, width).contiguous(memory_format=memory)
    expected = F.conv2d(x.double(), conv.weight.double(), conv.bias.double(), padding=1)
    with torch.inference_mode():
        made = conv(x)
    assert made.shape == expected.shape
    # The library's own float32 is off by 3e-6 here.
    torch.testing.assert_close(made.double(), expected.detach(), atol=5e-5, rtol=0)


def test_is_what_runs_without_gradients_alone(conv, monkeypatch):
    calls = []
    monkeypatch.setattr(
        winograd, "convolve", lambda x, *_: calls.append(x) or x.new_zeros(1, 136, 8, 8)
    )
    x = torch.randn(1, 128, 8, 8)
    assert conv(x).requires_grad
    assert not calls
    with torch.no_grad():
        conv(x)
        assert len(calls) == 1
        conv(torch.randn(1, 128, 9, 8))  # no whole tiles
        Conv3x3(64, 64)(torch.randn(1, 64, 8, 8))  # few channels
        assert len(calls) == 1


def test_new_weights_are_seen(conv):
    x = torch.randn(1, 128, 8, 8)
    with torch.no_grad():
        before = conv(x)
        conv.weight.mul_(2)
        torch.testing.assert_close(
            conv(x) - conv.bias[:, None, None], 2 * (before - conv.bias[:, None, None])
        )
        conv.weight.data = conv.weight.data.clone().zero_()
        torch.testing.assert_close(conv(x), conv.bias[None, :, None, None].expand_as(before))


def test_its_keys_are_those_of_a_convolution(conv):
    assert list(conv.state_dict()) == ["weight", "bias"]
