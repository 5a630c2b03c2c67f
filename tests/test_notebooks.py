"""The notebooks run on real clips, from the first cell to the last, and carry no outputs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))

# What must be among the outputs of each: its pictures, and numbers that are known.
SHOWN = {
    "1_quickstart": ("image/png", "(16, 0)", "100.0"),
    "2_reproduce_a_table": ("IP-LAP", "31.41", "outside", "fewer than 5 speakers"),
    "3_compare_your_generator": (
        "image/png",
        "ok   size",
        "('mine', 'ssim@skimage-wang', -0",
        "Empty DataFrame",
    ),
    "4_read_a_report_and_a_board": ("image/png", "(1769, ", "no ranks"),
}

RUN = """
import sys, nbformat, nbclient
notebook = nbformat.read(sys.argv[1], 4)
nbclient.NotebookClient(notebook, timeout=300).execute()
nbformat.write(notebook, sys.argv[2])
"""


def outputs(path):
    return [c.get("outputs", []) for c in json.loads(path.read_text())["cells"]]


def test_each_is_known():
    assert [p.stem for p in NOTEBOOKS] == list(SHOWN)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_outputs_are_stripped(path):
    cells = json.loads(path.read_text())["cells"]
    assert not any(map(len, outputs(path)))
    assert all(c["execution_count"] is None for c in cells if c["cell_type"] == "code")


@pytest.mark.assets
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_it_runs(path, asset, data, tmp_path):
    pytest.importorskip("nbclient", reason="needs the notebooks extra")
    for clip in ("clip-singer", "clip-speaker", "clip-carphone"):
        asset(clip)
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(path), "made.ipynb"],
        cwd=tmp_path,
        env=os.environ | {"HDTF_MINI": str(data / "hdtf_mini"), "PATH": programs},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    text = json.dumps(outputs(tmp_path / "made.ipynb"), ensure_ascii=False)
    for shown in SHOWN[path.stem]:
        assert shown in text, text[:4000]
