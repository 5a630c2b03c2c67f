"""LRS2, LRS3, LRW and ReSyncED: reconstruction, and Wav2Lip's unpaired lists."""

from __future__ import annotations

from evaluation.suite import Suite
from evaluation.suites.words import dubbing, reconstruction

_IP_LAP = (
    "ssim@vico",
    "psnr@vico",
    "lpips@vgg-0.1",
    "fid@vico",
    "liplmd@opening",
    "lmd@vico@fan",
    "csim@vico-16424c0",
    "csim@vico-a282472",
)
_POOLED = {"frames": "all; the cards named vico pool the frames of all clips"}
_IP_LAP_NOTES = (
    "IP-LAP's paper does not say which LPIPS network, LipLMD and CSIM it means: LPIPS by VGG and "
    "cards after ViCo's scripts are the likeliest, and both CSIMs and both landmark distances are "
    "here",
)
_UNPAIRED = ("lse-d@wav2lip-lrs", "lse-c@wav2lip-lrs", "fid@pytorch-fid")
_SKIPPED = {
    "lengths": "as long as the driving sound. Wav2Lip's script skips pairs whose video is shorter "
    "than the sound or shows no face; here every line is asked for, and what is missing is a "
    "failed record"
}
_ORDER = "id = line of the list from 0, lines are AUDIO VIDEO"
_RERUN = (
    "Published numbers on these lists leave out the pairs that each system skipped, and Wav2Lip's "
    "own do not come back from its released checkpoints (Rudrabha/Wav2Lip#445)"
)

LRS2_RECONSTRUCTION = Suite(
    name="lrs2-reconstruction",
    version="1",
    dataset="lrs2",
    setting="reconstruction",
    metrics=_IP_LAP,
    generators=("ground-truth",),
    about="The 1,243 test clips of LRS2 with the measures of IP-LAP's table.",
    protocol=reconstruction(**_POOLED),
    notes=_IP_LAP_NOTES,
)

LRS3_RECONSTRUCTION = Suite(
    name="lrs3-reconstruction",
    version="1",
    dataset="lrs3",
    setting="reconstruction",
    metrics=_IP_LAP,
    generators=("ground-truth",),
    about="The test clips of LRS3 with the measures of IP-LAP's table.",
    protocol=reconstruction(**_POOLED),
    notes=_IP_LAP_NOTES,
)


def _unpaired(name: str, about: str) -> Suite:
    return Suite(
        name=name,
        version="1",
        dataset=name,
        setting="dubbing",
        metrics=_UNPAIRED,
        about=about,
        protocol=dubbing(order=_ORDER, **_SKIPPED),
        notes=(_RERUN,),
    )


LRS2_UNPAIRED = _unpaired("lrs2-unpaired", "LRS2 faces with the sound of other clips.")
LRS3_UNPAIRED = _unpaired("lrs3-unpaired", "LRS3 faces with the sound of other clips.")
LRW_UNPAIRED = _unpaired("lrw-unpaired", "LRW faces with the sound of other words.")


def _resynced(kind: str, about: str) -> Suite:
    return Suite(
        name=f"resynced-{kind}",
        version="1",
        dataset=f"resynced-{kind}",
        setting="dubbing",
        metrics=("lse-d@syncnet-python", "lse-c@syncnet-python", "fid@pytorch-fid"),
        about=about,
        protocol=dubbing(order="id = line of the list from 0, lines are VIDEO AUDIO", **_SKIPPED),
        notes=("The videos of ReSyncED were announced and are not in its authors' repository",),
    )


RESYNCED_RANDOM = _resynced("random", "Real-world videos with speech of other videos.")
RESYNCED_TTS = _resynced("tts", "Real-world videos with speech that a machine read out.")
