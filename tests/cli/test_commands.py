"""The command line as a user meets it: contract, exit codes, words about bad input."""

import json
import os
import re
import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from click.testing import CliRunner

from evaluation.cli import main
from evaluation.generate import video_of

ROOT = Path(__file__).resolve().parents[2]
CHEAP = ("-m", "psnr", "-m", "ssim")


@pytest.fixture
def pairs(tmp_path, write_clip):
    """Three references and a system's videos."""
    for seed, name in enumerate(("a_000", "b_000", "c_000")):
        write_clip(tmp_path / "gt" / f"{name}.mp4", seed=seed)
        write_clip(tmp_path / "out" / f"{name}.mp4", seed=seed + 5)
    return tmp_path


def score(talkbench, *arguments, **environment):
    return talkbench(
        *("score", "--reference", "gt", "--generated", "mine=out", *CHEAP, "-o", "run"),
        *arguments,
        **environment,
    )


def test_score_prints_the_table_and_writes_everything(talkbench, pairs, records_of):
    done = score(talkbench, "--every", "3")
    assert done.returncode == 0, done.stderr
    assert "PSNR" in done.stdout
    assert "mine" in done.stdout
    run = pairs / "run"
    assert {r["every"] for r in records_of(run)} == {3}
    rows = json.loads((run / "results.json").read_text())["estimates"]
    assert {r["metric"] for r in rows} == {"psnr", "ssim@skimage-wang"}
    for row in rows:
        assert {
            *("generator", "metric", "value", "lo", "hi", "n_scored", "n_attempted", "n_failed"),
            *("direction", "unit"),
        } <= row.keys()
        assert row["lo"] <= row["value"] <= row["hi"]
    manifest = json.loads((run / "run.json").read_text())
    assert manifest["suite"]["id"] == "score/1"
    assert manifest["environment"]["packages"]["numpy"]
    assert "score" in manifest["commands"][0]["line"]
    assert (run / "report" / "index.html").stat().st_size > 5000


def test_a_run_of_relative_paths_is_read_from_anywhere(tmp_path, write_clip, monkeypatch):
    for folder in ("truth", "made"):
        write_clip(tmp_path / folder / "a.mp4", frames=3, seed=len(folder))
    monkeypatch.chdir(tmp_path)
    words = ("score", "--reference", "truth", "--generated", "mine=made", "-m", "psnr", "-o", "run")
    assert CliRunner().invoke(main, words).exit_code == 0
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert video_of(tmp_path / "run", "mine", "a") == tmp_path / "made" / "a.mp4"
    sample = json.loads((tmp_path / "run" / "run.json").read_text())["samples"]["a"]
    assert sample["reference"] == str(tmp_path / "truth" / "a.mp4")


def test_score_again_computes_nothing(talkbench, pairs):
    score(talkbench)
    before = (pairs / "run" / "records.jsonl").read_bytes()
    done = score(talkbench)
    assert "0 records computed, 6 were there already" in done.stdout
    assert (pairs / "run" / "records.jsonl").read_bytes() == before


def test_failed_records_make_exit_code_one_and_are_explained(talkbench, pairs, write_clip):
    (pairs / "out" / "a_000.mp4").write_text("text")
    write_clip(pairs / "out" / "b_000.mp4", frames=9)
    done = score(talkbench)
    assert done.returncode == 1
    assert "not a readable video" in done.stdout
    assert "9 frames, reference 12" in done.stdout
    assert "1/3" in done.stdout


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda p, w: (p / "out" / "b_000.mp4").unlink(), "has no video called b_000"),
        (lambda p, w: w(p / "out" / "b_000.mp4", width=32), "32x48 pixels, reference 64x48"),
        (lambda p, w: w(p / "out" / "b_000.mp4", fps=Fraction(30)), "at 30 fps, reference at 25"),
        (
            lambda p, w: (p / "out" / "b_000.mp4").write_bytes(
                (p / "out" / "b_000.mp4").read_bytes()[:-4000]
            ),
            "b_000.mp4",
        ),
        (lambda p, w: (p / "out" / "b_000.mp4").write_bytes(b""), "the file is empty"),
    ],
)
def test_one_bad_clip_never_ends_a_run(talkbench, pairs, write_clip, records_of, change, words):
    change(pairs, write_clip)
    done = score(talkbench)
    assert done.returncode == 1
    rows = records_of(pairs / "run")
    assert len(rows) == 6
    bad = [r for r in rows if r["status"] != "ok"]
    assert {r["sample"] for r in bad} == {"b_000"}
    assert words in bad[0]["reason"]
    assert sum(r["status"] == "ok" for r in rows) == 4


