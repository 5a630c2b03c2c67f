"""Foreign programs: what each does to itself costs one clip, and says why."""

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import pytest

from baselines import child
from evaluation.generator import GenerationError
from evaluation.sample import Sample
from evaluation.video import FrameReader, probe

OUT = "out/clip.mp4"


def fails(generator, sample, tmp_path):
    """The reason of a failure; nothing that could pass for a video is left."""
    with pytest.raises(GenerationError) as caught:
        generator.generate(sample, tmp_path / OUT, 0)
    assert not (tmp_path / OUT).exists()
    assert list((tmp_path / "out").glob("*")) == [tmp_path / "out/clip.log"]
    assert str(tmp_path / "out/clip.log") in str(caught.value)
    return str(caught.value)


def test_a_good_program_makes_the_clip(foreign, sample, tmp_path):
    made = foreign().generate(sample, tmp_path / OUT, 7)
    assert made.video == tmp_path / OUT
    assert made.video.read_bytes() == sample.video.read_bytes()
    assert "starting good" in (tmp_path / "out/clip.log").read_text()
    assert not made.video.is_symlink()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no other system tells")
def test_its_memory_is_its_own(foreign, sample, tmp_path):
    light = foreign("light").generate(sample, tmp_path / OUT, 0)
    heavy = foreign("heavy").generate(sample, tmp_path / OUT, 0)
    assert 5 < light.peak_mb < 100  # a bare interpreter
    assert 190 < heavy.peak_mb - light.peak_mb < 230


@pytest.fixture
def our_stdin():
    """Something to read on our own standard input."""
    reads, writes = os.pipe()
    os.write(writes, b"typed by the user\n")
    os.close(writes)
    saved = os.dup(0)
    os.dup2(reads, 0)
    os.close(reads)
    yield
    os.dup2(saved, 0)
    os.close(saved)


@pytest.mark.usefixtures("our_stdin")
def test_it_sees_its_own_world_and_nothing_of_ours(foreign, sample, tmp_path, monkeypatch):
    monkeypatch.setenv("LOOK", str(tmp_path / "look.json"))
    monkeypatch.setenv("SECRET_OF_OURS", "x")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    ours = str(Path(sys.prefix) / "bin")
    monkeypatch.setenv("PATH", f"{ours}{os.pathsep}{os.environ['PATH']}")
    more = """
    inherit = ["LOOK"]
    variables = { GREETING = "{work}/hello {{}}" }
    """
    foreign("look", more).generate(sample, tmp_path / OUT, 7)
    found = json.loads((tmp_path / "look.json").read_text())
    assert found["evaluation"] == found["numpy"] == "is not here"
    assert "SECRET_OF_OURS" not in found["env"]
    assert "PYTHONPATH" not in found["env"]
    assert ours not in found["env"]["PATH"].split(os.pathsep)
    assert found["stdin"] == ""
    work = Path(found["cwd"]).parent
    assert found["env"]["GREETING"] == f"{work}/hello {{}}"
    assert found["env"]["TMPDIR"] == str(work)
    assert found["files"] == ["program.py"]
    assert found["argv"][2:] == [f"{work}/video.mp4", f"{work}/output.mp4"]
    assert not work.exists()
    assert sorted(p.name for p in (tmp_path / "checkout").iterdir()) == ["program.py"]


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("killed", ["ended with signal SIGKILL", "starting killed"]),
        ("crash", ["ended with exit code 1", "RuntimeError: no face was found, said the foreign"]),
        ("nothing", ["wrote no file at output.mp4"]),
        ("half", ["its video cannot be used", "output.mp4"]),
        ("text", ["its video cannot be used", "not a readable video"]),
        ("link", ["left a link at output.mp4"]),
        ("link-out", ["left a link at output.mp4, to /etc/hostname"]),
        ("pipe", ["no regular file"]),
        ("folder", ["no regular file"]),
        ("variable", ["exit code 1", "KeyError: 'FOREIGN_TOKEN'"]),
    ],
)
def test_a_bad_program_is_a_reason(foreign, sample, tmp_path, monkeypatch, mode, words):
    monkeypatch.setenv("FOREIGN_TOKEN", "secret")
    reason = fails(foreign(mode), sample, tmp_path)
    for word in words:
        assert word in reason
    assert sample.video.stat().st_size > 1000


