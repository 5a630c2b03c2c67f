"""A foreign system: a program with a virtual environment of its own that knows nothing of us."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from baselines import resident
from baselines.process import load
from evaluation.sample import Sample

# What it does is its first word. Videos that it could not write itself lie beside it.
PROGRAM = """
import json, os, shutil, signal, subprocess, sys, time

def make(mode, video, output):
    if mode == "good":
        shutil.copyfile(video, output)
    elif mode in ("light", "heavy"):
        held = b"x" * (200_000_000 if mode == "heavy" else 1)
        shutil.copyfile(video, output)
        time.sleep(0.3)
        del held
    elif mode == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    elif mode == "hang":
        time.sleep(600)
    elif mode == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)
    elif mode == "crash":
        raise RuntimeError("no face was found, said the foreign program")
    elif mode == "spam":
        line = b"x" * 1023 + b"\\n"
        for i in range(50 * 1024):
            os.write(2, line)
            if sys.argv[1] != "resident":
                os.write(1, line)
        shutil.copyfile(video, output)
    elif mode == "half":
        data = open(video, "rb").read()
        open(output, "wb").write(data[: len(data) // 2])
    elif mode == "text":
        open(output, "w").write("done")
    elif mode == "link":
        os.symlink(video, output)
    elif mode == "link-out":
        os.symlink("/etc/hostname", output)
    elif mode == "pipe":
        os.mkfifo(output)
    elif mode == "folder":
        os.mkdir(output)
    elif mode == "children":
        code = "import time; time.sleep(600)"
        child = subprocess.Popen([sys.executable, "-c", code])
        open(os.environ["PIDS"], "a").write(str(child.pid) + "\\n")
        shutil.copyfile(video, output)
    elif mode == "variable":
        print("the token is", os.environ["FOREIGN_TOKEN"])
        shutil.copyfile(video, output)
    elif mode == "locked":
        shutil.copyfile(video, output)
        os.mkdir("locked")
        open("locked/file", "w").write("x")
        os.chmod("locked", 0o500)
    elif mode == "look":
        found = {"cwd": os.getcwd(), "env": dict(os.environ), "stdin": sys.stdin.read()}
        found |= {"argv": sys.argv, "files": sorted(os.listdir(".")), "python": sys.executable}
        for name in ("evaluation", "numpy"):
            try:
                __import__(name)
                found[name] = "is here"
            except ImportError:
                found[name] = "is not here"
        json.dump(found, open(os.environ["LOOK"], "w"))
        open("written-beside-the-code.txt", "w").write("x")
        shutil.copyfile(video, output)
    elif mode != "nothing":
        shutil.copyfile(mode, output)

def resident():
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    print("model loaded", file=sys.stderr)
    for line in sys.stdin:
        asked = json.loads(line)
        modes = open(os.environ["MODES"]).read().split()
        mode = modes.pop(0)
        open(os.environ["MODES"], "w").write(" ".join(modes))
        print(mode, "by", os.getpid(), file=sys.stderr)
        answer = {"id": asked["id"], "ok": True}
        if mode == "refuse":
            answer = {"id": asked["id"], "ok": False, "reason": "the face is too small"}
        elif mode == "garbage":
            print("100%|#####| done", file=answers, flush=True)
            continue
        elif mode == "endless":
            answers.write("x" * 200000)
            answers.flush()
            continue
        elif mode == "wrong-id":
            answer["id"] = "99"
        elif mode == "number":
            answer = 5
        elif mode == "twice":
            make("good", asked["video"], asked["output"])
            print(json.dumps(answer), file=answers, flush=True)
        elif mode == "leave":
            make("good", asked["video"], asked["output"])
            print(json.dumps(answer), file=answers, flush=True)
            return
        else:
            make(mode, asked["video"], asked["output"])
        print(json.dumps(answer), file=answers, flush=True)
    open(os.environ["MODES"] + ".closed", "w").write("closed")

if sys.argv[1] == "resident":
    resident()
else:
    print("starting", sys.argv[1], flush=True)
    make(*sys.argv[1:4])
"""


@pytest.fixture(scope="session")
def foreign_venv(tmp_path_factory):
    """An environment with nothing in it."""
    folder = tmp_path_factory.mktemp("foreign") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return folder


@pytest.fixture
def write_runner(tmp_path, foreign_venv):
    """Write the program and a runner file for it; keywords replace or add top-level lines."""

    def write(mode="good", more="", **changes):
        folder = tmp_path / "checkout"
        folder.mkdir(exist_ok=True)
        (folder / "program.py").write_text(PROGRAM)
        lines = {
            "name": '"foreign"',
            "about": '"copies its input"',
            "licence": '{ code = "ours", weights = "none" }',
            "trained_on": "[]",
            "optimises": "[]",
            "folder": f'"{folder}"',
            "environment": f'{{ venv = "{foreign_venv}" }}',
            "command": f'["python", "program.py", "{mode}", "{{video}}", "{{output}}"]',
            "output": '{ fps = "same", size = "same", frames = "as video" }',
            "time_limit": "{ seconds = 20 }",
        } | changes
        text = "\n".join(f"{key} = {value}" for key, value in lines.items() if value is not None)
        path = tmp_path / "foreign.toml"
        path.write_text(text + "\n" + textwrap.dedent(more))
        return path

    return write


@pytest.fixture
def foreign(write_runner):
    """The program as a generator."""

    def make(*arguments, **changes):
        return load(write_runner(*arguments, **changes))

    yield make
    resident.end_all()


@pytest.fixture
def sample(tmp_path, write_clip):
    """A clip of 12 frames with sound, under a name that no shell would like."""
    path = tmp_path / "in put" / "a'b; $(touch x).mp4"
    write_clip(path)
    return Sample(id="a", speaker="a", video=path, audio=path, reference=path)


@pytest.fixture(scope="session")
def is_running():
    """Whether a process is there, and not only waiting to be counted out."""

    def look(pid):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return False
        return state not in "ZX"

    return look
