"""Make a clip once, and remember it by everything its content depends on."""

from __future__ import annotations

import functools
import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.cost import Cost, cost_of, watched
from evaluation.elsewhere.addresses import tell
from evaluation.elsewhere.fetched import here, known_sha256, using
from evaluation.elsewhere.mirror import find
from evaluation.elsewhere.remote import UnreachableError
from evaluation.file_state import State, state_of
from evaluation.generator import GenerationError, Generator, HasVideos, lacking, made
from evaluation.json_form import Form, misfit
from evaluation.limits import parsed_json, text_of
from evaluation.machine import MachineError, machine_error
from evaluation.reading import VideoFile
from evaluation.records import LARGEST, Status
from evaluation.sample import Sample
from evaluation.store import safe_name, write_json
from metrics.assets import AssetCorruptError, AssetMissingError, locate, sha256_of


class MissingOutputError(GenerationError):
    """The video was to be there already and is not. Looked for again at every run."""


@dataclass(frozen=True)
class Generated:
    """A video, or the reason why there is none."""

    video: VideoFile | None
    status: Status = "ok"
    reason: str = ""


def generate_once(generator: Generator, sample: Sample, videos: Path, seed: int) -> Generated:
    """The generator's clip for this sample, from ``videos`` if it was made before.

    Args:
        generator: Who makes it.
        sample: From what.
        videos: Folder of the run's videos.
        seed: For the generator's random choices.

    Raises:
        MachineError: The disk is full or read-only.
    """
    spec = generator.spec
    out = video_path(videos, spec.name, sample.id)
    note = out.with_suffix(".json")
    try:
        key = _key(generator, sample, seed)
        remembered = _remembered(note, key, out)
        if remembered is not None:
            return remembered
        missing = _missing(generator)
        if missing:
            return Generated(None, "unavailable", missing)
        out.parent.mkdir(parents=True, exist_ok=True)
        return _make(generator, sample, seed, out, note, key)
    except MachineError:
        raise
    except UnreachableError as error:  # no fault of the generator, and not remembered
        return Generated(None, "unavailable", str(error))
    except OSError as error:
        known = machine_error(error)
        if isinstance(known, MachineError):
            raise known from error
        return Generated(None, "failed", f"generation failed: {error}")


def _missing(generator: Generator) -> str:
    """Why it cannot make anything on this machine, or nothing."""
    spec = generator.spec
    for name in spec.assets:
        try:
            locate(name)
        except KeyError:
            return f"generator {spec.name} needs {name!r}, which is not in the asset table"
        except (AssetMissingError, AssetCorruptError) as error:
            return f"generator {spec.name}: {error}"
    try:
        missing = lacking(generator)
    except Exception as error:  # noqa: BLE001 - foreign code
        missing = [f"what it lacks cannot be told: {_named(error)}"]
    return f"generator {spec.name} lacks {'; '.join(missing)}" if missing else ""


def _make(
    generator: Generator, sample: Sample, seed: int, out: Path, note: Path, key: str
) -> Generated:
    out.unlink(missing_ok=True)  # an older one is no result, and may be another folder's by a link
    if not isinstance(generator, HasVideos):
        for file in (sample.video, sample.audio, sample.other_audio):
            _ = file and here(file)  # a foreign program sees plain files
    try:
        with watched() as spent:
            answer = made(generator.generate(sample, out, seed))
            spent.made = answer.video == out
    except MissingOutputError as error:
        return Generated(None, "failed", str(error))
    except Exception as error:
        if isinstance(error, OSError) and isinstance(machine_error(error), MachineError):
            raise
        text = str(error) if isinstance(error, GenerationError) else _named(error)
        return _failed(out, note, key, f"generation failed: {text}")
    path = answer.video
    if not path.is_file():
        return _failed(out, note, key, f"generation failed: {generator.spec.name} wrote no file")
    video = VideoFile(path, file_sha256(path))
    content: dict[str, Any] = {"key": key, "sha256": video.sha256}
    if path == out:
        if answer.peak_mb is not None:
            spent.peak_mb = None if math.isnan(answer.peak_mb) else answer.peak_mb
        content |= spent.note(path)
    else:  # it was there already
        content["path"] = tell(path.absolute())  # a report may be written from elsewhere
    if answer.notes:
        content["notes"] = dict(answer.notes)
    if content != _read_note(note):  # finished videos are asked for at every run
        write_json(note, content)
    return Generated(video)


