"""Write the page: ``index.html`` with a folder ``clips/`` beside it, or everything in one file."""

from __future__ import annotations

import base64
import re
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from av.error import FFmpegError

from evaluation.elsewhere.fetched import using
from evaluation.machine import MachineError, machine_error
from evaluation.plan import UnusableInputError
from evaluation.report.facts import Facts
from evaluation.report.layout import Layout
from evaluation.report.page.choice import NONE, SELF_CONTAINED_MB, PageChoice
from evaluation.report.page.clip_data import ClipReader
from evaluation.report.page.contact import SHEETS, Sheet, contact_sheet
from evaluation.report.page.document import Kept, document
from evaluation.report.page.index_data import CURVES, PLAYER
from evaluation.report.page.inlining import json_text
from evaluation.report.page.worth import chosen, clip_names, failed_clips, worth_a_look
from evaluation.report.words import plain, printable
from evaluation.results import Results
from evaluation.store import write_atomically
from evaluation.video import VideoError

Told = Callable[[int, int, str], None]
"""Called with (clips done, clips in all, what was just done)."""

CLIPS = "clips"
_OURS = re.compile(r"\d+\.js|[0-9a-f]{20}(-\d)?\.(mp4|json)")
_HALF = re.compile(rf"\.({_OURS.pattern})-[a-z0-9_]{{8}}(\.mp4)?")


def write_page(
    root: Path,
    results: Results,
    layout: Layout,
    said: Facts,
    out: Path,
    choice: PageChoice,
    told: Told = lambda *_: None,
) -> Path:
    """Write it, players included; those that are there for the same videos are not made again.

    Args:
        root: Folder of the run: videos, tracks and values per frame are read there.
        results: Its numbers.
        layout: How they read.
        said: Them in words.
        out: Where to write; made if absent.
        choice: Which clips get players, and whether all is one file.
        told: Progress over clips.

    Returns:
        The page.

    Raises:
        UnusableInputError: One file would hold more video than a browser can.
        MachineError: The disk is full or read-only.
    """
    looks = worth_a_look(results, layout)
    samples = tuple(results.manifest["samples"])
    picked = chosen(choice.clips, looks, failed_clips(results, layout), len(samples))
    with ExitStack() as stack:
        folder = out / CLIPS
        if choice.self_contained:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        kept = _clips(ClipReader(root, results, layout), samples, picked, folder, choice, told)
        kept.sheets = _sheets(results, layout, kept, folder)
        if not choice.self_contained:
            _sweep(folder, kept)
        text = document(results, layout, said, looks, kept)
    page = out / "index.html"
    data = text.encode("utf-8", "replace")  # half a surrogate pair in a file name
    write_atomically(page, lambda file: file.write(data))
    return page


def _clips(
    reader: ClipReader,
    samples: Sequence[str],
    picked: Sequence[int],
    folder: Path,
    choice: PageChoice,
    told: Told,
) -> Kept:
    kept = Kept(inline=choice.self_contained)
    size = 0
    for done, clip in enumerate(picked):
        content = _clip(reader, samples[clip], None if choice.clips == NONE else folder)
        kept.kinds[clip] = PLAYER if content["files"] else CURVES
        kept.files |= dict.fromkeys(content["files"], clip)
        if content["files"] and clip < SHEETS:
            kept.contents[clip] = content
        text = json_text(content)
        if choice.self_contained:
            size += sum((folder / name).stat().st_size for name in content["files"])
            _check_size(size, done + 1, len(picked))
            kept.clips.append((clip, text))
            kept.videos += [(name, _base64(folder / name)) for name in content["files"]]
        else:
            _write(folder / f"{clip}.js", f"talkbenchClip({clip},{text});\n")
        told(done + 1, len(picked), f"players: {plain(samples[clip])}")
    return kept


def _sheets(results: Results, layout: Layout, kept: Kept, folder: Path) -> list[Sheet]:
    """Pictures of the first clips of the split that have a player."""
    names = clip_names(results)
    samples = list(results.manifest["samples"].values())
    sheets = []
    for clip in sorted(kept.contents)[:SHEETS]:
        content = kept.contents[clip]
        video = folder / content["files"][0]
        speaker = printable(samples[clip]["speaker"])
        sheets.append(contact_sheet(content, video, layout, names[clip], speaker))
    return sheets


def _clip(reader: ClipReader, sample: str, proxies: Path | None) -> dict[str, Any]:
    """One clip; one that cannot be shown costs its player, and the page says why."""
    try:
        with using():
            return reader.read(sample, proxies)
    except MachineError:
        raise
    except (VideoError, FFmpegError, OSError, ValueError) as error:
        if isinstance(error, OSError) and isinstance(machine_error(error), MachineError):
            raise machine_error(error) from error
        content = reader.read(sample, None)
        return content | {"problem": f"No player could be made: {plain(str(error))}"}


def _check_size(size: int, done: int, clips: int) -> None:
    if size > SELF_CONTAINED_MB * 1_000_000:
        raise UnusableInputError(
            f"one file holds at most {SELF_CONTAINED_MB} MB of video, and the players of {done} "
            f"of {clips} clips take {size / 1e6:.0f} MB. Ask for fewer (--clips {max(1, done - 1)}"
            ") or leave --self-contained: the folder has no such limit"
        )


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def _write(path: Path, text: str) -> None:
    write_atomically(path, lambda file: file.write(text.encode()))


def _sweep(folder: Path, kept: Kept) -> None:
    """Take away what an earlier page, or a killed one, left and this one does not show.

    Other files stay.
    """
    stems = {Path(name).stem.split("-")[0] for name in kept.files}
    wanted = {f"{clip}.js" for clip in kept.kinds} | kept.files.keys()
    for path in folder.iterdir():
        note = path.suffix == ".json" and path.stem in stems
        ours = _OURS.fullmatch(path.name) and path.name not in wanted and not note
        if ours or _HALF.fullmatch(path.name):
            path.unlink()
