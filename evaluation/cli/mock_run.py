"""``talkbench mock-run``: does a generator work, on one short clip, in seconds."""

from __future__ import annotations

import pickle
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import click
import numpy as np

from evaluation.cli import options
from evaluation.cli.console import check_device, console, step
from evaluation.cli.log import log_json
from evaluation.generator import GenerationError, Generator, lacking, made
from evaluation.plan import UnusableInputError
from evaluation.registry import load_generator
from evaluation.sample import Sample
from evaluation.store import safe_name
from evaluation.video import Audio, FrameReader, VideoError, VideoInfo, probe, read_audio
from evaluation.video_writer import Encoding, VideoWriter
from metrics.assets import AssetCorruptError, AssetMissingError, locate

_CLIP = "clip-speaker"
_SECONDS = 1.5
_ENCODING = Encoding(crf=18)


@dataclass(frozen=True)
class Finding:
    """One check: ``ok``, ``note`` (worth knowing, and no fault) or ``FAIL``."""

    what: str
    verdict: str
    text: str


@click.command("mock-run", short_help="Check a generator in seconds on one short clip.")
@click.argument("name", metavar="GENERATOR[:KEY=VALUE,...]|FILE.toml")
@click.option("--video", type=options.Folder(), help="Another clip than the built-in one.")
@click.option("--audio", type=options.Folder(), help="What drives it; the video's own, if none.")
@click.option("--seed", type=int, default=0, show_default=True, help="For its random choices.")
@click.option(
    "-o",
    "--out",
    "root",
    type=options.Folder(),
    default=Path("runs/mock-run"),
    show_default=True,
    help="Folder of the clip, the video and the log.",
)
@log_json
def mock_run(name: str, video: Path | None, audio: Path | None, seed: int, root: Path) -> None:
    """Let a generator make one short clip, look at what came of it, and say what is wrong.

    The clip is the beginning of the sample suite's speaker, if that is here, else a drawn one
    without a face. Nothing is scored and nothing is recorded. Exit code 0 if all is well, else 1.

    \b
    Examples:
      talkbench mock-run my_system.toml
      talkbench mock-run wav2lip-official --video speaker.mp4
    """
    generator = load_generator(name)
    for path in (video, audio):
        if path is not None and not path.is_file():
            raise UnusableInputError(f"{path}: no such file")
    check_device()
    root.mkdir(parents=True, exist_ok=True)
    about = str(video)
    if video is None:
        video = root / "clip.mp4"
        about = write_clip(video)
    console.print(f"clip: {about}", highlight=False, soft_wrap=True, markup=False)
    sample = Sample(
        id=generator.spec.name,
        speaker="",
        video=video,
        audio=audio or (video if probe(video).has_audio else None),
        reference=video,
        other_audio=audio or video,
    )
    out = root / f"{safe_name(generator.spec.name)}.mp4"
    failed = False
    for finding in check(generator, sample, out, seed):
        failed = failed or finding.verdict == "FAIL"
        colour = {"ok": "green", "note": "yellow", "FAIL": "red"}[finding.verdict]
        console.print(f"[{colour}]{finding.verdict:4}[/] {finding.what}: ", end="")
        console.print(finding.text, highlight=False, soft_wrap=True, markup=False)
    if out.with_suffix(".log").is_file():
        log = out.with_suffix(".log")
        console.print(f"log: {log}", highlight=False, soft_wrap=True, markup=False)
    raise click.exceptions.Exit(int(failed))


def check(generator: Generator, sample: Sample, out: Path, seed: int) -> Iterator[Finding]:
    """Every check in turn; the first that leaves nothing to look at is the last."""
    missing = [*_missing_assets(generator), *lacking(generator)]
    if missing:
        for text in missing:
            yield Finding("lacks", "FAIL", text)
        return
    yield Finding("ready", "ok", f"{generator.spec.name}, version {generator.spec.version}")
    yield _travels(generator)
    begun = time.perf_counter()
    try:
        with step(f"generate {generator.spec.name}") as told:
            if hasattr(generator, "told"):
                generator.told = lambda done, total: told(done, total, "frames")
            clip = made(generator.generate(sample, out, seed))
    except GenerationError as error:
        yield Finding("generates", "FAIL", str(error))
        return
    except Exception as error:  # noqa: BLE001 - foreign code, and this is the place to learn it
        text = f"{type(error).__name__}: {error}; only a GenerationError is a reason in the records"
        yield Finding("generates", "FAIL", text)
        return
    yield Finding("generates", "ok", f"{clip.video} in {time.perf_counter() - begun:.1f} s")
    for what, value in clip.notes.items():
        yield Finding("notes", "ok", f"{what}: {value}")
    try:
        frames, info = _frames(clip.video)
        wanted, driven = _frames(sample.video)
    except VideoError as error:
        yield Finding("decodes", "FAIL", str(error))
        return
    yield Finding("decodes", "ok", f"{frames} frames, {info.codec}")
    yield _compared("frames", str(frames), str(wanted))
    yield _compared("fps", _rate(info.fps), _rate(driven.fps))
    yield _compared("size", info.size, driven.size)
    yield _sound(clip.video, sample)


