"""Mouth against sound: THEval's difference, correlation and lag, and the tracks they read."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from evaluation.sound import read_sound
from metrics import AudioExtractor, mouth_curves
from metrics.assets import ASSETS
from metrics.backbones.face_mesh import FACE_MESH, TALKING_MESH
from metrics.backbones.faces import FACE
from metrics.backbones.yunet import YUNET
from metrics.base import STATED, Inputs, Metric, Side, UnscorableError
from metrics.sync_correlation import AV_LAG, CORRELATION, changes, correlations
from metrics.theval import LIPSYNC, THEVAL, differences, in_speech

THE, CORR, LAG = THEVAL[0], CORRELATION[0], AV_LAG[0]
CARDS = (*LIPSYNC, *AV_LAG)

# What Newbyl/THEval @ cfe23fe printed for grid_brbk7n with silero-vad 5.1.2, librosa 0.11 (sound
# at 44.1 kHz) and MediaPipe 0.10.14, and the mouth openings that MediaPipe gave it.
OFFICIAL = 0.27192
OFFICIAL_OPENING = [
    *(0.0326, 0.0349, 0.0300, 0.0284, 0.0253, 0.0234, 0.0243, 0.0222, 0.0232, 0.0139, 0.0012),
    *(0.0055, 0.0083, 0.0072, 0.0244, 0.0282, 0.0100, 0.0002, 0.0026, 0.0266, 0.0531, 0.0585),
    *(0.0133, 0.0021, 0.0016, 0.0156, 0.0401, 0.0752, 0.0847, 0.1157, 0.1642, 0.1921, 0.1427),
    *(0.0737, 0.0500, 0.0405, 0.0355, 0.0453, 0.0519, 0.0200, 0.0038, 0.0088, 0.0347, 0.0517),
    *(0.0723, 0.0932, 0.1438, 0.0859, 0.0505, 0.0361, 0.0203, 0.0117, 0.0122, 0.0236, 0.0254),
    *(0.0248, 0.0255, 0.0264, 0.0240, 0.0241, 0.0207, 0.0205, 0.0188, 0.0192, 0.0189, 0.0197),
    *(0.0193, 0.0209, 0.0224, 0.0197, 0.0163, 0.0162, 0.0217, 0.0245, 0.0221),
]
OFFICIAL_VRETALK_5 = 0.20453

FILES = {"example": "syncnet_example.avi", "grid": "grid_brbk7n.mpg", "woman": "vretalk_5.mp4"}


def networks(test):
    """Runs the real weights."""
    return pytest.mark.assets(pytest.mark.usefixtures("weights")(test))


@pytest.fixture(scope="module")
def weights(asset):
    for name in THE.spec.assets:
        asset(name)


@pytest.fixture(scope="module")
def clip(weights, data, decode):
    """Name -> (mesh track, sound) of a clip of 25 frames a second, read once."""
    kept = {}

    def get(name):
        if name not in kept:
            path = data / "clips" / FILES[name]
            frames = decode(path)
            face = FACE.follow({YUNET.id: YUNET.extract(frames, {})})
            kept[name] = FACE_MESH.extract(frames, {FACE.id: face}), read_sound(path)
        return kept[name]

    return get


def mouths(openings):
    """A mesh track whose mouth is that far open; NaN: no face."""
    landmarks = np.zeros((len(openings), 468, 2))
    landmarks[:, list(mouth_curves.UPPER_LIP), 1] = np.asarray(openings)[:, None]
    landmarks[:, list(mouth_curves.LEFT_EYE), 0] = 1
    landmarks[np.isnan(openings)] = np.nan
    return {"landmarks": landmarks, "found": np.isfinite(openings)}


def score(card, mesh, sound=None, **tracks):
    heard = {}
    for extractor in card.extractors:
        if not isinstance(extractor, AudioExtractor):
            heard[extractor.id] = mesh
        elif extractor.id.partition("/")[0] in tracks:
            heard[extractor.id] = tracks[extractor.id.partition("/")[0]]
        else:
            heard[extractor.id] = extractor.listen(sound)
    return card.measure(Inputs(Side(tracks=heard)))


def voice(frames, seed=0):
    """A mouth that opens at random, and noise between 1 and 4 kHz as loud as it is open."""
    random = np.random.default_rng(seed)
    opening = np.convolve(random.uniform(0, 0.4, frames + 2), np.ones(3) / 3, "valid")
    spectrum = np.fft.rfft(random.normal(size=frames * 640))
    hertz = np.fft.rfftfreq(frames * 640, 1 / 16000)
    spectrum[(hertz < 1000) | (hertz > 4000)] = 0
    noise = np.fft.irfft(spectrum)
    level = np.interp(np.arange(frames * 640) / 640, np.arange(frames), opening)
    return opening, np.round(noise / noise.std() * level * 8000).astype(np.int16)


def moved(sound, frames):
    """The sound that many frames later (earlier below 0), silence where it is gone."""
    empty = np.zeros(abs(frames) * 640, np.int16)
    if frames >= 0:
        return np.concatenate([empty, sound])[: len(sound)]
    return np.concatenate([sound, empty])[-len(sound) :]


@networks
@pytest.mark.data
def test_on_its_own_mouth_opening_the_official_script_agrees(data):
    sound = read_sound(data / "clips" / "grid_brbk7n.mpg")
    measured = score(THE, mouths(np.array(OFFICIAL_OPENING)), sound)
    # Sound at 16 instead of 44.1 kHz; the openings above have four digits.
    assert measured.value == pytest.approx(OFFICIAL, abs=5e-4)
    assert measured.frames == 41
    assert measured.notes == {"no speech": 34}


@networks
@pytest.mark.data
def test_with_our_mesh_it_is_as_near_as_two_meshes_are(clip):
    # MediaPipe fed with red and blue in their places moves the two by 0.013 and -0.005.
    assert score(THE, *clip("grid")).value == pytest.approx(OFFICIAL, abs=0.03)
    assert score(THE, *clip("woman")).value == pytest.approx(OFFICIAL_VRETALK_5, abs=0.04)


def test_frames_of_speech():
    # 0.449 s -> 0.4 s, frame 10; 0.75 s -> 0.8 s, frame 20.
    spoken = in_speech(np.array([[7184, 12000]]), 40)
    assert np.flatnonzero(spoken).tolist() == list(range(10, 21))
    spoken = in_speech(np.array([[0, 640], [22400, 99999]]), 40)
    assert np.flatnonzero(spoken).tolist() == [0, 35, 36, 37, 38, 39]


def test_an_opening_is_a_share_of_the_eyes_distance():
    landmarks = np.zeros((2, 468, 2))
    landmarks[0, list(mouth_curves.UPPER_LIP), 1] = 100
    landmarks[0, list(mouth_curves.LOWER_LIP), 1] = 112
    landmarks[0, list(mouth_curves.RIGHT_EYE), 0] = 40, 60
    landmarks[0, list(mouth_curves.LEFT_EYE), 0] = 80, 100
    opening = mouth_curves.opening(landmarks)
    assert opening[0] == pytest.approx(12 / 40)
    assert np.isnan(opening[1])  # eyes in one place: no face


def test_thevals_rule_by_hand():
    opening, loudness = np.array([0.1, 0.3, 0.2, 0.1]), np.array([5.0, 1.0, 3.0, 9.0])
    expected = np.abs(np.array([0, 1, 0.5, 0]) - np.array([0.5, 0, 0.25, 1]))
    np.testing.assert_allclose(differences(opening, loudness), expected, atol=1e-6)
    np.testing.assert_allclose(differences(3 * opening + 1, loudness / 7), expected, atol=1e-6)
    # Through the card: 10 frames, the sound's moments at 0, 1.25, 2.5 ... frames.
    rows = np.array([0, 1, 0, 1, 0, 1, 0, 1, 0.0])
    between = np.interp(np.arange(10), np.arange(9) * 1.25, rows)
    curve = np.array([0.2, 0.4, 0.1, 0.3, 0.2, 0.5, 0.1, 0.2, 0.3, 0.4])
    measured = score(
        THE,
        mouths(curve),
        loudness={"loudness": rows},
        speech={"stretches": np.array([[0, 6400]])},
    )
    np.testing.assert_allclose(measured.per_frame, differences(curve, between), atol=1e-9)


def test_changes_are_centred_slopes_of_length_1():
    curve = np.array([0.0, 1, 4, 9, 16, 4, 4, 4])
    slope = np.gradient(curve)
    expected = (slope - slope.mean()) / np.linalg.norm(slope - slope.mean())
    np.testing.assert_allclose(changes(curve), expected)
    curve[3] = np.nan
    gone = changes(curve)
    assert gone[[2, 3, 4]].tolist() == [0, 0, 0]
    assert np.linalg.norm(gone) == pytest.approx(1)
    assert changes(np.full(9, 0.3)).tolist() == [0] * 9


@pytest.mark.parametrize("late", [-9, -1, 0, 4, 15])
def test_the_lag_is_found_with_syncnets_sign(late):
    opening, sound = voice(150)
    mesh = mouths(opening)
    peak, lag = (score(card, mesh, moved(sound, late)) for card in (CORR, LAG))
    assert peak.notes == lag.notes == {"lag": -late}
    assert lag.value == abs(late)
    assert lag.frames == peak.frames == 150
    assert 0.6 < peak.value < 1  # silence is part of what is correlated


def test_correlations_by_hand():
    opening, loudness = np.random.default_rng(5).uniform(0.1, 1, size=(2, 60))
    at = correlations(opening, loudness)
    floor = 0.1 * np.sqrt(np.mean(loudness**2))
    slopes = np.gradient(opening), np.gradient(np.log(loudness + floor))
    assert at[15] == pytest.approx(np.corrcoef(*slopes)[0, 1])
    a, b = (s - s.mean() for s in slopes)
    ahead = sum(a[t] * b[t - 4] for t in range(4, 60)) / np.linalg.norm(a) / np.linalg.norm(b)
    assert at[15 + 4] == pytest.approx(ahead)
    behind = sum(a[t] * b[t + 7] for t in range(53)) / np.linalg.norm(a) / np.linalg.norm(b)
    assert at[15 - 7] == pytest.approx(behind)
    np.testing.assert_allclose(correlations(3 * opening + 2, 0.01 * loudness), at)


@networks
@pytest.mark.data
def test_syncnets_own_example_has_the_published_offset(clip):
    """joonson/syncnet_python's README: data/example.avi, offset 3 frames."""
    mesh, sound = clip("example")
    assert score(LAG, mesh, sound).notes == {"lag": 3}
    assert score(CORR, mesh, sound).value == pytest.approx(0.687, abs=0.01)
    for late in (-8, -3, 1, 2, 5):
        assert score(LAG, mesh, moved(sound, late)).notes == {"lag": 3 - late}


