"""Clips as people have them: what a run says of each, record by record."""

from fractions import Fraction

import av
import numpy as np
import pytest

from evaluation.cli.run import plan_of
from evaluation.run import execute
from evaluation.video import FrameReader, read_audio

FRAMES = 12
LUMA = np.array([0.299, 0.587, 0.114])  # colour is stored at half size, so light is compared


def tone(step: float) -> np.ndarray:
    return (0.3 * np.sin(np.arange(FRAMES * 640) * step)).astype(np.float32)[None]


def write(
    path,
    pixels,
    *,
    pix_fmt="yuv420p",
    options=None,
    times=None,
    sounds=(0.1,),
    codec="libx264",
):
    """An MP4 by PyAV alone; ``times`` in frames of 1/25 s, ``sounds`` a tone for each stream."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as target:
        stream = target.add_stream(codec, rate=25, options=options or {})
        stream.height, stream.width = pixels.shape[1:3]
        stream.pix_fmt = pix_fmt
        stream.codec_context.time_base = Fraction(1, 25)
        audio = [target.add_stream("aac", rate=16000, layout="mono") for _ in sounds]
        for number, image in enumerate(pixels):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pix_fmt)
            frame.pts = times[number] if times else number
            frame.time_base = Fraction(1, 25)
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
        for track, step in zip(audio, sounds, strict=True):
            samples = tone(step)
            for start in range(0, samples.shape[1], 1024):
                part = np.ascontiguousarray(samples[:, start : start + 1024])
                frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="mono")
                frame.sample_rate, frame.pts = 16000, start
                target.mux(track.encode(frame))
            target.mux(track.encode(None))


@pytest.fixture
def pattern(write_clip, tmp_path):
    """Moving pixels, [12, 48, 64, 3]."""
    return write_clip(tmp_path / "pattern.mp4", frames=FRAMES)


@pytest.fixture
def scored(tmp_path):
    """Records of the folder suite by generator; the folder is ``data``."""

    def run(*generators):
        plan = plan_of("folder", generators, ("psnr",), tmp_path / "data")
        records = execute(plan, tmp_path / "run")
        return {(r.generator, r.sample): r for r in records}

    return run


def ok(records):
    return {(r.status, r.reason, r.frames) for r in records.values()} == {("ok", "", FRAMES)}


def test_the_first_of_several_sounds_is_the_clips(tmp_path, pattern, scored):
    write(tmp_path / "data" / "a.mp4", pattern, sounds=(0.1, 0.3))
    assert ok(scored("ground-truth", "still"))
    heard = read_audio(tmp_path / "run" / "videos" / "still" / "a.mp4").samples[1024:6000, 0]
    likeness = [abs(np.corrcoef(heard, tone(s)[0, 1024:6000])[0, 1]) for s in (0.1, 0.3)]
    assert likeness[0] > 0.99 > 0.1 > likeness[1]


def test_a_clip_without_sound_is_scored_and_only_sound_is_missing(tmp_path, pattern, scored):
    write(tmp_path / "data" / "a.mp4", pattern, sounds=())
    records = scored("ground-truth", "still", "swapped-audio")
    assert [r.status for r in records.values()] == ["ok", "ok", "failed"]
    assert "no clip of another speaker" in records["swapped-audio", "a"].reason


def test_odd_sizes_stay_odd(tmp_path, scored, write_clip):
    pixels = write_clip(tmp_path / "odd.mp4", frames=FRAMES, width=63, height=47)
    write(tmp_path / "data" / "a.mp4", pixels, pix_fmt="yuv444p")
    assert ok(scored("ground-truth", "still", "reencoded"))
    made = FrameReader(tmp_path / "run" / "videos" / "reencoded" / "a.mp4")
    assert made.info.size == "63x47"


def test_ten_bits_are_read_as_eight(tmp_path, pattern, scored):
    write(tmp_path / "data" / "a.mp4", pattern, pix_fmt="yuv420p10le", options={"crf": "1"})
    with av.open(str(tmp_path / "data" / "a.mp4")) as container:
        assert container.streams.video[0].pix_fmt == "yuv420p10le"
    assert ok(scored("ground-truth", "still"))
    read = np.concatenate(list(FrameReader(tmp_path / "data" / "a.mp4"))) @ LUMA
    assert np.abs(read - pattern @ LUMA).mean() < 6


def test_interlaced_frames_are_taken_as_stored(tmp_path, pattern, scored):
    """Both fields of a frame stay in it: nothing is deinterlaced in silence."""
    write(tmp_path / "data" / "a.mp4", pattern, options={"x264-params": "tff=1", "crf": "1"})
    with av.open(str(tmp_path / "data" / "a.mp4")) as container:
        assert next(container.decode(video=0)).interlaced_frame
    assert ok(scored("ground-truth", "still"))
    read = np.concatenate(list(FrameReader(tmp_path / "data" / "a.mp4"))) @ LUMA
    assert np.abs(read - pattern @ LUMA).mean() < 6


def test_a_variable_rate_keeps_every_frame(tmp_path, pattern, scored):
    """Frame k is held against frame k, whenever it is shown: none is repeated or left out."""
    times = [0, 1, 2, 3, 4, 5, 9, 13, 17, 21, 25, 29]
    write(tmp_path / "data" / "a.mp4", pattern, times=times)
    records = scored("ground-truth", "still")
    assert ok(records)
    assert (
        FrameReader(tmp_path / "data" / "a.mp4").info.fps
        == FrameReader(tmp_path / "run" / "videos" / "still" / "a.mp4").info.fps
    )


def test_a_turned_video_is_scored_upright(tmp_path, pattern, scored):
    path = tmp_path / "data" / "a.mp4"
    write(path, pattern)
    content, one, none = bytearray(path.read_bytes()), b"\0\1\0\0", bytes(4)
    matrix = content.find(one, content.find(b"tkhd") + 40)
    turned = (none, one, none, b"\xff\xff\0\0", *[none] * 4, b"\x40\0\0\0")
    content[matrix : matrix + 36] = b"".join(turned)
    path.write_bytes(content)
    records = scored("ground-truth", "still")
    assert ok(records)
    assert FrameReader(tmp_path / "run" / "videos" / "still" / "a.mp4").info.size == "48x64"


NAMES = ["-rf", "a;b $(touch x) `y` & c", "说话 ünï", "100% #1 'q' \"q\"", "a.b.mp4", "~x", "CON"]


def test_hostile_names_are_names(tmp_path, pattern, scored):
    for name in NAMES:
        write(tmp_path / "data" / f"{name}.mp4", pattern)
    records = scored("ground-truth", "still")
    assert {r.sample for r in records.values()} == set(NAMES)
    assert ok(records)
    assert not (tmp_path / "x").exists()
    made = list((tmp_path / "run" / "videos" / "still").glob("*.mp4"))
    assert len(made) == len(NAMES)
