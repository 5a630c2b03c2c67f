"""HDTF: the whole, and the test lists that papers really use, no two alike."""

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
    "lse-d@syncnet-python",
    "lse-c@syncnet-python",
)
_NO_SPLIT = "HDTF has no official test split: compare only with numbers of this suite"


def _listed(name: str, about: str) -> Suite:
    return Suite(
        name=name,
        version="1",
        dataset=name,
        setting="reconstruction",
        metrics=_CARDS,
        generators=("ground-truth",),
        about=about,
        protocol=reconstruction(),
        notes=(_NO_SPLIT,),
    )


RECONSTRUCTION = Suite(
    name="hdtf-reconstruction",
    version="1",
    dataset="hdtf",
    setting="reconstruction",
    metrics=_CARDS,
    generators=("ground-truth",),
    about="HDTF, every clip of the prepared copy, 512x512 crops at 25 fps: the board 'HDTF (test), "
    "Talking Head Generation' without the part of HDTF that each of its papers chose.",
    protocol=reconstruction(),
    notes=(
        _NO_SPLIT,
        "The paper behind IP-LAP's FID of 31.41 on the board of that name was not found, nor its "
        "clips and crop",
    ),
)

FIFTY_ONE = Suite(
    name="hdtf-51",
    version="1",
    dataset="hdtf",
    setting="reconstruction",
    metrics=("ssim@skimage-wang", "psnr", "lpips@alex-0.1", "fid@pytorch-fid"),
    generators=("ground-truth",),
    about="The board 'HDTF 51, Audio Driven Talking Head Generation', over every clip of the "
    "prepared copy.",
    protocol=reconstruction(),
    notes=(
        "The 51 of 'HDTF 51' is very likely the number of a citation, not of clips: no list of 51 "
        "was found",
        _NO_SPLIT,
    ),
)

VISUAL_DUBBING = Suite(
    name="hdtf-visual-dubbing",
    version="1",
    dataset="hdtf",
    setting="reconstruction",
    metrics=("psnr", "ssim@skimage-wang", "lpips@alex-0.1", "fid@pytorch-fid", "csim@arcface"),
    generators=("ground-truth",),
    about="The board 'HDTF (test), Visual Dubbing': PSNR, so every clip gets its own speech back.",
    protocol=reconstruction(),
    notes=(
        "The board is very likely X-Dub's (arXiv 2512.25066), whose clips and protocol are not "
        "published",
        _NO_SPLIT,
    ),
)

MUSETALK20 = _listed("hdtf-musetalk20", "The 20 validation clips of MuseTalk's configuration.")
LIA20 = _listed("hdtf-lia20", "The 20 test persons of scripts in the manner of LIA and FOMM.")
DAWN41 = _listed("hdtf-dawn41", "The 41 clips of DAWN's test list.")
EDTALK77 = _listed("hdtf-edtalk77", "The 77 test videos of EDTalk's list, whole instead of in 5 s.")
UNNAMED42 = _listed("hdtf-unnamed42", "42 clips of a public script whose project was not found.")
XDUB10 = _listed("hdtf-xdub10", "The 10 clips that a fork of X-Dub benchmarks.")
