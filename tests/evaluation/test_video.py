"""Videos: every frame once, exact, upright, and clear words about damaged files."""

import re
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from evaluation.video import Audio, FrameReader, VideoError, has_audio, probe, read_audio
from evaluation.video_writer import LOSSLESS, Encoding, VideoWriter


def read(path: Path, **options) -> np.ndarray:
    return np.concatenate(list(FrameReader(path, **options)))


@pytest.mark.assets
@pytest.mark.parametrize(
    ("name", "frames", "fps", "audible"),
    [
        ("clip-singer", 132, Fraction(25), True),
        ("clip-speaker", 105, Fraction(12), True),
        ("clip-carphone", 120, Fraction(30000, 1001), False),
    ],
)
def test_real_clips_decode_as_opencv_does(asset, decode, name, frames, fps, audible):
    path = asset(name)
    reader = FrameReader(path)
    ours = np.concatenate(list(reader))
    assert reader.frames == frames
    assert np.array_equal(ours, decode(path))
    assert reader.info.fps == fps
    assert reader.info.has_audio is audible is has_audio(path)
    assert (read_audio(path) is not None) is audible


@pytest.mark.data
def test_every_shared_clip_decodes_as_opencv_does(data, decode):
    paths = sorted((data / "clips").glob("*.m*"))[:8]
    assert paths
    for path in paths:
        assert np.array_equal(read(path, every=7)[:4], decode(path, every=7, limit=4)), path.name


def test_every_nth_frame_and_the_exact_count(tmp_path, write_clip):
    pixels = write_clip(tmp_path / "a.mp4", frames=23)
    reader = FrameReader(tmp_path / "a.mp4", every=5)
    assert np.array_equal(np.concatenate(list(reader)), pixels[::5])
    assert reader.frames == 23


@pytest.mark.parametrize("piece", [1, 4, 23, 100])
def test_pieces_do_not_change_the_frames(tmp_path, write_clip, piece):
    pixels = write_clip(tmp_path / "a.mp4", frames=23)
    pieces = list(FrameReader(tmp_path / "a.mp4", piece=piece))
    assert max(map(len, pieces)) <= piece
    assert np.array_equal(np.concatenate(pieces), pixels)


def test_lossless_writing_keeps_pixels_samples_and_rate(tmp_path):
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (7, 50, 34, 3), dtype=np.uint8)
    samples = (rng.integers(-30000, 30000, (5000, 2)) / 32768).astype(np.float32)
    fps = Fraction(30000, 1001)
    path = tmp_path / "a.mp4"
    with VideoWriter(path, width=34, height=50, fps=fps, audio=Audio(samples, 44100)) as writer:
        writer.add(pixels)
    assert np.array_equal(read(path), pixels)
    assert probe(path).fps == fps
    heard = read_audio(path)
    assert heard is not None
    assert heard.rate == 44100
    assert np.array_equal(heard.samples, samples)


@pytest.mark.parametrize(("width", "height"), [(64, 48), (63, 47)])
def test_h264_with_aac_keeps_size_length_and_sound(tmp_path, write_clip, width, height):
    path = tmp_path / "a.mp4"
    pixels = write_clip(path, width=width, height=height, frames=30, encoding=Encoding(crf=20))
    back = read(path)
    assert back.shape == pixels.shape
    assert np.abs(back.astype(int) - pixels).mean() < 6
    heard = read_audio(path, 8000, mono=True)
    assert heard is not None
    assert heard.samples.shape[1] == 1
    assert len(heard.samples) / 8000 == pytest.approx(30 / 25, abs=0.07)


