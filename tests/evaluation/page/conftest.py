"""One small run whose frames carry their number, as the page's tests look at it."""

from __future__ import annotations

import dataclasses
import shutil
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from evaluation.generate import file_sha256
from evaluation.generator import GenerationError, GeneratorSpec
from evaluation.plan import Plan
from evaluation.registry import load_metrics
from evaluation.report import PageChoice, write_report
from evaluation.results import build
from evaluation.run import execute
from evaluation.sample import Sample
from evaluation.store import TrackStore
from evaluation.suite import Suite
from evaluation.video import Audio
from evaluation.video_writer import Encoding, VideoWriter
from metrics.backbones.face_mesh import FACE_MESH

HOSTILE = "<img src=x onerror=alert(1)>\"'`</script><script>alert(2)</script>&amp;\u202e\n${x}"
REASON = "no <b onmouseover=alert(3)>face</b> </script>"
FRAMES, WIDTH, HEIGHT, BITS = 30, 160, 128, 6
ROWS = ("truth", "same", HOSTILE, "short", "broken", "voice")
CLIPS = ("clip-a", HOSTILE, "clip-c", "clip-d")


def numbered(frames: int, shade: int, drift: int = 0) -> np.ndarray:
    """uint8 RGB [n, H, W, 3]: the number in six blocks below, white for 1; a red mark above."""
    pixels = np.full((frames, HEIGHT, WIDTH, 3), shade, dtype=np.uint8)
    pixels += (drift * np.arange(frames, dtype=np.uint8))[:, None, None, None]
    pixels[:, 16:40, 24:48] = (220, 20, 20)
    wide = WIDTH // BITS
    for number in range(frames):
        for bit in range(BITS):
            block = slice(bit * wide, (bit + 1) * wide)
            pixels[number, 88:, block] = 255 * (number >> bit & 1)
    return pixels


def number_in(picture: np.ndarray) -> int:
    """The frame number that a picture of a tile shows, of whatever size it is drawn at."""
    height, width = picture.shape[:2]
    row = picture[round(height * 108 / HEIGHT)].mean(axis=-1)
    wide = width * (WIDTH // BITS) / WIDTH
    return sum(int(row[round((bit + 0.5) * wide)] > 128) << bit for bit in range(BITS))


@pytest.fixture(scope="session")
def numbers() -> SimpleNamespace:
    """What the tests must know of the run."""
    return SimpleNamespace(
        read=number_in, frames=FRAMES, rows=ROWS, clips=CLIPS, hostile=HOSTILE, reason=REASON
    )


def tone(step: float, frames: int = FRAMES) -> Audio:
    count = frames * 640
    return Audio((0.3 * np.sin(np.arange(count) * step))[:, None].astype(np.float32), 16000)


def write(path: Path, frames: int, shade: int, step: float) -> Path:
    with VideoWriter(
        path,
        width=WIDTH,
        height=HEIGHT,
        fps=Fraction(25),
        encoding=Encoding(crf=10),
        audio=tone(step, frames),
    ) as writer:
        writer.add(numbered(frames, shade, drift=2 if step > 0.3 else 0))
    return path


@dataclasses.dataclass(frozen=True)
class Finished:
    """A generator whose videos are there already; it fails where one is not."""

    name: str
    files: dict[str, Path]
    kind: str = "system"

    @property
    def spec(self):
        return GeneratorSpec(name=self.name, version="1", kind=self.kind, about=HOSTILE)

    def generate(self, sample, out, seed):
        if sample.id not in self.files:
            raise GenerationError(REASON)
        return Path(shutil.copyfile(self.files[sample.id], out))


@pytest.fixture(scope="session")
def run(tmp_path_factory) -> Path:
    """Four clips, six rows: one as the truth, one short, one broken, one with its own voice."""
    home = tmp_path_factory.mktemp("numbered")
    truth = write(home / "truth.mp4", FRAMES, 60, 0.1)
    grey = write(home / "grey.mp4", FRAMES, 140, 0.1)
    files = {
        "truth": dict.fromkeys(CLIPS, truth),
        "same": dict.fromkeys(CLIPS, truth),
        HOSTILE: dict.fromkeys(CLIPS, grey),
        "short": dict.fromkeys(CLIPS, grey) | {"clip-a": write(home / "s.mp4", 20, 90, 0.1)},
        "broken": dict.fromkeys(CLIPS[1:], grey),
        "voice": dict.fromkeys(CLIPS, write(home / "voice.mp4", FRAMES, 80, 0.37)),
    }
    for i, shade in enumerate((120, 160, 100), start=1):  # no two clips alike: lists choose
        files["voice"][CLIPS[i]] = write(home / f"v{i}.mp4", FRAMES, shade, 0.37)
    plan = Plan(
        suite=Suite(name="t", version="1", dataset="d", setting="reconstruction", metrics=()),
        metrics=tuple(load_metrics(["psnr", "ssim"])),
        generators=tuple(
            Finished(n, f, "reference" if n == "truth" else "system") for n, f in files.items()
        ),
        samples=tuple(
            Sample(id=c, speaker=f"speaker {i % 2} {c}", video=truth, audio=truth, reference=truth)
            for i, c in enumerate(CLIPS)
        ),
        every=1,
        settings={},
    )
    root = home / "run"
    execute(plan, root)
    landmarks = np.zeros((FRAMES, 468, 2), dtype=np.float32)
    landmarks[:] = (36, 28)  # the red mark
    landmarks[:, 61], landmarks[:, 291] = (31, 28), (41, 28)
    track = {"found": np.ones(FRAMES, dtype=bool), "landmarks": landmarks}
    kept = SimpleNamespace(track=track, frames=FRAMES)
    TrackStore(root).save(file_sha256(truth), FACE_MESH.id, "1", kept)
    return root


@pytest.fixture(scope="session")
def page(run, tmp_path_factory) -> Path:
    """The page as a folder, with players for three of the four clips."""
    out = tmp_path_factory.mktemp("page")
    (written,) = write_report(run, build(run), out, ["html"], PageChoice(clips="3"))
    return written


@pytest.fixture(scope="session")
def single(run, tmp_path_factory) -> Path:
    """The page as one file, moved away from wherever it was written."""
    out = tmp_path_factory.mktemp("single")
    choice = PageChoice(clips="1", self_contained=True)
    (written,) = write_report(run, build(run), out, ["html"], choice)
    assert [p.name for p in out.iterdir()] == ["index.html"]
    return written.rename(tmp_path_factory.mktemp("elsewhere") / "mine.html")


@pytest.fixture(scope="session")
def picture():
    """Decode a PNG to uint8 RGB [H, W, 3]."""

    def decode(png: bytes) -> np.ndarray:
        image = cv2.imdecode(np.frombuffer(png, dtype=np.uint8), cv2.IMREAD_COLOR)
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)

    return decode
