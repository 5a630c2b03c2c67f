"""What :mod:`benchmarks.fuzz` spoils: whole files by kind, and their readers."""

from __future__ import annotations

import json
import random
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import torch

from baselines.runner_file import read_runner_file
from benchmarks.fuzz_damage import EXTREMES, spoil_bytes, spoil_text
from benchmarks.fuzz_folders import folders
from benchmarks.fuzz_kind import Input
from evaluation.audio import Audio
from evaluation.datasets.contextdub import CONTEXTDUB
from evaluation.datasets.lrs import LRS2
from evaluation.finished import FinishedVideos
from evaluation.floors import read_certificate
from evaluation.generate import file_sha256
from evaluation.reading import VideoFile
from evaluation.registry import load_metrics
from evaluation.report import write_report
from evaluation.results import build
from evaluation.score_pair import score_pair
from evaluation.sound import read_sound
from evaluation.split_manifest import make_manifest, read_split, write_split
from evaluation.store import KeptTrack, TrackStore
from evaluation.verify import verify
from evaluation.video import FrameReader, read_audio
from evaluation.video_writer import LOSSLESS, VideoWriter
from method.checkpoints import load_renderer


def prepare(folder: Path, media: Path | None) -> dict[str, Input]:
    """Whole files of every kind, and how each is read."""
    folder.mkdir()
    clips = _clips(folder / "clips", media)
    run = shutil.copytree(_run(folder), folder / "tables")
    for name in ("videos", "values", "tracks", "report"):
        shutil.rmtree(run / name, ignore_errors=True)
    rows = "id,speaker,video,audio\na,s,a.mp4,a.wav\n"
    return {
        **{f"{_kind(s)} {s[1:]}": _video(clips, s) for s in sorted({c.suffix for c in clips})},
        "wav": _wav(folder),
        "run: records.jsonl": _of_run(run, "records.jsonl"),
        "run: run.json": _of_run(run, "run.json"),
        "run: certificate.json": _of_run(run, "certificate.json"),
        "verify: results.json": _verified(run),
        "split.jsonl": _split(folder, clips),
        "contextdub.csv": _listed(folder, "contextdub.csv", rows, CONTEXTDUB.samples),
        "LRS list": _listed(folder, "test.txt", "main/00001 NF\nmain/00002\n", LRS2.samples),
        "finished.csv": _listed(folder, "list.csv", "id,file\na,a.mp4\nb,b.mp4\n", _finished),
        "runner TOML": _runners(),
        "tracks npz": _tracks(folder),
        "checkpoint": _checkpoint(folder),
        **folders(folder, folder / "run"),
    }


_PICTURES = (".png", ".jpg", ".webp", ".bmp")


def _kind(suffix: str) -> str:
    return "picture" if suffix in _PICTURES else "video"


def _write(path: Path, seed: int) -> Path:
    y, x = np.mgrid[0:48, 0:64]
    waves = [128 + 90 * np.sin((x + y + 4 * t + 11 * seed) / 9) for t in range(24)]
    sound = (0.3 * np.sin(np.arange(15360) * 0.1))[:, None].astype(np.float32)
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(
        path, width=64, height=48, fps=Fraction(25), encoding=LOSSLESS, audio=Audio(sound, 16000)
    ) as writer:
        writer.add(np.repeat(np.stack(waves)[..., None], 3, axis=3).astype(np.uint8))
    return path