def test_rotated_video_comes_out_upright(tmp_path, write_clip, decode):
    """A phone's video carries a display matrix; OpenCV obeys it too."""
    pixels = write_clip(tmp_path / "a.mp4", audio=False)
    turned = bytearray((tmp_path / "a.mp4").read_bytes())
    header = turned.find(b"tkhd")
    identity = turned.find((0x10000).to_bytes(4, "big"), header + 40)
    one, zero = (0x10000).to_bytes(4, "big"), bytes(4)
    minus = (-0x10000 & 0xFFFFFFFF).to_bytes(4, "big")
    matrix = zero + one + zero + minus + zero + zero + zero + zero + (0x40000000).to_bytes(4, "big")
    turned[identity : identity + 36] = matrix
    path = tmp_path / "turned.mp4"
    path.write_bytes(turned)
    info, ours = probe(path), read(path)
    assert (info.width, info.height) == (48, 64)
    assert ours.shape == (len(pixels), 64, 48, 3)
    assert np.array_equal(ours, decode(path))
    assert np.array_equal(ours[0], np.rot90(pixels[0], k=-1))


@pytest.mark.parametrize("full", [False, True])
def test_colour_range_is_obeyed(tmp_path, full):
    """The same grey ramp, stored in limited and in full range, decodes to the same greys."""
    ramp = np.tile(np.linspace(0, 255, 64).astype(np.uint8)[None, :, None], (48, 1, 3))
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height = 64, 48
        stream.pix_fmt = "yuvj444p" if full else "yuv444p"
        stream.options = {"qp": "0"}
        frame = av.VideoFrame.from_ndarray(ramp, format="rgb24")
        container.mux(stream.encode(frame.reformat(format=stream.pix_fmt)))
        container.mux(stream.encode(None))
    assert np.abs(read(path)[0].astype(int) - ramp).max() <= 2


def test_audio_that_starts_late_is_preceded_by_silence(tmp_path, write_clip):
    write_clip(tmp_path / "a.mp4", frames=25)
    late = tmp_path / "late.mkv"
    with av.open(str(tmp_path / "a.mp4")) as source, av.open(str(late), "w") as target:
        streams = {s.index: target.add_stream_from_template(s) for s in source.streams}
        for packet in source.demux():
            if packet.dts is None:
                continue
            if packet.stream.type == "audio":
                delay = int(Fraction(1, 4) / packet.time_base)
                packet.pts += delay
                packet.dts += delay
            packet.stream = streams[packet.stream.index]
            target.mux(packet)
    before, after = read_audio(tmp_path / "a.mp4"), read_audio(late)
    assert before is not None
    assert after is not None
    assert np.abs(after.samples[:4000]).max() == 0
    assert np.array_equal(after.samples[4000:8000], before.samples[:4000])


def test_a_failed_write_leaves_nothing(tmp_path):
    def interrupted() -> None:
        with VideoWriter(tmp_path / "a.mp4", width=32, height=32, fps=Fraction(25)) as writer:
            writer.add(np.zeros((2, 32, 32, 3), np.uint8))
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def cut(path: Path, share: float) -> Path:
    content = path.read_bytes()
    out = path.with_name(f"cut-{path.name}")
    out.write_bytes(content[: int(len(content) * share)])
    return out


@pytest.mark.assets
def test_a_truncated_video_says_where_it_ends(asset, tmp_path, write_clip):
    write_clip(tmp_path / "fast.mp4", frames=100, audio=False)  # written with its index in front
    with pytest.raises(VideoError, match=r"ends after \d+ of 100 frames|damaged at frame \d+ of"):
        read(cut(tmp_path / "fast.mp4", 0.6))
    tail = tmp_path / "tail.mp4"
    tail.write_bytes(asset("clip-speaker").read_bytes()[:100_000])
    with pytest.raises(VideoError, match=r"tail\.mp4"):
        read(tail)


