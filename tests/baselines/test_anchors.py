"""Anchors do what they say, and every metric orders them as their damage says."""

import numpy as np
import pytest

from baselines.anchors import (
    GroundTruth,
    MouthBlur,
    Reencoded,
    Shifted,
    Still,
    SwappedAudio,
)
from evaluation.datasets.sample_media import SAMPLE_MEDIA
from evaluation.generator import GenerationError, Generator
from evaluation.plan import Plan
from evaluation.registry import load_metrics, load_suite
from evaluation.results import build
from evaluation.run import execute
from evaluation.sample import Sample
from evaluation.video import FrameReader, probe, read_audio

ANCHORS = (GroundTruth(), Reencoded(), Shifted(), MouthBlur(), Still(), SwappedAudio())


def read(path) -> np.ndarray:
    return np.concatenate(list(FrameReader(path)))


@pytest.fixture
def sample(tmp_path, write_clip) -> Sample:
    """A clip with sound, and another with another sound."""
    write_clip(tmp_path / "a.mp4", frames=12, seed=1)
    write_clip(tmp_path / "b.mp4", frames=5, seed=2)
    clip = tmp_path / "a.mp4"
    return Sample(
        id="a",
        speaker="a",
        video=clip,
        audio=clip,
        reference=clip,
        other_audio=tmp_path / "b.mp4",
    )


@pytest.fixture(scope="module")
def clips(asset) -> dict[str, Sample]:
    for name in SAMPLE_MEDIA.spec.assets:
        asset(name)
    return {s.id: s for s in SAMPLE_MEDIA.samples(None)}


def test_ground_truth_is_the_reference_itself(sample, tmp_path):
    assert GroundTruth().generate(sample, tmp_path / "out.mp4", 0) == sample.reference
    assert not (tmp_path / "out.mp4").exists()


def test_still_is_the_first_frame_throughout(sample, tmp_path):
    pixels = read(Still().generate(sample, tmp_path / "out.mp4", 0))
    assert np.array_equal(pixels, np.repeat(read(sample.video)[:1], 12, axis=0))


@pytest.mark.parametrize("by", [1, 3, 11, 20])
def test_shifted_is_early_by_k_frames(sample, tmp_path, by):
    original = read(sample.video)
    pixels = read(Shifted(by).generate(sample, tmp_path / "out.mp4", 0))
    assert np.array_equal(pixels, original[np.minimum(np.arange(12) + by, 11)])


def test_shifted_does_not_depend_on_pieces(sample, tmp_path, monkeypatch):
    monkeypatch.setattr("evaluation.video.PIECE_BYTES", 2 * 64 * 48 * 3)
    original = read(sample.video)
    pixels = read(Shifted(3).generate(sample, tmp_path / "out.mp4", 0))
    assert np.array_equal(pixels, original[np.minimum(np.arange(12) + 3, 11)])


@pytest.mark.parametrize("anchor", [Still(), Shifted(), SwappedAudio()])
def test_sound_and_rate_stay(sample, tmp_path, anchor):
    path = anchor.generate(sample, tmp_path / "out.mp4", 0)
    assert probe(path).fps == probe(sample.video).fps
    heard, before = read_audio(path), read_audio(sample.video)
    if isinstance(anchor, SwappedAudio):
        other = read_audio(sample.other_audio).samples
        assert len(heard.samples) == len(before.samples)
        assert np.array_equal(heard.samples, np.tile(other, (3, 1))[: len(before.samples)])
        assert np.array_equal(read(path), read(sample.video))
    else:
        assert np.array_equal(heard.samples, before.samples)


def test_swapped_audio_needs_another_speaker(sample, tmp_path):
    alone = Sample(id="a", speaker="a", video=sample.video, audio=None, reference=None)
    with pytest.raises(GenerationError, match="no clip of another speaker"):
        SwappedAudio().generate(alone, tmp_path / "out.mp4", 0)
    with pytest.raises(GenerationError, match="no reference"):
        GroundTruth().generate(alone, tmp_path / "out.mp4", 0)


