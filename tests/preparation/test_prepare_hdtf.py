"""HDTF out of its sources: a cut one frame off, one pixel off, or a moved sound would show."""

import csv
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from fractions import Fraction

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from evaluation.cli import main
from evaluation.datasets.hdtf_annotations import Clip, Crop, read_annotations
from evaluation.plan import UnusableInputError
from evaluation.preparation.hdtf import prepare
from evaluation.preparation.hdtf_clip import window
from evaluation.submission import alike
from evaluation.video import FrameReader, VideoError, VideoInfo, probe, read_audio


def report(hdtf):
    with (hdtf.out / "report.csv").open(newline="") as file:
        return {row["clip"]: row for row in csv.DictReader(file)}


def run(hdtf, **options):
    lines = prepare(read_annotations(hdtf.annotations), hdtf.videos, hdtf.out, **options)
    rows = report(hdtf)
    assert [line.clip for line in lines] == list(rows)
    assert [line.note for line in lines] == [row["note"] for row in rows.values()]
    return {line.clip: line for line in lines}


def frames_of(path):
    return np.concatenate(list(FrameReader(path)))


@pytest.mark.parametrize("fps", [25, Fraction(30000, 1001), 50])
def test_two_intervals_of_a_video_are_cut_cropped_and_heard_exactly(hdtf, films, fps):
    hdtf.annotate("Radio11", "00:01-00:03", "00:05-00:06")
    sound = films.noise(8)
    films.film(hdtf.videos / "Radio11.mkv", films.even(fps, 8), sound=sound, crf=12)
    lines = run(hdtf, crf=12)
    assert [(x.status, x.frames, x.note) for x in lines.values()] == [
        ("ok", 50, ""),
        ("ok", 25, ""),
    ]
    times = [float(t) for t in films.even(fps, 8)]
    for name, begin, end in (("RD_Radio11_000", 1, 3), ("RD_Radio11_001", 5, 6)):
        path = hdtf.out / f"{name}.mp4"
        info = probe(path)
        assert (info.size, info.fps, info.codec) == ("512x512", 25, "h264")
        frames = frames_of(path)
        shown = [films.number_in(f) for f in frames]
        inside = [n for n, t in enumerate(times) if begin <= t < end]
        assert shown[0] == inside[0]
        assert set(shown) <= set(inside)
        if fps == 25:
            assert shown == inside
        assert len(shown) == 25 * (end - begin)
        for number, frame in enumerate(shown):
            assert abs(times[frame] - begin - number / 25) < 0.085
        own = sound[begin * 16000 : end * 16000, 0]
        heard = read_audio(path, 16000, mono=True)
        likeness, lag = alike(heard.samples[:, 0], own)
        assert likeness > 0.9
        assert abs(lag) < 0.001
        assert abs(len(heard.samples) - len(own)) <= 1024


def test_the_crop_is_the_authors_to_the_pixel(hdtf, films):
    """Beside the window lies a pattern that a crop one pixel off would let in."""
    hdtf.annotate("Radio11", "00:00-00:01")
    films.film(hdtf.videos / "Radio11.mp4", films.even(25, 1), sound=films.noise(1), crf=1)
    run(hdtf, crf=4)
    got = frames_of(hdtf.out / "RD_Radio11_000.mp4")[9].astype(float)
    picture = films.picture(9)

    def error(x, y, side=64):
        right = cv2.resize(picture[y : y + side, x : x + side], (512, 512))
        return np.abs(got - right).mean()

    others = [error(40 + x, 24 + y) for x in (-1, 0, 1) for y in (-1, 0, 1) if (x, y) != (0, 0)]
    assert error(40, 24) < min(*others, error(40, 24, 63), error(40, 24, 65)) / 1.5


def test_a_source_of_another_height_has_its_crop_scaled(hdtf, films):
    hdtf.annotate("Radio11", "00:00-00:01")
    films.film(hdtf.videos / "Radio11.mp4", films.even(25, 1), sound=films.noise(1), scale=2)
    (line,) = run(hdtf).values()
    assert (line.status, line.note) == (
        "ok",
        "crop scaled by 240/120, the heights of source and authors",
    )
    shown = [films.number_in(f) for f in frames_of(hdtf.out / "RD_Radio11_000.mp4")]
    assert shown == list(range(25))


def source(width, height):
    return VideoInfo(None, width, height, Fraction(25), None, "h264", 16000, Fraction(0))


