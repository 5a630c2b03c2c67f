"""A small run of real clips, made once: three references, two systems, one clip that fails."""

from fractions import Fraction
from itertools import islice

import numpy as np
import pytest
from click.testing import CliRunner

from evaluation.cli import main
from evaluation.video import Audio, FrameReader, read_audio
from evaluation.video_writer import Encoding, VideoWriter

FRAMES = 13
NAMES = ("RD_Radio42_000", "RD_Radio8_000", "WRA_PeterRoskam0_000")
SYSTEMS = ("diffdub", "wav2lip")


def call(*words):
    return CliRunner().invoke(main, [str(w) for w in words])


@pytest.fixture(scope="session")
def clips(data, tmp_path_factory):
    """Half a second of three HDTF clips and of what two systems made of them, by folder."""
    root = tmp_path_factory.mktemp("clips")
    for folder in ("gt", *SYSTEMS):
        (root / folder).mkdir()
        for name in NAMES:
            source = data / "hdtf_mini" / folder / f"{name}.mp4"
            frames = (f for piece in FrameReader(source, piece=1) for f in piece)
            sound = read_audio(source, 16000, mono=True)
            with VideoWriter(
                root / folder / f"{name}.mp4",
                width=256,
                height=256,
                fps=Fraction(25),
                encoding=Encoding(crf=20),
                audio=Audio(sound.samples[: FRAMES * 640], 16000),
            ) as writer:
                writer.add(np.stack(list(islice(frames, FRAMES))))
    return root


@pytest.fixture(scope="session")
def run(clips, asset, tmp_path_factory):
    """PSNR, and FID of the smallest features, which is kept as tracks."""
    asset("inception-fid")
    root = tmp_path_factory.mktemp("run") / "small"
    done = call(
        *("score", "--reference", clips / "gt"),
        *(x for s in SYSTEMS for x in ("--generated", f"{s}={clips / s}")),
        *("-m", "psnr", "-m", "fid@pytorch-fid-64", "--every", 12, "-o", root),
    )
    assert done.exit_code == 0, done.output
    return root
