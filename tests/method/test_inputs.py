"""Bad and odd input: it works, or says which file, what was expected and what to do."""

import subprocess
import sys
import wave
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from evaluation.generate import file_sha256
from evaluation.reading import Reading, Sampling, VideoFile
from evaluation.store import TrackStore
from evaluation.video import VideoError, read_audio
from evaluation.video_writer import Encoding, VideoWriter
from method import driving, pipeline
from method.driving import UndrivableError
from metrics.backbones.faces import FACE
from metrics.backbones.yunet import YUNET

pytestmark = [pytest.mark.assets, pytest.mark.usefixtures("few_references")]


@pytest.fixture
def wav(tmp_path):
    """Write samples [N, channels] as 16-bit PCM."""

    def write(name, samples, rate=16000):
        path = tmp_path / name
        with wave.open(str(path), "wb") as file:
            file.setnchannels(samples.shape[1])
            file.setsampwidth(2)
            file.setframerate(rate)
            file.writeframes((samples * 32767).astype("<i2").tobytes())
        return path

    return write


@pytest.fixture
def make(models, tmp_path, frames_of):
    """Generate and read back; whatever happens, nothing half-written stays."""

    def run(video, audio):
        out = tmp_path / "results" / "out.mp4"
        out.parent.mkdir(exist_ok=True)
        out.write_bytes(b"what was there before")
        try:
            face = pipeline.generate(models, video, audio, out)
        except Exception:
            assert [p.name for p in out.parent.iterdir()] == ["out.mp4"]
            assert out.read_bytes() == b"what was there before"
            raise
        assert [p.name for p in out.parent.iterdir()] == ["out.mp4"]
        return face, frames_of(out)

    return run


def inside(face, number, shape):
    """True where the face of a frame may have been painted over."""
    top, bottom, left, right = face.boxes[number]
    mask = np.zeros(shape, bool)
    mask[max(0, top - 12) : bottom + 12, max(0, left - 12) : right + 12] = True
    return mask


