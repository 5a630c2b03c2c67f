"""What every test may ask for: the team's clips, assets by name, official packages."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from metrics import assets

ROOT = Path(__file__).resolve().parents[1]


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
