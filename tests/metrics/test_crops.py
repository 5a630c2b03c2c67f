"""Parts of the face: where they are cut, and what the cards that look at them score."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from evaluation.generate import file_sha256
from evaluation.reading import VideoFile
from evaluation.score_pair import score_pair
from evaluation.store import TrackStore
from metrics.backbones.face_mesh import FACE_MESH
from metrics.backbones.faces import FACE
from metrics.backbones.yunet import YUNET
from metrics.base import STATED, Inputs, Measurement, Side, UnscorableError
from metrics.crops import FACE_REGION, FACE_SIDE, LIPS, MOUTH_REGION, MOUTH_SIDE, square
from metrics.fidelity import PSNR, SSIM
from metrics.ms_ssim import MS_SSIM

CARDS = {m.spec.name: m for m in (*PSNR, *SSIM, *MS_SSIM)}
REGIONAL = {n: m for n, m in CARDS.items() if m.region}
SMALL = {n: m for n, m in REGIONAL.items() if not n.startswith("ms-ssim")}

side = st.integers(8, 300)
place = st.floats(-80, 380)
length = st.floats(0.5, 200)


class TestSquare:
    @settings(deadline=None)  # the machine may be busy
    @given(x=place, y=place, w=length, h=length, scale=st.floats(0.5, 3), height=side, width=side)
    def test_lies_in_the_frame_and_is_a_square_where_the_frame_lets_it(
        self, x, y, w, h, scale, height, width
    ):
        window = square(np.array([x, y, w, h]), scale, height, width)
        long = max(1, round(scale * max(w, h)))
        # The corner is where half the square leaves it, to the nearest pixel.
        left, top = (x + w / 2 - long / 2, y + h / 2 - long / 2)
        if window is None:
            beyond = left + long <= 0.5 or top + long <= 0.5
            assert beyond or left >= width - 0.5 or top >= height - 0.5
            return
        rows, columns = window
        assert 0 <= rows.start < rows.stop <= height
        assert 0 <= columns.start < columns.stop <= width
        for span, start, limit in ((rows, top, height), (columns, left, width)):
            assert abs(span.start - max(0, start)) <= 0.5
            if 0.5 <= start <= limit - long - 0.5:
                assert span.stop - span.start == long

    @settings(deadline=None)
    @given(x=st.floats(60, 90), y=st.floats(60, 90), w=st.floats(4, 40), h=st.floats(4, 40))
    def test_is_centred_and_holds_the_box(self, x, y, w, h):
        rows, columns = square(np.array([x, y, w, h]), 1.3, 200, 200)
        assert abs((columns.start + columns.stop) / 2 - (x + w / 2)) <= 0.5
        assert abs((rows.start + rows.stop) / 2 - (y + h / 2)) <= 0.5
        assert columns.start <= x + 0.5
        assert columns.stop >= x + w - 0.5
        assert rows.start <= y + 0.5
        assert rows.stop >= y + h - 0.5

    def test_by_hand(self):
        assert square(np.array([10, 20, 40, 30]), 1.5, 200, 200) == (slice(5, 65), slice(0, 60))
        assert square(np.array([10, 20, 40, 30]), 1.5, 50, 40) == (slice(5, 50), slice(0, 40))
        assert square(np.array([210, 20, 40, 30]), 1.0, 200, 200) is None


def face_track(boxes) -> dict:
    boxes = np.array(boxes, dtype=np.float32)
    return {"found": np.isfinite(boxes[:, 0]), "boxes": boxes}


def mesh_track(corners) -> dict:
    """The lips' points spread over the box between two corners, all others far away."""
    landmarks = np.full((len(corners), 468, 2), 999, dtype=np.float32)
    for row, (low, high) in zip(landmarks, np.array(corners, dtype=np.float32), strict=True):
        row[list(LIPS)] = np.linspace(low, high, len(LIPS))
    return {"found": np.isfinite(landmarks[:, LIPS[0], 0]), "landmarks": landmarks}


NOBODY = [np.nan] * 4


def inputs_of(generated, reference, face=None, mesh=None, generated_tracks=None) -> Inputs:
    tracks = {}
    if face is not None:
        tracks[FACE.id] = face
    if mesh is not None:
        tracks[FACE_MESH.id] = mesh
    return Inputs(Side(generated, generated_tracks or {}), Side(reference, tracks))


