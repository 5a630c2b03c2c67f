"""Small suites: a try-out, and any folder of videos."""

from __future__ import annotations

from evaluation.suite import Suite

_SAMPLE_CARDS = (
    "psnr",
    "psnr@mouth",
    "ssim@skimage-wang",
    "ssim@piq",
    "lpips@alex-0.1",
    "fid@pytorch-fid",
    "csim@sface",
    "lmd@vico",
    "lipsync@correlation",
    "cpbd@vico",
)

_ANCHORS = ("ground-truth", "reencoded", "shifted", "mouth-blur", "still", "swapped-audio")

SAMPLE = Suite(
    name="sample",
    version="2",
    dataset="sample-media",
    setting="reconstruction",
    metrics=_SAMPLE_CARDS,
    every=10,
    generators=_ANCHORS,
    about="Three public clips and six anchors: shows how the harness works and what each metric "
    "reacts to. Far too small to compare systems.",
)

FOLDER = Suite(
    name="folder",
    version="2",
    dataset="folder",
    setting="reconstruction",
    metrics=("psnr", "ssim", "lpips", "fid", "csim", "lmd", "lipsync@correlation"),
    generators=_ANCHORS,
    about="Any folder of videos, each driven by its own audio and held against itself.",
)
