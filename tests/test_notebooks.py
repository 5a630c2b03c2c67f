"""The notebooks run, from the first cell to the last."""

import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))


@pytest.mark.assets
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_it_runs(path, asset, tmp_path):
    pytest.importorskip("nbclient", reason="needs the notebooks extra")
    for clip in ("clip-singer", "clip-speaker", "clip-carphone"):
        asset(clip)
    code = (
        "import sys, nbformat, nbclient\n"
        "notebook = nbformat.read(sys.argv[1], 4)\n"
        "nbclient.NotebookClient(notebook, timeout=300).execute()\n"
        "text = ''.join(str(c.get('outputs', '')) for c in notebook.cells)\n"
        "assert 'image/png' in text and '(16, 0)' in text, text[:2000]\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert NOTEBOOKS
