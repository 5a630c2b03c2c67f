"""VFHQ, MEAD, and five HDTF clips with published outputs."""

from __future__ import annotations

from evaluation.suite import Suite
from evaluation.suites.words import reconstruction

_CARDS = (
    "fid@pytorch-fid",
    "psnr",
    "ssim@skimage-wang",
    "lpips@alex-0.1",
    "csim@sface",
    "csim@arcface",
    "lmd@vico",
    "lse-d@syncnet-python",
    "lse-c@syncnet-python",
)

VFHQ = Suite(
    name="vfhq-reconstruction",
    version="1",
    dataset="vfhq",
    setting="reconstruction",
    metrics=_CARDS,
    generators=("ground-truth",),
    about="Clips of VFHQ that somebody cut with their sound.",
    protocol=reconstruction(),
    notes=("No two papers on talking faces say that they took the same clips of VFHQ",),
)

MEAD = Suite(
    name="mead-reconstruction",
    version="1",
    dataset="mead",
    setting="reconstruction",
    metrics=_CARDS,
    generators=("ground-truth",),
    about="Test sentences of MEAD by its authors' rule, front view.",
    protocol=reconstruction(),
    notes=("Papers that hold out actors instead of sentences have another split",),
)

HDTF_MINI = Suite(
    name="hdtf-mini",
    version="1",
    dataset="hdtf-mini",
    setting="reconstruction",
    metrics=(
        "psnr",
        "ssim@skimage-wang",
        "lpips@alex-0.1",
        "fid@pytorch-fid",
        "csim@sface",
        "lmd@vico",
        "lipsync@correlation",
        "lse-d@syncnet-python",
        "lse-c@syncnet-python",
    ),
    every=5,
    generators=(
        "ground-truth",
        "hdtf-mini-wav2lip",
        "hdtf-mini-pcavs",
        "hdtf-mini-iplap",
        "hdtf-mini-diffdub",
        "still",
    ),
    about="Published outputs of four systems on five HDTF clips of 10 s, as DiffDub's comparison "
    "videos show them.",
    protocol=reconstruction(
        crop="panels of 256x256, cut without loss at x = 10 + 276 k, y = 10; PC-AVS crops the face "
        "anew, so its paired numbers say that and little else",
        frames="0, 5, 10, ... of 251; lip-sync cards all",
    ),
    notes=(
        "Every panel was encoded once more by the comparison video: values are those of compressed "
        "panels, and five clips rank nobody",
    ),
)
