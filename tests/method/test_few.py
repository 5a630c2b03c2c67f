"""Convolutions by rows against the library's."""

import pytest
import torch
from torch.nn import functional as F

from method.few import ConvToFew


@pytest.mark.parametrize("side", [1, 3, 7])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(9, 13), (1, 2)])
def test_equals_a_convolution(side, bias, shape):
    torch.manual_seed(0)
    conv = ConvToFew(8, 3, side, bias=bias)
    x = torch.randn(2, 8, *shape)
    expected = F.conv2d(x, conv.weight, conv.bias, padding=side // 2)
    with torch.no_grad():
        torch.testing.assert_close(conv(x), expected, atol=2e-6, rtol=0)
    assert list(conv.state_dict()) == (["weight", "bias"] if bias else ["weight"])


def test_rows_are_for_where_nobody_wants_gradients(monkeypatch):
    conv, x = ConvToFew(8, 3, 7), torch.randn(1, 8, 9, 9)
    monkeypatch.setattr(conv, "_rows", None)
    assert conv(x).requires_grad
    with torch.no_grad(), pytest.raises(AttributeError):
        conv(x)


def test_new_weights_are_seen():
    conv, x = ConvToFew(8, 3, 7, bias=False), torch.randn(1, 8, 9, 9)
    with torch.no_grad():
        before = conv(x)
        conv.weight.mul_(2)
        torch.testing.assert_close(conv(x), 2 * before)