def _clips(folder: Path, media: Path | None) -> list[Path]:
    """Small clips in four containers, one frame as pictures, and real clips below 600 kB."""
    first = _write(folder / "a.mp4", 0)
    clips = [first, _write(folder / "b.mp4", 1)]
    clips.append(_mpeg4(folder / "a.avi"))
    for suffix in (".mkv", ".mpg"):
        clips.append(folder / f"a{suffix}")
        kind = "mpegts" if suffix == ".mpg" else None
        with av.open(str(first)) as source, av.open(str(clips[-1]), "w", format=kind) as target:
            streams = {s.index: target.add_stream_from_template(s) for s in source.streams}
            for packet in source.demux():
                if packet.size and packet.dts is not None:
                    packet.stream = streams[packet.stream.index]
                    target.mux(packet)
    frame = next(iter(FrameReader(first)))[0]
    for suffix in _PICTURES:
        clips.append(folder / f"a{suffix}")
        cv2.imwrite(str(clips[-1]), frame)
    for path in sorted(media.rglob("*")) if media else ():
        if path.suffix in (".mp4", ".mkv", ".avi", ".mpg") and path.stat().st_size < 600_000:
            clips.append(Path(shutil.copy(path, folder / f"real-{len(clips)}{path.suffix}")))
    return clips


def _mpeg4(path: Path) -> Path:
    """As old AVIs are: MPEG-4 part 2, no sound."""
    frames = next(iter(FrameReader(path.with_name("a.mp4"))))
    with av.open(str(path), "w") as target:
        stream = target.add_stream("mpeg4", rate=25)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        for pixels in frames:
            target.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        target.mux(stream.encode(None))
    return path


def _video(clips: Sequence[Path], suffix: str) -> Input:
    ours = [c for c in clips if c.suffix == suffix]
    whole = {c: c.read_bytes() for c in ours}
    everything = [c.read_bytes() for c in clips]
    decoded = {c.name: _pixels(c) for c in ours}
    (psnr,) = load_metrics(["psnr"])

    def spoil(place: Path, rng: random.Random) -> tuple[Path, str]:
        source = rng.choice(ours)
        data, how = spoil_bytes(whole[source], rng, everything)
        (place / source.name).write_bytes(data)
        shutil.copy(source, place / f"whole{suffix}")
        return place / source.name, how

    def read(path: Path) -> str:
        """Sound both ways, then a record as a run would have it, and the pixels behind it."""
        for listen in (read_audio, lambda p: read_audio(p, 16000, mono=True), read_sound):
            try:
                listen(path)
            except ValueError as error:
                if "VideoError" not in type(error).__name__:
                    raise
        files = [VideoFile(p, file_sha256(p)) for p in (path, path.parent / f"whole{suffix}")]
        (outcome,) = score_pair(*files, [psnr], 1, TrackStore(path.parent))
        if outcome.status != "ok":
            return "failed record"
        frames = _pixels(path)
        sum(map(len, FrameReader(path, fps=25)))
        before = decoded[path.name]
        same = frames.shape == before.shape and np.array_equal(frames, before)
        return "same" if same else "other"

    return Input(spoil, read)


def _pixels(path: Path) -> np.ndarray:
    """Every 7th byte of all frames: enough to tell two decodings apart."""
    return np.concatenate([piece.reshape(len(piece), -1)[:, ::7] for piece in FrameReader(path)])


def _wav(folder: Path) -> Input:
    path = folder / "a.wav"
    body = (8000 * np.sin(np.arange(16000) * 0.1)).astype("<i2").tobytes()
    head = struct.pack("<IHHIIHH", 16, 1, 1, 16000, 32000, 2, 16)
    whole = (
        b"RIFF" + struct.pack("<I", 36 + len(body)) + b"WAVEfmt " + head
        + b"data" + struct.pack("<I", len(body)) + body
    )  # fmt: skip
    path.write_bytes(whole)
    before = [read_audio(path, 16000, mono=True), read_sound(path)]

    def spoil(place: Path, rng: random.Random) -> tuple[Path, str]:
        data = bytearray(whole)
        how = "header"
        if rng.random() < 0.5:
            at = rng.choice((4, 16, 20, 22, 24, 28, 32, 34, 40))
            data[at : at + 4] = struct.pack("<I", rng.choice((*EXTREMES, rng.randrange(1 << 32))))
        else:
            spoilt, how = spoil_bytes(whole, rng, [whole])
            data = bytearray(spoilt)
        (place / "a.wav").write_bytes(data)
        return place / "a.wav", how

    def read(path: Path) -> str:
        now = [read_audio(path, 16000, mono=True), read_sound(path)]
        same = all(
            a is not None and b is not None and np.array_equal(_samples(a), _samples(b))
            for a, b in zip(before, now, strict=True)
        )
        return "same" if same else "other"

    return Input(spoil, read)