def test_a_variable_that_is_named_is_passed(foreign, sample, tmp_path, monkeypatch):
    monkeypatch.setenv("FOREIGN_TOKEN", "abc")
    foreign("variable", 'inherit = ["FOREIGN_TOKEN"]').generate(sample, tmp_path / OUT, 0)
    assert "the token is abc" in (tmp_path / "out/clip.log").read_text()


@pytest.mark.parametrize("mode", ["hang", "deaf"])
def test_a_program_that_hangs_is_stopped(foreign, sample, tmp_path, monkeypatch, mode):
    monkeypatch.setattr(child, "GRACE_S", 0.3)
    generator = foreign(mode, time_limit="{ seconds = 1, per_second = 1 }")
    begun = time.monotonic()
    reason = fails(generator, sample, tmp_path)
    assert "was stopped at its limit of 1 s" in reason
    assert f"starting {mode}" in reason
    assert time.monotonic() - begun < 10


def test_two_commands_share_the_limit(foreign, sample, tmp_path):
    program = '["python", "program.py", "{}", "{{video}}", "{{output}}"]'
    both = f"[{program.format('good')}, {program.format('hang')}]"
    reason = fails(foreign(command=both, time_limit="{ seconds = 1 }"), sample, tmp_path)
    assert "limit of 1 s" in reason
    assert "starting good" in (tmp_path / "out/clip.log").read_text()


def test_spam_fills_neither_disk_nor_memory(foreign, sample, tmp_path):
    foreign("spam").generate(sample, tmp_path / OUT, 0)
    log = (tmp_path / "out/clip.log").read_bytes()
    assert len(log) < 2 * child.KEPT_BYTES + 200
    assert b"starting spam" in log
    assert b"bytes are left out here" in log
    assert b"it ended with exit code 0" in log[-100:]


@pytest.mark.parametrize("mode", ["children", "children-hang"])
def test_no_child_is_left_behind(foreign, sample, tmp_path, monkeypatch, is_running, mode):
    monkeypatch.setenv("PIDS", str(tmp_path / "pids"))
    (tmp_path / "pids").touch()
    commands = ["children"] if mode == "children" else ["children", "hang"]
    program = '["python", "program.py", "{}", "{{video}}", "{{output}}"]'
    generator = foreign(
        more='inherit = ["PIDS"]',
        command=f"[{', '.join(program.format(c) for c in commands)}]",
        time_limit="{ seconds = 2 }",
    )
    if mode == "children":
        generator.generate(sample, tmp_path / OUT, 0)
    else:
        fails(generator, sample, tmp_path)
    pids = [int(line) for line in (tmp_path / "pids").read_text().split()]
    assert len(pids) == 1
    time.sleep(0.2)
    for pid in pids:
        assert not is_running(pid)


def test_a_locked_folder_is_thrown_away_too(foreign, sample, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)
    foreign("locked").generate(sample, tmp_path / OUT, 0)
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    ("form", "promise", "words"),
    [
        ({"fps": Fraction(30)}, {}, "30 fps, expected 25 as the driven video has"),
        ({"width": 32}, {}, "32x48 pixels, expected 64x48"),
        ({"frames": 9}, {}, "9 frames, expected 12.0 (0.48 s of the driving video at 25 fps)"),
        ({"audio": False}, {}, "no sound, where the sample has some"),
        ({}, {"fps": "30"}, "25 fps, expected 30"),
        ({}, {"size": '"256x256"'}, "64x48 pixels, expected 256x256"),
        (
            {"frames": 9},
            {"frames": '"as audio"'},
            "9 frames, expected 12.0 (0.48 s of the driving sound at 25 fps)",
        ),
        ({"frames": 9}, {"frames": '"as the shorter"'}, "9 frames, expected 12.0"),
        ({"frames": 9}, {"slack": "1"}, "9 frames, expected 12.0, give or take 1"),
    ],
)
def test_a_video_that_is_not_as_promised_fails(
    foreign, write_runner, sample, tmp_path, write_clip, form, promise, words
):
    write_clip(tmp_path / "checkout/other.mp4", **form)
    keys = {"fps": '"same"', "size": '"same"', "frames": '"as video"'} | promise
    output = f"{{ {', '.join(f'{k} = {v}' for k, v in keys.items())} }}"
    generator = foreign("other.mp4", output=output)
    assert words in fails(generator, sample, tmp_path)