@pytest.fixture
def two(carphone, blurred):
    """Generated and reference, four frames each."""
    return blurred(carphone[:4], 1.5), carphone[:4]


BOXES = [[30, 20, 50, 60], [31.4, 22, 50, 61], NOBODY, [100, 90, 60, 70]]


class TestRegions:
    def test_the_face_is_the_detectors_box_made_larger(self):
        windows = FACE_REGION.windows(face_track(BOXES), 144, 176)
        long = round(FACE_SIDE * 60)
        assert windows[0] == (slice(11, 11 + long), slice(16, 16 + long))
        assert windows[2] is None
        assert windows[3] == (slice(80, 144), slice(84, 175))  # cut at the lower edge

    def test_the_mouth_is_the_lips_box_made_larger(self):
        track = mesh_track([[(40, 60), (70, 75)], [NOBODY[:2], NOBODY[:2]]])
        windows = MOUTH_REGION.windows(track, 144, 176)
        long = MOUTH_SIDE * 30
        assert windows == [(slice(38, int(38 + long)), slice(25, int(25 + long))), None]


class TestScores:
    """Carphone under made-up boxes: every number is one of whole frames, on a crop by hand."""

    def crops(self, two):
        return [
            [
                f[w]
                for f, w in zip(z, FACE_REGION.windows(face_track(BOXES), 144, 176), strict=True)
                if w
            ]
            for z in two
        ]

    def test_psnr_and_ssim_equal_scikit_image_on_the_crops(self, two):
        ours = {
            n: SMALL[n].measure(inputs_of(*two, face=face_track(BOXES)))
            for n in ("psnr@face", "ssim@skimage-uniform@face")
        }
        a, b = self.crops(two)
        psnr = [peak_signal_noise_ratio(y, x, data_range=255) for x, y in zip(a, b, strict=True)]
        ssim = [
            structural_similarity(x, y, data_range=255, channel_axis=2)
            for x, y in zip(a, b, strict=True)
        ]
        # The same float64 arithmetic in another order.
        np.testing.assert_allclose(ours["psnr@face"].per_frame, psnr, atol=1e-9)
        np.testing.assert_allclose(ours["ssim@skimage-uniform@face"].per_frame, ssim, atol=1e-9)
        assert len({x.shape for x in a}) > 1  # windows differ in size

    @pytest.mark.parametrize("name", SMALL)
    def test_is_the_whole_frames_number_on_the_crops(self, two, name):
        mesh = mesh_track(
            [[(40, 60), (70, 75)], [(41, 60), (72, 75)], [NOBODY[:2]] * 2, [(0, 0), (60, 60)]]
        )
        found = SMALL[name].measure(inputs_of(*two, face_track(BOXES), mesh))
        region = SMALL[name].region
        track = mesh if region is MOUTH_REGION else face_track(BOXES)
        whole = CARDS[name.removesuffix(f"@{region.name}")]
        expected = [
            whole.measure(Inputs(Side(a[None][:, r, c]), Side(b[None][:, r, c]))).value
            for a, b, (r, c) in zip(
                *(z[[0, 1, 3]] for z in two),
                filter(None, region.windows(track, 144, 176)),
                strict=True,
            )
        ]
        assert found.per_frame.tolist() == expected
        assert found.frames == 3
        assert found.notes == {"no face in reference": 1}

    @pytest.mark.parametrize("name", SMALL)
    def test_only_the_crop_counts(self, two, name):
        generated, reference = two[0].copy(), two[1]
        track, mesh = face_track(BOXES[:1] * 4), mesh_track([[(40, 60), (70, 75)]] * 4)
        windows = SMALL[name].region.windows(
            mesh if SMALL[name].region is MOUTH_REGION else track, 144, 176
        )
        before = SMALL[name].measure(inputs_of(generated, reference, track, mesh))
        rows, columns = windows[0]
        outside = np.ones((144, 176), bool)
        outside[rows, columns] = False
        generated[:, outside] = 0
        after = SMALL[name].measure(inputs_of(generated, reference, track, mesh))
        assert after.value == before.value < SMALL[name].spec.perfect
        generated[:, rows, columns] = reference[:, rows, columns]
        restored = SMALL[name].measure(inputs_of(generated, reference, track, mesh))
        assert restored.value == SMALL[name].spec.perfect
        assert restored.notes == {"identical frames": 4}

    def test_the_generated_face_says_nothing(self, two):
        elsewhere = {FACE.id: face_track([NOBODY, [0, 0, 9, 9], [5, 5, 20, 20], NOBODY])}
        given_one = inputs_of(*two, face_track(BOXES), generated_tracks=elsewhere)
        alone = inputs_of(*two, face_track(BOXES))
        card = SMALL["psnr@face"]
        assert card.measure(given_one).value == card.measure(alone).value

    def test_a_broken_face_gains_nothing(self, two):
        generated, reference = two[0].copy(), two[1]
        card = SMALL["psnr@face"]
        before = card.measure(inputs_of(generated, reference, face_track(BOXES)))
        generated[0] = 0
        after = card.measure(inputs_of(generated, reference, face_track(BOXES)))
        assert after.frames == before.frames == 3
        assert after.per_frame[0] < 10 < before.per_frame[0]

    def test_a_piece_without_a_face_does_not_end_the_clip(self, two):
        card, track = SMALL["ssim@piq@face"], face_track(BOXES)
        whole = card.measure(inputs_of(*two, track))
        pieces = [
            card.measure(inputs_of(*(z[s] for z in two), {k: v[s] for k, v in track.items()}))
            for s in (slice(0, 2), slice(2, 3), slice(3, 4))
        ]
        assert pieces[1].value is None
        joined = Measurement.join(pieces)
        assert (joined.value, joined.frames, joined.notes) == (whole.value, 3, whole.notes)
        assert joined.notes == {"no face in reference": 1}

    @pytest.mark.parametrize("pieces", [1, 2])
    def test_no_face_at_all_is_a_reason(self, two, pieces):
        card, nobody = SMALL["psnr@face"], face_track([NOBODY] * 4)
        measured = [card.measure(inputs_of(*two, nobody))] * pieces
        why = f"no frame could be scored, no face in reference: {4 * pieces}"
        with pytest.raises(UnscorableError, match=why):
            Measurement.join(measured)

    @pytest.mark.parametrize(
        ("name", "smallest"),
        [
            ("ssim@skimage-wang@face", 11),
            ("ssim@skimage-uniform@face", 7),
            ("ssim@torchmetrics@face", 6),
            ("ms-ssim@pytorch-msssim@face", 161),
            ("ms-ssim@torchmetrics@face", 176),
        ],
    )
    def test_one_crop_too_small_is_a_reason(self, name, smallest, carphone):
        large = np.pad(carphone[:2], [(0, 0), (100, 100), (100, 100), (0, 0)], mode="reflect")
        card = replace(REGIONAL[name], region=replace(FACE_REGION, scale=1.0))

        def measure(box):
            track = face_track([[20, 30, 190, 190], [20, 30, box, box]])
            return card.measure(inputs_of(large, large, track))

        assert measure(smallest).value == 1
        why = f"cut to the face, frames are {smallest - 1}x{smallest - 1} px: {name} needs"
        with pytest.raises(UnscorableError, match=why):
            measure(smallest - 1)


