"""The renderer as it is trained, against the renderer as it renders."""

import pytest
import torch

from method.renderer import Channels, Renderer

CHANNELS = Channels(fine=8, coarse=128, hidden=128)  # wide enough for every shortcut


@pytest.fixture(scope="module")
def renderer():
    torch.manual_seed(0)
    return Renderer(CHANNELS).eval()


def inputs(items=1, references=3, side=32):
    torch.manual_seed(1)
    return (
        torch.rand(items, 1, 3, side, side),
        torch.rand(items, 5, 3, side, side),
        torch.rand(items, references, 3, side, side),
        torch.rand(items, references, 3, side, side),
        torch.randn(items, 1, 1, 80, 16),
    )


@pytest.mark.parametrize("threads", [1, 2, 8])
@pytest.mark.parametrize("items", [1, 2])
def test_renders_what_it_is_trained_for(renderer, threads, items):
    given = inputs(items)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.inference_mode():
            made = renderer(*given)
    finally:
        torch.set_num_threads(before)
    expected = renderer(*given)
    for ours, theirs in zip(made, expected, strict=True):
        assert theirs.requires_grad
        torch.testing.assert_close(ours, theirs.detach(), atol=1e-5, rtol=0)


def test_items_do_not_touch_each_other(renderer):
    given = inputs(2)
    with torch.no_grad():
        both = renderer(*given)
        alone = [renderer(*(x[i : i + 1] for x in given)) for i in range(2)]
    for ours, *theirs in zip(both, *alone, strict=True):
        torch.testing.assert_close(ours, torch.cat(theirs), atol=1e-5, rtol=0)


def test_training_is_seen(renderer):
    given = inputs()
    with torch.no_grad():
        renderer(*given)
    optimizer = torch.optim.Adam(renderer.parameters(), 1e-3)
    renderer(*given)[0].sum().backward()
    lacking = [name for name, x in renderer.named_parameters() if x.grad is None]
    assert not lacking
    optimizer.step()
    expected = renderer(*given)[0].detach()
    with torch.no_grad():
        torch.testing.assert_close(renderer(*given)[0], expected, atol=1e-5, rtol=0)
