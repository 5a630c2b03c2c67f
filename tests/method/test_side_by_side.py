"""Work in threads of its own."""

import threading

import pytest
import torch

from method.scratch import scratch
from method.side_by_side import _pool, shares, side_by_side

HERE = torch.ones(1)


@pytest.fixture(autouse=True)
def threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    with torch.no_grad():
        yield
    torch.set_num_threads(before)


def test_results_stand_in_order_and_every_thread_is_alone():
    def work(part):
        return part, torch.get_num_threads(), threading.get_ident()

    parts, threads, ids = zip(*side_by_side(work, range(7), HERE), strict=True)
    assert parts == tuple(range(7))
    assert set(threads) == {1}
    assert threading.get_ident() not in ids
    assert torch.get_num_threads() == 3


def test_threads_that_torch_meets_later_have_all_of_its_own():
    _pool.cache_clear()  # another test's threads may stand there already
    side_by_side(lambda _: None, range(3), HERE)
    seen = []
    thread = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert seen == [3]


@pytest.mark.parametrize(
    ("gradients", "threads", "device"), [(True, 3, "cpu"), (False, 1, "cpu"), (False, 3, "meta")]
)
def test_all_is_done_here_where_splitting_makes_no_sense(gradients, threads, device):
    torch.set_num_threads(threads)
    with torch.set_grad_enabled(gradients):
        made = side_by_side(lambda _: threading.get_ident(), [0, 1], HERE.to(device))
    assert made == [threading.get_ident()] * 2


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_nothing_has_gradients_and_the_mode_is_the_callers(mode):
    weight = torch.ones(1, requires_grad=True)
    with mode():
        expected = (2 * weight).is_inference()
        made = side_by_side(lambda x: x * weight, [2, 3], HERE)
    assert [x.requires_grad for x in made] == [False, False]
    assert [x.is_inference() for x in made] == [expected] * 2


def test_what_goes_wrong_is_raised():
    def work(part):
        if part == 1:
            raise ValueError(part)

    with pytest.raises(ValueError, match="1"):
        side_by_side(work, range(3), HERE)


def test_shares():
    assert shares(HERE) == 3
    assert shares(HERE.to("meta")) == 1
    with torch.enable_grad():
        assert shares(HERE) == 1


def test_every_thread_has_its_scratch():
    meet = threading.Barrier(2)

    def work(part):
        (here,) = scratch((4,))
        here.fill_(part)
        meet.wait()
        return here.tolist()

    assert side_by_side(work, [1, 2], HERE) == [[1] * 4, [2] * 4]


def test_scratch_made_in_one_mode_is_written_to_in_another():
    def fill():
        for here in scratch((2, 3), (5,)):
            here.fill_(1)
            assert here.shape in {(2, 3), (5,)}

    with torch.inference_mode():
        scratch((1000,))
        fill()
    fill()
    first, second = scratch((2, 3), (5,))
    first.fill_(2), second.fill_(3)
    assert first.unique().tolist() == [2]