@networks
@pytest.mark.data
def test_correlation_knows_whose_sound_it_is(clip):
    """Each mouth with its own sound beats it with another's; THEval's difference does not."""
    for name in FILES:
        mesh, sound = clip(name)
        own = score(CORR, mesh, sound)
        assert "weak correlation" not in own.notes
        for other in set(FILES) - {name}:
            foreign = clip(other)[1]
            if len(foreign) >= len(sound):
                swapped = score(CORR, mesh, foreign[: len(sound)])
                assert swapped.value < own.value - 0.03
    mesh, sound = clip("woman")
    foreign = clip("example")[1][: len(sound)]
    assert score(CORR, mesh, foreign).notes["weak correlation"] == 1


@networks
@pytest.mark.data
def test_a_quiet_recording_scores_like_a_loud_one(clip):
    mesh, sound = clip("grid")
    quiet = np.round(sound / 4).astype(np.int16)
    for card in (CORR, LAG):
        assert score(card, mesh, quiet).value == pytest.approx(
            score(card, mesh, sound).value, abs=5e-3
        )
    whole = np.array([[0, len(sound)]])
    loud, low = (score(THE, mesh, s, speech={"stretches": whole}).value for s in (sound, quiet))
    assert low == pytest.approx(loud, abs=1e-3)


