"""Files that ask for more than a clip may: refused in words, before the memory is gone."""

import io
import os
import struct
import zipfile
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from evaluation import limits
from evaluation.dataset import DatasetError
from evaluation.datasets.contextdub import CONTEXTDUB
from evaluation.datasets.folder import videos_in
from evaluation.finished import FinishedVideos
from evaluation.plan import UnusableInputError
from evaluation.records import Record, _checked
from evaluation.sound import read_sound
from evaluation.split_manifest import SCHEMA, read_split
from evaluation.store import KeptTrack, TrackStore, ValueStore
from evaluation.video import FrameReader, VideoError, has_audio, probe, read_audio


def h264(path: Path, frames: int = 6, *, size=(64, 48), times=lambda i: i * 40) -> Path:
    """Grey frames; ``times`` in ms."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=25)
        stream.width, stream.height = size
        stream.pix_fmt, stream.codec_context.time_base = "yuv420p", Fraction(1, 1000)
        for i in range(frames):
            frame = av.VideoFrame.from_ndarray(
                np.full((size[1], size[0], 3), 40 * i, np.uint8), format="rgb24"
            )
            frame.pts, frame.time_base = times(i), Fraction(1, 1000)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def wav(path: Path, rate: int, samples: int = 1000, channels: int = 1) -> Path:
    body = bytes(2 * samples * channels)
    form = struct.pack("<IHHIIHH", 16, 1, channels, rate, rate * 2, 2 * channels, 16)
    path.write_bytes(
        b"RIFF" + struct.pack("<I", 36 + len(body)) + b"WAVEfmt " + form
        + b"data" + struct.pack("<I", len(body)) + body
    )  # fmt: skip
    return path


def decoded(path: Path, **how: int) -> int:
    return sum(map(len, FrameReader(path, **how)))


def test_a_list_of_other_files_is_not_opened(tmp_path):
    """FFmpeg follows it: it would show frames of any file of the machine."""
    h264(tmp_path / "private.mp4")
    clip = tmp_path / "clip.mp4"
    clip.write_text("ffconcat version 1.0\nfile private.mp4\n")
    with pytest.raises(VideoError, match="lists of other files"):
        probe(clip)


def test_whoever_reads_a_file_goes_by_the_list_of_containers(tmp_path, monkeypatch):
    """A look at the header alone, too: opening is what follows a list of files."""
    opened, real = [], av.open

    def watched(*arguments, **options):
        opened.append(options.get("container_options", {}))
        return real(*arguments, **options)

    h264(tmp_path / "private.mp4")
    clip = tmp_path / "clip.mp4"
    clip.write_text("ffconcat version 1.0\nfile private.mp4\n")
    monkeypatch.setattr(av, "open", watched)
    assert not has_audio(clip)
    assert not has_audio(tmp_path / "private.mp4")
    assert read_audio(tmp_path / "private.mp4") is None
    assert len(opened) == 4
    assert all("concat" not in o["format_whitelist"] for o in opened)


@pytest.mark.parametrize("kind", ["png", "jpg", "bmp", "webp"])
def test_a_picture_is_one_frame_and_its_name_no_pattern(tmp_path, kind):
    for name, shade in (("face1", 10), ("face%d", 200)):
        cv2.imwrite(str(tmp_path / f"{name}.{kind}"), np.full((48, 64, 3), shade, np.uint8))
    (frames,) = FrameReader(tmp_path / f"face%d.{kind}")
    assert frames.shape == (1, 48, 64, 3)
    assert abs(int(frames.mean()) - 200) <= 1
    assert decoded(tmp_path / f"face1.{kind}") == 1


def test_a_name_that_looks_like_an_address_is_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    h264(tmp_path / "plain.mp4").rename(tmp_path / "concat:plain.mp4")
    assert decoded(Path("concat:plain.mp4")) == 6


def test_a_pipe_is_no_video(tmp_path):
    os.mkfifo(tmp_path / "clip.mp4")
    with pytest.raises(VideoError, match="no plain file"):
        probe(tmp_path / "clip.mp4")
    h264(tmp_path / "other.mp4")
    assert list(videos_in(tmp_path)) == ["other"]


def test_frames_of_two_sizes(tmp_path):
    first, second = h264(tmp_path / "1.ts"), h264(tmp_path / "2.ts", size=(128, 96))
    clip = tmp_path / "clip.mpg"
    clip.write_bytes(first.read_bytes() + second.read_bytes())
    with pytest.raises(VideoError, match=r"frame 6 is 128x96 pixels and the header says 64x48"):
        decoded(clip)


def test_one_frame_shown_for_a_day(tmp_path):
    clip = h264(tmp_path / "clip.mp4", times=lambda i: i * 40 + (10**8 if i > 3 else 0))
    assert decoded(clip) == 6
    with pytest.raises(VideoError, match="TALKBENCH_MAX_FRAMES"):
        decoded(clip, fps=25)


def test_frames_and_pixels_are_counted_and_the_limit_can_be_raised(tmp_path, monkeypatch):
    clip = h264(tmp_path / "clip.mp4")
    monkeypatch.setenv("TALKBENCH_MAX_FRAMES", "5")
    with pytest.raises(VideoError, match="declares 6 frames in a video, and 5 is the limit"):
        FrameReader(clip)
    undeclared = h264(tmp_path / "clip.h264")
    with pytest.raises(VideoError, match="has 6 frames in a video, and 5 is the limit"):
        decoded(undeclared)
    monkeypatch.setenv("TALKBENCH_MAX_FRAMES", "6")
    assert decoded(clip) == decoded(undeclared) == 6
    monkeypatch.setenv("TALKBENCH_MAX_PIXELS", str(64 * 48 - 1))
    with pytest.raises(VideoError, match="TALKBENCH_MAX_PIXELS=3072 or more"):
        probe(clip)
    monkeypatch.setenv("TALKBENCH_MAX_PIXELS", "many")
    with pytest.raises(UnusableInputError, match="expected a whole number above 0"):
        probe(clip)


@pytest.mark.parametrize("read", [lambda p: read_audio(p, 16000, mono=True), read_sound])
def test_sound_that_is_stretched(tmp_path, monkeypatch, read):
    """A thousand samples at one a second are 16 million at 16 kHz."""
    with pytest.raises(VideoError, match="TALKBENCH_MAX_SAMPLE_RATE"):
        read(wav(tmp_path / "a.wav", 10**9))
    slow = wav(tmp_path / "b.wav", 1, samples=200)
    monkeypatch.setenv("TALKBENCH_MAX_SAMPLES", "1000000")
    with pytest.raises(VideoError, match="TALKBENCH_MAX_SAMPLES"):
        read(slow)
    monkeypatch.setenv("TALKBENCH_MAX_SAMPLES", "4000000")
    assert read(slow) is not None


def test_sound_that_is_long(tmp_path, monkeypatch):
    monkeypatch.setenv("TALKBENCH_MAX_SAMPLES", "999")
    with pytest.raises(VideoError, match="1,000 samples of sound"):
        read_audio(wav(tmp_path / "a.wav", 16000))


@pytest.mark.parametrize(
    "line",
    [
        "[" * 200_000,
        '{"id": "a", "speaker": "a", "seconds": 1e999, "fps": "25", "frames": 1, "width": 1, '
        '"height": 1, "pictures": [], "sound": "", "audio": "none", "sha256": ""}',
        '{"id": "a", "speaker": "a", "seconds": 1.0, "fps": "1e9999999999", "frames": 1, '
        '"width": 1, "height": 1, "pictures": [], "sound": "", "audio": "none", "sha256": ""}',
        '{"id": "a", "speaker": "a", "seconds": 1.0, "fps": "25", "frames": 1, "width": 1, '
        '"height": 1, "pictures": ["fffffffffffffffff"], "sound": "", "audio": "none", '
        '"sha256": ""}',
    ],
    ids=["deep", "infinite", "power", "wide"],
)
def test_lines_of_a_manifest_that_are_traps(tmp_path, line):
    path = tmp_path / "split.jsonl"
    path.write_text(f'{{"schema": "{SCHEMA}", "clips": 1, "hash": ""}}\n{line}\n')
    with pytest.raises(DatasetError, match="line 2"):
        read_split(path)


def test_long_lists_are_not_read(tmp_path, monkeypatch):
    monkeypatch.setenv("TALKBENCH_MAX_TEXT", "100")
    path = tmp_path / "contextdub.csv"
    path.write_text("id,speaker,video,audio\n" + "a,b,c.mp4,d.wav\n" * 10)
    with pytest.raises(DatasetError, match="TALKBENCH_MAX_TEXT"):
        CONTEXTDUB.samples(tmp_path)


@pytest.mark.parametrize("name", ["../private.mp4", "/private.mp4", "a/../../private.mp4"])
def test_a_list_of_finished_videos_stays_below_its_folder(tmp_path, name):
    h264(tmp_path / "private.mp4")
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "list.csv").write_text(f"id,file\na,{name}\n")
    with pytest.raises(DatasetError, match="inside the data folder"):
        FinishedVideos.read("theirs", folder / "list.csv")


@pytest.mark.parametrize("text", ["NaN", "1e999", "-Infinity", "[" * 100_000, '{"a": '])
def test_json_is_strict(text):
    with pytest.raises(ValueError, match=r"\w"):
        limits.parsed_json(text)


def test_streams_that_nobody_can_decode(tmp_path, write_clip):
    """What the fuzzer found: PyAV gives such a stream no width and no rate to ask for."""
    write_clip(tmp_path / "a.mp4", audio=True)
    whole = (tmp_path / "a.mp4").read_bytes()
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(whole.replace(b"avc1", b"zzzz"))
    with pytest.raises(VideoError, match="the codec of its video is unknown"):
        probe(clip)
    sound = wav(tmp_path / "a.wav", 16000)
    body = bytearray(sound.read_bytes())
    body[20:22] = b"\x77\x77"  # a format that nobody has registered
    sound.write_bytes(body)
    for read in (read_audio, read_sound):
        with pytest.raises(VideoError, match="the codec of its sound is unknown"):
            read(sound)


def test_names_longer_than_a_file_system_takes(tmp_path):
    (tmp_path / "list.csv").write_text(f"id,file\na,{'a' * 300}.mp4\n")
    with pytest.raises(DatasetError, match=r"line 2: 'a{100}\.\.\.' is no name"):
        FinishedVideos.read("theirs", tmp_path / "list.csv")


def test_numbers_that_overflow_are_no_values():
    """Their squares are summed; infinity would be written nowhere, and end the report."""
    row = {
        "suite": "s/1",
        "generator": "g",
        "sample": "a",
        "speaker": "a",
        "metric": "psnr",
        "metric_version": "1",
        "status": "ok",
        "frames": 1,
    }
    with pytest.raises(TypeError, match="value is 1e\\+308"):
        _checked(Record(**row, value=1e308))
    assert _checked(Record(**row, value=-1e90)).value == -1e90


def test_a_bomb_among_kept_tracks_is_made_again(tmp_path, monkeypatch):
    store = TrackStore(tmp_path)
    store.save("ab", "faces", "1", KeptTrack({"boxes": np.zeros((2, 4))}, 2))
    (path,) = tmp_path.rglob("*.npz")
    assert store.load("ab", "faces", "1") is not None
    with monkeypatch.context() as small:
        small.setattr("evaluation.store._PIECE", 64)  # shorter than its list of members
        assert store.load("ab", "faces", "1") is None
    whole = path.read_bytes()
    text = io.BytesIO()
    with zipfile.ZipFile(text, "w") as other, zipfile.ZipFile(path) as kept:
        other.writestr("boxes.npy", b"no array")
        other.writestr("__frames__.npy", kept.read("__frames__.npy"))
    odd = (whole.replace(b"NUMPY", b"NUMPX"), b"PK\5\6" + bytes(18), text.getvalue())
    for spoil in (whole[:-60], *odd):
        path.write_bytes(spoil)
        assert store.load("ab", "faces", "1") is None
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bomb:
        head = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            head, {"descr": "<f8", "fortran_order": False, "shape": (1 << 34,)}
        )
        bomb.writestr("boxes.npy", head.getvalue() + bytes(1 << 20))
        bomb.writestr("__frames__.npy", head.getvalue())
    assert store.load("ab", "faces", "1") is None


@pytest.mark.parametrize(
    "values", [np.zeros((2, 2)), np.zeros(3, complex), np.array(["x"]), np.array(1.0)]
)
def test_values_of_another_form_are_none(tmp_path, values):
    store = ValueStore(tmp_path)
    store.save("g", "a", "psnr", np.arange(3.0))
    (path,) = tmp_path.rglob("*.npz")
    assert store.load("g", "a", "psnr").tolist() == [0, 1, 2]
    np.savez(path, values=values)
    assert store.load("g", "a", "psnr") is None
    tracks = TrackStore(tmp_path)
    tracks.save("ab", "faces", "1", KeptTrack({"boxes": np.zeros((2, 4))}, 2))
    kept = tracks.path_of("ab", "faces", "1")
    np.savez(kept, boxes=np.zeros((2, 4)), __frames__=values)
    assert tracks.load("ab", "faces", "1") is None
