"""What is wrong with finished videos: every kind of fault, planted in one clip each."""

import json
import re
import shutil
from fractions import Fraction

import numpy as np
import pytest
from click.testing import CliRunner

from evaluation.cli import main
from evaluation.dataset import DatasetError
from evaluation.datasets.folder import FolderDataset
from evaluation.finished import FinishedVideos, names_finished
from evaluation.submission import RATE, alike, check
from evaluation.video import Audio
from evaluation.video_writer import Encoding, VideoWriter

SECONDS = 2


def speech(seed, seconds=SECONDS):
    """Bursts of noise, unlike any other seed's."""
    rng = np.random.default_rng(seed)
    loud = np.repeat(rng.random(int(seconds * 10) + 1), RATE // 10)[: int(seconds * RATE)]
    return (0.3 * loud * rng.standard_normal(len(loud))).astype(np.float32)[:, None]


def write(path, *, frames=50, width=64, height=48, fps=25, sound=None, level=0, flat=False):
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (frames, height // 8, width // 8, 3), np.uint8)
    pixels = pixels.repeat(8, axis=1).repeat(8, axis=2) * (not flat)
    with VideoWriter(
        path,
        width=width,
        height=height,
        fps=Fraction(fps),
        encoding=Encoding(crf=18),
        audio=None if sound is None else Audio(sound, RATE),
    ) as writer:
        writer.add(np.clip(pixels.astype(int) + level, 0, 255).astype(np.uint8))


NAMES = (
    *("good", "missing", "short", "slow", "large", "turned", "mute", "silent"),
    *("other", "late", "copy", "text", "cut", "longer"),
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """References, and a system's videos, of which one is as it should be."""
    truth, made = tmp_path_factory.mktemp("truth"), tmp_path_factory.mktemp("made")
    for number, name in enumerate(NAMES):
        own = speech(number)
        write(truth / f"{name}.mp4", sound=own)
        path = made / f"{name}.mp4"
        late = np.concatenate([np.zeros((RATE // 5, 1), np.float32), own[: -RATE // 5]])
        different = {
            "short": {"frames": 48},
            "slow": {"fps": 24},
            "large": {"width": 128, "height": 96},
            "turned": {"width": 48, "height": 64},
            "mute": {"sound": None},
            "silent": {"sound": np.zeros_like(own)},
            "other": {"sound": speech(99)},
            "late": {"sound": late},
            "longer": {"sound": np.concatenate([own, speech(7, 1)])},
        }
        if name not in ("missing", "copy", "text"):
            write(path, **{"sound": own, "level": 5} | different.get(name, {}))
    shutil.copy(truth / "copy.mp4", made / "copy.mp4")
    (made / "text.mp4").write_text("not a video")
    (made / "cut.mp4").write_bytes((made / "cut.mp4").read_bytes()[:3000])
    write(made / "shorts.mp4", sound=speech(50))
    return truth, made


@pytest.fixture(scope="module")
def findings(folders):
    truth, made = folders
    samples = FolderDataset().samples(truth)
    told = []
    found = check(FinishedVideos.read("made", made), samples, lambda *at: told.append(at))
    assert [at[:2] for at in told] == [(i, len(NAMES)) for i in range(1, len(NAMES) + 1)]
    return found


@pytest.mark.parametrize(
    ("clip", "weight", "what", "expected", "shown"),
    [
        ("missing", "problem", "missing", "a video", "none"),
        ("short", "problem", "another length", "50 frames", "48 frames"),
        ("slow", "problem", "another rate", "25 frames a second", "24 frames a second"),
        ("large", "problem", "another size", "64x48", "128x96"),
        ("turned", "problem", "width and height swapped", "64x48", "48x64"),
        ("mute", "problem", "no sound", "driving sound", "no audio stream"),
        ("silent", "problem", "silent", "driving sound", "below -60 dB"),
        ("other", "problem", "another sound", "driving sound", "correlation 0"),
        ("late", "problem", "moved sound", "in its place", r"(19|20|21)\d ms late"),
        ("longer", "warning", "sound of another length", r"2\.\d+ s", r"3\.\d+ s"),
        ("copy", "problem", "the reference itself", "a generated video", "its copy"),
        ("text", "problem", "unreadable", "a whole video", r"text\.mp4"),
        ("cut", "problem", "unreadable", "a whole video", r"cut\.mp4"),
        ("shorts", "warning", "extra", "short is near", r"shorts\.mp4"),
    ],
)
def test_each_fault_is_found_and_no_other(findings, clip, weight, what, expected, shown):
    (found,) = [f for f in findings if f.clip == clip]
    assert (found.weight, found.what) == (weight, what)
    assert re.search(expected, found.expected), found.expected
    assert re.search(shown, found.found), found.found


def test_a_video_as_it_should_be_has_no_findings(findings):
    assert "good" not in {f.clip for f in findings}
    assert len(findings) == len(NAMES)  # all but the good one, and the extra


@pytest.mark.parametrize(("flat", "said"), [(True, ["coarsely encoded"]), (False, [])])
def test_few_bits_a_pixel_are_a_warning(tmp_path, flat, said):
    for folder, level in (("truth", 0), ("made", 5)):
        path = tmp_path / folder / "a.mp4"
        write(path, width=320, height=240, level=level, flat=flat)
    samples = FolderDataset().samples(tmp_path / "truth")
    found = check(FinishedVideos.read("made", tmp_path / "made"), samples)
    assert [f.what for f in found] == said
    assert {f.weight for f in found} <= {"warning"}


class TestAlike:
    def test_loudness_does_not_matter_and_lags_are_told(self):
        sound = speech(3)[:, 0]
        likeness, lag = alike(0.1 * sound, sound)
        assert likeness == pytest.approx(1, abs=1e-6)
        assert lag == 0
        likeness, lag = alike(sound[1600:], sound)
        assert (round(likeness, 6), lag) == (1, -0.1)
        likeness, lag = alike(np.concatenate([np.zeros(800, np.float32), sound]), sound)
        assert (round(likeness, 6), lag) == (1, 0.05)

    def test_other_sounds_are_not(self):
        assert alike(speech(3)[:, 0], speech(4)[:, 0])[0] < 0.1
        assert alike(np.zeros(100), np.ones(100))[0] == 0


class TestNames:
    def test_a_pattern_names_files(self, tmp_path, write_clip):
        for name in ("s1/a_mine.mp4", "s1/b_mine.mp4", "s1/a_theirs.mp4", "c_mine.mp4"):
            write_clip(tmp_path / "out" / name)
        found = FinishedVideos.read("mine", tmp_path / "out" / "{id}_mine.mp4")
        assert set(found.videos) == {"s1/a", "s1/b", "c"}
        found = FinishedVideos.read("mine", tmp_path / "out" / "s1" / "{id}_theirs.mp4")
        assert set(found.videos) == {"a"}
        for where, said in (("{id}_his.mp4", "no file in"), ("{id}/{id}.mp4", "once")):
            with pytest.raises(DatasetError, match=said):
                FinishedVideos.read("x", tmp_path / "out" / where)

    def test_a_list_names_files(self, tmp_path, write_clip):
        write_clip(tmp_path / "videos" / "001.mp4")
        table = tmp_path / "list.csv"
        table.write_text("\ufeffid,file\ns1/a,videos/001.mp4\ns1/b,videos/002.mp4\n")
        found = FinishedVideos.read("mine", table)
        assert found.videos == {"s1/a": tmp_path / "videos" / "001.mp4"}
        for text, said in (
            ("name,file\n", "columns id and file"),
            ("id,file\na,videos/001.mp4\na,videos/001.mp4\n", "line 3: 'a' is there twice"),
            ("id,file\na,\n", "line 2: id or file is empty"),
            ("id,file\na,/etc/passwd\n", "is no video file"),
            ("id,file\na,videos/9.mp4\n", "none of the 1 files"),
        ):
            table.write_text(text)
            with pytest.raises(DatasetError, match=said):
                FinishedVideos.read("mine", table)

    def test_what_is_a_name_of_finished_videos(self):
        assert names_finished("mine=out/mine")
        assert names_finished("mine=out/a:b")
        assert not names_finished("iplap:mesh=plain")
        assert not names_finished("iplap")


def test_the_command_says_it_and_its_exit_code_tells(folders, tmp_path):
    truth, made = folders
    call = CliRunner().invoke
    words = ["submission", "validate", str(made), "--suite", "folder", "--data", str(truth)]
    done = call(main, words)
    assert done.exit_code == 1
    assert re.search(r"turned +width and height", done.output)
    assert "2 of 14 clips are as they should be; 12 problems, 2 warnings." in done.output
    found = json.loads(call(main, [*words, "--format", "json"]).output)
    assert {"clip": "short", "weight": "problem", "what": "another length"}.items() <= next(
        f for f in found if f["clip"] == "short"
    ).items()
    for name in ("good", "longer"):
        for folder in (truth, made):
            (tmp_path / folder.name).mkdir(exist_ok=True)
            shutil.copy(folder / f"{name}.mp4", tmp_path / folder.name)
    words[2], words[6] = str(tmp_path / made.name), str(tmp_path / truth.name)
    done = call(main, words)
    assert done.exit_code == 0
    assert "2 of 2 clips are as they should be; 0 problems, 1 warnings." in done.output


def test_finished_videos_run_beside_generators(folders, tmp_path):
    truth, made = folders
    data = tmp_path / "data"
    data.mkdir()
    for name in ("good", "missing"):
        shutil.copy(truth / f"{name}.mp4", data)
    done = CliRunner().invoke(
        main,
        [
            *("run", "folder", "--data", str(data), "-g", "ground-truth", "-g", f"mine={made}"),
            *("-m", "psnr", "-o", str(tmp_path / "run")),
        ],
    )
    assert done.exit_code == 1
    lines = (tmp_path / "run" / "records.jsonl").read_text().splitlines()
    records = {(r["generator"], r["sample"]): r for r in map(json.loads, lines)}
    assert records["mine", "good"]["status"] == "ok"
    assert records["mine", "missing"]["status"] == "failed"
    assert "has no video called missing" in records["mine", "missing"]["reason"]
    costs = (tmp_path / "run" / "report" / "costs.csv").read_text()
    assert costs.splitlines()[1:] == []  # nothing was made here