@pytest.mark.assets
def test_mouth_blur_needs_a_face(sample, tmp_path, clips):
    with pytest.raises(GenerationError, match="no face in any of 12 frames"):
        MouthBlur().generate(sample, tmp_path / "out.mp4", 0)
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.assets
def test_mouth_blur_touches_the_lower_face_only(clips, tmp_path):
    sample = clips["carphone"]
    original = read(sample.video).astype(int)
    damaged = read(MouthBlur().generate(sample, tmp_path / "out.mp4", 0)).astype(int)
    changed = np.abs(damaged - original).max(axis=-1) > 0
    assert changed.any(axis=(1, 2)).all()
    assert changed.mean() < 0.1
    rows = np.flatnonzero(changed.any(axis=(0, 2)))
    assert rows.min() > original.shape[1] / 4


def test_reencoded_is_near_and_not_equal(sample, tmp_path):
    pixels = read(Reencoded().generate(sample, tmp_path / "out.mp4", 0))
    original = read(sample.video)
    assert pixels.shape == original.shape
    assert 0 < np.abs(pixels.astype(int) - original).mean() < 30


def test_anchors_are_generators():
    for anchor in ANCHORS:
        assert isinstance(anchor, Generator)
        assert anchor.spec.kind == ("reference" if anchor.spec.name == "ground-truth" else "anchor")


def test_the_sample_suite_names_all_of_them():
    assert set(load_suite("sample").generators) == {a.spec.name for a in ANCHORS}


def test_sample_rows_say_what_they_have(clips):
    for sample in clips.values():
        assert (sample.audio is not None) == probe(sample.video).has_audio
        assert sample.other_audio is not None
        assert sample.other_audio != sample.audio
        assert not sample.lacks


@pytest.mark.assets
def test_every_metric_orders_the_anchors(clips, asset, tmp_path):
    """On the two smaller clips of the suite: ceiling, light damage, heavy damage."""
    suite = load_suite("sample")
    metrics = load_metrics(suite.metrics)
    for metric in metrics:
        for name in metric.spec.assets:
            asset(name)
    plan = Plan(
        suite=suite,
        metrics=tuple(metrics),
        generators=ANCHORS,
        samples=(clips["speaker"], clips["carphone"]),
        every=suite.every,
        settings={},
    )
    records = execute(plan, tmp_path / "run")
    held = [m for m in metrics if m.spec.needs_reference]
    names = {m.spec.name for m in held}
    assert {r.status for r in records if r.metric in names} == {"ok"}
    estimates = build(tmp_path / "run").estimates
    for metric in held:
        spec = metric.spec
        sign = 1 if spec.direction == "higher" else -1
        value = {a.spec.name: sign * estimates[a.spec.name, spec.name].value for a in ANCHORS}
        assert value["ground-truth"] == pytest.approx(sign * spec.perfect, abs=1e-6), spec.name
        # None of these listens.
        assert value["swapped-audio"] == pytest.approx(value["ground-truth"], abs=1e-6), spec.name
        for damaged in ("reencoded", "shifted", "mouth-blur", "still"):
            assert value[damaged] < value["ground-truth"], (spec.name, damaged)
        # Identity: a still frame is the same person. A mouth seldom far from its first shape.
        if spec.name not in ("csim@sface", "psnr@mouth"):
            assert value["still"] < value["shifted"], spec.name
            assert value["still"] < value["mouth-blur"], spec.name
        if spec.name.startswith(("psnr", "ssim", "lpips")) and spec.name != "psnr@mouth":
            assert value["reencoded"] < value["mouth-blur"], spec.name
        if spec.name.startswith("lmd"):
            assert value["shifted"] < value["reencoded"], spec.name

    def sync(anchor):
        (record,) = (
            r
            for r in records
            if (r.generator, r.sample, r.metric) == (anchor, "speaker", "lipsync@correlation")
        )
        return record

    assert sync("swapped-audio").value < sync("ground-truth").value
    assert sync("still").status == "failed"
    mute = {r.status for r in records if r.sample == "carphone" and "lipsync" in r.metric}
    assert mute == {"not-applicable"}
