"""Intervals of a video: no frame before, none after, and the sound that goes with them."""

import shutil
from fractions import Fraction

import av
import numpy as np
import pytest

from evaluation.span import Span, SpanReader, read_span_audio
from evaluation.submission import alike
from evaluation.video import FrameReader, VideoError

NTSC = Fraction(30000, 1001)
X, Y, SIDE = 40, 24, 64


@pytest.fixture
def numbers(films):
    """The numbers burnt into the frames of an interval."""

    def read(path, begin, end, fps=25):
        reader = SpanReader(path, Span(begin, end), fps)
        shown = [films.number_in(f[Y : Y + SIDE, X : X + SIDE]) for f in reader]
        return shown, reader.notes

    return read


@pytest.mark.parametrize("ending", ["mp4", "mkv", "webm"])
@pytest.mark.parametrize(("begin", "end"), [(0, 1), (1, 3), (5, 8), (7, 8)])
def test_a_cut_at_the_files_own_rate_is_exact(tmp_path, films, numbers, ending, begin, end):
    path = tmp_path / f"a.{ending}"
    films.film(path, films.even(25, 8))
    assert numbers(path, begin, end) == (list(range(begin * 25, end * 25)), [])


@pytest.mark.parametrize("fps", [NTSC, 24, 30, 50, 60])
def test_another_rate_is_cut_first_and_made_steady_then(tmp_path, films, numbers, fps):
    """The interval's own frames, by the rule that a file of just these frames is read with."""
    films.film(tmp_path / "a.mkv", films.even(fps, 9))
    times = films.even(fps, 9)
    inside = [n for n, t in enumerate(times) if 5 <= round(t * 1000) / 1000 < 8]
    shown, notes = numbers(tmp_path / "a.mkv", 5, 8)
    assert len(shown) == 75
    assert not notes
    assert shown[0] == inside[0]
    assert set(shown) <= set(inside)
    # Its sound keeps that file's clock where the first frame is late.
    films.film(tmp_path / "b.mkv", [times[n] - 5 for n in inside], sound=films.noise(3))
    alone = np.concatenate(list(FrameReader(tmp_path / "b.mkv", fps=25)))
    expected = [films.number_in(f[Y : Y + SIDE, X : X + SIDE]) + inside[0] for f in alone]
    common = min(len(expected), 75)
    assert shown[:common] == expected[:common]
    assert common >= 73


def test_a_variable_rate_follows_the_files_own_times(tmp_path, films, numbers):
    """12 frames a second, then 50, then a frame that stays for almost a second."""
    slow = [Fraction(n, 12) for n in range(12 * 4)]
    fast = [4 + Fraction(n, 50) for n in range(50 * 2)]
    films.film(tmp_path / "a.mkv", [*slow, *fast, Fraction(69, 10), Fraction(7), Fraction(8)])
    shown, notes = numbers(tmp_path / "a.mkv", 3, 7)
    times = [*slow, *fast, Fraction(69, 10), Fraction(7)]
    assert len(shown) == 100
    for number, frame in enumerate(shown):
        assert abs(float(times[frame]) - 3 - number / 25) < 0.98  # the held frame
        if number < 70:
            assert abs(float(times[frame]) - 3 - number / 25) < 0.13
    assert notes == ["no new frame for 0.9 s"]


def test_a_video_that_ends_inside_the_interval_is_told_and_not_cut_short(tmp_path, films, numbers):
    films.film(tmp_path / "a.mp4", films.even(25, 5))
    assert len(numbers(tmp_path / "a.mp4", 4, 5)[0]) == 25
    with pytest.raises(VideoError, match=r"a\.mp4: ends at 5\.00 s.*interval 4-6 s"):
        numbers(tmp_path / "a.mp4", 4, 6)
    with pytest.raises(VideoError, match=r"ends at 0\.00 s|ends at \d"):
        numbers(tmp_path / "a.mp4", 30, 31)


def test_times_that_run_backwards_are_told(tmp_path, films, numbers):
    """AVI has no times for frames that are stored in another order than they are shown in."""
    films.film(tmp_path / "a.avi", films.even(25, 3))
    with pytest.raises(VideoError, match="times run backwards"):
        numbers(tmp_path / "a.avi", 1, 2)


def test_a_damaged_stretch_inside_is_told_and_outside_is_not(tmp_path, films, numbers):
    films.film(tmp_path / "a.mkv", films.even(25, 20), gop=25)
    whole = (tmp_path / "a.mkv").read_bytes()
    hole = len(whole) // 2  # near 10 s
    (tmp_path / "b.mkv").write_bytes(whole[:hole] + bytes(2000) + whole[hole + 2000 :])
    with pytest.raises(VideoError, match=r"b\.mkv: (damaged|ends)"):
        numbers(tmp_path / "b.mkv", 8, 12)
    assert numbers(tmp_path / "b.mkv", 17, 19)[0] == list(range(17 * 25, 19 * 25))
    assert numbers(tmp_path / "b.mkv", 1, 3)[0] == list(range(25, 75))