def test_slack_and_any_allow_what_they_say(foreign, sample, tmp_path, write_clip):
    write_clip(tmp_path / "checkout/other.mp4", frames=13, width=32, fps=Fraction(30))
    output = '{ fps = 30, size = "any", frames = "as video", slack = 1 }'
    foreign("other.mp4", output=output).generate(sample, tmp_path / OUT, 0)
    assert probe(tmp_path / OUT).size == "32x48"


def test_the_shorter_of_video_and_sound_is_meant(foreign, sample, tmp_path, write_clip):
    write_clip(tmp_path / "long.mp4", frames=20)
    sample = Sample(
        id="a", speaker="a", video=sample.video, audio=tmp_path / "long.mp4", reference=None
    )
    output = '{ fps = "same", size = "same", frames = "%s" }'
    foreign(output=output % "as the shorter").generate(sample, tmp_path / OUT, 0)
    foreign(output=output % "as video").generate(sample, tmp_path / OUT, 0)
    reason = fails(foreign(output=output % "as audio"), sample, tmp_path)
    assert "12 frames, expected 20.0 (0.80 s of the driving sound at 25 fps)" in reason


def test_the_file_is_found_by_its_pattern(foreign, sample, tmp_path):
    command = '["python", "program.py", "good", "{video}", "{folder}/made-anew.avi.mp4"]'
    output = '{ fps = "same", size = "same", frames = "as video", file = "folder/made*.mp4" }'
    foreign(command=command, output=output).generate(sample, tmp_path / OUT, 0)
    assert (tmp_path / OUT).is_file()


def test_two_files_of_the_pattern_are_no_answer(foreign, sample, tmp_path):
    output = '{ fps = "same", size = "same", frames = "as video", file = "*.mp4" }'
    assert "wrote 2 files at *.mp4" in fails(foreign(output=output), sample, tmp_path)


def test_a_link_to_a_folder_outside_is_no_way_out(foreign, sample, tmp_path, write_clip):
    write_clip(tmp_path / "secret/other.mp4")
    (tmp_path / "checkout").mkdir()
    (tmp_path / "checkout/way").symlink_to(tmp_path / "secret")
    output = '{ fps = "same", size = "same", frames = "as video", file = "folder/way/other.mp4" }'
    assert "left a link" in fails(foreign("nothing", output=output), sample, tmp_path)


def test_the_right_half_without_its_first_frames_and_with_the_driving_sound(
    foreign, sample, tmp_path, write_clip
):
    """Side by side as IP-LAP's script writes it: what is left is the right half's pixels."""
    frames = write_clip(tmp_path / "checkout/other.mp4", width=128, frames=14, audio=False)
    steps = '["right half", "drop first 2 frames", "driving sound"]'
    generator = foreign("other.mp4", steps=steps)
    made = generator.generate(sample, tmp_path / OUT, 0)
    kept = next(iter(FrameReader(made.video)))
    assert (kept == frames[2:, :, 64:]).all()
    assert probe(made.video).has_audio
    assert "right half, drop first 2 frames, driving sound" in generator.spec.version
    assert made.notes["post-steps"] == "right half; drop first 2 frames; driving sound"


@pytest.mark.parametrize(("frames", "most"), [(9, 3), (14, 2)])
def test_a_clip_is_fitted_only_as_far_as_declared(
    foreign, sample, tmp_path, write_clip, frames, most
):
    source = write_clip(tmp_path / "checkout/other.mp4", frames=frames)
    steps = f'["fit to video within {most} frames"]'
    made = foreign("other.mp4", steps=steps).generate(sample, tmp_path / OUT, 0)
    kept = next(iter(FrameReader(made.video)))
    assert len(kept) == 12
    assert (kept[: min(frames, 12)] == source[:12]).all()
    assert (kept[min(frames, 12) :] == source[-1]).all()
    steps = f'["fit to video within {most - 1} frames"]'
    reason = fails(foreign("other.mp4", steps=steps), sample, tmp_path)
    assert f"the clip has {frames} frames, 12 would be as long" in reason


def test_the_middle_of_three_panels(foreign, sample, tmp_path, write_clip):
    frames = write_clip(tmp_path / "checkout/other.mp4", width=192)
    foreign("other.mp4", steps='["middle third"]').generate(sample, tmp_path / OUT, 0)
    assert (next(iter(FrameReader(tmp_path / OUT))) == frames[:, :, 64:128]).all()
    write_clip(tmp_path / "checkout/other.mp4", width=64)
    assert "no meaning for frames of 64 columns" in fails(
        foreign("other.mp4", steps='["middle third"]'), sample, tmp_path
    )


