"""Wav2Lip from videos and sounds to a table; the network's weights are made by formula."""

from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest
import torch
from click.testing import CliRunner

from baselines.wav2lip import faces, generator, pictures, pipeline, s3fd
from baselines.wav2lip.hearing import Hearing
from baselines.wav2lip.network import load_wav2lip
from baselines.wav2lip.pipeline import Settings
from evaluation.arguments import ArgumentError
from evaluation.cli import main
from evaluation.generator import GenerationError, Generator
from evaluation.registry import load_generator
from evaluation.sample import Sample
from evaluation.video import Audio, FrameReader, VideoError, probe, read_audio
from evaluation.video_writer import LOSSLESS, VideoWriter
from method.driving import UndrivableError
from metrics.assets import ASSETS, AssetMissingError, sha256_of

YUNET = Settings(detector="yunet")


def tone(seconds):
    return np.sin(np.arange(round(seconds * 16000)) / 9).astype(np.float32)[:, None] * 0.3


def write(path, frames, samples=None, fps=Fraction(25)):
    """Losslessly."""
    height, width = frames.shape[1:3]
    audio = None if samples is None else Audio(samples, 16000)
    with VideoWriter(
        path, width=width, height=height, fps=fps, encoding=LOSSLESS, audio=audio
    ) as writer:
        writer.add(frames)
    return path


def read(path):
    return np.concatenate(list(FrameReader(path)))


@pytest.fixture(scope="module")
def network(wav2lip_weights):
    return load_wav2lip(wav2lip_weights)


@pytest.fixture(scope="module")
def man(asset, decode):
    """Four frames of the man in the car, uint8 RGB [4, 144, 176, 3]."""
    asset("yunet")
    return decode(asset("clip-carphone"), limit=4)


@pytest.fixture
def talker(man, tmp_path):
    """The same with a tone."""
    return write(tmp_path / "talker.mp4", man, tone(4 / 25))


@pytest.fixture
def make(network, tmp_path):
    """Generate and read back; whatever fails leaves what was there before."""

    def run(video, audio, settings=YUNET, told=None):
        out = tmp_path / "results" / "out.mp4"
        out.parent.mkdir(exist_ok=True)
        out.write_bytes(b"what was there before")
        try:
            pipeline.generate(network, video, audio, out, told, settings)
        except Exception:
            assert out.read_bytes() == b"what was there before"
            assert [p.name for p in out.parent.iterdir()] == ["out.mp4"]
            raise
        return read(out)

    return run


