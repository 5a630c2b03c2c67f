"""Frames are decoded once while they fit, and anew when they do not."""

import weakref

import numpy as np
import pytest

from evaluation.footage import Footage, Shelf
from evaluation.video import FrameReader, VideoError


@pytest.fixture
def clip(tmp_path, write_clip):
    """A file, its frames, and a maker of readers that counts its calls."""
    path = tmp_path / "a.mp4"
    frames = write_clip(path)
    decoded = []

    def decode():
        decoded.append(path)
        return FrameReader(path, piece=5)

    return path, frames, decode, decoded


def read(key, decode, shelf):
    footage = Footage(key, decode, shelf)
    return np.concatenate(list(footage)), footage.frames


def test_a_second_reading_decodes_nothing_and_sees_the_same(clip):
    _, frames, decode, decoded = clip
    shelf = Shelf()
    for _ in range(3):
        shown, count = read("a", decode, shelf)
        np.testing.assert_array_equal(shown, frames)
        assert count == len(frames)
    assert len(decoded) == 1


def test_two_kinds_of_frames_are_kept_apart(clip):
    path, frames, decode, _ = clip
    shelf = Shelf()
    read("every", decode, shelf)
    some, count = read("every 2nd", lambda: FrameReader(path, every=2), shelf)
    np.testing.assert_array_equal(some, frames[::2])
    assert count == len(frames)


def test_what_does_not_fit_is_decoded_again(clip):
    _, frames, decode, decoded = clip
    shelf = Shelf(frames.nbytes - 1)
    for _ in range(2):
        shown, _ = read("a", decode, shelf)
        np.testing.assert_array_equal(shown, frames)
    assert len(decoded) == 2
    assert shelf.take("a") is None


def test_what_does_not_fit_is_not_held_meanwhile(clip):
    _, frames, decode, _ = clip
    seen, held = [], []
    for piece in Footage("a", decode, Shelf(frames.nbytes - 1)):
        seen.append(weakref.ref(piece))
        del piece
        held.append(sum(ref() is not None for ref in seen))
    assert held == [1, 2, 1]  # the reader itself has the last one


def test_the_least_recently_read_goes_first(clip):
    _, frames, decode, _ = clip
    shelf = Shelf(2 * frames.nbytes)
    read("a", decode, shelf)
    read("b", decode, shelf)
    read("a", decode, shelf)
    read("c", decode, shelf)
    assert [shelf.take(key) is not None for key in "abc"] == [True, False, True]


def test_a_reading_that_stops_keeps_nothing(clip):
    _, _, decode, decoded = clip
    shelf = Shelf()
    next(iter(Footage("a", decode, shelf)))
    assert shelf.take("a") is None
    read("a", decode, shelf)
    assert len(decoded) == 2


def test_damage_is_reported_every_time(clip):
    path, _, decode, _ = clip
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 6 // 10])
    shelf = Shelf()
    for _ in range(2):
        with pytest.raises(VideoError, match=r"a\.mp4"):
            read("a", decode, shelf)


def test_other_generators_share_the_references_frames(tmp_path, write_clip, monkeypatch):
    """Through the harness: one reference, two systems, two cards of two passes."""
    from evaluation import reading
    from evaluation.generate import file_sha256
    from evaluation.registry import load_metrics
    from evaluation.score_pair import score_pair
    from evaluation.store import TrackStore

    opened = []

    def reader(path, *settings):
        opened.append(path.name)
        return FrameReader(path, *settings)

    monkeypatch.setattr(reading, "FrameReader", reader)
    write_clip(tmp_path / "ref.mp4", seed=91)
    reference = reading.VideoFile(tmp_path / "ref.mp4", file_sha256(tmp_path / "ref.mp4"))
    for number in range(2):
        path = tmp_path / f"{number}.mp4"
        write_clip(path, seed=92 + number)
        file = reading.VideoFile(path, file_sha256(path))
        store = TrackStore(tmp_path / "run")
        outcomes = score_pair(file, reference, load_metrics(["psnr", "sharpness"]), 1, store)
        assert [o.status for o in outcomes] == ["ok", "ok"]
    assert sorted(opened) == ["0.mp4", "1.mp4", "ref.mp4"]