@pytest.mark.parametrize(
    ("crop", "resolution", "size", "expected", "said"),
    [
        ((483, 0, 390), 720, (1280, 720), (483, 0, 390), ""),
        ((483, 0, 390), 720, (1920, 1080), (724, 0, 585), "scaled by 1080/720"),
        ((724, 3, 585), 1080, (1280, 720), (483, 2, 390), "scaled by 720/1080"),
        ((412, 0, 465), None, (1280, 720), (412, 0, 465), "resolution is unknown"),
        ((389, 0, 776), 720, (1920, 1080), (389, 0, 776), "720, which their crop does not fit"),
        ((0, 1, 719), 720, (854, 480), (0, 1, 479), "scaled"),
        ((803, 0, 479), 720, (641, 360), (401, 0, 240), "scaled"),
        ((389, 0, 776), 720, (1280, 720), None, "not inside the frame of 1280x720"),
        ((1200, 0, 390), None, (1280, 720), None, "390 px wide from (1200, 0)"),
    ],
)
def test_the_scale_rule(crop, resolution, size, expected, said):
    x, y, side = crop
    clip = Clip("RD", "A", 0, 0, 1, Crop(x=x, y=y, width=side, height=side), resolution)
    if expected is None:
        with pytest.raises(VideoError, match=said.replace("(", r"\(").replace(")", r"\)")):
            window(clip, source(*size))
        return
    found, notes = window(clip, source(*size))
    assert (found.x, found.y, found.width, found.height) == (*expected, expected[2])
    assert said in "; ".join(notes)
    assert bool(notes) == bool(said)


def test_a_rotated_phones_video_is_cropped_as_it_is_seen(hdtf, films):
    """Stored lying on its side with a display matrix; the crop is meant for what is seen."""
    hdtf.annotate("Radio11", "00:00-00:01", resolution=160)
    path = hdtf.videos / "Radio11.mp4"
    films.film(path, films.even(25, 1), sound=films.noise(1))
    turned = bytearray(path.read_bytes())
    header = turned.find(b"tkhd")
    place = turned.find((0x10000).to_bytes(4, "big"), header + 40)
    one, zero = (0x10000).to_bytes(4, "big"), bytes(4)
    minus = (-0x10000 & 0xFFFFFFFF).to_bytes(4, "big")
    matrix = zero + one + zero + minus + zero + zero + zero + zero + (0x40000000).to_bytes(4, "big")
    turned[place : place + 36] = matrix
    path.write_bytes(turned)
    # Seen: 120 wide, 160 high, turned clockwise; the numbers' window (40, 24) lies at (32, 40).
    crop = hdtf.annotations / "RD_crop_wh.txt"
    crop.write_text("Radio11_0.mp4 32 64 40 64\n")
    (line,) = run(hdtf).values()
    assert (line.status, line.note) == ("ok", "")
    frames = frames_of(hdtf.out / "RD_Radio11_000.mp4")
    assert [films.number_in(np.rot90(f)) for f in frames] == list(range(25))


def test_every_bad_source_is_a_line_and_the_others_are_done(hdtf, films):
    for name in ("good", "gone", "mute", "short", "text", "small", "twice", "uncropped"):
        crops = name != "uncropped"
        hdtf.annotate(name, "00:00-00:01", "00:01-00:02", crops=crops)
    for name in ("good", "short", "small", "twice"):
        seconds = 1.5 if name == "short" else 2
        films.film(hdtf.videos / f"{name}.mp4", films.even(25, seconds), sound=films.noise(seconds))
    films.film(hdtf.videos / "mute.mp4", films.even(25, 2))
    shutil.copy(hdtf.videos / "twice.mp4", hdtf.videos / "twice.mkv")
    (hdtf.videos / "text.mp4").write_text("not a video")
    crops = hdtf.annotations / "RD_crop_wh.txt"
    crops.write_text(crops.read_text().replace("small_0.mp4 40 64", "small_0.mp4 140 64"))
    lines = run(hdtf)
    for clip, status, said in (
        ("good_000", "ok", ""),
        ("good_001", "ok", ""),
        ("gone_000", "missing", "has no video called gone or RD_gone"),
        ("mute_000", "failed", "mute.mp4: has no sound; was only the picture downloaded?"),
        ("short_000", "ok", ""),
        ("short_001", "failed", "short.mp4: ends at 1.52 s, inside or before the interval 1-2 s"),
        ("text_000", "failed", "text.mp4: not a readable video"),
        ("small_000", "failed", "from (140, 24), is not inside the frame of 160x120"),
        ("small_001", "ok", ""),
        ("twice_000", "failed", "two videos could be RD_twice"),
        ("uncropped_001", "left out", "the authors give no crop"),
    ):
        line = lines[f"RD_{clip}"]
        assert line.status == status, line
        assert said in line.note, line
        assert (hdtf.out / f"RD_{clip}.mp4").exists() == (status == "ok")
    assert len(lines) == 16
    findings = (hdtf.out / "findings.csv").read_text()
    assert "RD_annotion_time.txt,8,uncropped_0 has an interval and no crop" in findings