class TestBoxes:
    def test_smoothing_is_the_official_one(self):
        """Recorded from get_smoothened_boxes; its ends are its own."""
        boxes = np.array(
            [
                [50, 30, 120, 110],
                [57, 41, 133, 115],
                [55, 35, 146, 120],
                [67, 46, 130, 125],
                [70, 40, 143, 130],
                [64, 34, 127, 135],
                [72, 45, 140, 140],
                [71, 39, 124, 114],
                [61, 33, 137, 119],
            ]
        )
        known = {
            1: [[50, 30, 120, 110]],
            2: [[53, 35, 126, 112], [55, 38, 129, 113]],
            3: [[56, 38, 139, 117], [56, 38, 139, 117], [55, 36, 142, 118]],
            4: [[67, 46, 130, 125]] * 4,
            9: [
                [59, 38, 134, 120],
                [62, 39, 135, 125],
                [65, 40, 137, 130],
                [68, 40, 132, 128],
                [67, 38, 134, 127],
                [67, 37, 132, 127],
                [67, 38, 133, 125],
                [66, 37, 132, 122],
                [65, 36, 133, 124],
            ],
        }
        given = boxes.copy()
        for count, expected in known.items():
            assert faces.smoothed(boxes[:count]).tolist() == expected
        assert np.array_equal(boxes, given)

    def test_boxes_that_stand_still_stay(self):
        still = np.tile([10, 90, 20, 80], (30, 1))
        assert np.array_equal(faces.smoothed(still), still)

    def test_padding_is_below_and_ends_at_the_frame(self):
        corners = np.array([[-3.7, 4.9, 60.2, 70.8], [20.0, 30.0, 130.5, 95.5], [np.nan] * 4])
        boxes = faces.padded(corners, 120, 100)
        assert boxes.tolist() == [[4, 80, 0, 60], [30, 100, 20, 120], [0, 0, 0, 0]]
        assert faces.padded(corners, 120, 100, bottom_pad=0)[0].tolist() == [4, 70, 0, 60]

    @pytest.mark.assets
    def test_yunet_follows_the_face_at_any_size(self, man, tmp_path):
        near = faces.face_boxes(write(tmp_path / "a.mp4", man), "yunet", bottom_pad=0, smooth=False)
        assert near.shape == (4, 4)
        large = np.stack([cv2.resize(x, None, fx=12, fy=12) for x in man[:1]])
        far = faces.face_boxes(write(tmp_path / "b.mp4", large), "yunet", bottom_pad=0)
        assert np.abs(far[0] / 12 - near[0]).max() < 6
        limited = faces.face_boxes(tmp_path / "a.mp4", "yunet", limit=3)
        assert len(limited) == 3

    @pytest.mark.assets
    def test_s3fd_looks_at_whole_frames_in_the_same_way(
        self, man, formula_weights, tmp_path, monkeypatch
    ):
        found = formula_weights(s3fd.FanS3FD().state_dict())
        detector = s3fd.load_fan_s3fd({k: 5 * v if "conf" in k else v for k, v in found.items()})
        monkeypatch.setattr(s3fd, "looked_with", lambda: detector)
        clip = write(tmp_path / "a.mp4", man)
        boxes = faces.face_boxes(clip, "s3fd", smooth=False)
        expected = faces.padded(s3fd.surest_faces(man, detector), 176, 144)
        assert np.array_equal(boxes, expected)
        tiny = write(tmp_path / "tiny.mp4", man[:, :30, :30])
        with pytest.raises(UndrivableError, match=r"tiny\.mp4: frames of 30x30 are too small"):
            faces.face_boxes(tiny, "s3fd")