def test_extra_videos_are_named_and_left_out(talkbench, pairs):
    shutil.copy(pairs / "out" / "a_000.mp4", pairs / "out" / "zz.mp4")
    done = score(talkbench)
    assert done.returncode == 0
    assert "1 videos match no reference and are left out: zz" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["score", "--reference", "none", "--generated", "m=out", "-o", "r"],
            "none does not exist",
        ),
        (
            ["score", "--reference", "gt", "--generated", "m=void", "-o", "r"],
            "void holds no videos",
        ),
        (["score", "--reference", "gt", "--generated", "m", "-o", "r"], "takes NAME=DIR"),
        (
            ["score", "--reference", "gt", "--generated", "m=other", "-o", "r"],
            "no file in other is named like one in gt: 'x' against 'a_000'",
        ),
        (
            ["score", "--reference", "gt", "--generated", "m=out", "-m", "sssim", "-o", "r"],
            "Did you mean ssim",
        ),
        (
            ["score", "--reference", "gt", "--generated", "m=out", "--speaker", "(", "-o", "r"],
            "not a regular expression",
        ),
        (
            ["score", "--reference", "gt", "--generated", "m=out", "--baseline", "x", "-o", "r"],
            "baseline 'x' is none of m",
        ),
        (["run", "samplee", "-o", "r"], "Did you mean sample"),
        (["run", "folder", "-g", "stil", "--data", "gt", "-o", "r"], "Did you mean still"),
        (["run", "folder", "-g", "still", "-o", "r"], "--data DIR"),
        (["run", "folder", "-g", "still", "--data", "gt", "--baseline", "x", "-o", "r"], "not run"),
        (["report", "void"], "holds no run"),
        (["report", "gt", "--format", "pdf"], "html,md,csv,tex,json"),
        (["assets", "get", "yunett"], "Did you mean yunet"),
        (["scor"], "Did you mean score"),
        (["score", "--reference", "gt", "--generated", "m=out", "-o", ""], "the path is empty"),
        (["score", "--reference", "gt", "--generated", "m=out", "-o", "gt"], "videos to be scored"),
        (["report", "gt/a_000.mp4"], "holds no run"),
    ],
)
def test_unusable_input_is_exit_code_two_and_writes_nothing(talkbench, pairs, arguments, words):
    (pairs / "void").mkdir()
    (pairs / "other").mkdir()
    shutil.copy(pairs / "out" / "a_000.mp4", pairs / "other" / "x.mp4")
    done = talkbench(*arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert words in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert not (pairs / "r").exists()


def test_an_output_that_cannot_be_made(talkbench, pairs):
    (pairs / "file").write_text("in the way")
    done = talkbench(
        *("score", "--reference", "gt", "--generated", "m=out", *CHEAP, "-o", "file/run")
    )
    assert done.returncode == 2
    assert "cannot make file/run" in done.stderr


def test_a_full_disk_stops_with_words_and_goes_on_later(talkbench, pairs, records_of, tmp_path):
    """A file size limit is a disk that is full: the kernel refuses the write."""
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4500, 4500)); "
        "from evaluation.cli import main; main(prog_name='talkbench')"
    )
    arguments = ["score", "--reference", "gt", "--generated", "mine=out", *CHEAP, "-o", "run"]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=pairs,
    )
    assert done.returncode == 3, done.stdout + done.stderr
    assert "Everything recorded is safe" in done.stderr
    assert "Traceback" not in done.stderr
    log = pairs / "run" / "records.jsonl"
    kept = log.read_bytes() if log.exists() else b""
    assert kept.endswith(b"\n") or not kept
    assert score(talkbench).returncode == 0
    assert (pairs / "run" / "records.jsonl").read_bytes().startswith(kept)
    assert len(records_of(pairs / "run")) == 6


