"""The cards of CSIM. Their arithmetic is in :mod:`metrics.csim`."""

from __future__ import annotations

from metrics import face_frames, words
from metrics.assets import lookup
from metrics.backbones import arcface, faces, scrfd
from metrics.backbones.arcface import R50, R100
from metrics.backbones.dlib_identity import ASSET as DLIB_RESNET
from metrics.backbones.dlib_identity import DLIB_IDENTITY
from metrics.backbones.face_mesh import FACE_MESH
from metrics.backbones.sface import SFACE
from metrics.base import MetricSpec
from metrics.csim import Csim, SetCsim, WholeFrameCsim


def _sha(asset: str) -> str:
    return lookup(asset).sha256[:8]


_WITNESSED = (
    f"{faces.IN_WORDS}. A face counts where the face mesh (MediaPipe, 468 points, sha256 "
    f"{_sha('face-mesh')}) sees one too: where nobody is to be seen, a detector finds one in a "
    "playing card on the wall"
)
_TEMPLATE = (
    "rotation, scale and shift that bring eyes, nose and corners of the mouth nearest to "
    "ArcFace's 112x112 template (least squares); bilinear, black beyond the frame"
)
_SQUEEZED = (
    "none: the whole frame squeezed to 112x112 by OpenCV's bilinear resize, aspect not kept; "
    "nobody looks for a face, and nothing is aligned"
)
_ON_SFACE = (
    "SFace 2021-12, 128-d, int8 blockwise weights with float32 arithmetic, sha256 "
    f"{_sha('sface')}, by onnxruntime on the CPU; RGB 0..255"
)
_ON_R50 = (
    "ArcFace ResNet-50 of WebFace600K, 512-d, w600k_r50.onnx of insightface's buffalo_l, sha256 "
    f"{_sha(R50)}, float32 by onnxruntime on the CPU; RGB, (x - 127.5) / 127.5"
)
_ON_R100 = (
    "ArcFace IResNet-100 of MS1MV3, 512-d, backbone.pth of ms1mv3_arcface_r100_fp16, sha256 "
    f"{_sha(R100)}, float32 throughout; RGB, (x / 255 - 0.5) / 0.5"
)
_FRAME_BY_FRAME = "frame i of the generated video with frame i of the reference"
_ALL_OF_A_CLIP = "every generated frame with every reference frame of the clip"
_ALL_OF_ALL = "every generated frame of any clip with every reference frame of any clip"
_NO_WEIGHTS = (
    "not measured: no copy of these weights was at hand. By training, unrelated people are near "
    "0. With SFace, on RD_Radio8_000, a still first frame gets 0.849 paired"
)
_SOFT = (
    "a still first frame does well, because heads hardly move. Values compare only within one "
    "backbone, crop and pairing"
)
_TORCH = (
    "deepinsight/insightface @ d9cb10e, recognition/arcface_torch (iresnet100, fp16=False), equal"
)


def _card(
    name: str,
    *,
    title: str,
    crop: str,
    backbone: str,
    pairing: str,
    useless: str,
    traps: str,
    source: str,
    assets: tuple[str, ...],
    version: str = "1",
    perfect: float | None = 1.0,
    pooling: str = words.CLIPS,
    of_faces: bool = True,
    per_clip: bool = True,
    packages: tuple[str, ...] = (),
) -> MetricSpec:
    protocol = {
        "decoder": words.DECODED,
        "fps": words.OWN_FPS,
        "crop": crop,
        "backbone": backbone,
        "pairing": pairing,
        "per pair": "cosine of the angle between the two embeddings, whatever their lengths",
        "frames": face_frames.IN_WORDS if of_faces else "all of them",
        "pooling": pooling,
        "useless": useless,
        "failure": face_frames.FAILURE_IN_WORDS
        if of_faces
        else "none of its own: any two frames have a value, faces or not",
        "traps": traps,
    }
    return MetricSpec(
        name=name,
        version=version,
        title=title,
        direction="higher",
        bounds=(-1.0, 1.0),
        perfect=perfect,
        needs_frames=False,
        per_clip=per_clip,
        symmetric=not of_faces,  # whose faces are lost is not the same
        needs=("face",) if of_faces else (),
        protocol=protocol,
        source=source,
        assets=assets,
        packages=packages,
    )