def _missing_assets(generator: Generator) -> Iterator[str]:
    for name in generator.spec.assets:
        try:
            locate(name)
        except (AssetMissingError, AssetCorruptError) as error:
            yield str(error)
        except KeyError:
            yield f"{name!r}, which is not in the asset table"


def _travels(generator: Generator) -> Finding:
    try:
        pickle.loads(pickle.dumps(generator))  # noqa: S301 - our own bytes
    except Exception as error:  # noqa: BLE001 - foreign code
        text = f"cannot be sent to worker processes, so --workers 1 only ({error})"
        return Finding("workers", "note", text)
    return Finding("workers", "ok", "can be sent to worker processes")


def _compared(what: str, found: str, driven: str) -> Finding:
    if found == driven:
        return Finding(what, "ok", f"{found}, as the driven video")
    text = f"{found}, the driven video has {driven}: cards that compare the two fail"
    return Finding(what, "note", text)


def _sound(video: Path, sample: Sample) -> Finding:
    if sample.audio is None:
        return Finding("sound", "ok", "none was given")
    try:
        sound, given = read_audio(video), read_audio(sample.audio)
    except VideoError as error:
        return Finding("sound", "FAIL", str(error))
    if sound is None or not len(sound.samples):
        return Finding("sound", "FAIL", "none, and the clip was driven by some")
    text = f"{len(sound.samples) / sound.rate:.2f} s at {sound.rate} Hz"
    if given is not None:
        text += f", driven by {len(given.samples) / given.rate:.2f} s"
    return Finding("sound", "ok", text)


def _frames(path: Path) -> tuple[int, VideoInfo]:
    reader = FrameReader(path)
    for _ in reader:
        continue
    return reader.frames or 0, reader.info


def _rate(fps: Fraction) -> str:
    return f"{float(fps):.3f}".rstrip("0").rstrip(".")


def write_clip(path: Path) -> str:
    """Write the short clip, with sound; says what it is."""
    try:
        return _cut(locate(_CLIP), path)
    except (AssetMissingError, AssetCorruptError, VideoError):
        _draw(path)
        return (
            f"drawn, {_SECONDS} s, no face in it; for one with a face: "
            f"talkbench assets get {_CLIP}, or give --video"
        )


def _cut(source: Path, path: Path) -> str:
    """The beginning of a video."""
    reader, audio = FrameReader(source), read_audio(source)
    count = round(_SECONDS * reader.info.fps)
    if audio is not None:
        audio = Audio(audio.samples[: round(_SECONDS * audio.rate)], audio.rate)
    with VideoWriter(
        path,
        width=reader.info.width,
        height=reader.info.height,
        fps=reader.info.fps,
        encoding=_ENCODING,
        audio=audio,
    ) as writer:
        left = count
        for piece in reader:
            writer.add(piece[:left])
            left -= len(piece[:left])
            if not left:
                break
    return f"the first {_SECONDS} s of {_CLIP}"


def _draw(path: Path) -> None:
    """A moving pattern and a tone."""
    y, x = np.mgrid[0:256, 0:256]
    tone = 0.3 * np.sin(np.arange(round(_SECONDS * 16000)) * 2 * np.pi * 220 / 16000)
    audio = Audio(tone[:, None].astype(np.float32), 16000)
    with VideoWriter(
        path, width=256, height=256, fps=Fraction(25), encoding=_ENCODING, audio=audio
    ) as writer:
        for t in range(round(_SECONDS * 25)):
            shade = (128 + 100 * np.sin((x + y + 6 * t) / 20)).astype(np.uint8)
            writer.add(np.repeat(shade[None, ..., None], 3, axis=-1))
