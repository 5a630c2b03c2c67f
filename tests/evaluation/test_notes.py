"""What a generator says about a clip stays beside it; what it may not return is its failure."""

import json
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import pytest

from baselines.anchors import Shifted
from evaluation.chain import Chain
from evaluation.generate import generate_once
from evaluation.generator import GeneratorSpec, Made
from evaluation.sample import Sample


@dataclass
class Returning:
    answer: Any
    spec = GeneratorSpec(name="returning", version="1", kind="system", about="returns what it has")

    def generate(self, sample, out, seed):
        out.write_bytes(sample.video.read_bytes())
        return self.answer(out)


@pytest.fixture
def sample(tmp_path, write_clip):
    write_clip(tmp_path / "a.mp4")
    return Sample(id="a", speaker="a", video=tmp_path / "a.mp4", audio=None, reference=None)


def test_notes_are_kept_beside_the_video(sample, tmp_path):
    notes = {"mesh": "plain", "frames without a face": 3, "share": Fraction(1, 2)}
    made = generate_once(Returning(lambda out: Made(out, notes)), sample, tmp_path / "v", 0)
    assert made.status == "ok"
    kept = json.loads((tmp_path / "v" / "returning" / "a.json").read_text())
    assert kept["notes"] == {"mesh": "plain", "frames without a face": 3, "share": "1/2"}
    again = generate_once(Returning(lambda out: None), sample, tmp_path / "v", 0)
    assert again.video == made.video


def test_no_notes_are_no_entry(sample, tmp_path):
    assert generate_once(Returning(str), sample, tmp_path / "v", 0).status == "ok"
    assert "notes" not in json.loads((tmp_path / "v" / "returning" / "a.json").read_text())


def test_no_path_is_a_failed_clip(sample, tmp_path):
    made = generate_once(Returning(lambda out: None), sample, tmp_path / "v", 0)
    assert (made.video, made.status) == (None, "failed")
    assert "returned None where the video's path was expected" in made.reason
    assert not (tmp_path / "v" / "returning" / "a.mp4").exists()


def test_a_chain_keeps_what_both_say(sample, tmp_path):
    noting = Returning(lambda out: Made(out, {"mesh": "plain"}))
    made = Chain(noting, Shifted()).generate(sample, tmp_path / "out.mp4", 0)
    assert made.video.is_file()
    assert made.notes == {"mesh": "plain"}
