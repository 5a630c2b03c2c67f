"""IP-LAP as a generator: who it is, what it is made with, and whose failure is whose."""

import pytest
import torch

from evaluation.generator import GenerationError
from evaluation.sample import Sample
from method import generator


class TestGenerator:
    def test_weights_that_are_not_here_are_asked_for(self, monkeypatch, tmp_path):
        monkeypatch.setenv("TALKBENCH_CACHE", str(tmp_path))
        monkeypatch.delenv("TALKBENCH_ASSETS", raising=False)
        spec = generator.IpLap().spec
        assert spec.weights_sha256 == ""
        assert {"iplap-landmark-generator", "iplap-renderer"} < set(spec.assets)

    def test_other_files_are_another_generator(self, monkeypatch, tmp_path):
        monkeypatch.setenv("TALKBENCH_ASSETS", str(tmp_path))
        seen = set()
        for content in (b"1", b"22"):
            (tmp_path / "renderer_checkpoint.pth").write_bytes(content)
            seen.add(generator.IpLap().spec.weights_sha256)
        assert len(seen) == 2
        assert "" not in seen

    @pytest.mark.assets
    def test_a_wrong_checkpoint_is_the_clips_failure(self, monkeypatch, tmp_path, talker):
        monkeypatch.setenv("TALKBENCH_ASSETS", str(tmp_path))
        for name in ("landmarkgenerator_checkpoint.pth", "renderer_checkpoint.pth"):
            torch.save({"state_dict": {"a": torch.zeros(1)}}, tmp_path / name)
        sample = Sample(id="a", speaker="a", video=talker, audio=talker, reference=talker)
        with pytest.raises(GenerationError, match="not a checkpoint of IP-LAP's LandmarkGen"):
            generator.IpLap().generate(sample, tmp_path / "out.mp4", 0)
        mute = Sample(id="a", speaker="a", video=talker, audio=None, reference=talker)
        with pytest.raises(GenerationError, match="no driving sound"):
            generator.IpLap().generate(mute, tmp_path / "out.mp4", 0)
