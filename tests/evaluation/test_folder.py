"""Folders of videos as splits, and names that are safe on disk."""

import re
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.dataset import DatasetError, with_other_audio
from evaluation.datasets.folder import FolderDataset, speaker_of, videos_in
from evaluation.finished import FinishedVideos
from evaluation.sample import Sample
from evaluation.store import safe_name
from evaluation.video import has_audio


@given(st.text(), st.text())
def test_two_ids_never_share_a_file_name(one, other):
    a, b = safe_name(one), safe_name(other)
    assert (a == b) == (one == other)
    assert re.fullmatch(r"[A-Za-z0-9._~@%-]{1,120}", a)
    assert set(a) != {"."}


@pytest.mark.parametrize("name", ["a" * 300, "\u8bf4" * 80, "..", "a/../b", "clip 12", ""])
def test_hard_names_become_one_plain_file_name(name, tmp_path):
    assert safe_name(name) not in (".", "..")
    path = tmp_path / f"{safe_name(name)}.json"
    path.write_text("x")
    assert path.parent.resolve() == tmp_path.resolve()


@pytest.mark.parametrize(
    ("sample", "pattern", "speaker"),
    [
        ("RD_Radio42_000", None, "RD_Radio42"),
        ("5535415699068794046/00001", None, "5535415699068794046"),
        ("mine", None, "mine"),
        ("anna-3-take", r"^([a-z]+)-", "anna"),
        ("anna-3-take", "zzz", "anna-3-take"),
    ],
)
def test_speakers(sample, pattern, speaker):
    assert speaker_of(sample, re.compile(pattern) if pattern else None) == speaker


def test_clips_are_found_at_any_depth_and_hidden_files_and_runs_are_not(tmp_path, write_clip):
    for name in ("a.mp4", "p/b.mp4", "._a.mp4", ".cache/c.mp4", "run/videos/still/a.mp4"):
        write_clip(tmp_path / name, frames=2)
    (tmp_path / "run" / "records.jsonl").write_text("")
    (tmp_path / "notes.txt").write_text("no video")
    assert list(videos_in(tmp_path)) == ["a", "p/b"]


def test_links_to_folders_are_followed_once(tmp_path, write_clip):
    write_clip(tmp_path / "disk" / "a.mp4", frames=2)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "spk").symlink_to(tmp_path / "disk")
    (tmp_path / "disk" / "loop").symlink_to(tmp_path / "disk")
    (tmp_path / "data" / "gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    assert list(videos_in(tmp_path / "data")) == ["spk/a"]


def test_odd_letters_are_letters_and_control_signs_are_not(tmp_path, write_clip):
    write_clip(tmp_path / "at 1.23\u202fPM\u3000.mp4", frames=2)
    assert len(videos_in(tmp_path)) == 1
    write_clip(tmp_path / "b.mp4", frames=2)
    (tmp_path / "b.mp4").rename(tmp_path / "b\n.mp4")
    with pytest.raises(DatasetError, match="cannot be written down"):
        videos_in(tmp_path)


def test_two_files_of_one_name_are_refused(tmp_path, write_clip):
    write_clip(tmp_path / "a.mp4", frames=2)
    (tmp_path / "a.avi").write_bytes(b"x")
    with pytest.raises(DatasetError, match=r"two videos called 'a': a\.avi and a\.mp4"):
        videos_in(tmp_path)


def test_audio_is_said_to_be_there_only_where_it_is(tmp_path, write_clip):
    write_clip(tmp_path / "loud_000.mp4", frames=5)
    write_clip(tmp_path / "mute_000.mp4", frames=5, audio=False)
    loud, mute = FolderDataset().samples(tmp_path)
    assert (loud.audio, mute.audio) == (tmp_path / "loud_000.mp4", None)
    assert (loud.other_audio, mute.other_audio) == (None, tmp_path / "loud_000.mp4")


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=8))
def test_the_other_speech_is_the_next_of_another_speaker_around_the_end(clips):
    samples = [
        Sample(
            id=f"{i}",
            speaker=speaker,
            video=Path(f"{i}.mp4"),
            audio=Path(f"{i}.wav") if speaks else None,
            reference=None,
        )
        for i, (speaker, speaks) in enumerate(clips)
    ]
    for i, sample in enumerate(with_other_audio(samples)):
        ahead = [*samples[i:], *samples[:i]]
        others = [s.audio for s in ahead if s.audio and s.speaker != sample.speaker]
        assert sample.other_audio == (others[0] if others else None)
        assert (sample.id, sample.audio) == (samples[i].id, samples[i].audio)


def test_sound_is_found_in_a_file_with_another_containers_name(tmp_path, write_clip):
    # A transport stream lists nothing ahead: its streams are found by reading on.
    with av.open(str(tmp_path / "b.mp4"), "w", format="mpegts") as stream:
        sound = stream.add_stream("mp2", rate=44100)
        hum = np.zeros((1, 4 * 1152), np.int16)
        frame = av.AudioFrame.from_ndarray(hum, format="s16", layout="mono")
        frame.sample_rate = 44100
        stream.mux(sound.encode(frame))
        stream.mux(sound.encode(None))
    assert has_audio(tmp_path / "b.mp4")
    write_clip(tmp_path / "a.mp4", frames=5)
    (tmp_path / "c.mp4").write_bytes((tmp_path / "a.mp4").read_bytes()[:300])
    assert not has_audio(tmp_path / "c.mp4")


def test_finished_videos_that_belong_to_nobody_are_named(tmp_path, write_clip):
    for name in ("gt/a.mp4", "out/a.mp4", "out/z.mp4"):
        write_clip(tmp_path / name, frames=2)
    system = FinishedVideos.read("mine", tmp_path / "out")
    assert system.unpaired(FolderDataset().samples(tmp_path / "gt")) == ["z"]
