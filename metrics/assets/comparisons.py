"""DiffDub's comparison videos: five HDTF clips beside the outputs of published systems."""

from __future__ import annotations

from metrics.assets.asset import Asset

_DIFFDUB = (
    "https://raw.githubusercontent.com/liutaocode/DiffDub/"
    "a67d4c469a176713ca50b9fb50e0e5a099cf4a1d/resources/reconstruction"
)

# Clip: sha256, bytes.
_FILES = {
    "RD_Radio8_000": (
        "20358e2628daf730b55b9985fa79b6ba5af8d89120a964619be0972a3165bf08",
        2322360,
    ),
    "RD_Radio22_000": (
        "77feebd80a36863871bed5a2e1a5e28505a7866614e39fb7c822b20ac2945068",
        1444125,
    ),
    "RD_Radio42_000": (
        "041d62e0469e7247ff621f46f06bd5ca3fa33ec04c9f48e0cc70ebe2260afbc0",
        1962141,
    ),
    "RD_Radio51_000": (
        "9898aefe5f5fec29929449b29dd03e972422fd09ec7b10d766a7b94d70167064",
        2516284,
    ),
    "WRA_PeterRoskam0_000": (
        "8adadbe57ef22cdaebd0f3e836e31853870b7c82bbc51f69a9b8025ef77e4619",
        1758045,
    ),
}

COMPARISONS = tuple(
    Asset(
        name=f"comparison-{clip}",
        file=f"{clip}_25fps.mp4",
        sha256=sha256,
        size=size,
        licence="Apache-2.0 says the repository; the footage is HDTF's, of third parties: for "
        "evaluation only",
        about="HDTF clip beside what Wav2Lip, PC-AVS, IP-LAP, DAE-Talker and DiffDub made of it, "
        "1656x276, 25 fps, 251 frames, AAC 16 kHz",
        url=f"{_DIFFDUB}/{clip}_25fps.mp4",
    )
    for clip, (sha256, size) in _FILES.items()
)