def test_concealed_damage_is_damage(tmp_path, write_clip):
    """Where a decoder would paint over what it lost and only flag the frame, the clip fails."""
    write_clip(tmp_path / "a.mp4", frames=60, audio=False, encoding=Encoding(20))
    sound = (tmp_path / "a.mp4").read_bytes()
    media = sound.index(b"mdat") + 8
    flagged, refused = 0, []
    for start in range(media, len(sound) - 16, 97):
        content = bytearray(sound)
        content[start : start + 12] = bytes(b ^ 255 for b in content[start : start + 12])
        path = tmp_path / "bad.mp4"
        path.write_bytes(content)
        try:
            with av.open(str(path)) as container:
                container.streams.video[0].thread_type = "NONE"
                concealed = [f.is_corrupt for f in container.decode(video=0)]
        except ValueError:
            continue  # it gave up by itself
        if any(concealed):
            flagged += 1
            try:
                read(path)
            except VideoError as error:
                refused.append(str(error))
                with pytest.raises(VideoError, match=re.escape(str(error))):
                    read(path)  # threads or not, always the same frame
    assert len(refused) == flagged > 20
    words = r"bad\.mp4: (damaged at frame \d+|ends after \d+) of 60"
    assert all(re.search(words, text) for text in refused)


def test_a_cut_file_without_a_frame_count_is_found_by_its_duration(tmp_path, write_clip):
    write_clip(tmp_path / "a.mp4", frames=100, audio=False)
    with (
        av.open(str(tmp_path / "a.mp4")) as source,
        av.open(str(tmp_path / "a.mkv"), "w") as target,
    ):
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    assert len(read(tmp_path / "a.mkv")) == 100
    with pytest.raises(VideoError, match=r"ends after \d+ of 100 frames|damaged at frame"):
        read(cut(tmp_path / "a.mkv", 0.6))


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "the file is empty"), (b"not a video at all\n" * 50, "not a readable video")],
)
def test_files_that_are_no_videos(tmp_path, content, words):
    path = tmp_path / "text.mp4"
    path.write_bytes(content)
    with pytest.raises(VideoError, match=words) as caught:
        probe(path)
    assert "text.mp4" in str(caught.value)
    assert has_audio(path) is False


def test_a_sound_file_has_no_video(data):
    with pytest.raises(VideoError, match="no video stream"):
        probe(data / "wav" / "jfk.wav")


def test_a_missing_file(tmp_path):
    with pytest.raises(VideoError, match="No such file"):
        probe(tmp_path / "nothing.mp4")


def test_frames_hidden_by_an_edit_list_are_not_lost(tmp_path, write_clip, decode):
    """A stream copy cut off a key frame keeps earlier frames in the file and hides them."""
    pixels = write_clip(tmp_path / "a.mp4", frames=40, audio=False)
    content = bytearray((tmp_path / "a.mp4").read_bytes())
    entry = content.index(b"elst") + 12  # version and count, then duration, media time, rate
    stream = av.open(str(tmp_path / "a.mp4")).streams.video[0]
    hidden = int(10 / 25 / stream.time_base)
    begin = int.from_bytes(content[entry + 4 : entry + 8], "big")
    content[entry + 4 : entry + 8] = (begin + hidden).to_bytes(4, "big")
    path = tmp_path / "cut.mp4"
    path.write_bytes(content)
    ours = read(path)
    assert probe(path).declared_frames == 40
    assert np.array_equal(ours, pixels[10:])
    assert np.array_equal(ours, decode(path))


def test_memory_does_not_grow_with_length(tmp_path, write_clip):
    """Ten times the frames, the same largest piece."""
    largest = []
    for frames in (40, 400):
        path = tmp_path / f"{frames}.mp4"
        write_clip(path, frames=frames, audio=False)
        largest.append(max(p.nbytes for p in FrameReader(path, piece=8)))
    assert largest[0] == largest[1]


@pytest.mark.parametrize("encoding", [LOSSLESS, Encoding(35)])
def test_writing_twice_gives_the_same_bytes(tmp_path, write_clip, encoding):
    """Also while the machine is busy: four at once."""
    paths = [tmp_path / f"{i}.mp4" for i in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(
            pool.map(
                lambda p: write_clip(p, width=320, height=240, frames=40, encoding=encoding), paths
            )
        )
    assert len({p.read_bytes() for p in paths}) == 1


def test_encoding_says_whether_it_is_lossless():
    assert LOSSLESS.lossless
    assert not Encoding(35).lossless