@pytest.fixture(scope="module")
def weights(asset):
    for name in ("yunet", "face-mesh"):
        asset(name)


def tracks_of(frames):
    tracks = {YUNET.id: YUNET.extract(frames, {})}
    tracks[FACE.id] = FACE.follow(tracks)
    tracks[FACE_MESH.id] = FACE_MESH.extract(frames, tracks)
    return tracks


@pytest.fixture(scope="module")
def tracks(weights, recorded):
    return tracks_of(recorded.reference[::5])


@pytest.mark.assets
@pytest.mark.data
class TestRealClips:
    NAMES = ("psnr@face", "psnr@mouth", "ssim@piq@face", "ms-ssim@piq@face")

    def test_windows_show_what_they_say(self, tracks):
        face, mouth = (
            r.windows(tracks[r.extractor.id], 256, 256) for r in (FACE_REGION, MOUTH_REGION)
        )
        nose_and_corners = tracks[FACE.id]["points"][:, 2:]
        for (rows, columns), (lip_rows, lip_columns), points in zip(
            face, mouth, nose_and_corners, strict=True
        ):
            assert rows.start < lip_rows.start < lip_rows.stop < rows.stop + 20
            assert columns.start < lip_columns.start < lip_columns.stop < columns.stop
            nose, *corners = points
            assert all(lip_columns.start < x < lip_columns.stop for x, _ in corners)
            assert all(lip_rows.start < y < lip_rows.stop for _, y in corners)
            assert rows.start < nose[1] < rows.stop

    def test_through_the_harness(self, data, tmp_path, tracks, recorded):
        files = [
            VideoFile(p, file_sha256(p))
            for p in (data / "hdtf_mini" / s / "RD_Radio8_000.mp4" for s in ("iplap", "gt"))
        ]
        cards = [REGIONAL[n] for n in self.NAMES]
        outcomes = score_pair(*files, cards, 25, TrackStore(tmp_path))
        thin = {e: {k: v[::5] for k, v in t.items()} for e, t in tracks.items()}
        for card, outcome in zip(cards, outcomes, strict=True):
            assert outcome.status == "ok", outcome.reason
            side = Side(recorded.reference[::25], thin)
            here = card.measure(Inputs(Side(recorded.generated[::25]), side))
            assert outcome.measurement.frames == 11
            np.testing.assert_array_equal(outcome.measurement.per_frame, here.per_frame)

    def test_the_mouth_is_harder_than_the_frame(self, tracks, recorded):
        inputs = Inputs(Side(recorded.generated[::5]), Side(recorded.reference[::5], tracks))
        frame, face, mouth = (
            CARDS[n].measure(inputs).value for n in ("psnr", "psnr@face", "psnr@mouth")
        )
        assert frame > face > mouth

    @pytest.mark.parametrize("name", SMALL)
    def test_useless_generators_get_what_the_card_says(self, name, tracks, recorded):
        gt = recorded.reference[::5]
        still, black = (
            SMALL[name].measure(Inputs(Side(z), Side(gt, tracks))).value
            for z in (gt[:1].repeat(len(gt), 0), np.zeros_like(gt))
        )
        digits, unit = (2, " dB") if SMALL[name].spec.unit else (3, "")
        stated = SMALL[name].spec.protocol["useless"]
        assert f"along: {still:.{digits}f}{unit}; black frames: {black:.{digits}f}{unit}" in stated


