"""Laws that every card keeps, whoever wrote it: one tester, real frames, the real harness.

Cards of plug-ins are found like ours, so a stranger can run this file on his own.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from fractions import Fraction

import cv2
import numpy as np
import pytest
import torch

from evaluation.generate import file_sha256
from evaluation.reading import VideoFile
from evaluation.registry import cards_of, names
from evaluation.score_pair import missing_packages, score_pair
from evaluation.store import TrackStore
from evaluation.video import Audio, FrameReader, read_audio
from evaluation.video_writer import LOSSLESS, Encoding, VideoWriter
from metrics.assets import get, lookup
from metrics.base import STATED

pytestmark = [pytest.mark.assets, pytest.mark.data]

FRAMES, EVERY = 51, 17
"""Cards that look for faces take frames 0, 17 and 34, the others, whose networks cost most, two."""
CARDS = {card.spec.name: card for family in names("metrics") for card in cards_of(family)}
# Weights that only their publisher has are not fetched here: such cards have tests of their own.
READY = {
    name: card
    for name, card in CARDS.items()
    if all(lookup(a).archive for a in card.spec.assets) and not missing_packages(card.spec)
}

NOISE, BLUR, SHIFT, CRF = (5, 15, 40), (1, 2.5, 6), (2, 6, 12), (28, 38, 48)
LADDERS = {
    "noise": [f"noise {s}" for s in NOISE],
    "blur": [f"blur {s}" for s in BLUR],
    "shift": [f"shift {s}" for s in SHIFT],
    "crf": [f"crf {s}" for s in CRF],
}


def may_invert(name, ladder):
    """Why more of a damage may score better on one short clip, or nothing; see ``traps``."""
    family, spec = name.split("@", 1)[0], CARDS[name].spec
    if ladder == "shift" and not (spec.paired and spec.per_clip):
        return "a set of frames: a little later the same mouth shapes come again"
    if "all-pairs" in name or "a282472" in name:
        return "all pairs: a stiller face beats a truer one"
    if family in ("lmd", "liplmd", "csim"):
        return "points and embeddings of another network: noise of its own around small damages"
    return ""


# Cards that this clip of 51 frames of 256x256 cannot have, and what their reason says.
UNSCORABLE: dict[str, str] = {
    **dict.fromkeys(
        (n for n in READY if n.startswith("ms-ssim") and n.endswith("@mouth")), "px on the"
    ),
    "ms-ssim@torchmetrics@face": "px on the",
}


def kind_of(name):
    spec = CARDS[name].spec
    if not spec.needs_reference:
        return "alone"
    return "faces" if "face" in spec.needs else "pictures"


@dataclass
class Bench:
    """Variants of one real clip, each scored once, when a law first asks.

    Cards that need a reference, those of them that look for faces, and those that need none are
    scored apart: what hears reads every frame, and most damages are asked of the others alone.
    """

    folder: object
    source: np.ndarray
    sound: Audio
    scored: dict = field(default_factory=dict)

    def path(self, name):
        path = self.folder / f"{name}.mkv"
        if not path.exists():
            frames, encoding = self.frames(name), LOSSLESS
            if name.startswith("crf"):
                encoding = Encoding(crf=int(name.split()[1]))
            height, width = frames.shape[1:3]
            form = {"width": width, "height": height, "fps": Fraction(25), "encoding": encoding}
            with VideoWriter(path, **form, audio=self.sound) as writer:
                writer.add(frames)
        return path

    def frames(self, name):
        kind, _, amount = name.partition(" ")
        whole = self.source[:FRAMES]
        if kind == "noise":
            rng = np.random.default_rng(7)
            noisy = whole + rng.normal(0, float(amount), whole.shape)
            return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
        if kind == "blur":
            return np.stack([cv2.GaussianBlur(f, (0, 0), float(amount)) for f in whole])
        if kind == "shift":
            return self.source[int(amount) : int(amount) + FRAMES]
        if kind == "dark":
            dark = whole.copy()
            dark[: int(amount) * EVERY : EVERY] = 0
            return dark
        return whole

    def of(self, card, name, against="truth", run="run"):
        """The outcome of a card, scored together with all of its kind."""
        kind = kind_of(card)
        key = (name, against, run, kind)
        if key not in self.scored:
            files = [VideoFile(p, file_sha256(p)) for p in map(self.path, (name, against))]
            store = TrackStore(self.folder / run)
            cards = [c for n, c in READY.items() if kind_of(n) == kind]
            every = 2 * EVERY if kind == "pictures" else EVERY
            outcomes = score_pair(*files, cards, every, store)
            self.scored[key] = {o.metric.spec.name: o for o in outcomes}
        return self.scored[key][card]

    def value(self, card, name, against="truth", run="run"):
        outcome = self.of(card, name, against, run)
        assert outcome.status == "ok", f"{name}: {outcome.reason}"
        return CARDS[card].aggregate([outcome.measurement])


@pytest.fixture(scope="session")
def bench(data, tmp_path_factory):
    for asset in {a for card in READY.values() for a in card.spec.assets}:
        get(asset)
    path = data / "hdtf_mini" / "gt" / "RD_Radio8_000.mp4"
    reader = FrameReader(path, piece=FRAMES + max(SHIFT))
    source = next(iter(reader))
    audio = read_audio(path)
    length = round(FRAMES / 25 * audio.rate)
    sound = Audio(audio.samples[:length], audio.rate)
    return Bench(tmp_path_factory.mktemp("contract"), source, sound)


def worse(card, value, than):
    """By how much a value is worse than another, in the card's own direction; 0 if it is not."""
    sign = 1 if CARDS[card].spec.direction == "lower" else -1
    return max(0.0, sign * (value - than))