def _samples(sound: Any) -> np.ndarray:
    return sound.samples if isinstance(sound, Audio) else sound


def _run(folder: Path) -> Path:
    """A run of two systems on three clips, with a certificate, without its videos."""
    for number in range(3):
        for seed, side in enumerate(("gt", "one", "two")):
            _write(folder / side / f"s{number}_0.mp4", 10 * number + seed)
    words = (
        f"score --reference {folder}/gt --generated one={folder}/one --generated two={folder}/two"
    )
    words += f" -m psnr -m ssim -o {folder}/run"
    command = [sys.executable, "-m", "evaluation.cli", *words.split()]
    subprocess.run(command, check=True, capture_output=True)
    run = folder / "run"
    rows = [json.loads(line) for line in (run / "records.jsonl").read_text().splitlines()]
    manifest = json.loads((run / "run.json").read_text())
    cards = [
        {"name": name, "version": card["version"], "gap_floor": {"value": 0.5, "by": "x"}}
        for name, card in manifest["metrics"].items()
    ]
    content = {"schema": 1, "suite": manifest["suite"]["id"], "dataset": "folder", "every": 1}
    clips = {r["sample"]: {"reference_sha256": r["reference_sha256"]} for r in rows}
    (run / "certificate.json").write_text(json.dumps({**content, "clips": clips, "cards": cards}))
    read_certificate(run / "certificate.json")
    shutil.rmtree(run / "report")
    return run


def _of_run(run: Path, name: str) -> Input:
    whole = (run / name).read_text()
    estimates = {k: e.value for k, e in build(run).estimates.items()}

    def spoil(place: Path, rng: random.Random) -> tuple[Path, str]:
        target = place / "run"
        shutil.copytree(run, target)
        data, how = spoil_text(whole, rng, lines=name.endswith("l"))
        (target / name).write_bytes(data)
        return target, how

    def read(path: Path) -> str:
        """Everything that ``talkbench report`` writes."""
        results = build(path)
        write_report(path, results, path / "report", ("md", "csv", "tex", "json", "html"))
        return (
            "same" if {k: e.value for k, e in results.estimates.items()} == estimates else "other"
        )

    return Input(spoil, read)


def _verified(run: Path) -> Input:
    whole = (run / "results.json").read_text()

    def spoil(place: Path, rng: random.Random) -> tuple[Path, str]:
        target = place / "run"
        shutil.copytree(run, target)
        data, how = spoil_text(whole, rng, lines=False)
        (target / "results.json").write_bytes(data)
        return target, how

    def read(path: Path) -> str:
        content = (path / "results.json").read_text(errors="replace")
        found = verify(path).deviations
        try:
            untouched = json.loads(content) == json.loads(whole)
        except (ValueError, RecursionError):
            untouched = False
        if not found and not untouched:
            raise AssertionError("a changed results.json passed")
        return "same" if not found else "failed record"

    return Input(spoil, read)


def _split(folder: Path, clips: Sequence[Path]) -> Input:
    path = folder / "split.jsonl"
    manifest, _ = make_manifest([(c.stem, "s", c) for c in clips[:2]])
    write_split(path, manifest)
    whole = path.read_text()

    def spoil(place: Path, rng: random.Random) -> tuple[Path, str]:
        data, how = spoil_text(whole, rng, lines=True)
        (place / "split.jsonl").write_bytes(data)
        return place / "split.jsonl", how

    def read(path: Path) -> str:
        return "same" if read_split(path).hash == manifest.hash else "other"

    return Input(spoil, read)