@pytest.fixture
def two(hdtf, films):
    hdtf.annotate("A", "00:00-00:01")
    hdtf.annotate("B", "00:00-00:01")
    for name in "AB":
        films.film(hdtf.videos / f"{name}.mp4", films.even(25, 1), sound=films.noise(1))
    return hdtf


def stamps(folder):
    return {p.name: p.stat().st_mtime_ns for p in folder.glob("RD_*.mp4")}


def test_what_is_done_is_not_done_again_even_without_its_source(two):
    run(two)
    before = stamps(two.out)
    (two.videos / "A.mp4").unlink()
    assert {line.status for line in run(two).values()} == {"ok"}
    assert stamps(two.out) == before
    (two.out / "RD_B_000.mp4").write_bytes(b"half")
    assert {line.status for line in run(two).values()} == {"ok"}
    assert stamps(two.out)["RD_A_000.mp4"] == before["RD_A_000.mp4"]
    assert frames_of(two.out / "RD_B_000.mp4").shape[0] == 25


def test_a_changed_annotation_is_cut_again(two, films):
    run(two)
    crops = two.annotations / "RD_crop_wh.txt"
    crops.write_text(crops.read_text().replace("A_0.mp4 40 64 24 64", "A_0.mp4 0 64 24 64"))
    before = stamps(two.out)
    run(two)
    after = stamps(two.out)
    assert after["RD_A_000.mp4"] != before["RD_A_000.mp4"]
    assert after["RD_B_000.mp4"] == before["RD_B_000.mp4"]


def test_a_failed_clip_is_tried_again_where_its_source_has_changed(two, films):
    good = (two.videos / "A.mp4").read_bytes()
    (two.videos / "A.mp4").write_text("not a video")
    assert run(two)["RD_A_000"].status == "failed"
    note = two.out / ".prepared" / "RD_A_000.json"
    before = note.stat().st_mtime_ns
    assert run(two)["RD_A_000"].status == "failed"
    assert note.stat().st_mtime_ns == before
    assert run(two, retry_failed=True)["RD_A_000"].status == "failed"
    assert note.stat().st_mtime_ns != before
    (two.videos / "A.mp4").write_bytes(good)
    assert run(two)["RD_A_000"].status == "ok"


def test_workers_make_the_same_files(two):
    run(two)
    alone = {p.name: p.read_bytes() for p in two.out.glob("RD_*.mp4")}
    shutil.rmtree(two.out)
    run(two, workers=2)
    assert {p.name: p.read_bytes() for p in two.out.glob("RD_*.mp4")} == alone


def test_killed_in_the_middle_nothing_half_is_left_and_the_rest_is_done(hdtf, films):
    names = [f"v{i}" for i in range(4)]
    for name in names:
        hdtf.annotate(name, "00:00-00:03")
        films.film(hdtf.videos / f"{name}.mp4", films.even(25, 3), sound=films.noise(3))
    call = [sys.executable, "-m", "evaluation.cli", "data", "prepare", "hdtf"]
    call += ["--annotations", hdtf.annotations, "--videos", hdtf.videos, "-o", hdtf.out]
    process = subprocess.Popen(list(map(str, call)), stdout=subprocess.DEVNULL)
    late = time.monotonic() + 60
    while not list(hdtf.out.glob("RD_v1*.mp4")) and time.monotonic() < late:
        time.sleep(0.01)
    while not list(hdtf.out.glob(".RD_v2*.mp4")) and time.monotonic() < late:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    left = stamps(hdtf.out)
    assert set(left) == {"RD_v0_000.mp4", "RD_v1_000.mp4"}
    for name in left:
        assert frames_of(hdtf.out / name).shape[0] == 75
    assert list(hdtf.out.glob(".RD_v2*.mp4"))
    assert {line.status for line in run(hdtf).values()} == {"ok"}
    assert {k: v for k, v in stamps(hdtf.out).items() if k in left} == left
    assert not list(hdtf.out.glob(".*.mp4"))