def test_a_reader_that_leaves_changes_nothing(pairs):
    command = (
        f"{sys.executable} -m evaluation.cli score --reference gt --generated mine=out -m psnr "
        "-o run | head -c 1; exit ${PIPESTATUS[0]}"
    )
    done = subprocess.run(["bash", "-c", command], cwd=pairs, capture_output=True, check=False)  # noqa: S607
    assert done.returncode == 0, done.stderr
    assert (pairs / "run" / "report" / "index.html").exists()


@pytest.mark.parametrize("content", ["[]", "3", '{"schema": 1}', "{"])
def test_a_damaged_manifest_is_named(talkbench, pairs, content):
    score(talkbench)
    (pairs / "run" / "run.json").write_text(content)
    for done in (talkbench("report", "run"), score(talkbench)):
        assert done.returncode == 2
        assert "run.json" in done.stderr
        assert "Traceback" not in done.stderr


def test_paths_in_the_way_are_named(talkbench, pairs):
    score(talkbench)
    (pairs / "file").write_text("x")
    done = talkbench("report", "run", "-o", "file/x")
    assert (done.returncode, "file/x" in done.stderr) == (2, True)
    done = talkbench("assets", "get", "yunet", TALKBENCH_CACHE=str(pairs / "file"))
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    done = talkbench("list", "metrics", PYTHONIOENCODING="ascii")
    assert done.returncode == 0


def test_another_question_into_the_same_folder(talkbench, pairs):
    score(talkbench)
    done = score(talkbench, "--every", "2")
    assert done.returncode == 2
    assert "choose another folder" in done.stderr


def test_report_writes_the_formats_asked_for(talkbench, pairs):
    score(talkbench)
    done = talkbench("report", "run", "-o", "here", "--format", "md,tex")
    assert done.returncode == 0, done.stderr
    assert {p.suffix for p in (pairs / "here").iterdir()} == {".md", ".tex"}


@pytest.mark.parametrize("kind", ["suites", "generators", "metrics", "datasets", "assets"])
def test_lists(talkbench, kind):
    done = talkbench("list", kind)
    assert done.returncode == 0, done.stderr
    expected = {
        "suites": "sample",
        "generators": "ground-truth",
        "metrics": "ssim@skimage-wang",
        "datasets": "sample-media",
        "assets": "inception-fid",
    }
    assert expected[kind] in done.stdout


def test_lists_say_what_is_missing(talkbench, tmp_path):
    done = talkbench("list", "metrics", TALKBENCH_CACHE=str(tmp_path / "empty"))
    assert "needs lpips-alex" in done.stdout
    (command,) = re.findall(r"talkbench assets get (.*)", done.stdout.replace("\n", " "))
    assert {"lpips-alex", "yunet", "syncnet"} <= set(command.split())


def test_help_teaches(talkbench):
    text = talkbench("--help").stdout
    assert "talkbench demo" in text
    for command in ("assets", "demo", "doctor", "list", "report", "run", "score"):
        assert command in text
        page = talkbench(command, "--help")
        assert page.returncode == 0
        assert len(page.stdout) > 150


def test_doctor_finds_a_sound_machine_sound(talkbench):
    done = talkbench("doctor")
    assert done.returncode == 0, done.stdout
    assert "SSIM of a tiny clip: itself 1" in done.stdout


def test_doctor_finds_a_wrong_asset(talkbench, tmp_path):
    (tmp_path / "face_landmark.tflite").write_bytes(b"not it")
    done = talkbench("doctor", TALKBENCH_ASSETS=str(tmp_path))
    assert done.returncode == 1
    assert "face_landmark.tflite is not face-mesh" in done.stdout