def _failed(out: Path, note: Path, key: str, reason: str) -> Generated:
    """Remember the failure, and leave nothing that could pass for a result."""
    out.unlink(missing_ok=True)
    write_json(note, {"key": key, "reason": reason})
    return Generated(None, "failed", reason)


def give_up(generator: Generator, sample: Sample, videos: Path, seed: int, reason: str) -> None:
    """Remember that this clip cannot be made or scored, until failures are retried."""
    out = video_path(videos, generator.spec.name, sample.id)
    _failed(out, out.with_suffix(".json"), _key(generator, sample, seed), reason)


def forget_failure(generator: Generator, sample: Sample, videos: Path) -> None:
    """Let a failed clip be tried again."""
    note = video_path(videos, generator.spec.name, sample.id).with_suffix(".json")
    if "reason" in _read_note(note):
        note.unlink()


def video_path(videos: Path, generator: str, sample: str) -> Path:
    """Where a generated video lies."""
    return videos / safe_name(generator) / f"{safe_name(sample)}.mp4"


_NUMBER = (int, float)
_NOTE: Form = {
    **dict.fromkeys(("key?", "sha256?", "path?", "reason?", "device?"), str),
    **dict.fromkeys(("seconds?", "peak_mb?", "gpu_mb?"), _NUMBER),
    "frames?": int,
    "notes?": {"*": (str, int)},
}


def _read_note(note: Path, about: str = "") -> dict[str, Any]:
    """What is kept beside a video; nothing where that is damaged or of another form.

    ``about``: a word without which nothing is wanted; those of finished videos are many.
    """
    try:
        text = text_of(note)
        content = parsed_json(text) if about in text else {}
    except (OSError, ValueError):
        return {}
    if misfit(content, _NOTE):
        return {}
    found: dict[str, Any] = content
    sizes = [found[k] for k in ("seconds", "peak_mb", "gpu_mb", "frames") if k in found]
    return found if all(0 <= size <= LARGEST for size in sizes) else {}


def video_of(root: Path, generator: str, sample: str) -> Path | None:
    """Where a run's video of that generator and sample lies, if it is still there."""
    path = video_path(root / "videos", generator, sample)
    note = _read_note(path.with_suffix(".json"))
    if "reason" in note:
        return None
    if "path" in note:
        path = find(note["path"])
    return path if is_there(path) else None


def is_there(path: Path) -> bool:
    """Whether it is a plain file; no name that a stranger wrote down is too odd to ask."""
    try:
        return path.is_file()
    except OSError:  # too long for any file system
        return False


def costs(root: Path, generators: Sequence[str], samples: Iterable[str]) -> dict[str, Cost]:
    """What a run's generators cost, as far as their videos were made in it."""
    wanted = list(samples)
    found = {}
    for name in generators:
        places = (video_path(root / "videos", name, sample) for sample in wanted)
        cost = cost_of([_read_note(p.with_suffix(".json"), '"seconds"') for p in places])
        if cost is not None:
            found[name] = cost
    return found


def _remembered(note: Path, key: str, out: Path) -> Generated | None:
    content = _read_note(note)
    if content.get("key") != key:
        return None
    if "reason" in content:
        return Generated(None, "failed", content["reason"])
    if "path" in content or not out.is_file():
        return None
    video = VideoFile(out, file_sha256(out))
    return Generated(video) if video.sha256 == content.get("sha256") else None


def _key(generator: Generator, sample: Sample, seed: int) -> str:
    files = [sample.video, sample.audio, sample.other_audio]
    if isinstance(generator, HasVideos):  # nothing is made of the others, which may lie elsewhere
        files = [sample.video]
    parts = [
        generator.spec.name,
        generator.spec.version,
        generator.spec.weights_sha256,
        sample.id,
        *(file_sha256(f) if f is not None and f.is_file() else "" for f in files),
        seed,
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """Lower-case hex; read again only when the file changed.

    A file from elsewhere that was read before in this version and is not here now is not fetched.

    Raises:
        OSError: It cannot be read.
        UnreachableError: It lies elsewhere and cannot be had now.
    """
    known = known_sha256(path)
    if known:
        return known
    with using():
        state = state_of(here(path))
        return sha256_of(path) if state is None else _sha256(path, state)


@functools.lru_cache(maxsize=65536)
def _sha256(path: Path, _state: State) -> str:
    return sha256_of(path)


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