@pytest.mark.parametrize("begin", [0, 1, 6])
def test_the_sound_is_that_of_the_interval_to_the_sample(tmp_path, films, begin):
    sound = films.noise(9)
    films.film(tmp_path / "a.mkv", films.even(25, 9), sound=sound)
    heard, notes = read_span_audio(tmp_path / "a.mkv", Span(begin, begin + 2))
    assert heard.rate == 16000
    # Matroska says in ms when a block begins, and the first of 64 ms is where reading begins.
    own = sound[begin * 16000 : (begin + 2) * 16000]
    assert heard.samples.shape == own.shape
    likeness, lag = alike(heard.samples[:, 0], own[:, 0])
    assert likeness > 0.99
    assert abs(lag) <= 0.0005
    assert notes == []


def test_late_sound_stays_late_and_what_is_silent_is_told(tmp_path, films):
    sound = films.noise(3)
    films.film(tmp_path / "a.mkv", films.even(25, 9), sound=sound, sound_from=3.5)
    heard, notes = read_span_audio(tmp_path / "a.mkv", Span(2, 8))
    assert len(heard.samples) == 6 * 16000
    assert not heard.samples[: int(1.49 * 16000)].any()
    likeness, lag = alike(heard.samples[:, 0], sound[:, 0])
    assert likeness > 0.9
    assert lag == pytest.approx(1.5, abs=0.002)
    assert notes == ["no sound for 3.0 s of the interval; silent there"]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"sar": Fraction(4, 3)}, ["pixels are 4:3, not square, and are taken as they are stored"]),
        ({"pixels": "yuv420p10le"}, ["10 bits a sample become 8"]),
        (
            {"pixels": "yuv420p10le", "color_trc": 16},
            ["HDR (PQ), and no tone mapping is done", "10 bits a sample become 8"],
        ),
        ({"color_trc": 18}, ["HDR (HLG), and no tone mapping is done"]),
        ({"sar": Fraction(1)}, []),
    ],
)
def test_pixels_that_are_not_what_they_seem_are_told(tmp_path, films, numbers, told, expected):
    films.film(tmp_path / "a.mp4", films.even(25, 2), **told)
    assert numbers(tmp_path / "a.mp4", 0, 1) == (list(range(25)), expected)


def test_a_mute_file_and_a_mute_interval_are_told(tmp_path, films):
    films.film(tmp_path / "mute.mkv", films.even(25, 4))
    with pytest.raises(VideoError, match=r"mute\.mkv: has no sound; was only the picture"):
        read_span_audio(tmp_path / "mute.mkv", Span(0, 2))
    films.film(tmp_path / "short.mkv", films.even(25, 9), sound=films.noise(2))
    with pytest.raises(VideoError, match="no sound in the interval 6-8 s"):
        read_span_audio(tmp_path / "short.mkv", Span(6, 8))


def test_six_channels_become_two_and_the_first_of_two_streams_is_taken(tmp_path, films):
    films.film(tmp_path / "a.mkv", films.even(25, 4), sound=films.noise(4).repeat(6, axis=1))
    heard, notes = read_span_audio(tmp_path / "a.mkv", Span(1, 3))
    assert heard.samples.shape == (32000, 2)
    assert notes == ["6 audio channels mixed down to two"]
    films.film(tmp_path / "b.mkv", films.even(25, 4), sound=films.noise(4))
    films.film(tmp_path / "c.mkv", films.even(25, 4), sound=films.noise(4, seed=1))
    both = tmp_path / "both.mkv"
    with (
        av.open(str(tmp_path / "b.mkv")) as first,
        av.open(str(tmp_path / "c.mkv")) as second,
        av.open(str(both), "w") as target,
    ):
        streams = [*first.streams, *second.streams.audio]
        copies = [target.add_stream_from_template(s) for s in streams]
        for source, chosen in ((first, first.streams), (second, second.streams.audio)):
            for packet in source.demux(*chosen):
                if packet.dts is not None:
                    packet.stream = copies[streams.index(packet.stream)]
                    target.mux(packet)
    heard, notes = read_span_audio(both, Span(1, 3))
    assert alike(heard.samples[:, 0], films.noise(4)[16000:48000, 0])[0] > 0.95
    assert notes == ["2 audio streams; the first is taken"]


def test_a_container_without_a_way_in_is_read_from_its_start(tmp_path, films, numbers):
    """A bare H.264 stream has no times to seek by."""
    films.film(tmp_path / "a.mp4", films.even(25, 8))
    with (
        av.open(str(tmp_path / "a.mp4")) as source,
        av.open(str(tmp_path / "a.h264"), "w") as target,
    ):
        copy = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = copy
                target.mux(packet)
    shutil.copy(tmp_path / "a.h264", tmp_path / "a.mpg")
    assert numbers(tmp_path / "a.mpg", 5, 7)[0] == list(range(125, 175))
