"""IP-LAP against arrays that its official code printed, under weights made by a formula.

``golden/README.md`` says how they were recorded: Weizhi-Zhong/IP_LAP @ 9b9dc03, float32 on a CPU.
"""

import json
import os

import numpy as np
import pytest
import torch

import method
from method import choices, mel, sketches, topology
from method.checkpoints import CheckpointError
from method.landmark_generator import sinusoids

# Other batch sizes and memory layouts differ by about 1e-6; the golden files ask for 1e-4.
LANDMARKS, PICTURES = 1e-5, 1e-4

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def recorded(data):
    def load(name):
        return dict(np.load(data / "golden" / f"iplap_{name}.npz"))

    return load


@pytest.fixture(scope="module")
def tables(data):
    return json.loads((data / "golden" / "iplap_landmark_tables.json").read_text())


@pytest.fixture(scope="module")
def landmark_weights(official_weights):
    weights = official_weights("iplap_landmark_generator")
    return {k: sinusoids() if k.endswith(".pe") else v for k, v in weights.items()}


@pytest.fixture(scope="module")
def renderer_weights(official_weights):
    return official_weights("iplap_renderer")


@pytest.fixture(scope="module")
def generator(landmark_weights):
    return method.load_landmark_generator(landmark_weights)


@pytest.fixture(scope="module")
def renderer(renderer_weights):
    return method.load_renderer(renderer_weights)


@pytest.fixture(scope="module")
def spoken(recorded):
    return {k: torch.from_numpy(v) for k, v in recorded("landmark_generator").items()}


def infer(generator, given, items=slice(None)):
    names = ("T_mels", "T_pose", "Nl_pose", "Nl_content")
    with torch.inference_mode():
        return generator(*(given[name][items] for name in names))


class TestLandmarkGenerator:
    def test_landmarks_are_the_official_ones(self, generator, spoken):
        torch.testing.assert_close(
            infer(generator, spoken), spoken["out_b2"], atol=LANDMARKS, rtol=0
        )

    def test_items_do_not_touch_each_other(self, generator, spoken):
        torch.testing.assert_close(
            infer(generator, spoken, slice(1)), spoken["out_b1"], atol=LANDMARKS, rtol=0
        )

    def test_has_as_many_parameters(self, generator, data):
        keys = json.loads((data / "golden" / "iplap_landmark_generator_keys.json").read_text())
        assert sum(p.numel() for p in generator.parameters()) == keys["n_params"]
        assert len(generator.state_dict()) == keys["n_keys"]


def pictures(array):
    """uint8 BGR [..., H, W, 3], or grey [..., H, W], as the network takes it."""
    grey = array.shape[-1] != 3
    planes = np.repeat(array[..., None], 3, -1) if grey else array
    return torch.from_numpy(np.moveaxis(planes / 255.0, -1, -3).astype(np.float32))


@pytest.fixture(scope="module")
def rendered(recorded, renderer):
    """(items, references each) -> what we make of the recorded inputs."""
    given = recorded("renderer_inputs")

    def render(items, count):
        chosen = np.arange(items * count).reshape(items, count)
        with torch.inference_mode():
            return renderer(
                pictures(given["face"][:items])[:, None],
                pictures(given["driving_sketches"][:items]),
                pictures(given["ref_imgs"][chosen]),
                pictures(given["ref_sketches"][chosen]),
                torch.from_numpy(given["audio_mels"][:items]),
            )

    return render


class TestRenderer:
    @pytest.mark.parametrize(("items", "count", "name"), [(2, 3, "n3_b2"), (1, 25, "n25")])
    def test_faces_and_moved_references_are_the_official_ones(
        self, rendered, recorded, items, count, name
    ):
        expected = recorded(f"renderer_{name}")
        face, moved = rendered(items, count)
        np.testing.assert_allclose(face, expected["generated"], atol=PICTURES, rtol=0)
        np.testing.assert_allclose(moved, expected["wrapped_ref"], atol=PICTURES, rtol=0)

    def test_the_lower_half_is_not_looked_at(self, renderer, recorded):
        given = recorded("renderer_inputs")
        face = pictures(given["face"][:1])[:, None]
        covered = face.clone()
        covered[..., 64:, :] = torch.rand(64, 128)
        others = (
            pictures(given["driving_sketches"][:1]),
            pictures(given["ref_imgs"][:1])[None],
            pictures(given["ref_sketches"][:1])[None],
            torch.from_numpy(given["audio_mels"][:1]),
        )
        with torch.inference_mode():
            torch.testing.assert_close(renderer(face, *others), renderer(covered, *others))

    def test_has_as_many_parameters_but_for_the_loss_network(
        self, renderer, data, renderer_weights
    ):
        keys = json.loads((data / "golden" / "iplap_renderer_keys.json").read_text())
        loss = [v for k, v in renderer_weights.items() if k.startswith("perceptual.")]
        assert len(loss) == 32
        count = sum(p.numel() for p in renderer.parameters())
        assert count == keys["n_params"] - sum(v.numel() for v in loss)
        assert len(renderer.state_dict()) == keys["n_keys"] - 32


