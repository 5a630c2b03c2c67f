"""What every test may ask for: the team's clips, assets by name, official packages."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

# Before anything reads them. Tests run side by side: threads that turn while they wait for each
# other take the cores of another test, here and in every process that a test starts.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ |= {"COLUMNS": "200", "NO_COLOR": "1"}

import cv2
import numpy as np
import pytest
import torch
from click.testing import CliRunner

from evaluation.cli import main
from evaluation.video import Audio
from evaluation.video_writer import LOSSLESS, Encoding, VideoWriter
from metrics import assets

ROOT = Path(__file__).resolve().parents[1]


LONGEST = (
    "test_loop.py",
    "test_contract.py",
    "test_anchors.py",
    "test_frechet.py",
    "test_wav2lip.py",
    "test_every_suite.py",
    "test_run.py",
    "test_commands.py",
)
"""Files that take longest: a worker takes whole files, so short ones come last."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first; all else as collected."""
    place = {name: i for i, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.name, len(LONGEST)))


@pytest.fixture(scope="session")
def data() -> Path:
    """The team's clips. Absent: skip, but in CI that would hide everything, so there it fails."""
    path = Path(os.environ.get("TALKBENCH_TEST_DATA") or ROOT.parent / "shared" / "data")
    if not path.is_dir():
        reason = f"no test clips at {path} (set TALKBENCH_TEST_DATA)"
        if os.environ.get("CI") and not os.environ.get("TALKBENCH_TEST_DATA_OPTIONAL"):
            pytest.fail(reason)
        pytest.skip(reason)
    return path


@pytest.fixture(scope="session")
def golden(data: Path) -> dict[str, Any]:
    """Values of the official packages on ``hdtf_mini`` (see its README)."""
    return json.loads((data / "reference_values" / "values.json").read_text())


@pytest.fixture(scope="session")
def golden_per_frame(data: Path) -> dict[str, Any]:
    """The per-frame values behind ``golden``."""
    return json.loads((data / "reference_values" / "per_frame.json").read_text())


@pytest.fixture(scope="session")
def asset() -> Callable[[str], Path]:
    """Fetch (once, by hash) and return an asset of the table."""
    return assets.get


def apt_brings(package: str) -> bool:
    """Whether apt-get could install a package here and now; nothing is installed."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    asked = ["apt-get", "install", "--simulate", "-qq", package]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One Chromium for all tests of a process.

    Absent: skip with the reason. In CI that would hide every page, so there it fails, unless apt
    could not bring it: ``.ci/run`` says so in ``$TALKBENCH_NO_CHROMIUM``.
    """
    sync = pytest.importorskip("playwright.sync_api", reason="needs playwright (extra: dev)")
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        told = os.environ.get("TALKBENCH_NO_CHROMIUM", "")
        if os.environ.get("CI") and not told and apt_brings("chromium"):
            pytest.fail("no Chromium in CI, and apt-get could bring it (package chromium)")
        pytest.skip(f"no Chromium: {told or 'Debian: apt-get install chromium'}")
    with sync.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Any]]:
    """Open a page from disk; at the end nothing was asked for outside, went wrong or popped up."""
    contexts, wrong = [], []

    def show(path: Path, width: int = 1300, after: str = "", expected: str = "", **more: Any):
        context = browser.new_context(viewport={"width": width, "height": 900}, **more)
        contexts.append(context)
        tab = context.new_page()
        tab.on("pageerror", lambda error: wrong.append(str(error)))
        tab.on("dialog", lambda dialog: wrong.append(dialog.message))
        tab.on("console", lambda said: said.text == expected or wrong.append(said.text))
        home = (path.parent.as_uri() + "/", "blob:", "data:", "about:")
        tab.on("request", lambda asked: asked.url.startswith(home) or wrong.append(asked.url))
        tab.goto(path.as_uri() + after)
        return tab

    yield show
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.fixture(scope="session")
def decode() -> Callable[..., np.ndarray]:
    """Frames 0, N, 2N... of a video by OpenCV, uint8 RGB [n,H,W,3]: not talkbench's decoder."""

    def read(path: Path, every: int = 1, limit: int | None = None) -> np.ndarray:
        capture, frames, index = cv2.VideoCapture(str(path)), [], 0
        while limit is None or len(frames) < limit:
            ok, frame = capture.read()
            if not ok:
                break
            if index % every == 0:
                frames.append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
            index += 1
        capture.release()
        return np.stack(frames)

    return read


def moving_pattern(frames: int, width: int, height: int, seed: int) -> np.ndarray:
    """A smooth pattern that moves, uint8 RGB [n,H,W,3]; no face in it."""
    y, x = np.mgrid[0:height, 0:width]
    shades = [
        128 + 100 * np.sin((x * (1 + 0.1 * c) + y + 4 * t + 11 * seed + 30 * c) / 9)
        for t in range(frames)
        for c in range(3)
    ]
    return np.stack(shades).reshape(frames, 3, height, width).transpose(0, 2, 3, 1).astype(np.uint8)


