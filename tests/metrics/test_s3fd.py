"""S3FD against arrays that the official code printed, under weights made by a formula."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import torch

from metrics import assets
from metrics.assets import AssetMissingError
from metrics.backbones import s3fd
from metrics.backbones.s3fd import S3FD
from metrics.base import Extractor, UnscorableError

# joonson/syncnet_python @ 6efbb1c on PyTorch 2.13, CPU. Offsets reach 0.7; another memory layout
# moves them by 1.6e-6 and probabilities by 7e-7 here, another machine may move them a bit more.
NETWORK = 1e-5
# Boxes are offsets times up to 512 px; what moves the former by 1e-6 moves the latter by 2e-4.
PIXELS = 2e-3

SHARPER = 40  # times the scores' weights: the formula's own leave all near 0.5


@pytest.fixture(scope="module")
def recorded(data):
    return dict(np.load(data / "golden" / "s3fd.npz"))


@pytest.fixture(scope="module")
def keys(data):
    return json.loads((data / "golden" / "s3fd_keys.json").read_text())


@pytest.fixture(scope="module")
def weights(official_weights):
    return official_weights("s3fd")


@pytest.fixture(scope="module")
def sharper(weights):
    return {k: v * SHARPER if k.startswith("conf.") else v for k, v in weights.items()}


@pytest.fixture(scope="module")
def network(weights):
    return s3fd.load_s3fd(weights)


@pytest.fixture(scope="module")
def installed(sharper, tmp_path_factory):
    """The extractor reads the sharper weights from a file of the official kind."""
    path = tmp_path_factory.mktemp("weights") / "sfd_face.pth"
    torch.save(sharper, path, _use_new_zipfile_serialization=False)  # as in 2017
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(s3fd, "locate", {"s3fd": path}.__getitem__)
        s3fd._network.cache_clear()
        yield path
    s3fd._network.cache_clear()


@pytest.fixture(scope="module")
def may(data, decode):
    return decode(data / "clips" / "person_May_5s.mp4", limit=1)


@pytest.fixture(scope="module")
def radio(data, decode):
    return decode(data / "hdtf_mini" / "gt" / "RD_Radio8_000.mp4", every=25, limit=9)


# ---- network ---------------------------------------------------------------------------------


@pytest.mark.data
def test_parameters_are_those_of_the_official_file(network, keys):
    assert list(network.state_dict()) == keys["module_order"]
    assert sum(p.numel() for p in network.parameters()) == keys["n_params"]
    assert not any(p.requires_grad for p in network.parameters())
    assert not network.training


@pytest.mark.data
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
def test_offsets_and_scores_are_the_official_ones(weights, recorded, layout):
    network = s3fd.load_s3fd(weights).to(memory_format=layout)
    rgb = torch.from_numpy(recorded["frame_bgr"][..., ::-1].copy()).permute(2, 0, 1)[None].float()
    x = (rgb - torch.tensor([123.0, 117.0, 104.0])[:, None, None]).contiguous(memory_format=layout)
    with torch.inference_mode():
        offsets, scores, layers = network(x)
    np.testing.assert_allclose(offsets, recorded["loc"], rtol=0, atol=NETWORK)
    np.testing.assert_allclose(scores, recorded["conf_softmax"][..., 1], rtol=0, atol=NETWORK)
    np.testing.assert_array_equal(s3fd.priors(180, 320, layers), recorded["priors"])


# ---- from offsets to faces -------------------------------------------------------------------


@pytest.mark.data
def test_boxes_from_offsets(recorded):
    offsets, priors = (torch.from_numpy(recorded[k]) for k in ("loc", "priors"))
    # Elementwise float32: only exp may differ in its last bit.
    boxes = s3fd.decode(offsets[0], priors)
    np.testing.assert_allclose(boxes, recorded["decoded"], rtol=0, atol=1e-6)


@pytest.mark.data
@pytest.mark.parametrize(("most", "key"), [(0.1, "nms_keep_0p1"), (0.3, "nms_keep_0p3")])
def test_suppression_keeps_what_the_official_one_keeps(recorded, most, key):
    boxes, scores = recorded["nms_in"][:, :4], recorded["nms_in"][:, 4]
    assert s3fd.nms(boxes, scores, most) == recorded[key].tolist()


def test_suppression_keeps_what_touches_the_limit():
    boxes = np.array([[0, 0, 10, 10], [0, 5, 10, 15], [0, 5, 10, 14.9]], dtype=np.float64)
    assert s3fd.nms(boxes, np.array([0.9, 0.8, 0.7]), 1 / 3) == [0, 1]
    assert s3fd.nms(boxes[:2], np.array([0.9, 0.8]), 1 / 3 - 1e-9) == [0]
    assert s3fd.nms(boxes[:0], np.empty(0), 0.1) == []


def test_of_equal_scores_the_later_comes_first():
    boxes = np.array([[20 * k, 0, 20 * k + 9, 9] for k in range(4)], dtype=np.float64)
    assert s3fd.nms(boxes, np.array([0.5, 0.9, 0.5, 0.9]), 0.1) == [3, 1, 2, 0]


@pytest.mark.data
def test_the_first_round_keeps_what_the_official_one_keeps(recorded):
    boxes, scores = recorded["decoded"], recorded["conf_softmax"][0, :, 1]  # all above 0.05
    kept = s3fd.nms(boxes, scores, 0.3)
    expected = recorded["detect_out"][0, 1, : len(kept)]
    np.testing.assert_array_equal(boxes[kept], expected[:, 1:])
    np.testing.assert_array_equal(scores[kept], expected[:, 0])
    assert not recorded["detect_out"][0, 1, len(kept) :].any()


def test_how_many_boxes_are_looked_at_and_kept():
    apart = torch.tensor([[2.0 * k, 0, 2 * k + 1, 1] for k in range(800)])
    scores = torch.linspace(0.9, 1, 800)
    faces = s3fd._suppress(apart, scores, torch.ones(4))
    np.testing.assert_array_equal(faces[:, 4], scores.flip(0)[:750])
    together = torch.tensor([[0.0, 0, 1, 1]]).repeat(5001, 1)
    together[0] += 9
    scores = torch.linspace(0.5, 1, 5001)  # the odd one has the lowest
    assert len(s3fd._suppress(together, scores, torch.ones(4))) == 1
    assert len(s3fd._suppress(together[:5000], scores[:5000], torch.ones(4))) == 2


@pytest.mark.data
def test_suppression_after_the_threshold_changes_nothing(recorded):
    boxes = torch.from_numpy(recorded["decoded"])
    scores = torch.from_numpy(recorded["conf_softmax"][0, :, 1])
    seen = scores > 0.5
    size = torch.tensor([320.0, 180, 320, 180])
    faces = s3fd._suppress(boxes[seen], scores[seen], size)
    # the same float32 numbers that were recorded, so the same faces to the bit
    np.testing.assert_array_equal(faces, recorded["boxes_conf_th_0p5"])


@pytest.mark.data
def test_faces_of_a_whole_picture(network, recorded):
    rgb = np.ascontiguousarray(recorded["frame_bgr"][..., ::-1])
    (faces,) = s3fd.detect_faces(rgb[None], network, conf_th=0.5, scale=1.0)
    expected = recorded["boxes_conf_th_0p5"]  # scores at least 1.4e-5 apart, 1e-3 off 0.5
    np.testing.assert_allclose(faces[:, :4], expected[:, :4], rtol=0, atol=PIXELS)
    np.testing.assert_allclose(faces[:, 4], expected[:, 4], rtol=0, atol=NETWORK)


# The official ``detect_faces(image, conf_th=0.9, scales=[0.25])`` under the sharper weights
# (OpenCV 5.0, printed to four places): x1, y1, x2, y2, score.
RADIO_0 = [
    [46.5396, 110.7196, 177.3814, 240.1021, 0.9920],
    [79.2877, -48.3357, 208.6868, 80.8986, 0.9839],
    [-48.7096, -48.5030, 79.9628, 80.0696, 0.9651],
]
RADIO_125 = [
    [-17.8232, 143.0031, 113.7347, 272.3509, 0.9865],
    [46.6417, 46.2973, 177.5877, 176.2551, 0.9799],
    [-48.6957, -48.3761, 80.0026, 80.0609, 0.9682],
    [175.1461, -48.8979, 304.8812, 81.6604, 0.9662],
]
MAY_0 = [
    [366.5922, 366.6131, 497.7942, 495.9974, 0.9934],
    [47.2748, -48.6316, 176.3596, 81.1472, 0.9921],
    [46.5821, 366.7800, 177.3794, 496.1403, 0.9908],
    [270.5208, 270.3699, 401.5412, 400.1226, 0.9895],
    [142.7344, 14.5573, 273.3169, 143.9836, 0.9876],
    [46.7460, 174.3887, 177.3989, 303.9780, 0.9862],
    [142.6270, 270.0113, 273.2861, 399.8799, 0.9851],
    [367.1218, -48.0077, 496.7944, 81.2566, 0.9808],
    [439.5280, 246.4004, 503.6425, 310.8334, 0.9782],
    [367.0428, 110.5065, 497.6441, 239.9993, 0.9759],
    [206.7088, 142.1721, 337.1219, 271.9498, 0.9705],
    [-49.1881, 46.9241, 80.3985, 176.0089, 0.9505],
]


@pytest.mark.data
@pytest.mark.usefixtures("installed")
def test_faces_of_real_frames_are_the_official_ones(radio, may):
    track = S3FD.extract(radio, {})
    for frame, expected in ((0, RADIO_0), (5, RADIO_125)):
        assert track["count"][frame] == len(expected)
        faces = track["faces"][frame, : len(expected)]
        np.testing.assert_allclose(faces, expected, rtol=0, atol=PIXELS)
        assert np.isnan(track["faces"][frame, len(expected) :]).all()
    (faces,) = s3fd.detect_faces(may, s3fd._network(torch.device("cpu")))
    np.testing.assert_allclose(faces, MAY_0, rtol=0, atol=PIXELS)


@pytest.mark.data
@pytest.mark.usefixtures("installed")
def test_a_ninth_face_is_counted_and_not_kept(may):
    track = S3FD.extract(may, {})
    assert track["count"].tolist() == [12]
    np.testing.assert_allclose(track["faces"][0], MAY_0[:8], rtol=0, atol=PIXELS)


@pytest.mark.data
@pytest.mark.usefixtures("installed")
def test_scores_must_be_above_the_threshold(network, radio):
    assert [len(faces) for faces in s3fd.detect_faces(radio[:1], network)] == [0]
    sharp = s3fd._network(torch.device("cpu"))
    (some,) = s3fd.detect_faces(radio[:1], sharp, conf_th=0.5)
    (all_,) = s3fd.detect_faces(radio[:1], sharp, conf_th=0.0)
    assert 0 < len(some) < len(all_)
    assert (some[:, 4] > 0.5).all()
    assert 0.05 < all_[:, 4].min() < 0.5  # the official code asks for 0.05 beforehand


# ---- extractor -------------------------------------------------------------------------------


def test_is_an_extractor_and_travels_between_processes():
    assert isinstance(S3FD, Extractor)
    assert (S3FD.id, S3FD.uses) == ("s3fd/1", ())
    assert pickle.loads(pickle.dumps(S3FD)).id == S3FD.id  # noqa: S301


@pytest.mark.data
@pytest.mark.usefixtures("installed")
def test_rows_do_not_depend_on_how_the_video_is_cut(radio):
    whole = S3FD.extract(radio, {})  # a batch of 8 and one of 1
    pieces = [S3FD.extract(radio[a:b], {}) for a, b in ((0, 1), (1, 6), (6, 9), (9, 9))]
    joined = {key: np.concatenate([p[key] for p in pieces]) for key in whole}
    np.testing.assert_array_equal(joined["count"], whole["count"])
    np.testing.assert_allclose(joined["faces"], whole["faces"], rtol=0, atol=PIXELS)
    assert (whole["count"].dtype, whole["faces"].dtype) == (np.int32, np.float32)
    assert (joined["count"].shape, joined["faces"].shape) == ((9,), (9, 8, 5))


@pytest.mark.data
@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(("side", "enough"), [(109, False), (110, True)])
def test_the_smallest_frame(side, enough):
    frames = np.zeros((1, side, 200, 3), np.uint8)
    if enough:  # 27.5 px, which OpenCV rounds to 28
        assert S3FD.extract(frames, {})["count"].shape == (1,)
    else:
        with pytest.raises(UnscorableError, match=r"200x109 are too small for S3FD.* 28 px"):
            S3FD.extract(frames, {})


@pytest.mark.data
def test_below_that_the_network_has_nothing_left(network):
    with torch.inference_mode():
        network(torch.zeros(1, 3, 28, 60))
        with pytest.raises(RuntimeError, match="too small"):
            network(torch.zeros(1, 3, 27, 60))


# ---- weights ---------------------------------------------------------------------------------


@pytest.mark.data
def test_weights_from_a_file_are_the_same(installed, sharper):
    loaded = s3fd.load_s3fd(installed).state_dict()
    assert loaded.keys() == sharper.keys()
    assert all(torch.equal(loaded[k], v) for k, v in sharper.items())


@pytest.mark.data
def test_the_given_weights_stay_the_givers(weights):
    network = s3fd.load_s3fd(weights)
    with torch.no_grad():
        network.L2Norm3_3.weight.zero_()
    assert weights["L2Norm3_3.weight"].all()


@pytest.mark.data
def test_other_parameters_are_refused(weights):
    name = "conf.3.bias"
    for wrong in (
        {k: v for k, v in weights.items() if k != name},
        {**weights, "conf.6.bias": weights[name]},
        {**weights, name: torch.zeros(3)},
    ):
        with pytest.raises(RuntimeError, match="conf"):
            s3fd.load_s3fd(wrong)


class Payload:
    def __reduce__(self):
        return (print, ("this must not run",))


def test_a_file_that_would_run_code_is_refused(tmp_path, capsys):
    torch.save({"vgg.0.weight": Payload()}, tmp_path / "sfd_face.pth")
    with pytest.raises(pickle.UnpicklingError):
        s3fd.load_s3fd(tmp_path / "sfd_face.pth")
    assert capsys.readouterr().out == ""


def test_cards_name_the_file_of_the_table():
    row = assets.lookup("s3fd")
    assert f"{row.file}, sha256 {row.sha256[:8]}" in s3fd.IN_WORDS


def test_missing_weights_say_how_to_get_them(monkeypatch, tmp_path):
    monkeypatch.setenv("TALKBENCH_CACHE", str(tmp_path))
    monkeypatch.delenv("TALKBENCH_ASSETS", raising=False)
    monkeypatch.setattr(s3fd, "locate", assets.locate)
    s3fd._network.cache_clear()
    with pytest.raises(AssetMissingError, match="talkbench assets get s3fd"):
        S3FD.extract(np.zeros((1, 120, 160, 3), np.uint8), {})