class TestCheckpoints:
    @pytest.mark.parametrize("wrapped", [True, False])
    @pytest.mark.parametrize("prefix", ["", "module."])
    def test_files_of_the_authors_load(
        self, landmark_weights, generator, tmp_path, wrapped, prefix
    ):
        state = {prefix + k: v for k, v in landmark_weights.items()}
        whole = {"state_dict": state, "optimizer": None, "global_step": 1, "global_epoch": 2}
        torch.save(whole if wrapped else state, tmp_path / "checkpoint.pth")
        loaded = method.load_landmark_generator(tmp_path / "checkpoint.pth")
        assert not loaded.training
        for ours, again in zip(
            generator.state_dict().values(), loaded.state_dict().values(), strict=True
        ):
            assert torch.equal(ours, again)

    def test_our_own_names_load_as_well(self, renderer, tmp_path):
        torch.save(renderer.state_dict(), tmp_path / "ours.pth")
        loaded = method.load_renderer(tmp_path / "ours.pth")
        for ours, again in zip(
            renderer.state_dict().values(), loaded.state_dict().values(), strict=True
        ):
            assert torch.equal(ours, again)

    def test_a_key_too_few_or_too_many_is_refused(self, renderer_weights):
        lacking = dict(renderer_weights)
        del lacking["translation.conv_last.weight"]
        with pytest.raises(
            CheckpointError, match=r"1 of 252 tensors missing \(translation\.to_pic"
        ):
            method.load_renderer(lacking)
        with pytest.raises(CheckpointError, match=r"1 unknown \(stranger"):
            method.load_renderer(renderer_weights | {"stranger": torch.zeros(1)})

    def test_a_wrong_shape_is_refused(self, renderer_weights):
        bent = {"translation.conv_last.weight": torch.zeros(3, 64, 5, 5)}
        with pytest.raises(CheckpointError, match=r"translation\.to_picture\.weight"):
            method.load_renderer(renderer_weights | bent)

    def test_the_other_stages_file_is_refused(self, renderer_weights):
        with pytest.raises(CheckpointError, match="IP-LAP's LandmarkGenerator"):
            method.load_landmark_generator(renderer_weights)

    def test_files_that_are_no_checkpoints(self, tmp_path):
        for name, content in (("empty", b""), ("text", b"not a checkpoint\n" * 9)):
            (tmp_path / name).write_bytes(content)
            with pytest.raises(CheckpointError, match=f"{name}: not a file of tensors"):
                method.load_renderer(tmp_path / name)
        with pytest.raises(CheckpointError, match="No such file"):
            method.load_renderer(tmp_path / "absent")
        torch.save([1, 2], tmp_path / "list")
        with pytest.raises(CheckpointError, match="but a list"):
            method.load_renderer(tmp_path / "list")

    def test_a_file_that_would_run_code_is_refused(self, tmp_path):
        class Trap:
            def __reduce__(self):
                return (os.mkdir, (str(tmp_path / "sprung"),))

        torch.save({"state_dict": Trap()}, tmp_path / "trap.pth")
        with pytest.raises(CheckpointError, match=r"trap\.pth: not a file of tensors"):
            method.load_renderer(tmp_path / "trap.pth")
        assert not (tmp_path / "sprung").exists()


class TestSound:
    def test_mel_is_the_official_one(self, recorded, data):
        from evaluation.video import read_audio

        expected = recorded("mel")
        sound = read_audio(data / "wav" / "jfk.wav", mel.RATE, mono=True)
        ours = mel.mel_spectrogram(sound.samples[:, 0])
        np.testing.assert_allclose(mel.mel_basis(), expected["mel_basis"], atol=1e-8, rtol=0)
        np.testing.assert_allclose(ours, expected["mel"], atol=1e-5, rtol=0)

    def test_windows_start_where_the_official_ones_do(self, recorded):
        expected = recorded("mel")
        count = mel.window_count(expected["mel"].shape[1])
        starts = [mel.window_start(i) for i in range(count)]
        assert starts == expected["chunk_starts"].tolist()


class TestChoices:
    def test_places_are_those_of_float32(self, recorded):
        expected = recorded("selection")
        for count in (15, 25):
            table = expected[f"linspace{count}"]
            for total in range(1, len(table) + 1):
                assert choices.places(total, count) == table[total - 1].tolist()

    def test_frames_are_driven_there_and_back(self, recorded):
        known = {k: v for k, v in recorded("selection").items() if k.startswith("frames_")}
        assert known
        for name, expected in known.items():
            frames, _ = map(int, name.split("_")[3:])
            assert choices.driven(frames, len(expected)) == expected.tolist()

    def test_references_are_the_official_ones(self, recorded):
        expected = recorded("selection")
        for count in (15, 25):
            picks = choices.references(expected["lip_dist"], count)
            assert picks == expected[f"refs{count}"].tolist()


class TestSketches:
    def test_landmarks_stand_in_the_official_order(self, tables):
        assert list(topology.POSE) == tables["pose_indices_in_order"]
        assert list(topology.CONTENT) == tables["content_indices_in_order"]
        drawn = {tuple(sorted(topology.LANDMARKS[i] for i in line)) for line in topology.LINES}
        assert drawn == {tuple(sorted(line)) for line in tables["connections"]}
        assert len(topology.LINES) == tables["n_connections"]
        assert tables["lip_index"] == [topology.UPPER_LIP, topology.LOWER_LIP]

    @pytest.mark.parametrize("case", "abcd")
    def test_drawings_are_the_official_ones(self, recorded, case):
        expected = recorded("sketch")
        (name,) = (k for k in expected if k.startswith(f"canvas_{case}"))
        height, width = map(int, name.split("_")[2].split("x"))
        landmarks = expected[name.replace("canvas", "landmarks")]
        drawn = sketches.canvas(landmarks, height, width)
        np.testing.assert_array_equal(np.stack([drawn] * 3, -1), expected[name])
        small = sketches.sketch(landmarks, height, width)[..., None]
        theirs = expected[name.replace("canvas", "sketch")]
        np.testing.assert_allclose(np.repeat(small, 3, -1), theirs, atol=1e-4, rtol=0)
