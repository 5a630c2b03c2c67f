"""What is measured on: folders of clips, and clips made longer or shorter."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import click
import numpy as np

TRUTH = "gt"


def systems_of(data: Path) -> list[str]:
    """The folders beside ``gt``."""
    return sorted(p.name for p in data.iterdir() if p.is_dir() and p.name != TRUTH)


def clips_of(data: Path, most: int | None = None) -> list[Path]:
    """The clips of ``gt``, all or the first so many.

    Raises:
        click.UsageError: There are none, or no system is beside them.
    """
    found = sorted((data / TRUTH).glob("*.mp4"))
    if not found or not systems_of(data):
        raise click.UsageError(
            f"--data {data}: expected {TRUTH}/*.mp4, and beside it a folder a system with clips of "
            "the same names"
        )
    return found[:most]


def hdtf_mini(folder: Path) -> Path:
    """The panels of ``hdtf-mini`` as links: gt and four systems, five clips each.

    Raises:
        AssetMissingError: The comparison videos are not on this machine.
    """
    from evaluation.datasets.hdtf_mini import CLIPS, PANELS, panel_of

    for panel in (p for p in PANELS if p != "dae-talker"):
        side = folder / (TRUTH if panel == "ground-truth" else panel)
        side.mkdir(parents=True)
        for clip in CLIPS:
            (side / f"{clip}.mp4").symlink_to(panel_of(clip, panel))
    return folder


def linked(data: Path, sides: Sequence[str], clips: Sequence[Path], folder: Path) -> Path:
    """A folder that has these sides and clips alone.

    Raises:
        click.UsageError: A side lacks a clip.
    """
    for side in sides:
        (folder / side).mkdir(parents=True)
        for clip in clips:
            there = data / side / clip.name
            if not there.is_file():
                raise click.UsageError(f"no {there}: every system needs every clip of {TRUTH}/")
            (folder / side / clip.name).symlink_to(there.resolve())
    return folder


def singer(path: Path, *, seconds: int, side: int, crf: int) -> Path:
    """The sample clip's singer, his face cut out, forward and backward until it is long.

    Args:
        path: Where to.
        seconds: How long, at 25 frames a second.
        side: Of its square frames, px.
        crf: Of x264.
    """
    import cv2

    from evaluation.video import FrameReader
    from evaluation.video_writer import Encoding, VideoWriter
    from metrics.assets import locate

    path.parent.mkdir(parents=True, exist_ok=True)
    pieces = [p[:, :420, 284:704] for p in FrameReader(locate("clip-singer"))]
    shots = [cv2.resize(f, (side, side)) for p in pieces for f in p]
    loop = [*shots, *shots[-2:0:-1]]
    with VideoWriter(
        path, width=side, height=side, fps=Fraction(25), encoding=Encoding(crf=crf), audio=None
    ) as writer:
        for start in range(0, seconds * 25, 25):
            writer.add(np.stack([loop[i % len(loop)] for i in range(start, start + 25)]))
    return path