@pytest.fixture(scope="session")
def write_clip() -> Callable[..., np.ndarray]:
    """Write a small lossless clip and return its frames."""

    def write(
        path: Path,
        *,
        frames: int = 12,
        width: int = 64,
        height: int = 48,
        fps: Fraction = Fraction(25),
        audio: bool = True,
        seed: int = 0,
        encoding: Encoding = LOSSLESS,
    ) -> np.ndarray:
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = moving_pattern(frames, width, height, seed)
        count = int(frames / fps * 16000)
        tone = (0.3 * np.sin(np.arange(count) * (0.1 + 0.02 * seed)))[:, None].astype(np.float32)
        with VideoWriter(
            path,
            width=width,
            height=height,
            fps=fps,
            encoding=encoding,
            audio=Audio(tone, 16000) if audio else None,
        ) as writer:
            writer.add(pixels)
        return pixels

    return write


@pytest.fixture(scope="session")
def formula_weights() -> Callable[..., dict[str, torch.Tensor]]:
    """Weights that any program can make, for networks whose own nobody may pass on.

    Entry i of the sorted state dict is w_j = sin(0.37 j + 0.001 j^2 + i), scaled by its kind; the
    rules are those of golden/README.md, which the golden outputs were recorded under.
    """

    def fill(
        state: Mapping[str, torch.Tensor], centre: Callable[[str], float] = lambda _: 1.0
    ) -> dict[str, torch.Tensor]:
        """The same keys and shapes; ``centre`` is what weights of norms lie around."""
        filled = {}
        for i, (key, value) in enumerate(sorted(state.items())):
            if not value.is_floating_point():
                filled[key] = torch.zeros(value.shape, dtype=value.dtype)
                continue
            if key.endswith(".pe"):
                filled[key] = value
                continue
            j = np.arange(value.numel(), dtype=np.float64)
            w = np.sin(0.37 * j + 0.001 * j * j + i)
            if key.endswith("running_var"):
                w = 1 + 0.1 * np.abs(w)
            elif key.endswith(".weight") and value.ndim == 1:
                w = centre(key) + 0.05 * w
            else:
                w *= 1.5 / math.sqrt(math.prod(value.shape[1:])) if value.ndim > 1 else 0.05
            filled[key] = torch.from_numpy(w.astype(np.float32)).reshape(value.shape)
        return filled

    return fill


@pytest.fixture(scope="session")
def official_weights(
    data: Path, formula_weights: Callable[..., dict[str, torch.Tensor]]
) -> Callable[[str], dict[str, torch.Tensor]]:
    """An official network's state dict by the name of its key file, under the formula."""

    def load(name: str) -> dict[str, torch.Tensor]:
        entries = json.loads((data / "golden" / f"{name}_keys.json").read_text())
        entries = entries["sorted_with_index"]
        with torch.device("meta"):
            shapes = {
                e["key"]: torch.empty(e["shape"], dtype=getattr(torch, e["dtype"].split(".")[-1]))
                for e in entries
            }
        weights = formula_weights(shapes)
        for entry in entries:
            if entry["rule"] != "untouched":
                total = weights[entry["key"]].double().abs().sum()
                assert float(total) == pytest.approx(entry["abs_sum"])
        return weights

    return load


def _in_this_process(words: list[str]) -> subprocess.CompletedProcess[str]:
    done = CliRunner().invoke(main, words, prog_name="talkbench")
    stderr = done.stderr
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        stderr += "".join(traceback.format_exception(done.exception))
    return subprocess.CompletedProcess(words, done.exit_code, done.stdout, stderr)


@pytest.fixture
def talkbench(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command line as a user does, in the folder of the test.

    It runs in this process, which has its seconds of imports behind it; where Python itself is told
    something by the environment (its path, its encoding, pip's settings), in one of its own.
    """

    def call(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        words = [*map(str, arguments)]
        if all(name.startswith("TALKBENCH_") for name in environment):
            with monkeypatch.context() as here:
                here.chdir(tmp_path)
                here.setattr(sys, "argv", ["talkbench", *words])
                for name, value in environment.items():
                    here.setenv(name, value)
                return _in_this_process(words)
        return subprocess.run(
            [sys.executable, "-m", "evaluation.cli", *words],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env=os.environ | environment,
        )

    return call


def read_records(run: Path) -> list[dict[str, Any]]:
    """Every line of a run's records, as written."""
    return [json.loads(line) for line in (run / "records.jsonl").read_text().splitlines()]


@pytest.fixture
def records_of() -> Callable[[Path], list[dict[str, Any]]]:
    """Every line of a run's records, as written."""
    return read_records