def test_the_checkout_is_not_written_to(foreign, sample, tmp_path):
    """A small file is a copy: a program that writes over its own files spares the user's."""
    code = "open('program.py', 'w').write('x'); import shutil, sys; shutil.copyfile(*sys.argv[1:])"
    command = f'["python", "-c", "{code}", "{{video}}", "{{output}}"]'
    foreign(command=command).generate(sample, tmp_path / OUT, 0)
    assert "import json" in (tmp_path / "checkout/program.py").read_text()


def test_it_starts_in_a_folder_of_the_checkout(foreign, sample, tmp_path):
    (tmp_path / "checkout/code").mkdir(parents=True)
    (tmp_path / "checkout/code/big.bin").write_bytes(bytes(300 * 1024))
    command = '["python", "../program.py", "good", "{video}", "{output}"]'
    foreign(command=command, start_in='"code"').generate(sample, tmp_path / OUT, 0)
    reason = fails(foreign(command=command, start_in='"cod"'), sample, tmp_path)
    assert "its checkout has no folder cod" in reason


def test_another_rate_and_fewer_frames_are_steps(foreign, sample, tmp_path, write_clip):
    write_clip(tmp_path / "checkout/other.mp4", frames=20, fps=Fraction(50))
    steps = '["rate 25", "drop last 1 frames", "left half"]'
    output = '{ fps = 25, size = "32x48", frames = "any" }'
    made = foreign("other.mp4", steps=steps, output=output).generate(sample, tmp_path / OUT, 0)
    steady = next(iter(FrameReader(tmp_path / "checkout/other.mp4", fps=25)))
    kept = next(iter(FrameReader(made.video)))
    assert (kept == steady[:-1, :, :32]).all()


def test_a_sample_without_sound_says_so_before_anything_runs(foreign, sample, tmp_path):
    mute = Sample(id="a", speaker="a", video=sample.video, audio=None, reference=None)
    command = '["python", "program.py", "good", "{video}", "{output}", "{audio}"]'
    assert "this sample has no driving sound" in fails(foreign(command=command), mute, tmp_path)
    foreign().generate(mute, tmp_path / OUT, 0)


def test_files_are_written_before_it_runs(foreign, sample, tmp_path):
    more = """
    [files]
    "conf/list.txt" = "{{video}}={video} seed {seed}"
    """
    command = (
        '["python", "-c", "import sys, shutil; t = open(sys.argv[1]).read(); print(t); '
        "assert t.startswith('{{video}}=/') and t.endswith('seed 5'); "
        'shutil.copyfile(sys.argv[2], sys.argv[3])", "{work}/conf/list.txt", "{video}", "{output}"]'
    )
    foreign(more=more, command=command).generate(sample, tmp_path / OUT, 5)


def test_the_driving_sound_is_wav_at_the_declared_rate(foreign, sample, tmp_path):
    code = (
        "import sys, shutil, wave; w = wave.open(sys.argv[1]); "
        "print(w.getframerate(), w.getnchannels(), w.getnframes()); "
        "shutil.copyfile(sys.argv[2], sys.argv[3])"
    )
    command = f'["python", "-c", "{code}", "{{audio}}", "{{video}}", "{{output}}"]'
    foreign(command=command, audio_rate="8000").generate(sample, tmp_path / OUT, 0)
    assert "8000 1 3840" in (tmp_path / "out/clip.log").read_text()
    foreign(command=command).generate(sample, tmp_path / OUT, 0)
    assert "16000 1 7680" in (tmp_path / "out/clip.log").read_text()


def test_a_program_that_is_not_there_is_a_reason(foreign, sample, tmp_path):
    generator = foreign(command='["no-such-program", "{video}"]')
    assert "cannot start no-such-program: not in " in fails(generator, sample, tmp_path)


def test_it_goes_to_worker_processes(foreign, sample, tmp_path):
    generator = foreign()
    assert generator.lacking() == []
    twin = pickle.loads(pickle.dumps(generator))  # noqa: S301 - our own bytes
    assert twin.spec == generator.spec
    twin.generate(sample, tmp_path / OUT, 0)


