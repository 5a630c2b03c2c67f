"""IP-LAP as a generator: who it is, what it is made with, and whose failure is whose."""

import json
import pickle
import shutil

import cv2
import pytest
import torch

from evaluation.arguments import ArgumentError
from evaluation.generate import generate_once
from evaluation.generator import GenerationError
from evaluation.registry import load_generator
from evaluation.sample import Sample
from method import checkpoints, driving, generator, pipeline, refined_mesh
from method.landmark_generator import LandmarkGenerator
from method.renderer import Renderer

LANDMARKS, RENDERER = "landmarkgenerator_checkpoint.pth", "renderer_checkpoint.pth"


@pytest.fixture
def weights(monkeypatch, tmp_path):
    """The folder that checkpoints are looked for in; nothing else is."""
    folder = tmp_path / "weights"
    folder.mkdir()
    monkeypatch.setenv("TALKBENCH_ASSETS", str(folder))
    return folder


@pytest.fixture(scope="session")
def untrained(tmp_path_factory):
    """Both checkpoints as the authors wrap them."""
    folder = tmp_path_factory.mktemp("untrained")
    torch.manual_seed(0)
    for name, network in ((LANDMARKS, LandmarkGenerator()), (RENDERER, Renderer())):
        torch.save({"state_dict": network.state_dict(), "global_step": 1}, folder / name)
    return folder


@pytest.fixture
def sample(talker):
    return Sample(id="a", speaker="a", video=talker, audio=talker, reference=talker)


class TestSpec:
    def test_weights_that_are_not_here_are_asked_for(self, monkeypatch, tmp_path):
        monkeypatch.setenv("TALKBENCH_CACHE", str(tmp_path))
        monkeypatch.delenv("TALKBENCH_ASSETS", raising=False)
        spec = generator.IpLap().spec
        assert spec.weights_sha256 == ""
        assert {"iplap-landmark-generator", "iplap-renderer"} < set(spec.assets)

    def test_other_files_are_another_generator(self, weights):
        seen = set()
        for content in (b"1", b"22"):
            (weights / RENDERER).write_bytes(content)
            seen.add(generator.IpLap().spec.weights_sha256)
        assert len(seen) == 2
        assert "" not in seen

    def test_a_checkpoint_says_what_it_was_trained_on(self, weights, untrained):
        assert generator.IpLap().spec.trained_on == ("lrs2",)
        shutil.copy(untrained / RENDERER, weights / RENDERER)
        assert generator.IpLap().spec.trained_on == ("lrs2",)
        network = torch.nn.Linear(1, 1)
        checkpoints.write(weights / LANDMARKS, network, {}, step=1, trained_on=["hdtf", "mead"])
        assert generator.IpLap().spec.trained_on == ("hdtf", "mead", "lrs2")
        checkpoints.write(weights / RENDERER, network, {}, step=1, trained_on=["mead"])
        assert generator.IpLap().spec.trained_on == ("hdtf", "mead")

    def test_settings_are_rows_and_the_mesh_is_part_of_the_version(self):
        default = load_generator("iplap")
        assert default.spec.name == "iplap"
        assert default.spec.version == f"2, {driving.mesh_kind()} mesh"
        assert default.settings == pipeline.Settings()
        made = load_generator("iplap:precision=bf16,compat,mesh=plain")
        assert made.spec.name == "iplap:compat,mesh=plain,precision=bf16"
        assert made.spec.version == "2, plain mesh"
        assert "the official script's times" in made.spec.about
        assert made.generator.settings == pipeline.Settings(True, "plain", "bf16")
        assert "face-mesh" in made.spec.assets

    @pytest.mark.parametrize(
        ("given", "words"),
        [
            ("mesh=fine", r"expected auto or plain or refined\. It takes compat=false \(or true\)"),
            ("precision=fp8", "expected float32 or bf16 or fp16"),
            ("mash=plain", "Did you mean mesh"),
        ],
    )
    def test_an_unknown_setting_says_which_there_are(self, given, words):
        with pytest.raises(ArgumentError, match=words):
            load_generator(f"iplap:{given}")

    @pytest.mark.skipif(not refined_mesh.lacking(), reason="mediapipe is installed")
    def test_the_refined_mesh_without_its_package_is_refused_at_once(self):
        with pytest.raises(ArgumentError, match=r"not installed: pip install 'talkbench\[mesh\]'"):
            load_generator("iplap:mesh=refined")

    def test_it_can_be_sent_to_a_worker(self):
        for name in ("iplap", "iplap:compat"):
            there = pickle.loads(pickle.dumps(load_generator(name)))  # noqa: S301 - our own
            assert there.spec == load_generator(name).spec


