"""Manifests, and copies of a split with every kind of fault planted in one clip each."""

import json
import shutil
from fractions import Fraction

import numpy as np
import pytest
from click.testing import CliRunner

from evaluation.cli import main
from evaluation.data_doctor import examine
from evaluation.dataset import DatasetError
from evaluation.datasets.folder import FolderDataset, videos_in
from evaluation.split_manifest import (
    PICTURES,
    Manifest,
    look,
    make_manifest,
    read_split,
    spread,
    write_split,
)
from evaluation.video import Audio
from evaluation.video_writer import Encoding, VideoWriter

RATE = 16_000
FRAMES = 100


def speech(seed, seconds=4.0):
    """Bursts of noise, unlike any other seed's."""
    rng = np.random.default_rng(seed)
    loud = np.repeat(rng.random(int(seconds * 10) + 1), RATE // 10)[: int(seconds * RATE)]
    return (0.3 * loud * rng.standard_normal(len(loud))).astype(np.float32)[:, None]


def scene(seed, width=96, height=64, moving=True):
    """Soft spots that wander, uint8 [FRAMES, H, W, 3]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / height
    pictures = np.zeros((FRAMES, height, width))
    for _ in range(7):
        centre, speed, phase = rng.random(2), rng.random(2) * 0.1 * moving, rng.random(2) * 6
        for t in range(FRAMES):
            a, b = centre + 0.3 * np.sin(speed * t + phase)
            pictures[t] += np.exp(-((x - 1.5 * a) ** 2 + (y - b) ** 2) * 12)
    return np.stack([np.clip(pictures * 120, 0, 255)] * 3, axis=-1).astype(np.uint8)


def write(path, pictures, sound, fps=25, crf=16):
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = pictures.shape[1:3]
    audio = None if sound is None else Audio(np.ascontiguousarray(sound), RATE)
    with VideoWriter(
        path, width=width, height=height, fps=Fraction(fps), encoding=Encoding(crf), audio=audio
    ) as writer:
        writer.add(pictures)


def late(sound, seconds):
    return np.concatenate([np.zeros((int(seconds * RATE), 1), np.float32), sound])[: len(sound)]


# Clip -> what is done to it: pictures, sound -> arguments of ``write``.
FAULTS = {
    "reencoded": lambda p, s: {"pictures": p, "sound": s, "crf": 30},
    "head": lambda p, s: {"pictures": p[20:], "sound": s[20 * 640 :]},
    "tail": lambda p, s: {"pictures": p[:-7], "sound": s[: -7 * 640]},
    "ends": lambda p, s: {"pictures": p[10:-5], "sound": s[10 * 640 : -5 * 640]},
    "mutehead": lambda p, s: {"pictures": p[30:], "sound": None},
    "longer": lambda p, s: {
        "pictures": np.concatenate([p, p[-12:]]),
        "sound": np.concatenate([s, 0 * s[: 12 * 640]]),
    },
    "slow": lambda p, s: {"pictures": p[::2], "sound": s, "fps": Fraction(25, 2)},
    "large": lambda p, s: {"pictures": p.repeat(2, 1).repeat(2, 2), "sound": s},
    "turned": lambda p, s: {"pictures": np.rot90(p, axes=(1, 2)), "sound": s},
    "silenced": lambda p, s: {"pictures": p, "sound": 0 * s},
    "streamless": lambda p, s: {"pictures": p, "sound": None},
    "othersound": lambda p, s: {"pictures": p, "sound": speech(900)},
    "moved": lambda p, s: {"pictures": p, "sound": late(s, 0.2)},
    "halfsound": lambda p, s: {"pictures": p, "sound": s[: len(s) // 2]},
    "otherpicture": lambda p, s: {"pictures": scene(901), "sound": s},
    "other": lambda p, s: {"pictures": scene(902), "sound": speech(902)},
    "mutecopy": lambda p, s: {"pictures": p, "sound": speech(903)},
    "text": None,
    "missing": None,
    "good": None,
    "swapped": None,
    "still": lambda p, s: {"pictures": p[40:], "sound": None},
    "stillspeech": lambda p, s: {"pictures": p[13:-9], "sound": s[13 * 640 : -9 * 640]},
}


@pytest.fixture(scope="module")
def copies(tmp_path_factory):
    """The split, its manifest, and a copy of it with the faults."""
    truth, copy = tmp_path_factory.mktemp("truth"), tmp_path_factory.mktemp("copy")
    for number, (name, fault) in enumerate(FAULTS.items()):
        pictures = scene(number, moving=not name.startswith("still"))
        sound = None if name in ("mutecopy", "mutehead", "still") else speech(number)
        write(truth / f"{name}.mp4", pictures, sound)
        if fault is not None:
            write(copy / f"{name}.mp4", **fault(pictures, sound if sound is None else +sound))
    shutil.copy(truth / "good.mp4", copy / "good.mp4")
    shutil.copy(truth / "good.mp4", copy / "again.mp4")
    shutil.copy(truth / "head.mp4", copy / "swapped.mp4")
    (copy / "text.mp4").write_text("not a video")
    write(copy / "added.mp4", scene(904), speech(904))
    samples = FolderDataset().samples(truth)
    clips = [(s.id, s.speaker, s.video) for s in samples]
    manifest, unread = make_manifest(clips)
    assert not unread
    return truth, copy, manifest


@pytest.fixture(scope="module")
def diagnosis(copies):
    _, copy, manifest = copies
    return examine(manifest, videos_in(copy))


def test_a_copy_of_the_split_is_the_same(copies):
    truth, _, manifest = copies
    found = examine(manifest, videos_in(truth))
    assert set(found.verdicts.values()) == {"same"}
    assert found.findings == ()
    assert found.comparable == list(manifest.entries)


@pytest.mark.parametrize(
    ("clip", "what"),
    [
        ("good", []),
        ("reencoded", ["re-encoded"]),
        ("head", ["trimmed"]),
        ("tail", ["trimmed"]),
        ("ends", ["trimmed"]),
        ("mutehead", ["trimmed"]),
        ("still", ["trimmed"]),
        ("stillspeech", ["trimmed"]),
        ("longer", ["longer"]),
        ("slow", ["another rate"]),
        ("large", ["another size"]),
        ("turned", ["width and height swapped", "another content"]),
        ("silenced", ["silent"]),
        ("streamless", ["no sound"]),
        ("othersound", ["another sound"]),
        ("moved", ["moved sound"]),
        ("halfsound", ["sound of another length"]),
        ("otherpicture", ["another content"]),
        ("other", ["another sound", "another content"]),
        ("mutecopy", ["another sound"]),
        ("swapped", ["another content"]),
        ("text", ["unreadable"]),
        ("missing", ["missing"]),
        ("added", ["extra"]),
        ("again", ["extra"]),
    ],
)
def test_every_planted_fault_is_found_and_no_other(diagnosis, clip, what):
    assert [f.what for f in diagnosis.findings if f.clip == clip] == what


@pytest.mark.parametrize(
    ("clip", "expected", "found"),
    [
        ("head", "100 frames", "80 frames: 20 fewer, 20 at its start and 0 at its end"),
        ("tail", "100 frames", "93 frames: 7 fewer, 0 at its start and 7 at its end"),
        ("ends", "100 frames", "85 frames: 15 fewer, 10 at its start and 5 at its end"),
        ("mutehead", "100 frames", "70 frames: 30 fewer, 30 at its start and 0 at its end"),
        ("still", "100 frames", "60 frames: 40 fewer, it cannot be told where"),
        ("stillspeech", "100 frames", "78 frames: 22 fewer, 13 at its start and 9 at its end"),
        ("longer", "100 frames", "112 frames: 12 more, 0 at its start and 12 at its end"),
        ("slow", "25 frames a second", "12.5 frames a second"),
        ("large", "96x64", "192x128"),
        ("moved", "the sound in its place", "200 ms late"),
        ("halfsound", "4.1 s", "2.1 s"),
        ("swapped", "its own", "the file of head"),
        ("again", "a clip of the manifest", "the file of good under another name"),
    ],
)
def test_a_finding_says_what_there_should_be_and_what_there_is(diagnosis, clip, expected, found):
    (finding,) = [f for f in diagnosis.findings if f.clip == clip]
    assert finding.expected == expected
    if clip == "moved":
        assert abs(int(finding.found.split()[0]) - 200) <= 20
        assert finding.found.endswith("ms late")
    else:
        assert finding.found == found


def test_what_can_still_be_compared_is_said(diagnosis):
    assert sorted(diagnosis.comparable) == ["good", "reencoded"]
    kinds = {v: [c for c, w in diagnosis.verdicts.items() if w == v] for v in ("same", "missing")}
    assert kinds == {"same": ["good"], "missing": ["missing"]}


def test_workers_find_the_same(copies, diagnosis):
    _, copy, manifest = copies
    few = Manifest({c: manifest.entries[c] for c in ("head", "reencoded", "good")})
    found = examine(few, {c: copy / f"{c}.mp4" for c in few.entries}, workers=2)
    assert found.verdicts == {c: diagnosis.verdicts[c] for c in few.entries}


def test_an_entry_is_what_the_file_is(copies):
    truth, _, manifest = copies
    entry = manifest.entries["good"]
    assert (entry.frames, entry.fps, entry.size, entry.seconds) == (100, "25", "96x64", 4.0)
    assert (entry.speaker, entry.audio) == ("good", "sound")
    assert len(entry.pictures) == PICTURES
    assert 40 <= len(entry.sound) / 4 <= 41
    seen = look("good", "good", truth / "good.mp4")
    assert seen.entry == entry
    assert np.array_equal(entry.picture_bits, seen.pictures[spread(100)])
    assert manifest.entries["mutecopy"].audio == "none"


@pytest.mark.parametrize("frames", [1, 5, 16, 17, 100])
def test_hashed_frames_go_from_the_first_to_the_last(frames):
    numbers = spread(frames)
    assert numbers[0] == 0
    assert numbers[-1] == frames - 1
    assert len(set(numbers)) == len(numbers) == min(frames, PICTURES)


def test_a_manifest_is_read_as_it_was_written_and_its_hash_is_of_its_content(copies, tmp_path):
    _, _, manifest = copies
    path = tmp_path / "split.jsonl"
    write_split(path, manifest)
    assert read_split(path) == manifest
    head, *lines = path.read_text().splitlines()
    spaced = [
        json.dumps(json.loads(line), indent=None, separators=(" , ", " : ")) for line in lines
    ]
    path.write_text("\n".join([head, *reversed(spaced)]))
    assert read_split(path).hash == manifest.hash
    path.write_text("\n".join([head, *lines[1:]]))
    with pytest.raises(DatasetError, match="damaged or was changed by hand"):
        read_split(path)
    path.write_text(
        "\n".join([head, lines[0].replace('"frames": 100', '"frames": 99'), *lines[1:]])
    )
    with pytest.raises(DatasetError, match="damaged or was changed"):
        read_split(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: schema None"),
        ("[1]\n", "line 1: schema"),
        ("{nothing", "not a readable manifest"),
        ('{"schema": "talkbench-split/0"}\n', "schema 'talkbench-split/0', this talkbench reads"),
        ('{"schema": "talkbench-split/1", "hash": "0"}\n{"id": "a"}\n', "line 2: no clip"),
        ('{"schema": "talkbench-split/1", "hash": "0"}\n7\n', "line 2: no clip"),
    ],
)
def test_what_is_no_manifest_is_told_with_its_line(tmp_path, text, said):
    path = tmp_path / "split.jsonl"
    path.write_text(text)
    with pytest.raises(DatasetError, match=said):
        read_split(path)
    with pytest.raises(DatasetError, match="not a readable manifest"):
        read_split(tmp_path / "nowhere")


def test_a_clip_that_cannot_be_read_is_told_and_not_in_the_manifest(tmp_path, copies):
    truth, copy, _ = copies
    clips = [("good", "a", truth / "good.mp4"), ("text", "b", copy / "text.mp4")]
    manifest, unread = make_manifest(clips)
    assert list(manifest.entries) == ["good"]
    assert "text.mp4: not a readable video" in unread["text"]


def test_the_commands(copies, tmp_path):
    truth, copy, manifest = copies
    invoke = CliRunner().invoke
    out = tmp_path / "split.jsonl"
    answer = invoke(main, ["data", "manifest", str(truth), "-o", str(out)])
    assert answer.exit_code == 0, answer.output
    assert manifest.hash in answer.output
    call = ["data", "doctor", "folder", "--manifest", str(out), "--data"]
    answer = invoke(main, [*call, str(truth)])
    assert answer.exit_code == 0, answer.output
    assert "23 of 23 clips are the manifest's very files" in answer.output
    answer = invoke(main, [*call, str(copy)])
    assert answer.exit_code == 1
    assert "1 of 23 clips are the manifest's very files, 1 the same footage" in answer.output
    assert "2 clips can still be compared" in answer.output
    assert "never put both into one table" in answer.output
    answer = invoke(main, [*call, str(copy), "--format", "json"])
    content = json.loads(answer.stdout)
    assert content["comparable"] == ["good", "reencoded"]
    assert content["manifest"] == manifest.hash
    assert content["clips"]["head"] == "different"
    answer = invoke(main, ["data", "doctor", "folder", "--data", str(truth)])
    assert answer.exit_code == 2
    assert "split.jsonl: not a readable manifest" in answer.output
    answer = invoke(main, ["data", "manifest", str(copy), "-o", str(out)])
    assert answer.exit_code == 1


def test_a_dataset_that_refuses_the_folder_is_quoted_and_the_rest_is_looked_at(
    copies, tmp_path, monkeypatch
):
    """A list with a missing clip is no dataset, and just then the doctor is needed."""
    _, copy, manifest = copies
    few = Manifest({c: manifest.entries[c] for c in ("good", "missing")})
    write_split(tmp_path / "split.jsonl", few)

    class Refusing(FolderDataset):
        def samples(self, data):
            raise DatasetError("clips are missing")

    monkeypatch.setattr("evaluation.cli.data.load_dataset", lambda name: Refusing())
    call = ["data", "doctor", "folder", "--data", str(copy), "--manifest"]
    answer = CliRunner().invoke(main, [*call, str(tmp_path / "split.jsonl"), "--format", "json"])
    assert answer.exit_code == 1
    content = json.loads(answer.stdout)
    assert content["refused"].startswith("clips are missing")
    assert content["clips"] == {"good": "same", "missing": "missing"}


def test_the_hash_travels_into_the_run(copies, tmp_path, talkbench, write_clip):
    folder, run = tmp_path / "data", tmp_path / "run"
    write_clip(folder / "a.mp4")
    call = ["run", "folder", "--data", folder, "-g", "still", "-m", "psnr", "-o", run]
    assert talkbench(*call).returncode == 0
    assert "split" not in json.loads((run / "run.json").read_text())["settings"]
    made = talkbench("data", "manifest", folder, "-o", folder / "split.jsonl")
    assert made.returncode == 0, made.stderr
    known = read_split(folder / "split.jsonl").hash
    assert talkbench(*call).returncode == 0
    assert json.loads((run / "run.json").read_text())["settings"]["split"] == known
    (folder / "split.jsonl").unlink()
    assert talkbench(*call).returncode == 0
    assert json.loads((run / "run.json").read_text())["settings"]["split"] == known
    write_clip(folder / "b.mp4")
    assert talkbench("data", "manifest", folder, "-o", folder / "split.jsonl").returncode == 0
    answer = talkbench(*call)
    assert answer.returncode == 2
    assert "holds a run with split" in answer.stderr
