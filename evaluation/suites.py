"""The suites that come with talkbench."""

from __future__ import annotations

from evaluation.suite import Suite

_ALL_CARDS = (
    "psnr",
    "ssim@skimage-wang",
    "ssim@skimage-uniform",
    "ssim@piq",
    "lpips@alex-0.1",
    "lpips@vgg-0.1",
    "fid@pytorch-fid",
    "csim@sface",
    "lmd@vico",
)

_ANCHORS = ("ground-truth", "reencoded", "shifted", "mouth-blur", "still", "swapped-audio")

SAMPLE = Suite(
    name="sample",
    version="1",
    dataset="sample-media",
    setting="reconstruction",
    metrics=_ALL_CARDS,
    every=10,
    generators=_ANCHORS,
    about="Three public clips and six anchors: shows how the harness works and what each metric "
    "reacts to. Far too small to compare systems.",
)

FOLDER = Suite(
    name="folder",
    version="1",
    dataset="folder",
    setting="reconstruction",
    metrics=("psnr", "ssim", "lpips", "fid", "csim", "lmd"),
    generators=_ANCHORS,
    about="Any folder of videos, each driven by its own audio and held against itself.",
)