def test_nobodys_videos_are_written_over(two, films):
    two.out.mkdir()
    (two.out / "RD_A_000.mp4").write_bytes(b"mine")
    with pytest.raises(UnusableInputError, match="not prepared here"):
        run(two)
    assert (two.out / "RD_A_000.mp4").read_bytes() == b"mine"
    (two.out / "RD_A_000.mp4").unlink()
    run(two)
    with pytest.raises(UnusableInputError, match="prepared with crf 18 and not 20"):
        run(two, crf=20)
    with pytest.raises(UnusableInputError, match="holds the source videos"):
        prepare(read_annotations(two.annotations), two.videos, two.videos)
    with pytest.raises(UnusableInputError, match="is not a folder"):
        prepare(read_annotations(two.annotations), two.videos / "x", two.out)


@pytest.fixture
def yt_dlp(two, tmp_path, monkeypatch):
    """A yt-dlp that knows one video and writes down what it was asked; no network."""
    shutil.move(two.videos / "A.mp4", tmp_path / "online.mp4")
    (two.videos / "B.mp4").unlink()
    tools = tmp_path / "bin"
    tools.mkdir()
    script = f"""#!{sys.executable}
import json, shutil, sys
with open({str(tmp_path / "asked")!r}, "a") as file:
    file.write(json.dumps(sys.argv[1:]) + "\\n")
url, out = sys.argv[-1], sys.argv[sys.argv.index("-o") + 1]
if not url.endswith("v=A"):
    sys.exit("WARNING: slow\\nERROR: [youtube] B: Video unavailable")
shutil.copy({str(tmp_path / "online.mp4")!r}, out.replace("%(ext)s", "mp4").replace("%%", "%"))
"""
    for name, text in (("yt-dlp", script), ("ffmpeg", "#!/bin/sh\n")):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tools), prepend=os.pathsep)
    return tmp_path / "asked"


def test_a_download_brings_what_there_is_and_a_dead_video_is_a_line(two, yt_dlp):
    assert {line.status for line in run(two).values()} == {"missing"}
    assert not yt_dlp.exists()
    lines = run(two, fetch=True)
    assert lines["RD_A_000"].status == "ok"
    assert lines["RD_B_000"].status == "missing"
    assert lines["RD_B_000"].note == (
        "https://example.org/watch?v=B cannot be had: [youtube] B: Video unavailable"
    )
    asked = [json.loads(line) for line in yt_dlp.read_text().splitlines()]
    assert [a[-1] for a in asked] == [f"https://example.org/watch?v={n}" for n in "AB"]
    assert asked[0][asked[0].index("-f") + 1] == "bv*[height=120]+ba/b[height=120]/bv*+ba/b"
    assert (two.videos / "RD_A.mp4").is_file()
    run(two, fetch=True)
    assert len(yt_dlp.read_text().splitlines()) == 3  # only the dead one again


@pytest.mark.parametrize(
    ("lacks", "said"), [("yt-dlp", "talkbench.download"), ("ffmpeg", "ffmpeg")]
)
def test_a_download_without_its_tools_is_told_before_anything(
    two, tmp_path, monkeypatch, lacks, said
):
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in {"yt-dlp", "ffmpeg"} - {lacks}:
        (tools / name).write_text("#!/bin/sh\n")
        (tools / name).chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", str(tools))
    with pytest.raises(UnusableInputError, match=said):
        run(two, fetch=True)
    assert not two.out.exists()


def test_the_command_says_how_it_went(two):
    call = ["data", "prepare", "hdtf", "--annotations", str(two.annotations)]
    call += ["--videos", str(two.videos), "-o", str(two.out)]
    answer = CliRunner().invoke(main, call)
    assert answer.exit_code == 0, answer.output
    assert "2 intervals: 2 ok, 0 failed, 0 missing, 0 left out" in answer.output
    two.annotate("C", "00:00-00:01")
    answer = CliRunner().invoke(main, call)
    assert answer.exit_code == 1
    assert "3 intervals: 2 ok, 0 failed, 1 missing" in answer.output
    answer = CliRunner().invoke(main, [*call[:4], str(two.videos), *call[5:]])
    assert answer.exit_code == 2
    assert "holds no annotations of HDTF" in answer.output