@pytest.mark.assets
class TestCheckpoints:
    def test_none_of_these_is_one(self, weights, untrained, sample, tmp_path):
        for name in (LANDMARKS, RENDERER):
            (weights / name).write_bytes((untrained / name).read_bytes())
        whole = torch.load(weights / LANDMARKS, weights_only=True)["state_dict"]
        half = dict(list(whole.items())[: len(whole) // 2])
        wide = {k: torch.zeros(3) if k == "norm.weight" else v for k, v in whole.items()}
        content = (untrained / LANDMARKS).read_bytes()
        count = len(whole)
        for broken, words in (
            (content[: len(content) // 2], "not a file of tensors"),
            (b"", "not a file of tensors"),
            (half, f"{count - len(half)} of {count} tensors missing"),
            (wide, r"size mismatch for norm\.weight"),
            ({"a": torch.zeros(1)}, f"{count} of {count} tensors missing .*, 1 unknown"),
        ):
            generator._models.cache_clear()
            if isinstance(broken, bytes):
                (weights / LANDMARKS).write_bytes(broken)
            else:
                torch.save({"state_dict": broken}, weights / LANDMARKS)
            with pytest.raises(GenerationError, match=words) as caught:
                generator.IpLap().generate(sample, tmp_path / "out.mp4", 0)
            assert LANDMARKS in str(caught.value)
            assert not (tmp_path / "out.mp4").exists()

    def test_no_sound_is_the_clips_failure(self, talker, tmp_path):
        mute = Sample(id="a", speaker="a", video=talker, audio=None, reference=talker)
        with pytest.raises(GenerationError, match="no driving sound"):
            generator.IpLap().generate(mute, tmp_path / "out.mp4", 0)

    @pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
    def test_a_device_that_is_not_there_is_named(
        self, weights, untrained, sample, monkeypatch, tmp_path
    ):
        for name in (LANDMARKS, RENDERER):
            (weights / name).symlink_to(untrained / name)
        monkeypatch.setenv("TALKBENCH_DEVICE", "cuda")
        generator._models.cache_clear()
        with pytest.raises(GenerationError, match=r"\$TALKBENCH_DEVICE is 'cuda'"):
            generator.IpLap().generate(sample, tmp_path / "out.mp4", 0)


@pytest.mark.assets
class TestClip:
    def test_what_was_found_is_kept_beside_it(
        self, weights, untrained, man, write, tone, few_references, tmp_path
    ):
        for name in (LANDMARKS, RENDERER):
            (weights / name).symlink_to(untrained / name)
        frames = man.repeat(3, axis=0)
        frames[4] = 0
        gap = write(tmp_path / "gap.mp4", frames, tone(0.04))
        sound = write(tmp_path / "sound.mp4", frames[:1, :16, :16], tone(0.04))
        sample = Sample(id="a", speaker="a", video=gap, audio=sound, reference=None)
        made = generate_once(load_generator("iplap:mesh=plain"), sample, tmp_path / "videos", 0)
        assert made.status == "ok", made.reason
        (note,) = (tmp_path / "videos").rglob("a.json")
        assert json.loads(note.read_text())["notes"] == {
            "face mesh": "plain, 468 points",
            "frames without a face, driven by the one before": "1 of 12",
        }

    def test_the_command_line(self, untrained, man, write, tone, talkbench, tmp_path):
        """A still image and a sound, one frame; then what it refuses."""
        cv2.imwrite(str(tmp_path / "man.png"), man[0][..., ::-1])
        write(tmp_path / "sound.mp4", man[:1, :16, :16], tone(0.04))
        ask = ("--video", "man.png", "--audio", "sound.mp4", "-o", "out.mp4")
        here = {"TALKBENCH_ASSETS": str(untrained)}
        made = talkbench("generate", "iplap:mesh=plain", *ask, **here)
        assert made.returncode == 0, made.stderr
        assert made.stdout == "Written: out.mp4\nface mesh: plain, 468 points\n"
        assert (tmp_path / "out.mp4").is_file()
        (tmp_path / "out.mp4").unlink()
        for name, given, environment, code, words in (
            ("iplap", (*ask[:4], "-o", "man.png"), here, 2, "man.png is to be read"),
            ("iplap:mesh=plain", (*ask[:1], "sound.mp4", *ask[4:]), here, 1, "no face in any of 1"),
            (
                "iplap",
                ask,
                here | {"TALKBENCH_DEVICE": "cuda:7"},
                2,
                "$TALKBENCH_DEVICE is 'cuda:7'",
            ),
            ("iplap:mesh=best", ask, here, 2, "expected auto or plain or refined"),
        ):
            refused = talkbench("generate", name, *given, **environment)
            assert refused.returncode == code, refused.stderr
            assert words in refused.stderr
            assert "Traceback" not in refused.stderr
            assert not (tmp_path / "out.mp4").exists()
