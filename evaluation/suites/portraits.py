"""Person-specific portraits: SyncTalk's head reconstruction, and May driven by others."""

from __future__ import annotations

from evaluation.suite import Suite
from evaluation.suites.words import NOBODY, dubbing, reconstruction

_TEST_PART = {"frames": "all of the last eleventh of each video; those before are for training"}

RECONSTRUCTION = Suite(
    name="portraits-reconstruction",
    version="1",
    dataset="portraits",
    setting="reconstruction",
    metrics=(
        "psnr",
        "lpips@alex-0.1",
        "ms-ssim@pytorch-msssim",
        "fid@pytorch-fid",
        "niqe@pyiqa",
        "lmd@synctalk@fan",
        "lse-c@syncnet-python",
        "lse-d@syncnet-python",
    ),
    generators=("ground-truth",),
    about="The board 'Video sequences, Head reconstruction' (SyncTalk's table 1).",
    protocol=reconstruction(**_TEST_PART),
    notes=(
        "Copies of these videos differ in length, and whom SyncTalk's table is a mean of is not "
        "verified",
        "BRISQUE and AUE of that table have no card; its NIQE is another implementation's",
    ),
)


def _cross(voice: str) -> Suite:
    return Suite(
        name=f"may-{voice.lower()}",
        version="1",
        dataset=f"portraits-may-{voice.lower()}",
        setting="cross-driven",
        metrics=("lse-d@syncnet-python", "lse-c@syncnet-python"),
        about=f"May's portrait driven by {voice}'s speech: the board 'May avatar / {voice} audio', "
        "whose Sync-D and Sync-C are LSE-D and LSE-C.",
        protocol=dubbing(
            **{
                "driven by": f"the sound of the last eleventh of {voice}'s video",
                "held against": NOBODY,
                "frames": "all that the generator makes",
            }
        ),
        notes=(
            f"Which part of {voice}'s speech the published numbers were made with is not known",
            "One clip of one person: there is no interval, and a gap says little",
        ),
    )


MAY_SHAHEEN = _cross("Shaheen")
MAY_LIEU = _cross("Lieu")