ALL_SPEECH = {"stretches": np.array([[0, 150 * 640]])}


@pytest.mark.parametrize("card", [THE, CORR, LAG], ids=lambda card: card.spec.name)
def test_what_has_no_value(card):
    opening, sound = voice(150)
    spoken = {"speech": ALL_SPEECH}
    score(card, mouths(opening), sound, **spoken)
    with pytest.raises(UnscorableError, match="the mouth's opening does not change"):
        score(card, mouths(np.full(150, 0.2)), sound, **spoken)
    with pytest.raises(UnscorableError, match="the sound's loudness does not change"):
        score(card, mouths(opening), np.zeros(150 * 640, np.int16), **spoken)
    hidden = opening.copy()
    hidden[40:55] = np.nan
    measured = score(card, mouths(hidden), sound, **spoken)
    assert measured.notes["no face in speech" if card is THE else "no face"] == 15
    hidden[55] = np.nan
    with pytest.raises(UnscorableError, match="no face in 16 of 150 frames"):
        score(card, mouths(hidden), sound, **spoken)
    with pytest.raises(UnscorableError, match="no face in 150 of 150 frames"):
        score(card, mouths(np.full(150, np.nan)), sound, **spoken)


def test_little_speech_has_no_value():
    opening, sound = voice(150)
    few = {"stretches": np.array([[0, 13 * 640]])}  # 0.52 s -> 0.5 s -> frames 0..12
    with pytest.raises(UnscorableError, match="speech in 13 of 150 frames only"):
        score(THE, mouths(opening), sound, speech=few)
    enough = {"stretches": np.array([[0, 15 * 640]])}  # 0.6 s -> frames 0..15
    assert score(THE, mouths(opening), sound, speech=enough).frames == 16
    with pytest.raises(UnscorableError, match="speech in 0 of 150 frames only"):
        score(THE, mouths(opening), sound, speech={"stretches": np.zeros((0, 2), int)})


