"""ArcFace and SCRFD: insightface's arithmetic.

The published weights may not be passed on, so insightface itself runs live on small graphs that
have the inputs and outputs of the published ones. The ResNet-100 has tests of its own.
"""

from __future__ import annotations

import pickle
import warnings
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from metrics.assets import AssetMissingError
from metrics.backbones import arcface, scrfd, sface
from metrics.backbones.arcface import (
    ARCFACE,
    ARCFACE_R100,
    ARCFACE_WHOLE_FRAME,
    ARCFACE_YUNET,
    embed_r50,
    embed_r100,
)
from metrics.backbones.faces import FACE
from metrics.backbones.iresnet import IResNet, load_iresnet
from metrics.backbones.scrfd import SCRFD, SCRFD_FACE
from metrics.base import Extractor, TrackExtractor

TINY = (1, 1, 1, 1)


@pytest.fixture(scope="module")
def pictures():
    """uint8 RGB [3, 112, 112, 3]."""
    return np.random.default_rng(0).integers(0, 256, (3, 112, 112, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def small():
    """A network with one block a stage, as it is born."""
    torch.manual_seed(0)
    return IResNet(TINY).eval().requires_grad_(False)


@pytest.fixture
def tiny(small, monkeypatch):
    """The ResNet-100's place taken by that network."""
    monkeypatch.setattr(arcface, "_r100", small.to)


# ---- the ResNet-100 --------------------------------------------------------------------------


def test_pictures_go_in_as_the_official_code_has_them(small, tiny, pictures):
    x = torch.from_numpy(pictures[:1]).permute(0, 3, 1, 2).float()
    expected = small(x.div_(255).sub_(0.5).div_(0.5)).numpy()
    found = embed_r100(pictures[:1])
    np.testing.assert_allclose(found, expected, atol=1e-6 * np.linalg.norm(expected))


def test_the_file_is_loaded_once(small, pictures, monkeypatch, tmp_path):
    torch.save(small.state_dict(), tmp_path / "backbone.pth")
    asked = []
    monkeypatch.setattr(
        arcface, "locate", lambda name: asked.append(name) or tmp_path / "backbone.pth"
    )
    monkeypatch.setattr(arcface, "load_iresnet", lambda path: load_iresnet(path, TINY))
    arcface._r100.cache_clear()
    try:
        first, again = embed_r100(pictures[:1]), embed_r100(pictures[:1])
    finally:
        arcface._r100.cache_clear()
    np.testing.assert_array_equal(first, again)
    assert np.isfinite(first).all()
    assert asked == ["arcface-r100"]


def test_features_do_not_depend_on_the_batch(tiny, pictures):
    together = embed_r100(np.concatenate([pictures] * 3))
    alone = np.concatenate([embed_r100(p[None]) for p in pictures])
    length = np.linalg.norm(alone[0])
    np.testing.assert_allclose(together, np.tile(alone, (3, 1)), atol=1e-6 * length)
    assert embed_r100(pictures[:0]).shape == (0, 512)


def test_whole_frames_are_squeezed_as_opencv_does_by_default(tiny, asset, decode):
    frames = decode(asset("clip-carphone"), every=60)
    track = ARCFACE_WHOLE_FRAME.extract(frames, {})
    squeezed = np.stack([cv2.resize(f, (112, 112), interpolation=cv2.INTER_LINEAR) for f in frames])
    np.testing.assert_allclose(track["features"], embed_r100(squeezed), atol=1e-4)
    assert track["features"].shape == (2, 512)
    assert ARCFACE_WHOLE_FRAME.extract(frames[:0], {})["features"].shape == (0, 512)


# ---- ONNX files, against insightface ---------------------------------------------------------


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder such as insightface's buffalo_l: det_10g.onnx and w600k_r50.onnx, both small."""
    onnx = pytest.importorskip("onnx", reason="onnx is not installed (talkbench[faces])")
    helper, rng = onnx.helper, np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("buffalo")

    def save(name, size, nodes, weights, outputs):
        graph = helper.make_graph(
            nodes,
            name,
            [helper.make_tensor_value_info("input.1", 1, ["None", 3, *size])],
            [helper.make_tensor_value_info(o, 1, shape) for o, shape in outputs],
            [onnx.numpy_helper.from_array(w, k) for k, w in weights.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        onnx.save(model, folder / name)

    def conv(source, target, weight, stride, bias):
        nodes.append(
            helper.make_node(
                "Conv",
                [source, weight, bias],
                [target],
                kernel_shape=[stride, stride],
                strides=[stride, stride],
            )
        )

    # Of 640x640, per stride 2 boxes a cell: probability, distances of the edges, five points.
    nodes, outputs = [], []
    weights = {"flat1": np.array([-1, 1]), "flat4": np.array([-1, 4]), "flat10": np.array([-1, 10])}
    for kind, (width, gain, bias) in enumerate(((1, 20, -10), (4, 2, 3), (10, 2, 0))):
        for stride in scrfd.STRIDES:
            name = f"{kind}_{stride}"
            weight = gain * rng.normal(size=(2 * width, 3, stride, stride))
            weight -= weight.mean(axis=(2, 3), keepdims=True)  # contrast, not brightness
            weights[f"w{name}"] = (weight / np.sqrt(3 * stride**2)).astype(np.float32)
            weights[f"b{name}"] = np.full(2 * width, bias, np.float32)
            conv("input.1", f"c{name}", f"w{name}", stride, f"b{name}")
            last = {0: "Sigmoid", 1: "Softplus", 2: "Tanh"}[kind]
            nodes += [
                helper.make_node(last, [f"c{name}"], [f"a{name}"]),
                helper.make_node("Transpose", [f"a{name}"], [f"t{name}"], perm=[0, 2, 3, 1]),
                helper.make_node("Reshape", [f"t{name}", f"flat{width}"], [f"o{name}"]),
            ]
            outputs.append((f"o{name}", [2 * (640 // stride) ** 2, width]))
    save("det_10g.onnx", ("H", "W"), nodes, weights, outputs)

    nodes = []
    weights = {
        "w": (rng.normal(size=(32, 3, 16, 16)) / 28).astype(np.float32),
        "b": np.zeros(32, np.float32),
        "f": (rng.normal(size=(32 * 49, 512)) / 40).astype(np.float32),
        "g": (0.1 * rng.normal(size=512)).astype(np.float32),
    }
    conv("input.1", "c", "w", 16, "b")
    nodes += [
        helper.make_node("Relu", ["c"], ["a"]),
        helper.make_node("Flatten", ["a"], ["l"]),
        helper.make_node("Gemm", ["l", "f", "g"], ["683"]),
    ]
    save("w600k_r50.onnx", (112, 112), nodes, weights, [("683", ["None", 512])])
    return folder


@pytest.fixture
def located(files, monkeypatch):
    """The small files where the assets would be."""
    here = {"scrfd-10g": files / "det_10g.onnx", "arcface-r50": files / "w600k_r50.onnx"}
    for module in (arcface, scrfd):
        monkeypatch.setattr(module, "locate", here.get)


@pytest.fixture(scope="module")
def insightface(files, official):
    """insightface's own pipeline on these files, offline."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        app = official("insightface.app").FaceAnalysis(
            str(files),
            allowed_modules=["detection", "recognition"],
            providers=["CPUExecutionProvider"],
        )
    app.prepare(ctx_id=-1, det_size=(640, 640))

    def get(frame):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of scikit-image's estimate
            return app.get(np.ascontiguousarray(frame[..., ::-1]))

    return SimpleNamespace(get=get, detect=app.det_model.detect)


def shapes_of_frames(decode, asset):
    """Wide, tall, square and smaller than the network's 640."""
    wide = decode(asset("clip-singer"), limit=1)[0]
    return {
        "wide": wide,
        "tall": np.ascontiguousarray(wide.transpose(1, 0, 2)[:, :397]),
        "square": np.ascontiguousarray(wide[:512, :512]),
        "small": decode(asset("clip-carphone"), limit=1)[0],
    }


@pytest.mark.reference
@pytest.mark.assets
@pytest.mark.parametrize("shape", ["wide", "tall", "square", "small"])
def test_faces_are_those_of_insightface(insightface, located, asset, decode, shape):
    frame = shapes_of_frames(decode, asset)[shape]
    boxes, points = insightface.detect(np.ascontiguousarray(frame[..., ::-1]))
    ours = scrfd.detect(frame)
    assert len(ours) == len(boxes) > 10
    np.testing.assert_allclose(ours[:, :2], boxes[:, :2], atol=1e-3)
    np.testing.assert_allclose(ours[:, :2] + ours[:, 2:4], boxes[:, 2:4], atol=1e-3)
    np.testing.assert_allclose(ours[:, 4:14], points.reshape(-1, 10), atol=1e-3)
    np.testing.assert_allclose(ours[:, 14], boxes[:, 4], atol=1e-6)


@pytest.mark.reference
@pytest.mark.assets
def test_embeddings_are_those_of_insightface(insightface, located, asset, decode):
    """End to end: detected, chosen, aligned and embedded."""
    frames = decode(asset("clip-carphone"), every=60)
    tracks = {SCRFD.id: SCRFD.extract(frames, {})}
    tracks[SCRFD_FACE.id] = SCRFD_FACE.follow(tracks)
    track = ARCFACE.extract(frames, tracks)
    assert track["found"].all()
    assert (tracks[SCRFD.id]["count"] > 8).all()
    for i, frame in enumerate(frames):
        faces = insightface.get(frame)
        assert len(faces) == tracks[SCRFD.id]["count"][i]
        x, y, w, h = tracks[SCRFD_FACE.id]["boxes"][i]
        (same,) = [f for f in faces if np.allclose(f.bbox, [x, y, x + w, y + h], atol=1e-3)]
        # A grey level here and there, where a sample of the crop lies between two.
        length = np.linalg.norm(same.embedding)
        np.testing.assert_allclose(track["features"][i], same.embedding, atol=3e-5 * length)


@pytest.mark.reference
@pytest.mark.assets
def test_crops_are_those_of_insightface(official, asset, decode):
    align = official("insightface.utils.face_align")
    frame = decode(asset("clip-singer"), limit=1)[0]
    rng = np.random.default_rng(0)
    for _ in range(10):
        points = sface.TEMPLATE * rng.uniform(0.5, 3) + rng.uniform(-50, 600, 2)
        points = (points + rng.normal(size=(5, 2)) * 4).astype(np.float32)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            expected = align.norm_crop(frame, points)
        # The matrices agree to float32; a sample at the edge of a grey level may fall over it.
        apart = np.abs(sface.align(frame, points).astype(int) - expected)
        assert apart.max() <= 1
        assert (apart > 0).mean() < 0.001


def test_pictures_are_embedded_one_by_one(located, files, pictures):
    rows = embed_r50(pictures)
    assert (rows.dtype, rows.shape) == (np.float32, (3, 512))
    np.testing.assert_array_equal(embed_r50(pictures[1:2]), rows[1:2])
    assert embed_r50(pictures[:0]).shape == (0, 512)


# ---- extractors ------------------------------------------------------------------------------

ALL = (SCRFD, ARCFACE, ARCFACE_YUNET, ARCFACE_R100, ARCFACE_WHOLE_FRAME)


def test_are_extractors_of_different_names():
    assert all(isinstance(e, Extractor) for e in ALL)
    assert isinstance(SCRFD_FACE, TrackExtractor)
    assert len({e.id for e in (*ALL, SCRFD_FACE)}) == 6
    assert ARCFACE.uses == (SCRFD_FACE,)
    assert ARCFACE_YUNET.uses == ARCFACE_R100.uses == (FACE,)
    for extractor in (*ALL, SCRFD_FACE):
        assert pickle.loads(pickle.dumps(extractor)).id == extractor.id  # noqa: S301


def test_rows_stand_where_a_face_was(located, tiny, pictures):
    frames = np.concatenate([pictures, pictures])
    found = np.array([True, False, True, True, False, True])
    points = np.where(found[:, None, None], sface.TEMPLATE, np.nan).astype(np.float32)
    for extractor in (ARCFACE, ARCFACE_YUNET, ARCFACE_R100):
        face = {extractor.face.id: {"found": found, "points": points}}
        track = extractor.extract(frames, face)
        assert track["found"].tolist() == found.tolist()
        np.testing.assert_array_equal(np.isfinite(track["features"]).all(axis=1), found)
        assert not np.isfinite(track["features"][~found]).any()
        # The template's own place needs no warp, so these are the pictures as they are.
        embed = embed_r100 if extractor is ARCFACE_R100 else embed_r50
        np.testing.assert_allclose(track["features"][found], embed(frames[found]), atol=1e-4)
        nobody = {extractor.face.id: {"found": found & False, "points": points * np.nan}}
        assert np.isnan(extractor.extract(frames, nobody)["features"]).all()


def test_scrfd_keeps_the_larger_faces_and_says_where_there_are_none(monkeypatch):
    def seen(frame):
        faces = np.zeros((int(frame[0, 0, 0]), 15), np.float32)
        faces[:, 0] = 100 * np.arange(len(faces))
        faces[:, 2] = faces[:, 3] = 20 + np.arange(len(faces))
        return faces

    monkeypatch.setattr(scrfd, "detect", seen)
    frames = np.zeros((3, 4, 4, 3), np.uint8)
    frames[:, 0, 0, 0] = 0, 2, 10
    track = SCRFD.extract(frames, {})
    assert track["count"].tolist() == [0, 2, 10]
    assert track["faces"][1, :2, 2].tolist() == [21, 20]
    assert track["faces"][2, :, 2].tolist() == [29, 28, 27, 26, 25, 24, 23, 22]
    chosen = SCRFD_FACE.follow({SCRFD.id: track})
    assert chosen["found"].tolist() == [False, True, True]
    assert chosen["boxes"][1:, 2].tolist() == [21, 29]
    assert np.isnan(chosen["points"][0]).all()


def test_missing_weights_say_how_to_get_them(monkeypatch, tmp_path, pictures):
    monkeypatch.setenv("TALKBENCH_CACHE", str(tmp_path))
    monkeypatch.delenv("TALKBENCH_ASSETS", raising=False)
    for call, name in (
        (embed_r50, "arcface-r50"),
        (embed_r100, "arcface-r100"),
        (lambda x: SCRFD.extract(x, {}), "scrfd-10g"),
    ):
        with pytest.raises(AssetMissingError, match=f"talkbench assets get {name}"):
            call(pictures)
