"""When something is made again of weights, and when not."""

import copy
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor, wait

import pytest
import torch

from method.derived import Derived


def total(*weights):
    return torch.stack([x.sum() for x in weights]).sum()


@pytest.fixture
def counted():
    calls = []
    return Derived(lambda *x: calls.append(x) or total(*x)), calls


def test_is_made_once(counted):
    derived, calls = counted
    weight = torch.ones(3, requires_grad=True)
    made = derived.of(weight)
    assert derived.of(weight) is made
    assert len(calls) == 1
    assert not made.requires_grad


def overwrite(weight):
    weight.fill_(2)


def swap(weight):
    weight.data = torch.full((3,), 2.0)


def swap_twice(weight):
    weight.data = torch.zeros(3)
    weight.data = torch.full((3,), 2.0)  # where the first ones stood, were they not held


@pytest.mark.parametrize("change", [overwrite, swap, swap_twice])
def test_is_made_again_of_changed_weights(counted, change):
    derived, _ = counted
    weights = torch.ones(3, requires_grad=True), torch.ones(3, requires_grad=True)
    for weight, expected in zip(weights, (9, 12), strict=True):
        derived.of(*weights)
        with torch.no_grad():
            change(weight)
        assert derived.of(*weights) == expected


def test_a_copy_and_a_pickle_know_their_own_weights():
    weight = torch.ones(3)
    derived = Derived(total)
    derived.of(weight)
    for other in (copy.deepcopy(derived), pickle.loads(pickle.dumps(derived))):  # noqa: S301 - our own
        assert other.of(2 * weight) == 6
        assert other.of(weight) == 3


def test_no_thread_gets_the_old_while_another_makes_the_new():
    weight, making, looked = torch.ones(3), threading.Event(), threading.Event()

    def make(x):
        if making.is_set():
            looked.wait(timeout=5)
        return total(x)

    derived = Derived(make)
    derived.of(weight)
    weight.fill_(2)
    making.set()
    with ThreadPoolExecutor(2) as pool:
        seen = [pool.submit(derived.of, weight) for _ in range(2)]
        wait(seen, timeout=0.2)  # were there an old one to give, one would be done
        looked.set()
        assert [x.result() for x in seen] == [6, 6]
