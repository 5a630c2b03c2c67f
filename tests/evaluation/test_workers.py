"""Workers share the cores, and what they are told stays with them."""

import os
import pickle

import pytest

from evaluation.workers import each

TORCH = "(__import__('torch').get_num_threads(), __import__('cv2').getNumThreads())"
LOADED = "'torch' in __import__('sys').modules"


def answers(work, units, workers):
    return [answer for _, answer in each(work, units, workers, lambda unit, reason: reason)]


@pytest.mark.parametrize(("asked", "each_has"), [(None, 4), ("", 4), ("0", 4), ("9", 4), ("3", 3)])
def test_a_worker_takes_its_share_of_the_cores_or_less(monkeypatch, asked, each_has):
    monkeypatch.setattr(os, "cpu_count", lambda: 9)
    monkeypatch.delenv("OMP_NUM_THREADS")
    if asked is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert answers(os.getenv, ["OMP_NUM_THREADS"], 2) == [str(each_has)]
    assert os.environ.get("OMP_NUM_THREADS") == asked  # other programs of this process


def test_networks_and_pictures_heed_it_and_what_needs_neither_loads_neither(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert answers(eval, [LOADED], 2) == [False]
    assert answers(eval, [TORCH], 2) == [(1, 1)]


def test_work_that_cannot_be_sent_is_said_before_a_process_starts():
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        answers(lambda unit: unit, [1], 2)