@pytest.mark.assets
@pytest.mark.data
def test_useless_generators_get_what_the_cards_of_five_scales_say(weights, data, decode):
    gt = decode(data / "clips" / "hdtf_WDA_AlexandriaOcasioCortez_000.mp4", every=10)
    tracks = tracks_of(gt)
    for card in (m for m in MS_SSIM if m.region):
        still, black = (
            card.measure(Inputs(Side(z), Side(gt, tracks))).value
            for z in (gt[:1].repeat(len(gt), 0), np.zeros_like(gt))
        )
        stated = card.spec.protocol["useless"]
        assert f"along: {still:.3f}; black frames: {black:.3f} (WDA" in stated


@pytest.mark.parametrize("name", REGIONAL)
def test_says_what_differs_from_whole_frames(name):
    card = REGIONAL[name]
    whole = CARDS[name.removesuffix(f"@{card.region.name}")]
    differs = {k for k, v in card.spec.protocol.items() if whole.spec.protocol[k] != v}
    assert differs == {"crop", "backbone", "useless", "failure"}
    assert set(STATED) <= card.spec.protocol.keys()
    assert card.spec.needs == ("face",)
    assert card.spec.assets == (("yunet",) if name.endswith("@face") else ("yunet", "face-mesh"))
    assert card.extractors == ((FACE,) if name.endswith("@face") else (FACE_MESH,))
    assert (card.per_frame, card.pool, card.smallest) == (
        whole.per_frame,
        whole.pool,
        whole.smallest,
    )
    assert card.spec.title == f"{whole.spec.title} {card.region.name}"
    assert not card.spec.symmetric


def test_each_card_of_whole_frames_has_one_for_each_part():
    whole = [n for n, m in CARDS.items() if m.region is None]
    assert sorted(REGIONAL) == sorted(f"{n}@{part}" for n in whole for part in ("face", "mouth"))