_SFACE_SOURCE = (
    "Zhong et al., IEEE TIP 2021 (SFace); OpenCV 4.11's FaceDetectorYN, FaceRecognizerSF.alignCrop "
    "and .feature, within 5e-4 for a clip of 51 frames (it rounds the crop's source coordinates "
    "to 1/32 px)"
)
_SFACE_ASSETS = ("yunet", "sface", "face-mesh")

_SFACE = Csim(
    _card(
        "csim@sface",
        version="2",
        title="CSIM",
        crop=f"{_WITNESSED}. {_TEMPLATE}",
        backbone=_ON_SFACE,
        pairing=_FRAME_BY_FRAME,
        useless="other people: 0.05 on average, -0.11 to 0.24 (27 pairs of clips); a still first "
        "frame of RD_Radio8_000: 0.849; black frames: no value",
        traps=f"{_SOFT}: on that clip the still frame (0.849) is beside Wav2Lip (0.858) and x264 "
        "at crf 35 (0.861). No paper's CSIM: papers use ArcFace. Where two people share the "
        "picture the larger one is scored",
        source=f"{_SFACE_SOURCE}. Pairing as in vico_challenge_baseline @ 16424c0, which squeezes "
        "whole frames into ArcFace: csim@vico-16424c0",
        assets=_SFACE_ASSETS,
    ),
    SFACE,
    FACE_MESH,
)

_SFACE_ALL_PAIRS = Csim(
    _card(
        "csim@sface@all-pairs",
        title="CSIM (all pairs)",
        perfect=None,
        crop=f"{_WITNESSED}. {_TEMPLATE}",
        backbone=_ON_SFACE,
        pairing=_ALL_OF_A_CLIP,
        useless="other people: 0.05 on average; a still first frame of RD_Radio8_000: 0.849; black "
        "frames: no value",
        traps="the reference against itself is not best: RD_Radio8_000 gets 0.804, its still first "
        "frame 0.849. Shows on small weights what csim@vico-a282472 computes, clip by clip",
        source=f"{_SFACE_SOURCE}. Pairing as vico_challenge_baseline @ a282472 pairs, but within "
        "a clip",
        assets=_SFACE_ASSETS,
    ),
    SFACE,
    FACE_MESH,
    pairs="all",
)

_ARCFACE = Csim(
    _card(
        "csim@arcface",
        title="CSIM (ArcFace)",
        crop=f"{scrfd.IN_WORDS}. {_TEMPLATE}",
        backbone=_ON_R50,
        pairing=_FRAME_BY_FRAME,
        useless=f"{_NO_WEIGHTS}; black frames: no value",
        traps=f"{_SOFT}. insightface 2.x detects at 128x128 and 640x640 unless det_size says "
        "640x640, and FaceAnalysis.get lists every face: which one papers take (the first, the "
        "largest, frame by frame) they seldom say",
        source="Deng et al., CVPR 2019 (ArcFace); Guo et al., ICLR 2022 (SCRFD); insightface 2.1's "
        "FaceAnalysis (SCRFD.detect, norm_crop, ArcFaceONNX.get_feat) with det_size=(640, 640), "
        "equal to 3e-5 of an embedding's length; 0.7.3 has the same arithmetic. Whose face is "
        "ours: once for a clip",
        assets=(scrfd.ASSET, R50),
    ),
    arcface.ARCFACE,
)

_ARCFACE_YUNET = Csim(
    _card(
        "csim@arcface-yunet",
        title="CSIM (ArcFace, YuNet)",
        crop=f"{_WITNESSED}. {_TEMPLATE}",
        backbone=_ON_R50,
        pairing=_FRAME_BY_FRAME,
        useless=f"{_NO_WEIGHTS}; black frames: no value",
        traps=f"{_SOFT}. Other five points than csim@arcface, so other values, on the same weights",
        source="Deng et al., CVPR 2019 (ArcFace); insightface 2.1's norm_crop and "
        "ArcFaceONNX.get_feat, equal to 3e-5 of an embedding's length, at YuNet's points instead "
        "of SCRFD's",
        assets=("yunet", "face-mesh", R50),
    ),
    arcface.ARCFACE_YUNET,
    FACE_MESH,
)

