"""IP-LAP from a video and a sound to a video; the networks have untrained weights."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from evaluation.video import probe, read_audio
from method import choices, driving, load_renderer, pipeline
from method.driving import UndrivableError
from method.pasting import paste
from method.pipeline import Settings

pytestmark = pytest.mark.usefixtures("few_references")
COMPAT = Settings(compat=True, mesh="plain")


@pytest.fixture
def sound(write, tone, tmp_path):
    """A file with a tone and a black picture."""
    return lambda seconds: write(
        tmp_path / f"{seconds}.mp4", np.zeros((1, 16, 16, 3), np.uint8), tone(seconds)
    )


@pytest.mark.assets
class TestGenerate:
    def test_a_video_that_drives_itself_keeps_its_frames(self, models, talker, frames_of, tmp_path):
        told = []
        pipeline.generate(models, talker, talker, tmp_path / "out.mp4", lambda *at: told.append(at))
        made, given = frames_of(tmp_path / "out.mp4"), frames_of(talker)
        assert made.shape == given.shape
        assert probe(tmp_path / "out.mp4").fps == 25
        assert told == [(i, 4) for i in range(1, 5)]
        heard = read_audio(tmp_path / "out.mp4", 16000, mono=True)
        assert len(heard.samples) == pytest.approx(0.16 * 16000, abs=1100)  # AAC's frames
        face = driving.read_driving(talker)
        top, bottom, left, right = face.boxes[3]
        outside = np.ones(made.shape[1:3], bool)
        outside[max(0, top - 12) : bottom + 12, max(0, left - 12) : right + 12] = False
        change = np.abs(made.astype(int) - given).mean(axis=3)[3]
        assert change[outside].mean() < 3  # the codec's alone
        assert change[(top + bottom) // 2 : bottom - 25, left + 25 : right - 25].mean() > 10

    def test_longer_sound_plays_the_video_there_and_back(
        self, models, talker, sound, frames_of, tmp_path
    ):
        pipeline.generate(models, talker, sound(6 / 25), tmp_path / "out.mp4")
        made, given = frames_of(tmp_path / "out.mp4"), frames_of(talker)
        assert len(made) == 6
        corner = np.abs(made[:, :20, :20].astype(int) - given[choices.driven(4, 6)][:, :20, :20])
        assert corner.mean() < 4


@pytest.mark.assets
class TestCompat:
    def test_frames_are_those_of_the_official_script(
        self, models, talker, sound, frames_of, tmp_path, monkeypatch
    ):
        """12 frames of sound hold 8 whole windows: the first result thrice, and five more."""
        monkeypatch.setattr(pipeline, "_ENCODING", pipeline.Encoding(crf=None))
        told = []
        heard = sound(12 / 25)
        pipeline.generate(
            models, talker, heard, tmp_path / "out.mp4", lambda *at: told.append(at), COMPAT
        )
        made = frames_of(tmp_path / "out.mp4")
        assert told == [(i, 8) for i in (3, 4, 5, 6, 7, 8)]
        assert len(made) == 8
        assert (made[0] == made[1]).all()
        assert (made[0] == made[2]).all()
        order = [2, 2, *choices.driven(4, 8)[2:]]
        given = frames_of(talker)[order]
        assert (made[:, :8, :8] == given[:, :8, :8]).all()
        # From the third frame on it is our own video, as far as it goes.
        pipeline.generate(
            models, talker, heard, tmp_path / "own.mp4", settings=Settings(mesh="plain")
        )
        own = frames_of(tmp_path / "own.mp4")
        assert len(own) == 12
        np.testing.assert_array_equal(made[2:], own[2:8])

    def test_a_frame_without_a_face_ends_it(self, models, man, write, tone, tmp_path):
        frames = np.concatenate([man] * 3)
        frames[7] = 0
        gap = write(tmp_path / "gap.mp4", frames, tone(12 / 25))
        with pytest.raises(UndrivableError, match=r"gap\.mp4: no face in 1 of 12 frames \(first"):
            pipeline.generate(models, gap, gap, tmp_path / "out.mp4", settings=COMPAT)
        assert not (tmp_path / "out.mp4").exists()
        face = pipeline.generate(models, gap, gap, tmp_path / "out.mp4")
        assert face.lost == 1

    def test_where_the_script_fails_it_fails(self, models, talker, sound, tmp_path):
        for seconds, words in (
            (0.2, r"whole windows of 0\.2 s in the sound: 1; of fewer than 3"),
            (
                11 / 25,
                "IndexError on 4 frames of video and 7 windows of sound: it looks for frame 9",
            ),
        ):
            with pytest.raises(UndrivableError, match=words) as caught:
                pipeline.generate(
                    models, talker, sound(seconds), tmp_path / "out.mp4", settings=COMPAT
                )
            assert str(caught.value).endswith("leave compat off")
        assert list(tmp_path.glob("*out*")) == []


@pytest.mark.data
def test_bf16_is_near_float32(data, official_weights):
    """Under weights that make outputs sensitive to everything: 0.10 at most, 0.010 on average.

    With three references on a CPU; fp16 0.012 and 0.0012.
    """
    renderer = load_renderer(official_weights("iplap_renderer"))
    given = np.load(Path(data) / "golden" / "iplap_renderer_inputs.npz")

    def pictures(name):
        values = torch.from_numpy(given[name]).float() / 255
        if values.ndim == 5 or values.shape[-1] == 3:
            return values.movedim(-1, -3)
        return values[..., None, :, :].expand(*values.shape[:-2], 3, 128, 128)

    images, lines = pictures("ref_imgs")[None, :1], pictures("ref_sketches")[None, :1]
    shown, upper = pictures("driving_sketches")[0].numpy(), pictures("face")[0].numpy()
    heard = given["audio_mels"].reshape(-1, 80, 16)[0]
    made = {}
    for precision in ("float32", "bf16"):
        with torch.inference_mode(), pipeline._at(precision, torch.device("cpu")):
            references = renderer.look(images, lines)
        assert (references.fine.dtype == torch.bfloat16) == (precision == "bf16")
        face = pipeline.render(renderer, upper, shown, references, heard, precision)
        assert face.dtype == np.uint8
        made[precision] = face.astype(int)
    change = np.abs(made["bf16"] - made["float32"])
    assert 0 < change.mean() < 0.015 * 255
    assert change.max() < 0.15 * 255
    assert made["float32"].std() > 20


def test_paste_blends_inside_the_contour_alone():
    frame = np.full((120, 160, 3), 100, np.uint8)
    face = np.full((128, 128, 3), 220, np.uint8)
    contour = np.array([[60, 40], [100, 40], [100, 80], [60, 80]], np.float32)
    made = paste(frame, face, np.array([20, 110, 30, 130]), contour)
    assert (made[60, 80] == 219).all() or (made[60, 80] == 220).all()
    assert (made[:28] == 100).all()
    assert (made[:, :48] == 100).all()
    assert 110 < made[60, 60, 0] < 210  # the soft edge
    assert (frame == 100).all()


@pytest.mark.parametrize("move", [(0, 0), (-60, -35), (75, 70), (-200, 0)])
def test_paste_is_the_blend_of_whole_frames(move):
    """Also where the face leaves the frame: nothing depends on where the blending is computed."""
    rng = np.random.default_rng(0)
    frame, face = (rng.integers(0, 256, (n, n + 20, 3), np.uint8) for n in (120, 100))
    contour = np.array([[60, 40], [100, 40], [105, 70], [80, 85], [58, 75]], np.float32) + move
    box = np.array([10, 110, 5, 125])
    made = paste(frame, face, box, contour)
    mask = np.zeros((120, 140), np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(contour.astype(np.int32)), (255,))
    share = (cv2.GaussianBlur(mask, (21, 21), 11) / 255)[:, :, None]
    swapped = frame.copy()
    swapped[10:110, 5:125] = cv2.resize(face, (120, 100))
    expected = (swapped * share + frame * (1 - share)).astype(np.uint8)
    np.testing.assert_array_equal(made, expected)
    assert (made != frame).any() == (move != (-200, 0))
