"""Which clips are trained on, and what a step is shown: laws on made clips."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from evaluation.plan import UnusableInputError
from method.training import prepared
from method.training.items import Faces, Items, Numbers, Windows, loader
from method.training.prepared import Clip, open_prepared

FRAMES = 60


def clip_arrays(frames=FRAMES, seed=0):
    """Landmarks whose values are the frame's number."""
    numbers = np.arange(frames, dtype=np.float32)
    return {
        "found": np.ones(frames, bool),
        "landmarks": np.tile(numbers[:, None, None] / 1000 + seed, (1, 2, 131)),
        "sizes": np.full((frames, 2), 100),
        "mel": np.tile(np.arange(frames * 16 // 5, dtype=np.float32), (80, 1)),
        "ends": np.zeros(frames, np.int64),
    }


@pytest.fixture
def folder(tmp_path):
    """Two clips, of two speakers."""
    return write(tmp_path / "two", ["a/1", "b/1"])


def write(folder, names, **changes):
    about = {"name": "made", "version": prepared.VERSION} | changes
    (folder / "clips").mkdir(parents=True)
    (folder / "dataset.json").write_text(json.dumps(about))
    for seed, name in enumerate(names):
        path = prepared.clip_file(folder, name, ".npz")
        path.parent.mkdir(exist_ok=True)
        np.savez(path, **clip_arrays(seed=seed))
    return folder


def frame_numbers(landmarks):
    return np.round((landmarks[:, 0, 0] % 1) * 1000).astype(int)


class TestSplit:
    def test_few_speakers_keep_the_ends_of_their_clips(self, folder):
        found = open_prepared(folder)
        assert found.training == found.held_out == ("a/1", "b/1")
        seen = found.clip("a/1", training=True)
        later = found.clip("a/1", training=False)
        assert seen.windows(heard=slice(0, 5)).max() == 48 - 5
        assert later.windows(heard=slice(0, 5)).min() == 48
        assert later.found.all()  # references may come from before

    def test_many_speakers_are_kept_apart(self, tmp_path):
        names = [f"{speaker:02}/{clip}" for speaker in range(40) for clip in range(2)]
        found = open_prepared(write(tmp_path / "many", names))
        assert found.held_out == ("00/0", "00/1", "20/0", "20/1")
        assert {*found.training} == {*names} - {*found.held_out}
        assert found.clip("00/0", training=False).first == 0

    def test_lists_as_lrs2_writes_them(self, folder, tmp_path):
        (tmp_path / "val.txt").write_text("b/1 NF\nz/9 MV\n\n")
        found = open_prepared(folder, validation_list=tmp_path / "val.txt")
        assert (found.training, found.held_out, found.ends) == (("a/1",), ("b/1",), False)
        with pytest.raises(UnusableInputError, match="1 clips are in both lists, b/1"):
            open_prepared(folder, tmp_path / "val.txt", tmp_path / "val.txt")
        (tmp_path / "other.txt").write_text("z/9\n")
        with pytest.raises(UnusableInputError, match=r"none of its 1 clips is prepared, z/9"):
            open_prepared(folder, tmp_path / "other.txt")

    def test_what_is_no_prepared_folder(self, tmp_path):
        with pytest.raises(UnusableInputError, match="talkbench train prepare --help"):
            open_prepared(tmp_path)
        with pytest.raises(UnusableInputError, match="prepared in form 0"):
            open_prepared(write(tmp_path / "old", ["a"], version=0))
        with pytest.raises(UnusableInputError, match="no clip in it could be prepared"):
            open_prepared(write(tmp_path / "none", []))


class TestWindows:
    def test_references_lie_outside_the_window(self, folder):
        clip = open_prepared(folder).clip("a/1", training=True)
        for seed in range(50):
            item = Windows(15)(clip, np.random.default_rng(seed))
            frames = frame_numbers(item["pose"])
            assert (np.diff(frames) == 1).all()
            assert 2 <= frames[0] <= 43
            shown = frame_numbers(item["ref_content"])
            assert len({*shown}) == 15
            assert not {*shown} & {*frames}
            np.testing.assert_array_equal(frame_numbers(item["ref_pose"]), shown)
            np.testing.assert_array_equal(frame_numbers(item["content"]), frames)
            starts = [int((f - 2) * 3.2) for f in frames]
            np.testing.assert_array_equal(item["mels"][:, 0, 0, 0], starts)
            assert item["mels"].shape == (5, 1, 80, 16)

    def test_a_clip_without_references_has_no_item(self):
        arrays = clip_arrays(frames=19)
        clip = Clip(id="a", faces=None, **arrays)
        assert Windows(15)(clip, np.random.default_rng(0)) is None
        assert Windows(14)(clip, np.random.default_rng(0)) is not None


class TestItems:
    def test_an_item_is_its_seed_and_number(self, folder):
        items = Items(open_prepared(folder), Windows(15), seed=3, training=True)
        first = [items[i]["pose"] for i in range(20)]
        for again, before in zip((items[i]["pose"] for i in range(20)), first, strict=True):
            np.testing.assert_array_equal(again, before)
        drawn = dataclasses.replace(items, draw=lambda clip, rng: {"x": rng.random(3)})
        others = dataclasses.replace(drawn, seed=4), dataclasses.replace(drawn, training=False)
        for other in others:
            assert not np.array_equal(other[0]["x"], drawn[0]["x"])
        assert {int(x[0, 0, 0]) for x in first} == {0, 1}  # both clips

    @pytest.mark.parametrize("readers", [0, 1])
    def test_shares_of_a_step_make_the_step(self, folder, readers):
        items = Items(open_prepared(folder), Windows(15), seed=0, training=True)
        whole = list(loader(items, Numbers(range(2, 4), 6), readers))
        halves = [list(loader(items, Numbers(range(2, 4), 6, rank, 2), 0)) for rank in (0, 1)]
        assert len(whole) == 2
        for step, both in zip(whole, zip(*halves, strict=True), strict=True):
            joined = torch.stack([half["pose"] for half in both], dim=1).flatten(0, 1)
            torch.testing.assert_close(joined, step["pose"], rtol=0, atol=0)

    def test_clips_that_have_nothing_are_said(self, tmp_path):
        folder = write(tmp_path / "deaf", ["a"])
        path = prepared.clip_file(folder, "a", ".npz")
        np.savez(path, **clip_arrays() | {"mel": np.zeros((80, 10), np.float32)})
        items = Items(open_prepared(folder), Windows(15), seed=0, training=True)
        with pytest.raises(UnusableInputError, match="prepare longer clips"):
            items[0]

    @pytest.mark.parametrize("content", [b"", b"PK not a zip"])
    def test_a_damaged_clip_is_named(self, folder, content):
        prepared.clip_file(folder, "a/1", ".npz").write_bytes(content)
        with pytest.raises(UnusableInputError, match=r"a/1\.npz: not a prepared clip"):
            open_prepared(folder).clip("a/1", training=True)


@pytest.mark.data
@pytest.mark.assets
def test_faces_of_a_real_clip(prepared):
    found = open_prepared(prepared)
    item = Faces(3)(found.clip("s2/lrwp9a", training=True), np.random.default_rng(5))
    shapes = {name: x.shape for name, x in item.items()}
    assert shapes == {
        "face": (1, 3, 128, 128),
        "sketches": (5, 3, 128, 128),
        "ref_images": (3, 3, 128, 128),
        "ref_sketches": (3, 3, 128, 128),
        "mels": (1, 1, 80, 16),
    }
    assert all(x.dtype == np.float32 for x in item.values())
    clip = found.clip("s2/lrwp9a", training=True)
    (frame,) = [i for i in range(60) if np.array_equal(clip.pictures([i])[0], item["face"][0])]
    np.testing.assert_array_equal(item["sketches"], clip.sketches(range(frame - 2, frame + 3)))
    np.testing.assert_array_equal(item["mels"][0, 0], clip.sound(frame))