def git(folder, *words):
    person = ["-c", "user.name=a", "-c", "user.email=a@b"]
    command = ["git", *person, "-C", str(folder), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def checkout(write_runner, tmp_path):
    write_runner()
    folder = tmp_path / "checkout"
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    return folder, git(folder, "rev-parse", "HEAD")


def test_the_commit_is_compared(foreign, checkout):
    folder, head = checkout
    known = {"repository": '"https://example.org/foreign"'}
    same = foreign(commit=f'"{head}"', **known)
    assert same.lacking() == []
    assert f"commit {head[:7]}" in same.spec.version
    other = foreign(commit=f'"{"0" * 40}"', **known)
    assert f"is at {head[:7]}; run git -C {folder} checkout" in other.lacking()[0]
    any_ = foreign(commit=f'"{"0" * 40}"', any_commit="true", **known)
    assert any_.lacking() == []
    assert f"commit {head[:7]} for 0000000" in any_.spec.version


def test_a_change_of_the_code_is_another_version(foreign, checkout, tmp_path):
    folder, head = checkout
    known = {"repository": '"https://example.org/foreign"', "commit": f'"{head}"'}
    before = foreign(**known).spec.version
    # Written by the fixture as it is committed, so the change comes after.
    generator = foreign(**known)
    with (folder / "program.py").open("a") as file:
        file.write("# another line\n")
    assert generator.spec.version.startswith(before + " with changes ")


def test_without_git_the_commit_is_the_files_word(foreign):
    known = {"repository": '"https://example.org/foreign"', "commit": f'"{"0" * 40}"'}
    assert "by its word, no git checkout" in foreign(**known).spec.version


def test_weights_are_checked_by_hash(foreign, tmp_path, sample):
    more = """
    [[weights]]
    path = "net.pth"
    sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    from = "https://example.org/net.pth"
    """
    generator = foreign(more=more)
    weight = tmp_path / "checkout/net.pth"
    assert generator.lacking() == [f"{weight}: from https://example.org/net.pth"]
    assert generator.spec.weights_sha256 == ""
    with pytest.raises(GenerationError, match="foreign lacks"):
        generator.generate(sample, tmp_path / OUT, 0)
    weight.write_text("hullo")
    assert "with sha256 2cf24dba5fb0...: this one has" in generator.lacking()[0]
    weight.write_text("hello")
    assert generator.lacking() == []
    assert len(generator.spec.weights_sha256) == 64


def test_a_container_gets_the_same_folders_and_is_removed(
    foreign, sample, tmp_path, monkeypatch, foreign_venv
):
    """No engine here: a stand-in that runs the words on this machine and keeps what it was told."""
    engine = tmp_path / "bin/docker"
    engine.parent.mkdir()
    engine.write_text(
        f"""#!{foreign_venv}/bin/python
import json, os, subprocess, sys
open({str(tmp_path / "told")!r}, "a").write(json.dumps(sys.argv[1:]) + "\\n")
if sys.argv[1] == "image":
    print("sha256:0123456789abcdef")
if sys.argv[1] == "run":
    words = sys.argv[sys.argv.index("someone/system:1") + 1:]
    os.chdir(sys.argv[sys.argv.index("--workdir") + 1])
    sys.exit(subprocess.call([sys.executable, *words[1:]]))
"""
    )
    engine.chmod(0o755)
    monkeypatch.setenv("PATH", f"{engine.parent}{os.pathsep}{os.environ['PATH']}")
    more = 'variables = { TOKEN = "1" }'
    generator = foreign(more=more, environment='{ image = "someone/system:1" }')
    generator.generate(sample, tmp_path / OUT, 0)
    assert "image 0123456789ab" in generator.spec.version
    told = [json.loads(line) for line in (tmp_path / "told").read_text().splitlines()]
    ran = next(t for t in told if t[0] == "run")
    folder = tmp_path / "checkout"
    assert ran[ran.index(f"{folder}:{folder}:ro") - 1] == "--volume"
    assert "TOKEN=1" in ran
    assert told[-1][:2] == ["rm", "--force"]
    assert told[-1][2] == ran[ran.index("--name") + 1]


def test_a_resident_program_in_an_image_is_not_ready(foreign):
    resident = {"resident": "true", "command": '["python", "x.py"]'}
    generator = foreign(environment='{ image = "a/b" }', **resident)
    assert generator.lacking() == [
        "an environment that is no image: resident programs cannot be in images yet"
    ]


def test_signals_have_names():
    assert child.of_code(-signal.SIGSEGV) == "signal SIGSEGV"
    assert child.of_code(3) == "exit code 3"