def close(a, b, relative):
    return math.isclose(a, b, rel_tol=relative, abs_tol=relative)


def those(keep):
    """The cards that a law is about."""
    return pytest.mark.parametrize("name", [n for n in READY if keep(n, CARDS[n].spec)])


def scorable(name, spec):
    return name not in UNSCORABLE


def held_against(name, spec):
    return spec.needs_reference and scorable(name, spec)


@pytest.mark.parametrize("name", CARDS)
def test_says_everything(name):
    spec = CARDS[name].spec
    assert [key for key in STATED if not spec.protocol.get(key)] == []
    assert spec.source
    assert spec.title
    assert name.split("@", 1)[0] in names("metrics")
    assert spec.direction in ("higher", "lower")
    assert not spec.paired or spec.needs_reference
    if spec.perfect is not None:
        assert spec.bounds[0] <= spec.perfect <= spec.bounds[1]


@pytest.mark.parametrize("name", [n for n in CARDS if n not in READY])
def test_without_weights_the_command_is_named(bench, name, monkeypatch, tmp_path):
    monkeypatch.setenv("TALKBENCH_CACHE", str(tmp_path))
    path = bench.path("truth")
    file = VideoFile(path, file_sha256(path))
    (outcome,) = score_pair(file, file, [CARDS[name]], EVERY, TrackStore(tmp_path / "run"))
    assert outcome.status == "unavailable"
    assert "talkbench assets get" in outcome.reason or "pip install" in outcome.reason


@those(lambda name, spec: name in UNSCORABLE)
def test_what_cannot_be_scored_has_its_reason(bench, name):
    outcome = bench.of(name, "truth")
    assert outcome.status == "failed"
    assert UNSCORABLE[name] in outcome.reason


@those(scorable)
def test_identity_is_best(bench, name):
    spec, itself = CARDS[name].spec, bench.value(name, "truth")
    lo, hi = spec.bounds
    assert lo <= itself <= hi
    if spec.perfect is not None:
        assert close(itself, spec.perfect, 1e-6)
    if spec.needs_reference and "all-pairs" not in name:
        for damaged in (step for steps in LADDERS.values() for step in steps):
            outcome = bench.of(name, damaged)
            if outcome.status == "ok":
                assert worse(name, itself, CARDS[name].aggregate([outcome.measurement])) <= 1e-6


@those(held_against)
@pytest.mark.parametrize("ladder", LADDERS)
def test_more_damage_is_never_better(bench, name, ladder):
    """Steps without a value (a face is lost) are left out: a record, not a number."""
    outcomes = [bench.of(name, step) for step in LADDERS[ladder]]
    values = [CARDS[name].aggregate([o.measurement]) for o in outcomes if o.status == "ok"]
    ends = [values[0], values[-1]] if may_invert(name, ladder) else values
    if not may_invert(name, ladder).startswith("a"):  # sets and all pairs may even swap ends
        for less, more in itertools.pairwise(ends):
            assert worse(name, less, more) <= 1e-6, values


@those(scorable)
def test_pieces_and_threads_do_not_matter(bench, name, monkeypatch):
    whole = bench.value(name, "blur 2.5")
    monkeypatch.setattr("evaluation.video.PIECE_BYTES", 2 * 256 * 256 * 3)
    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        assert close(bench.value(name, "blur 2.5", run="pieces"), whole, 1e-5)
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])


@those(scorable)
def test_order_and_shards_do_not_matter(bench, name):
    outcomes = [bench.of(name, step) for step in ("truth", "blur 2.5", "noise 5")]
    measured = [o.measurement for o in outcomes if o.status == "ok"]
    assert len(measured) > 1
    expected = CARDS[name].aggregate(measured)
    for order in itertools.permutations(measured):
        assert close(CARDS[name].aggregate(order), expected, 1e-9)


@those(lambda name, spec: spec.symmetric and scorable(name, spec))
def test_is_symmetric_where_it_says_so(bench, name):
    swapped = bench.value(name, "truth", against="blur 2.5")
    assert close(swapped, bench.value(name, "blur 2.5"), 1e-6)


# Crops need the reference's face alone.
@those(
    lambda name, spec: "face" in spec.needs and not spec.needs_frames and held_against(name, spec)
)
def test_a_frame_without_a_face_is_counted(bench, name):
    outcome = bench.of(name, "dark 1")
    if outcome.status == "ok":
        assert outcome.measurement.notes
    else:
        assert "face" in outcome.reason
