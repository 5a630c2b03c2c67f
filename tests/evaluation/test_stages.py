"""Seconds of a unit are shared out once."""

from evaluation.stages import rest_of, shared_out, spend


def test_a_stage_takes_what_no_other_takes():
    with shared_out() as spent:
        with rest_of("generate"):
            spend("extract", 50.0)
        with rest_of("decode"):
            spend("measure", 7.0)
            spend("extract", 2.0)
    assert spent.pop("generate") == spent.pop("decode") == 0.0
    assert spent == {"extract": 52.0, "measure": 7.0}


def test_nobody_needs_to_count():
    with rest_of("decode"):
        spend("measure", 1.0)