@pytest.mark.parametrize("card", [CORR, LAG], ids=lambda card: card.spec.name)
def test_clips_too_short_and_sounds_that_end_early(card):
    opening, sound = voice(150)
    with pytest.raises(UnscorableError, match="49 frames at 25 fps, 50 are needed"):
        score(card, mouths(opening[:49]), sound)
    assert score(card, mouths(opening[:50]), sound).frames == 50
    # A sound of n frames has a moment at its very end too.
    cut = score(card, mouths(opening), sound[: 134 * 640])
    assert cut.notes["no sound"] == 15
    assert cut.frames == 135
    with pytest.raises(UnscorableError, match="no sound in 16 of 150 frames"):
        score(card, mouths(opening), sound[: 133 * 640])


def test_long_clips_weigh_no_more():
    few, many = (
        score(CORR, mouths(opening), sound)
        for opening, sound in (voice(60, seed=1), voice(200, seed=2))
    )
    for card in CARDS:
        assert card.aggregate([few, many]) == pytest.approx((few.value + many.value) / 2)


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.spec.name)
def test_cards(card):
    assert isinstance(card, Metric)
    spec = card.spec
    assert not spec.needs_reference
    assert not spec.paired
    assert not spec.needs_frames
    assert spec.fps == 25
    assert spec.needs == ("face", "sound")
    assert spec.perfect is None
    assert set(STATED) <= set(spec.protocol)
    words = " ".join(spec.protocol.values())
    assert all(ASSETS[name].sha256[:8] in words for name in spec.assets)
    talking = spec.name.endswith("@talking")
    assert card.extractors[0] is (TALKING_MESH if talking else FACE_MESH)
    assert ("opening varies most" in spec.protocol["crop"]) == talking


def test_families_and_their_directions():
    assert [card.spec.id for card in LIPSYNC] == [
        "lipsync@theval/1",
        "lipsync@theval@talking/1",
        "lipsync@correlation/1",
        "lipsync@correlation@talking/1",
    ]
    assert [c.spec.id for c in AV_LAG] == ["av-lag@correlation/1", "av-lag@correlation@talking/1"]
    ends = {c.spec.name: (c.spec.direction, c.spec.bounds, c.spec.unit) for c in CARDS[::2]}
    assert ends == {
        "lipsync@theval": ("lower", (0, 1), ""),
        "lipsync@correlation": ("higher", (-1, 1), ""),
        "av-lag@correlation": ("lower", (0, 15), "frames"),
    }
    for card in CARDS[1::2]:  # but for whose face it is, a sub-card is its card
        plain = CARDS[CARDS.index(card) - 1].spec
        protocol = {**card.spec.protocol, "crop": plain.protocol["crop"]}
        assert dataclasses.replace(card.spec, name=plain.name, protocol=protocol) == plain
