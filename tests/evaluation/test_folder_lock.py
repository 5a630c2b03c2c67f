"""One writer at a time in a folder; who is turned away is told who is there and what to do."""

import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from filelock import FileLock

from evaluation.folder_lock import HOLDER, LOCK, writing
from evaluation.plan import UnusableInputError

HOLD = """
import sys
from pathlib import Path
from evaluation.folder_lock import writing
with writing(Path(sys.argv[1])):
    print("in", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path):
    """Another process that writes in the folder, until it is ended."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "in\n"
    with process:
        yield process
        process.kill()


def turned_away(folder):
    with pytest.raises(UnusableInputError) as caught, writing(folder):
        pass
    return str(caught.value)


def test_another_process_is_named_and_its_end_frees_the_folder(tmp_path, other):
    text = turned_away(tmp_path)
    assert str(tmp_path) in text
    assert f"process {other.pid} on {platform.node()} since " in text
    since = datetime.fromisoformat(json.loads((tmp_path / HOLDER).read_text())["since"])
    assert timedelta(0) <= datetime.now(UTC) - since < timedelta(minutes=10)
    assert f"(-c {tmp_path})" in text
    assert f"Wait for it, end it (kill {other.pid}), or choose another folder" in text
    turned_away(tmp_path)  # asking took nothing from who is there

    # Killed, it leaves its name behind and no lock.
    other.kill()
    other.wait()
    assert json.loads((tmp_path / HOLDER).read_text())["pid"] == other.pid
    with writing(tmp_path):
        assert json.loads((tmp_path / HOLDER).read_text())["pid"] == os.getpid()


def test_a_process_of_another_machine_cannot_be_killed_from_here(tmp_path):
    with writing(tmp_path):
        holder = json.loads((tmp_path / HOLDER).read_text())
        (tmp_path / HOLDER).write_text(json.dumps(holder | {"host": "node7"}))
        text = turned_away(tmp_path)
    assert f"process {os.getpid()} on node7 since" in text
    assert "end it on node7, or" in text
    assert "kill" not in text


@pytest.mark.parametrize("content", [None, "", "{}", "[]", "{"])
def test_a_holder_without_a_name_still_holds(tmp_path, content):
    with FileLock(tmp_path / LOCK):
        if content is not None:
            (tmp_path / HOLDER).write_text(content)
        text = turned_away(tmp_path)
    assert text.endswith("another talkbench. Wait for it, end it, or choose another folder")


def test_whatever_happens_inside_the_folder_is_free_afterwards(tmp_path):
    for _ in range(2):
        with pytest.raises(RuntimeError, match="inside"), writing(tmp_path):
            raise RuntimeError("inside")
        assert not (tmp_path / HOLDER).exists()
    with writing(tmp_path):
        assert (tmp_path / HOLDER).exists()


def test_a_file_system_without_locks_is_an_error_with_words(tmp_path, monkeypatch):
    def lockless(self, *arguments, **options):
        raise NotImplementedError("no flock here")

    monkeypatch.setattr(FileLock, "acquire", lockless)
    assert "its file system knows no locks" in turned_away(tmp_path)
    assert not (tmp_path / HOLDER).exists()