@pytest.mark.assets
class TestPipeline:
    def test_a_video_keeps_its_frames_rate_and_surroundings(self, make, talker, man, tmp_path):
        told = []
        made = make(talker, talker, told=lambda *at: told.append(at))
        assert made.shape == man.shape
        assert told == [(4, 4)]
        info = probe(tmp_path / "results" / "out.mp4")
        assert (info.fps, info.has_audio) == (25, True)
        change = np.abs(made.astype(int) - man).mean(axis=3)
        for frame, (top, bottom, left, right) in enumerate(faces.face_boxes(talker, "yunet")):
            inside = np.zeros(man.shape[1:3], bool)
            inside[top:bottom, left:right] = True
            around = cv2.dilate(inside.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
            assert change[frame][~around].mean() < 3  # the codec's alone
            assert change[frame][inside].mean() > 15

    def test_the_pixels_are_those_of_the_network(self, make, talker, man, network, monkeypatch):
        monkeypatch.setattr(pipeline, "_ENCODING", LOSSLESS)
        made = make(talker, talker)
        boxes = faces.face_boxes(talker, "yunet")
        hearing = Hearing(read_audio(talker, 16000, mono=True), 25)
        cut = np.stack([pictures.cut_face(f, b) for f, b in zip(man, boxes, strict=True)])
        windows = torch.from_numpy(np.stack([hearing.at(i) for i in range(4)]))[:, None]
        with torch.inference_mode():
            painted = network(windows, torch.from_numpy(pictures.shown(cut))).numpy()
        for frame, face, box, got in zip(man, painted, boxes, made, strict=True):
            assert np.abs(got.astype(int) - pictures.paste(frame, face, box)).max() <= 1

    def test_batches_are_not_seen(self, make, talker, monkeypatch):
        monkeypatch.setattr(pipeline, "_ENCODING", LOSSLESS)
        told = []
        whole = make(talker, talker)
        monkeypatch.setattr(pipeline, "_AT_ONCE", 3)
        parts = make(talker, talker, told=lambda *at: told.append(at))
        assert told == [(3, 4), (4, 4)]
        assert np.abs(whole.astype(int) - parts).max() <= 1

    def test_compat_has_as_many_frames_as_windows_and_plays_again_from_the_start(
        self, make, talker, man, tmp_path
    ):
        longer = write(tmp_path / "sound.mp4", man[:1, :16, :16], tone(0.6))
        count = Hearing(read_audio(longer, 16000, mono=True), 25).official
        assert count == 12
        official = make(talker, longer, replace(YUNET, compat=True))
        default = make(talker, longer)
        assert (len(official), len(default)) == (12, 15)
        assert np.abs(official.astype(int) - default[:12]).mean() < 1
        corner = np.abs(default[:, :20, :20].astype(int) - man[np.arange(15) % 4][:, :20, :20])
        assert corner.mean() < 4

    def test_a_long_video_is_played_again_without_being_kept(self, talker, man, monkeypatch):
        expected = man[np.arange(7) % 3]
        assert np.array_equal(np.stack(list(pipeline.played(talker, 3, 7))), expected)
        monkeypatch.setattr(pipeline, "frames_per_piece", lambda _: 2)
        assert np.array_equal(np.stack(list(pipeline.played(talker, 3, 7))), expected)

    def test_a_videos_own_sound_does_not_end_it(self, make, man, tmp_path):
        clip = write(tmp_path / "clip.mp4", man, tone(0.09))
        assert len(make(clip, clip)) == 4

    def test_shorter_sound_ends_the_video(self, make, talker, man, tmp_path):
        gone = np.concatenate([man[:3], np.zeros_like(man)])  # no face where nothing is heard
        video = write(tmp_path / "gone.mp4", gone, tone(0.28))
        short = write(tmp_path / "short.mp4", man[:1, :16, :16], tone(0.12))
        assert len(make(video, short)) == 3
        with pytest.raises(UndrivableError, match=r"short\.mp4: 0\.12 s of sound.*leave compat"):
            make(video, short, replace(YUNET, compat=True))

    def test_another_rate_is_kept(self, make, man, tmp_path):
        fps = Fraction(30000, 1001)
        clip = write(tmp_path / "ntsc.mp4", man, tone(0.13), fps)
        longer = write(tmp_path / "sound.mp4", man[:1, :16, :16], tone(0.5))
        assert len(make(clip, longer)) == 15
        assert probe(tmp_path / "results" / "out.mp4").fps == fps

    def test_a_still_image_is_a_video_of_one_frame(self, make, man, talker, tmp_path):
        cv2.imwrite(str(tmp_path / "man.png"), man[0][..., ::-1])
        made = make(tmp_path / "man.png", talker)
        assert made.shape == man.shape
        assert probe(tmp_path / "results" / "out.mp4").fps == 25
        assert np.abs(made[:, :20, :20].astype(int) - man[0, :20, :20]).mean() < 4

    def test_odd_sizes_stay_as_they_are(self, make, man, tmp_path):
        odd = np.ascontiguousarray(man[:1, :143, :175])
        clip = write(tmp_path / "odd.mp4", odd, tone(0.04))
        assert make(clip, clip).shape == (1, 143, 175, 3)

    def test_a_frame_without_a_face_is_named_with_its_share(self, make, man, tmp_path):
        frames = man.copy()
        frames[2] = 0
        clip = write(tmp_path / "gap.mp4", frames, tone(0.16))
        with pytest.raises(
            UndrivableError,
            match=r"gap\.mp4: no face in 1 of 4 frames \(25\.0%; the first is frame 2; by yunet\)",
        ):
            make(clip, clip)

    def test_no_sound_and_wrong_files_are_named(self, make, man, talker, tmp_path):
        mute = write(tmp_path / "mute.mp4", man)
        with pytest.raises(UndrivableError, match=r"mute\.mp4: no sound to drive with"):
            make(mute, mute)
        (tmp_path / "text.mp4").write_text("hello")
        for video, audio in ((tmp_path / "text.mp4", talker), (talker, tmp_path / "text.mp4")):
            with pytest.raises(VideoError, match=r"text\.mp4: not a readable video"):
                make(video, audio)

    def test_sound_that_is_no_numbers_is_refused(self, make, talker, tmp_path):
        import av

        broken = np.full((1, 4000), np.nan, np.float32)
        with av.open(str(tmp_path / "nan.wav"), "w") as file:
            stream = file.add_stream("pcm_f32le", rate=16000, layout="mono")
            frame = av.AudioFrame.from_ndarray(broken, format="flt", layout="mono")
            frame.sample_rate = 16000
            for packet in (*stream.encode(frame), *stream.encode(None)):
                file.mux(packet)
        with pytest.raises(UndrivableError, match=r"nan\.wav: the sound holds samples that are no"):
            make(talker, tmp_path / "nan.wav")


@pytest.mark.assets
def test_frames_are_those_of_the_official_script(network, asset, decode, tmp_path, monkeypatch):
    """inference.py @ 5c90fa9 on this video and sound, up to its own writing of a file.

    Under the formula's weights, with these faces in place of a detector's. Of all pixels six in a
    million differed, by one level. The video is shorter than the sound, at 29.97 frames a second.
    """
    corners = [
        [50.3 + i * i * 7 % 11, 20.9 + i * 11 % 9, 110.2 + i * 13 % 17, 100.7 + i * 5 % 13]
        for i in range(5)
    ]
    monkeypatch.setattr(s3fd, "looked_with", lambda: None)
    monkeypatch.setattr(s3fd, "surest_faces", lambda *_: np.array(corners, np.float32))
    monkeypatch.setattr(pipeline, "_ENCODING", LOSSLESS)
    five = decode(asset("clip-carphone"), limit=5)
    video = write(tmp_path / "five.mp4", five, fps=Fraction(30000, 1001))
    j = np.arange(9600)
    chirp = np.rint(np.sin(0.05 * j + 1e-5 * j * j) * 9000).astype(np.float32)[:, None] / 32768
    sound = write(tmp_path / "chirp.mp4", five[:1, :16, :16], chirp)
    out = tmp_path / "out.mp4"
    pipeline.generate(network, video, sound, out, settings=Settings(compat=True))
    made = read(out)
    assert made.shape == (14, 144, 176, 3)
    means = [101.9526, 102.7112, 102.9319, 103.4837, 104.1378, 101.9445, 102.7065]
    means += [102.9338, 103.4972, 104.1495, 101.9551, 102.7183, 102.9417, 103.5016]
    inside = [116.1131, 116.2117, 116.0626, 116.0351, 116.0749, 116.0650, 116.1896]
    inside += [116.0746, 116.1350, 116.1653, 116.1315, 116.2674, 116.1178, 116.1633]
    np.testing.assert_allclose(made.mean((1, 2, 3)), means, atol=1e-3, rtol=0)
    np.testing.assert_allclose(made[:, 40:100, 60:100].mean((1, 2, 3)), inside, atol=5e-3, rtol=0)
    pixels = [made[7, 80, 70], made[13, 95, 88], made[3, 60, 90]]
    official = [[121, 112, 111], [123, 114, 116], [159, 90, 112]]
    assert np.abs(np.array(pixels, int) - official).max() <= 1


class TestSpec:
    def test_both_say_what_they_were_trained_on_and_with(self):
        specs = [load_generator(name).spec for name in ("wav2lip", "wav2lip-gan")]
        assert [s.name for s in specs] == ["wav2lip", "wav2lip-gan"]
        assert {s.trained_on for s in specs} == {("lrs2",)}
        assert {s.optimises for s in specs} == {("lse-d", "lse-c")}
        assert specs[0].weights_sha256[:8] == "b78b681b"
        assert specs[1].weights_sha256[:8] == "ca9ab7b7"
        assert specs[0].assets == ("wav2lip", "fan-s3fd")
        assert all("5c90fa9" in s.source and "own rate" in s.about for s in specs)
        assert isinstance(load_generator("wav2lip"), Generator)

    def test_settings_are_rows(self):
        made = load_generator("wav2lip-gan:smooth=false,detector=yunet,bottom_pad=20,compat")
        assert made.spec.name == "wav2lip-gan:bottom_pad=20,compat,detector=yunet,smooth=false"
        assert made.generator.settings == Settings("yunet", 20, False, True)
        assert made.spec.assets == ("wav2lip-gan", "yunet")
        for words in ("20 px below", "not smoothed", "official script's", "faces by yunet"):
            assert words in made.spec.about

    @pytest.mark.parametrize(
        ("given", "words"),
        [
            ("detector=dlib", "expected s3fd or yunet"),
            ("bottom_pad=-1", "bottom_pad=-1 is not understood; expected 0 or more"),
            ("bottom=3", "Did you mean bottom_pad"),
        ],
    )
    def test_an_unknown_setting_says_which_there_are(self, given, words):
        with pytest.raises(ArgumentError, match=words):
            load_generator(f"wav2lip:{given}")


@pytest.fixture
def weights(wav2lip_weights, monkeypatch, tmp_path):
    """The formula's weights where the authors' are looked for, as the table's row."""
    folder = tmp_path / "weights"
    folder.mkdir()
    path = folder / "wav2lip.pth"
    state = {f"module.{k}": v for k, v in wav2lip_weights.items()}
    torch.save({"state_dict": state}, path)
    monkeypatch.setenv("TALKBENCH_ASSETS", str(folder))
    row = replace(ASSETS["wav2lip"], sha256=sha256_of(path), size=path.stat().st_size)
    monkeypatch.setitem(ASSETS, "wav2lip", row)
    return path


@pytest.mark.assets
class TestGenerator:
    def test_what_it_cannot_is_the_clips_failure(self, weights, man, talker, tmp_path):
        black = write(tmp_path / "black.mp4", np.zeros_like(man), tone(0.16))
        wav2lip = load_generator("wav2lip:detector=yunet")
        for video, audio, words in (
            (talker, None, "no driving sound"),
            (black, black, "no face in 4 of 4 frames"),
            (tmp_path / "absent.mp4", talker, "No such file"),
        ):
            sample = Sample(id="a", speaker="a", video=video, audio=audio, reference=None)
            with pytest.raises(GenerationError, match=words):
                wav2lip.generate(sample, tmp_path / "out.mp4", 0)

    def test_a_file_that_is_not_the_checkpoint_is_named(self, weights, talker, tmp_path):
        sample = Sample(id="a", speaker="a", video=talker, audio=talker, reference=None)
        with pytest.MonkeyPatch.context() as patch:
            weights.write_bytes(b"not a checkpoint")
            row = replace(ASSETS["wav2lip"], sha256=sha256_of(weights))
            patch.setitem(ASSETS, "wav2lip", row)
            generator._network.cache_clear()
            with pytest.raises(GenerationError, match=r"wav2lip\.pth: not a file of tensors"):
                load_generator("wav2lip").generate(sample, tmp_path / "out.mp4", 0)

    def test_the_official_detector_is_asked_for_where_it_is_not(
        self, weights, talker, monkeypatch, tmp_path
    ):
        monkeypatch.setenv("TALKBENCH_CACHE", str(tmp_path / "empty"))
        sample = Sample(id="a", speaker="a", video=talker, audio=talker, reference=None)
        with pytest.raises(AssetMissingError, match="talkbench assets get fan-s3fd"):
            load_generator("wav2lip").generate(sample, tmp_path / "out.mp4", 0)

    def test_from_a_folder_to_a_table(self, weights, asset, tmp_path, records_of):
        """Two men at a lectern, 12 frames a second, 24 of them, with the sound of a speech."""
        folder, run = tmp_path / "clips", tmp_path / "run"
        folder.mkdir()
        frames = next(iter(FrameReader(asset("clip-speaker"), piece=24)))
        sound = read_audio(asset("clip-speaker"), 16000, mono=True).samples[:32000]
        write(folder / "speech.mp4", frames, sound, Fraction(12))
        row = "wav2lip:detector=yunet"
        asked = ["run", "folder", "--data", folder, "-g", row, "-g", "wav2lip", "-g"]
        asked += ["ground-truth", "-m", "psnr", "-m", "ssim", "-o", run]
        answer = CliRunner().invoke(main, list(map(str, asked)))
        assert answer.exit_code == 1, answer.output  # S3FD's weights are not here
        found = {(r["generator"], r["metric"].split("@")[0]): r for r in records_of(run)}
        assert found[row, "psnr"]["status"] == "ok", found[row, "psnr"]
        assert 15 < found[row, "psnr"]["value"] < 40
        assert 0.5 < found[row, "ssim"]["value"] < 0.99
        assert found["wav2lip", "psnr"]["status"] == "unavailable"
        assert "talkbench assets get fan-s3fd" in found["wav2lip", "psnr"]["reason"]
        assert row in (run / "report" / "index.html").read_text()
        (made,) = (run / "videos").rglob("*.mp4")
        assert (len(read(made)), probe(made).fps) == (24, 12)