@pytest.mark.assets
def test_a_wrong_asset_makes_its_metrics_unavailable(talkbench, pairs, records_of, asset):
    (pairs / "weights").mkdir()
    content = bytearray(asset("lpips-alex").read_bytes())
    content[5000] ^= 1
    (pairs / "weights" / "alexnet.ckpt").write_bytes(content)
    done = score(talkbench, "-m", "lpips", TALKBENCH_ASSETS=str(pairs / "weights"))
    assert done.returncode == 1
    bad = [r for r in records_of(pairs / "run") if r["metric"].startswith("lpips")]
    assert {r["status"] for r in bad} == {"unavailable"}
    assert "expected 443c5bc3" in bad[0]["reason"]
    # Taken away, the cache's own copy is used: what was unavailable is asked again.
    done = score(talkbench, "-m", "lpips")
    assert done.returncode == 0
    assert "3 records computed, 6 were there already" in done.stdout


@pytest.mark.assets
def test_a_metric_that_needs_a_face_says_so(talkbench, pairs, records_of):
    done = score(talkbench, "-m", "csim", "-m", "lmd", "--download")
    assert done.returncode == 1
    bad = [r for r in records_of(pairs / "run") if r["status"] != "ok"]
    assert {r["metric"] for r in bad} == {"csim@sface", "lmd@vico"}
    assert all("face" in r["reason"] for r in bad)


def test_a_stranger_adds_parts_without_touching_the_code(talkbench, pairs, tmp_path):
    """A real package, installed by pip into a folder of its own."""
    site = tmp_path / "site"
    source = shutil.copytree(ROOT / "tests" / "stranger", tmp_path / "stranger")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "-t", site, source],
        check=True,
        capture_output=True,
    )
    there = {"PYTHONPATH": str(site)}
    for kind, name in (("metrics", "brightness"), ("generators", "mirror"), ("suites", "stranger")):
        listed = talkbench("list", kind, **there).stdout
        assert name in listed
        assert "stranger-bench 0.3" in listed
    assert talkbench("hello", **there).stdout == "hello from a stranger\n"
    done = talkbench("run", "stranger", "--data", "gt", "-g", "mirror", "-o", "run", **there)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads((pairs / "run" / "results.json").read_text())["estimates"]
    found = {r["metric"]: r for r in rows}
    assert found["brightness"]["value"] == pytest.approx(64, abs=8)  # half of about 128
    assert found["psnr"]["n_scored"] == 3
    # Without the stranger the run is still told apart from a broken one.
    done = talkbench("report", "run")
    assert done.returncode == 2
    assert "no metric is called 'brightness'" in done.stderr


@pytest.mark.assets
def test_offline_and_without_files_the_way_out_is_named(talkbench, tmp_path):
    nowhere = {
        "TALKBENCH_CACHE": str(tmp_path / "empty"),
        "PIP_INDEX_URL": "https://localhost:9/simple",
        "PIP_EXTRA_INDEX_URL": "",
        "PIP_FIND_LINKS": "",
        "PIP_CONFIG_FILE": os.devnull,
    }
    done = talkbench("assets", "get", "clip-carphone", **nowhere)
    assert done.returncode == 2
    assert "talkbench assets get clip-carphone --from FILE" in " ".join(done.stderr.split())
    done = talkbench("run", "sample", "-g", "still", "-m", "psnr", "-o", "r", **nowhere)
    assert done.returncode == 2
    assert "talkbench assets get clip-singer" in " ".join(done.stderr.split())
    assert not (tmp_path / "r").exists()


def test_a_run_may_go_without_players(talkbench, pairs):
    assert score(talkbench, "--clips", "none").returncode == 0
    clips = pairs / "run" / "report" / "clips"
    assert not list(clips.glob("*.mp4"))
    refused = score(talkbench, "--clips", "some")
    assert refused.returncode == 2
    assert "none of listed, all, none" in refused.stderr
    assert score(talkbench, "--clips", "1").returncode == 0
    assert len(list(clips.glob("*.json"))) == 1