_ARCFACE_R100 = Csim(
    _card(
        "csim@arcface-r100",
        title="CSIM (ArcFace R100)",
        crop=f"{_WITNESSED}. {_TEMPLATE}",
        backbone=_ON_R100,
        pairing=_FRAME_BY_FRAME,
        useless=f"{_NO_WEIGHTS}; black frames: no value",
        traps=f"{_SOFT}. The weights of csim@vico-16424c0 on the input they were trained for: "
        "the values are not those of that card",
        source=f"Deng et al., CVPR 2019 (ArcFace); {_TORCH}; insightface 2.1's norm_crop at "
        "YuNet's points",
        assets=("yunet", "face-mesh", R100),
    ),
    arcface.ARCFACE_R100,
    FACE_MESH,
)

_VICO_16424C0 = WholeFrameCsim(
    _card(
        "csim@vico-16424c0",
        title="CSIM (vico)",
        crop=_SQUEEZED,
        backbone=_ON_R100,
        pairing=_FRAME_BY_FRAME,
        pooling=words.FRAMES,
        of_faces=False,
        useless=f"{_NO_WEIGHTS}. Black frames have an embedding and a value here",
        traps="the network was trained on aligned faces; of a whole frame it sees framing, clothes "
        "and background as well, which a dubbed video shares with its source. The script before "
        "2023-07-05 pairs otherwise: csim@vico-a282472. On GPUs it convolves in TF32 unless told "
        "not to; here never",
        source="vico_challenge_baseline @ 16424c0, evaluations/arcface_torch/compute_csim.py; "
        f"network: {_TORCH}",
        assets=(R100,),
    ),
    arcface.ARCFACE_WHOLE_FRAME,
)

_VICO_A282472 = SetCsim(
    _card(
        "csim@vico-a282472",
        title="CSIM (vico, all pairs)",
        perfect=None,
        crop=_SQUEEZED,
        backbone=_ON_R100,
        pairing=_ALL_OF_ALL,
        pooling="mean over all pairs of all frames of all clips, as the product of the two sides' "
        "mean embeddings of length 1: exact; a long clip weighs more, and there is no value per "
        "clip",
        of_faces=False,
        per_clip=False,
        useless=f"{_NO_WEIGHTS}, and over all pairs the same, where the clip itself gets 0.804. "
        "Black frames have an embedding and a value here",
        traps="the reference against itself is not best, so there is no perfect value: a still "
        "frame may beat it. Strangers are compared with each other, so the value falls with the "
        "number of people in the set, and only equal sets compare. This is the code that was "
        "public when the papers of 2022 and early 2023 were written; which of them used it they "
        "do not say",
        source="vico_challenge_baseline @ a282472, evaluations/arcface_torch/compute_csim.py "
        "(sklearn's cosine_similarity(gt, pd).mean(), in float32 there, in float64 here); "
        f"network: {_TORCH}",
        assets=(R100,),
    ),
    arcface.ARCFACE_WHOLE_FRAME,
)

_DLIB = Csim(
    _card(
        "csim@dlib",
        title="CSIM (dlib)",
        crop=f"{_WITNESSED}. The box's corners truncated to whole pixels; dlib's 68 points in it, "
        f"shape_predictor_68_face_landmarks, sha256 {_sha('dlib-68')}; get_face_chip's 150x150 "
        "with a quarter of padding",
        backbone="dlib_face_recognition_resnet_model_v1, 128-d, not of length 1, sha256 "
        f"{_sha(DLIB_RESNET)}, float32 on the CPU; RGB; one look, no jitter",
        pairing=_FRAME_BY_FRAME,
        useless="other people: 0.82 on average, 0.77 to 0.90 (27 pairs of clips); a still first "
        "frame of RD_Radio8_000: 0.98; black frames: no value",
        traps="the scale is narrow: all people are alike to 0.82, because the network was trained "
        "for distances (one person below 0.6) and its embeddings share a direction. Do not read "
        f"0.9 as alike. {_SOFT}",
        source="King 2017; face_recognition 1.3.0, face_encodings(image, [box], model='large') "
        "with dlib 20.0.1, equal to the last bit given the box. Its own boxes are those of dlib's "
        "HOG detector, which misses turned faces, and its default is model='small', 5 points",
        assets=("yunet", "face-mesh", "dlib-68", DLIB_RESNET),
        packages=("dlib",),
    ),
    DLIB_IDENTITY,
    FACE_MESH,
)

CSIM = (
    _SFACE,
    _SFACE_ALL_PAIRS,
    _ARCFACE,
    _ARCFACE_YUNET,
    _ARCFACE_R100,
    _DLIB,
    _VICO_16424C0,
    _VICO_A282472,
)
