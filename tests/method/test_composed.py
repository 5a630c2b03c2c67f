"""Two convolutions as one against the two."""

import pytest
import torch
from torch import nn

from method.composed import Composed, pays


def pair(inputs=3, hidden=16, outputs=8, *, bias=True):
    torch.manual_seed(0)
    return (
        nn.Conv2d(inputs, hidden, 3, padding=1, bias=bias),
        nn.Conv2d(hidden, outputs, 3, padding=1, bias=bias),
    )


# The edges are where the two are not one: small pictures are nothing but edges.
@pytest.mark.parametrize("shape", [(16, 20), (7, 5), (2, 2), (1, 9), (9, 1), (1, 1)])
@pytest.mark.parametrize("bias", [True, False])
def test_equals_the_two(shape, bias):
    first, second = pair(bias=bias)
    x = torch.randn(2, 3, *shape)
    with torch.no_grad():
        made = Composed()(first, second, x)
        expected = second.double()(first.double()(x.double()))
    # The float32 of the two themselves is off by 4e-7 here.
    torch.testing.assert_close(made.double(), expected, atol=2e-6, rtol=0)


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("name", ["weight", "bias"])
def test_new_weights_are_seen(which, name):
    first, second = pair()
    composed, x = Composed(), torch.randn(1, 3, 6, 6)
    with torch.no_grad():
        composed(first, second, x)
        getattr((first, second)[which], name).add_(1)
        torch.testing.assert_close(composed(first, second, x), second(first(x)))


def test_pays_where_it_is_less_work_and_nobody_wants_gradients():
    x = torch.randn(1, 3, 6, 6)
    assert not pays(*pair(), x)
    with torch.no_grad():
        assert pays(*pair(), x)
        assert not pays(*pair(), x.to("meta"))
        assert not pays(*pair(inputs=32), x)
