"""``talkbench doctor``: what works on this machine, and what to do about the rest."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from importlib import import_module
from importlib.metadata import files
from pathlib import Path

import click
import numpy as np

from evaluation.cli.console import console
from evaluation.environment import describe
from evaluation.plan import Plan
from evaluation.registry import listing, load_dataset, load_generator, load_metrics
from evaluation.results import build
from evaluation.run import execute
from evaluation.suite import Suite
from evaluation.video import Audio, FrameReader, read_audio
from evaluation.video_writer import LOSSLESS, Encoding, VideoWriter
from metrics import assets

_ROOMS = ("baselines", "evaluation", "leaderboards", "method", "metrics")


@dataclass(frozen=True)
class Finding:
    """One line: fine, or worth knowing, or broken with what to do."""

    what: str
    state: str  # "ok", "note" or "bad"
    text: str


@click.command(short_help="What works on this machine, and what to do about the rest.")
def doctor() -> None:
    """Check environment, packages, codecs, devices, assets, plug-ins, and score one tiny clip."""
    bad = 0
    marks = {"ok": "[green]ok[/]  ", "note": "[yellow]note[/]", "bad": "[red]BAD[/] "}
    for check in (_environment, _rooms, _devices, _codecs, _assets, _plugins, _end_to_end):
        for finding in _guarded(check):
            bad += finding.state == "bad"
            console.print(f"{marks[finding.state]} {finding.what}: ", end="")
            console.print(finding.text, markup=False, highlight=False, soft_wrap=True)
    console.print(f"{bad} problems" if bad else "Everything needed is in order.")
    raise click.exceptions.Exit(1 if bad else 0)


def _guarded(check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from check()
    except Exception as error:  # noqa: BLE001 - a doctor reports, whatever the illness
        yield Finding(check.__name__.strip("_"), "bad", f"{type(error).__name__}: {error}")


def _environment() -> Iterator[Finding]:
    here = describe()
    yield Finding("python", "ok", f"{here['python']} on {here['platform']}, {here['cpus']} cores")
    packages = here["packages"]
    if isinstance(packages, dict):
        yield Finding("packages", "ok", ", ".join(f"{n} {v}" for n, v in packages.items()))


def _rooms() -> Iterator[Finding]:
    """The flat package names are common words: another distribution may shadow them."""
    ours = Path(__file__).resolve().parents[2]
    for name in _ROOMS:
        module = import_module(name)
        place = Path(str(module.__file__)).resolve().parents[1]
        if place != ours:
            yield Finding(
                "packages",
                "bad",
                f"'{name}' is imported from {place}, not from talkbench at {ours}; use a fresh "
                "virtual environment or another working folder",
            )
    if files("talkbench") is None:
        yield Finding("packages", "bad", "talkbench is not installed: pip install -e .")


def _devices() -> Iterator[Finding]:
    import torch

    if torch.cuda.is_available():
        yield Finding("device", "ok", torch.cuda.get_device_name())
    else:
        yield Finding("device", "ok", f"CPU, {torch.get_num_threads()} threads (no CUDA device)")
    cores = os.cpu_count() or 1
    if torch.get_num_threads() < cores // 2:
        yield Finding(
            "threads",
            "note",
            f"torch uses {torch.get_num_threads()} of {cores}; see OMP_NUM_THREADS",
        )


def _codecs() -> Iterator[Finding]:
    with tempfile.TemporaryDirectory() as folder:
        clip, audio = _tiny_clip()
        for name, encoding in (("H.264 + AAC", Encoding(18)), ("lossless + FLAC", LOSSLESS)):
            path = Path(folder) / "clip.mp4"
            _write(path, clip, audio, encoding)
            back = np.concatenate(list(FrameReader(path)))
            heard = read_audio(path)
            exact = np.array_equal(back, clip)
            if len(back) != len(clip) or heard is None or (encoding.lossless and not exact):
                yield Finding("codec", "bad", f"{name} does not come back as written; reinstall av")
            else:
                yield Finding("codec", "ok", f"{name}, written and read")


def _assets() -> Iterator[Finding]:
    missing = []
    for name, asset in assets.ASSETS.items():
        try:
            if assets.find(asset) is None:
                missing.append(name)
            else:
                assets.locate(name)
        except assets.AssetCorruptError as error:
            yield Finding("assets", "bad", str(error))
    here = len(assets.ASSETS) - len(missing)
    yield Finding("assets", "ok", f"{here} of {len(assets.ASSETS)} here, in {assets.cache_root()}")
    if missing:
        todo = f"missing {', '.join(missing)}. Run: talkbench assets get"
        yield Finding("assets", "note", todo)


def _plugins() -> Iterator[Finding]:
    for kind in ("commands", "metrics", "generators", "datasets", "suites"):
        rows = listing(kind)
        for row in rows:
            if row.error:
                yield Finding(kind, "bad", row.error)
        yield Finding(kind, "ok", ", ".join(r.name for r in rows if not r.error))


def _end_to_end() -> Iterator[Finding]:
    """Generate, decode, score, aggregate: a tiny clip, held still."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        data.mkdir()
        clip, audio = _tiny_clip()
        _write(data / "clip.mp4", clip, audio, LOSSLESS)
        samples = load_dataset("folder").samples(data)
        plan = Plan(
            suite=Suite(
                name="doctor", version="1", dataset="folder", setting="reconstruction", metrics=()
            ),
            metrics=tuple(load_metrics(["psnr", "ssim"])),
            generators=(load_generator("ground-truth"), load_generator("still")),
            samples=tuple(samples),
            every=1,
            settings={},
        )
        run = Path(folder) / "run"
        execute(plan, run)
        found = {key: e.value for key, e in build(run).estimates.items()}
        perfect = found["ground-truth", "ssim@skimage-wang"]
        still = found["still", "ssim@skimage-wang"]
        if perfect == 1.0 and still is not None and still < perfect:
            yield Finding(
                "end to end", "ok", f"SSIM of a tiny clip: itself 1, held still {still:.3f}"
            )
        else:
            yield Finding("end to end", "bad", f"SSIM of itself is {perfect}, held still {still}")


def _tiny_clip() -> tuple[np.ndarray, Audio]:
    rows = np.arange(64)[:, None] + np.arange(64)[None, :]
    moving = [np.sin((rows + 5 * t) / 7) * 100 + 128 for t in range(10)]
    frames = np.repeat(np.stack(moving)[..., None], 3, axis=-1).astype(np.uint8)
    tone = 0.2 * np.sin(np.arange(6400) * 2 * np.pi * 440 / 16000)
    return frames, Audio(tone[:, None].astype(np.float32), 16000)


def _write(path: Path, frames: np.ndarray, audio: Audio, encoding: Encoding) -> None:
    with VideoWriter(
        path, width=64, height=64, fps=Fraction(25), encoding=encoding, audio=audio
    ) as writer:
        writer.add(frames)