def _listed(folder: Path, name: str, text: str, samples: Callable[[Path], Any]) -> Input:
    """A list with the files that it names."""
    data = folder / f"of-{name}"
    for file in ("a.mp4", "b.mp4", "a.wav", "main/main/00001.mp4", "main/main/00002.mp4"):
        (data / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / "clips" / "a.mp4", data / file)
    (data / name).write_text(text)
    before = str(samples(data)).replace(str(data), "")

    def spoil(place: Path, rng: random.Random) -> tuple[Path, str]:
        target = place / "data"
        shutil.copytree(data, target)
        (folder / "private.mp4").touch()
        if rng.random() < 0.3:
            odd = rng.choice(("../private.mp4", "/etc/passwd", "a\0b", '"', "=1+1", "a" * 9999))
            words = text.replace("\n", ",\n").split(",")
            words[rng.randrange(len(words) - 1)] = odd
            (target / name).write_text(",".join(words).replace(",\n", "\n"))
            return target, odd[:20]
        spoilt, how = spoil_bytes(text.encode(), rng, [text.encode()])
        (target / name).write_bytes(spoilt)
        return target, how

    def read(path: Path) -> str:
        return "same" if str(samples(path)).replace(str(path), "") == before else "other"

    return Input(spoil, read)


def _finished(data: Path) -> dict[str, Path]:
    found = FinishedVideos.read("mine", data / "list.csv").videos
    if outside := [p for p in found.values() if not p.resolve().is_relative_to(data.resolve())]:
        raise AssertionError(f"left the folder: {outside}")
    return found


def _runners() -> Input:
    folder = Path(__file__).resolve().parents[1] / "baselines" / "runners"
    whole = [p.read_bytes() for p in sorted(folder.glob("*.toml"))]

    def spoil(place: Path, rng: random.Random) -> tuple[Path, str]:
        text = rng.choice(whole)
        if rng.random() < 0.3:
            lines = text.decode().splitlines()
            number = rng.randrange(len(lines))
            odd = rng.choice(("[" * 20_000, "9" * 5000, "{}", "nan", "inf", "-1", '""', "1e400"))
            lines[number] = f"{lines[number].partition('=')[0]}= {odd}"
            data, how = "\n".join(lines).encode(), f"= {odd[:9]}"
        else:
            data, how = spoil_bytes(text, rng, whole)
        (place / "system.toml").write_bytes(data)
        return place / "system.toml", how

    def read(path: Path) -> str:
        read_runner_file(path)
        return "other"

    return Input(spoil, read)


def _tracks(folder: Path) -> Input:
    rng_of_rows = np.random.default_rng(0)
    kept = KeptTrack({"boxes": rng_of_rows.normal(size=(24, 4)).astype(np.float32)}, 24)
    TrackStore(folder / "kept").save("ab" * 32, "faces", "1", kept)
    (path,) = (folder / "kept").rglob("*.npz")
    whole, below = path.read_bytes(), path.relative_to(folder / "kept")

    def spoil(place: Path, rng: random.Random) -> tuple[Path, str]:
        data, how = spoil_bytes(whole, rng, [whole])
        (place / below).parent.mkdir(parents=True)
        (place / below).write_bytes(data)
        return place, how

    def read(path: Path) -> str:
        found = TrackStore(path).load("ab" * 32, "faces", "1")
        if found is None:
            return "failed record"  # made again
        boxes = found.track.get("boxes")
        return (
            "same" if boxes is not None and np.array_equal(boxes, kept.track["boxes"]) else "other"
        )

    return Input(spoil, read)


def _checkpoint(folder: Path) -> Input:
    path = folder / "weights.pth"
    torch.save({"state_dict": {"a.weight": torch.zeros(4, 4), "a.bias": torch.zeros(4)}}, path)
    whole = path.read_bytes()

    def spoil(place: Path, rng: random.Random) -> tuple[Path, str]:
        data, how = spoil_bytes(whole, rng, [whole])
        (place / "weights.pth").write_bytes(data)
        return place / "weights.pth", how

    def read(path: Path) -> str:
        load_renderer(path)  # these are no weights of it: it must say so
        return "other"

    return Input(spoil, read)
