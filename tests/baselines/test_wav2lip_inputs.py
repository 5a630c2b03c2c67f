"""What Wav2Lip's network hears and is shown, and what becomes of its answer."""

import numpy as np
import pytest

from baselines.wav2lip import pictures
from baselines.wav2lip.hearing import Hearing
from evaluation.video import Audio, read_audio
from method import mel


def tone(seconds):
    return np.sin(np.arange(round(seconds * 16000)) / 9).astype(np.float32)[:, None] * 0.3


class TestHearing:
    """The official numbers are those of the loop in inference.py @ 5c90fa9."""

    @pytest.mark.data
    def test_windows_are_those_of_iplap_where_they_are_whole(self, data):
        recorded = np.load(data / "golden" / "iplap_mel.npz")
        sound = read_audio(data / "wav" / "jfk.wav", mel.RATE, mono=True)
        hearing, heard = Hearing(sound, 25), recorded["mel"]
        starts = recorded["chunk_starts"].tolist()
        assert hearing.official == len(starts) + 1
        for i, start in enumerate([*starts, heard.shape[1] - 16]):
            expected = heard[:, start : start + 16]
            np.testing.assert_allclose(hearing.at(i), expected, atol=1e-5, rtol=0)

    @pytest.mark.parametrize(
        ("columns", "fps", "windows"),
        [
            (881, 25, 272),
            (801, 30, 296),
            (801, 30000 / 1001, 296),
            (241, 12, 35),
            (100, 60, 65),
            (16, 25, 2),
            (17, 25, 2),
        ],
    )
    def test_there_are_as_many_as_in_the_official_script(self, columns, fps, windows):
        sound = Audio(tone(1)[:1].repeat((columns - 1) * 200, axis=0), 16000)
        assert Hearing(sound, fps).official == windows

    def test_the_last_is_taken_from_the_end_and_silence_follows(self):
        sound = Audio(np.random.default_rng(0).normal(0, 0.1, (16000, 1)).astype(np.float32), 16000)
        heard = mel.mel_spectrogram(sound.samples[:, 0]).astype(np.float32)  # 81 columns
        hearing = Hearing(sound, 25)
        assert hearing.official == 22
        assert np.array_equal(hearing.at(20), heard[:, 64:80])
        assert np.array_equal(hearing.at(21), heard[:, 65:81])
        assert np.array_equal(hearing.at(22)[:, :11], heard[:, 70:81])
        assert (hearing.at(22)[:, 11:] == mel.SILENCE).all()
        assert (hearing.at(99) == mel.SILENCE).all()


class TestPictures:
    def test_the_half_to_paint_is_black_and_the_face_to_copy_from_is_whole(self):
        seen = np.random.default_rng(0).integers(0, 256, (2, 96, 96, 3), dtype=np.uint8)
        other = seen.copy()
        other[:, 48:] = 255 - other[:, 48:]
        a, b = pictures.shown(seen), pictures.shown(other)
        assert a.shape == (2, 6, 96, 96)
        assert a.dtype == np.float32
        assert (a[:, :3, 48:] == 0).all()
        assert np.array_equal(a[:, :3], b[:, :3])  # what is below the middle is not looked at
        assert np.array_equal(a[:, 3:], np.float32(seen.transpose(0, 3, 1, 2) / 255))
        assert np.array_equal(a[:, :3, :48], a[:, 3:, :48])

    def test_blue_comes_first(self):
        frame = np.zeros((20, 20, 3), np.uint8)
        frame[..., 2] = 200
        face = pictures.cut_face(frame, np.array([2, 12, 2, 18]))
        assert face.shape == (96, 96, 3)
        assert face[5, 5].tolist() == [200, 0, 0]

    def test_the_whole_box_is_put_back_and_nothing_else(self):
        frame = np.full((50, 60, 3), 7, np.uint8)
        face = np.zeros((3, 96, 96), np.float32)
        face[0] = 0.999  # blue, 254.7
        pasted = pictures.paste(frame, face, np.array([5, 45, 10, 40]))
        assert (frame == 7).all()
        assert (pasted[5:45, 10:40] == [0, 0, 254]).all()
        pasted[5:45, 10:40] = 7
        assert np.array_equal(pasted, frame)