def jaw(face, number):
    """Rows and columns in the middle of what is painted over."""
    top, bottom, left, right = face.boxes[number]
    return slice((top + bottom) // 2, bottom - 25), slice(left + 25, right - 25)


class TestSound:
    def test_silence_is_sound(self, make, talker, wav, tmp_path):
        _, made = make(talker, wav("silence.wav", np.zeros((1920, 1))))
        assert len(made) == 3
        heard = read_audio(tmp_path / "results" / "out.mp4")
        assert heard is not None
        assert np.abs(heard.samples).max() < 1e-3

    @pytest.mark.parametrize(("samples", "frames"), [(1, 1), (1600, 2), (1920, 3)])
    def test_less_than_one_window_is_enough(self, samples, frames, make, talker, wav, tone):
        _, made = make(talker, wav("short.wav", tone(1)[:samples]))
        assert len(made) == frames

    def test_no_sound_is_an_error(self, make, talker, man, write, wav, tmp_path):
        mute = write(tmp_path / "mute.mp4", man)
        empty = wav("empty.wav", np.zeros((0, 1)))
        for video, audio in ((talker, mute), (mute, mute), (talker, empty)):
            with pytest.raises(UndrivableError, match=f"{audio.name}: no sound to drive with"):
                make(video, audio)

    @pytest.mark.parametrize(("channels", "rate"), [(6, 48000), (1, 44056), (2, 192000)])
    def test_sound_that_the_result_cannot_carry(self, channels, rate, make, talker, wav, tone):
        path = wav("odd.wav", np.repeat(tone(0.1), channels, axis=1), rate)
        with pytest.raises(UndrivableError, match=rf"{channels} channels at {rate} Hz.*-ac 2"):
            make(talker, path)


class TestPicture:
    @pytest.mark.parametrize("name", ["man.png", "man.jpg", "man_%d.png", "grey.png"])
    def test_a_still_image_is_a_video_of_one_frame(self, name, make, man, wav, tone, tmp_path):
        shown = man[0] if name != "grey.png" else np.repeat(man[0][..., 1:2], 3, axis=2)
        cv2.imwrite(str(tmp_path / name), shown[..., ::-1])
        face, made = make(tmp_path / name, wav("a.wav", tone(0.12)))
        assert (len(face), made.shape) == (1, (3, 144, 176, 3))
        outside = ~inside(face, 0, made.shape[1:3])
        assert np.abs(made.astype(int) - shown)[:, outside].mean() < 4
        assert np.abs(made.astype(int) - shown)[:, *jaw(face, 0)].mean() > 8

    def test_so_is_a_video_of_one_frame(self, make, man, write, wav, tone, tmp_path):
        face, made = make(write(tmp_path / "one.mp4", man[:1]), wav("a.wav", tone(0.12)))
        assert (len(face), len(made)) == (1, 3)

    def test_a_still_image_has_no_sound_of_its_own(self, make, man, tmp_path):
        cv2.imwrite(str(tmp_path / "man.png"), man[0][..., ::-1])
        with pytest.raises(UndrivableError, match=r"man\.png: no sound to drive with"):
            make(tmp_path / "man.png", tmp_path / "man.png")

    def test_odd_sizes_stay_as_they_are(self, make, man, write, tone, tmp_path):
        odd = cv2.copyMakeBorder(man[0], 0, 1, 0, 1, cv2.BORDER_REPLICATE)[None]
        face, made = make(write(tmp_path / "odd.mp4", odd, tone(0.04)), tmp_path / "odd.mp4")
        assert made.shape == (1, 145, 177, 3)
        outside = ~inside(face, 0, (145, 177))
        assert np.abs(made[0].astype(int) - odd[0])[outside].mean() < 4

    def test_a_face_at_the_edge_has_a_box_that_ends_there(self, make, man, write, tone, tmp_path):
        cut = np.ascontiguousarray(man[:1, :, 60:])  # through his ear
        face, made = make(write(tmp_path / "cut.mp4", cut, tone(0.04)), tmp_path / "cut.mp4")
        assert face.boxes[0, 2] == 0
        assert made.shape == cut.shape
        assert face.landmarks.min() < 0.15

    def test_a_tiny_face_is_driven_or_not_seen(self, make, man, write, wav, tone, tmp_path):
        sound = wav("a.wav", tone(0.04))
        for width, seen in ((56, True), (24, False)):
            small = np.full((1, 240, 320, 3), 90, np.uint8)
            size = (width, round(width * 144 / 176))
            small[0, 100 : 100 + size[1], 100 : 100 + size[0]] = cv2.resize(
                man[0], size, interpolation=cv2.INTER_AREA
            )
            clip = write(tmp_path / f"{width}.mp4", small)
            if seen:
                face, made = make(clip, sound)
                assert face.size(0) < (80, 80)
                assert len(made) == 1
            else:
                with pytest.raises(UndrivableError, match=r"24\.mp4: no face in any of 1 frames"):
                    make(clip, sound)

    def test_a_large_face_is_found_where_a_small_one_is(self, man, write, tmp_path):
        """The detector alone reads a face of 700 px short of its jaw."""
        near = driving.read_driving(write(tmp_path / "a.mp4", man[:1]))
        large = cv2.resize(man[0], None, fx=14, fy=14, interpolation=cv2.INTER_CUBIC)[None]
        face = driving.read_driving(write(tmp_path / "b.mp4", large))
        margin = driving.MARGIN * np.array([1, -1, 1, -1])
        cut = (face.boxes[0] + margin) / 14 - (near.boxes[0] + margin)
        assert np.abs(cut).max() < 2.5

    def test_a_huge_frame_is_read_in_bounded_memory(self, man, tmp_path):
        """4320x7680 in a process of its own; at full size the detector alone took 3.7 GB."""
        huge = tmp_path / "huge.mp4"
        tall = cv2.resize(man[0], (4320, 3535), interpolation=cv2.INTER_CUBIC)
        tall = np.pad(tall, ((2000, 2145), (0, 0), (0, 0)))[None]
        coarse = Encoding(crf=30)
        with VideoWriter(huge, width=4320, height=7680, fps=Fraction(25), encoding=coarse) as file:
            file.add(tall)
        script = (
            "import re, sys; from pathlib import Path; from method import driving\n"
            "face = driving.read_driving(Path(sys.argv[1]))\n"
            # Its own peak: getrusage also counts the process that it was forked from.
            "peak = re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())\n"
            "print(*face.size(0), int(peak[1]) // 1024)"
        )
        done = subprocess.run(
            [sys.executable, "-c", script, huge],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parents[2],
        )
        height, width, megabytes = map(int, done.stdout.split())
        assert min(height, width) > 1000
        assert megabytes < 1800

    def test_a_cut_or_wrong_file_says_so(self, make, talker, tmp_path):
        whole = talker.read_bytes()
        (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
        (tmp_path / "text.mp4").write_text("hello")
        for name, words in (
            ("cut.mp4", r"cut\.mp4: ends after \d of 4 frames"),
            ("text.mp4", r"text\.mp4: not a readable video"),
            ("absent.mp4", r"absent\.mp4: No such file"),
        ):
            with pytest.raises(VideoError, match=words):
                make(tmp_path / name, talker)
            if name != "cut.mp4":
                with pytest.raises(VideoError, match=words):
                    make(talker, tmp_path / name)


def test_an_end_in_the_middle_leaves_what_was_there(models, talker, tmp_path):
    out = tmp_path / "results" / "out.mp4"
    out.parent.mkdir()
    out.write_bytes(b"what was there before")

    def stop(done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pipeline.generate(models, talker, talker, out, stop)
    assert [p.name for p in out.parent.iterdir()] == ["out.mp4"]
    assert out.read_bytes() == b"what was there before"


@pytest.mark.data
def test_of_two_people_the_clips_own_is_driven(data, make, decode, asset, wav, tone, tmp_path):
    """Two men at a lectern: the one with the larger face speaks, and nothing else changes."""
    clip = data / "clips" / "pliers_obama_speech.mp4"
    reading = Reading(
        VideoFile(clip, file_sha256(clip)), "x", Sampling(1, 25), [FACE], TrackStore(tmp_path)
    )
    reading.read_alone()
    slots, faces = reading.tracks[FACE.id]["slots"], reading.tracks[YUNET.id]["faces"]
    face, made = make(clip, wav("a.wav", tone(0.12)))
    top, bottom, left, right = face.boxes[1]
    x, y, w, h = faces[1, slots[1], :4]
    assert 170 < x < 185  # the man at the lectern; the other's face begins at 67
    assert left < x + w / 2 < right
    assert top < y + h / 2 < bottom
    others = [f for i, f in enumerate(faces[1, :, :4]) if i != slots[1] and np.isfinite(f[0])]
    assert others
    given = decode(clip, limit=1)[0].astype(int)
    for x, y, w, h in np.array(others).round().astype(int):
        assert not (left < x + w / 2 < right)
        change = np.abs(made[0] - given)[y : y + h, x : x + w]
        assert change.mean() < 6
    assert np.abs(made[0] - given)[jaw(face, 0)].mean() > 10
