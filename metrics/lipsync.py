"""LSE-D, LSE-C, AV offset: do the lips move with the sound, as SyncNet sees and hears it.

One network and one arithmetic (:mod:`metrics.sync_distance`); what is called LSE differs in whose
face is cut out, how long it must be followed, and what a clip of several faces gets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metrics import words
from metrics.assets import lookup
from metrics.backbones.speaker_crops import CROP_IN_WORDS, JPEG_IN_WORDS
from metrics.backbones.speaker_tracks import SpeakerTracks
from metrics.backbones.sync_features import LipFeatures
from metrics.base import Direction, MetricSpec
from metrics.sync_distance import LipSync, Reading, Rule

FPS = 25

_CODE = "joonson/syncnet_python @ 6efbb1c"


@dataclass(frozen=True)
class Family:
    """What the three families say differently."""

    name: str
    title: str
    reads: Reading
    direction: Direction
    unit: str
    bounds: tuple[float, float]
    per_track: str
    useless: str


_LSE_D = Family(
    "lse-d",
    "LSE-D",
    "distance",
    "lower",
    "",
    (0.0, np.inf),
    "the least of the 31 means",
    "no fixed value: features have no fixed length. Lips that move without regard to the sound get "
    "about the median of the means, LSE-D + LSE-C of the synchronous clip: 15.4 on the official "
    "example, where it has 5.4",
)
_LSE_C = Family(
    "lse-c",
    "LSE-C",
    "confidence",
    "higher",
    "",
    (0.0, np.inf),
    "the median of the 31 means minus the least",
    "near 0 and never below it: the least of 31 means, apart by chance, lies under their median. "
    "The zero vectors beyond the sound's ends set the means apart as well, the more the shorter "
    "the clip",
)
_AV_OFFSET = Family(
    "av-offset",
    "AV offset",
    "offset",
    "lower",
    "frames",
    (0.0, 15.0),
    "the shift of the least of the 31 means, 15 minus its place: positive where the sound is ahead "
    "of the lips. The value is its size, its sign is in the notes",
    "7.7 frames where every shift is as likely; a clip without any sync tends to the ends, to 15",
)

_RULES: dict[Rule, str] = {
    "mean": "mean over tracks, each weighing the same (of offsets: of their sizes)",
    "last": "the last track counts alone: shot after shot, in a shot by where they begin",
    "best": "the best of all tracks: the greatest LSE-C and the least LSE-D, which may be of two "
    "tracks; the offset of the most confident one",
    "mean offset": "mean over tracks, each weighing the same; of offsets the size of their mean, "
    "its fraction cut off",
}

_TRAPS = (
    "Networks trained against SyncNet beat real video (Wav2Lip 9.2, ground truth 6 to 8), and "
    "THEval's viewers went the other way (correlation of their preference with LSE-C -0.16): score "
    "the ground truth beside. Data sets do not compare, nor do lengths: windows of 7.7 s of one "
    "real video gave 6.48, 5.66, 4.83, 2.17. Containers and codecs shift sound: AAC's priming by 1 "
    "or 2 frames where an edit list is ignored"
)
_JPEG_TRAP = (
    "ffmpeg keeps the first 11 to 49 JPEGs of a {what} finer than the rest, by what came before; "
    "here all are alike. Files that declare BT.709 are decoded as such here, and as BT.601 there"
)
_TRACK_TRAP = _JPEG_TRAP.format(what="track")
_PIPELINE_TRAP = (
    f"{_TRACK_TRAP}. The official script also goes through MPEG-4 and MP3 on the way: its pictures "
    "come 1 or 2 repeated frames late and its sound 1105 samples of the file's own rate, 11 to 17 "
    "ms apart, so its offset may differ by 1"
)


@dataclass(frozen=True)
class Variant:
    """What the protocols say differently.

    Attributes:
        name: Behind the family's name.
        title: In brackets behind the family's title.
        tracks: Whose faces, with the least length the card counts; None takes whole frames.
        rule: What a clip of several tracks gets.
        source: Official code with commit, and what differs.
        traps: Beside ``_TRAPS``.
    """

    name: str
    title: str
    tracks: SpeakerTracks | None
    rule: Rule
    source: str
    traps: str

    @property
    def lips(self) -> LipFeatures:
        """S3FD's tracks are cut once for all cards; which of them count is told apart later."""
        if self.tracks == SpeakerTracks("s3fd", "all", 100):
            return LipFeatures(SpeakerTracks("s3fd", "all", 50))
        return LipFeatures(self.tracks)

    @property
    def assets(self) -> tuple[str, ...]:
        """SyncNet, and what finds the faces."""
        if self.tracks is None:
            return ("syncnet",)
        found = ("syncnet", self.tracks.detector)
        return (*found, "face-mesh") if self.tracks.choice == "talking" else found

    def protocol(self, family: Family) -> dict[str, str]:
        """The card's text."""
        whole = self.tracks is None
        of_what = "clip" if whole else "track"
        return {
            "input": "the generated video and its own sound; no reference",
            "decoder": words.DECODED_25,
            "fps": words.STEADY_25,
            "sound": "16 kHz, mono, 16 bit, by FFmpeg, on the clock of the file"
            + ("" if whole else "; every track has its own cut of it"),
            "faces": "not looked for" if self.tracks is None else self.tracks.in_words,
            "crop": "none: whole frames, bilinear to 224x224 (OpenCV), aspect not kept"
            if whole
            else CROP_IN_WORDS,
            "copies": f"{JPEG_IN_WORDS}, made "
            + (
                "of whole frames before the resize, luma 1.25 up (decoders come out that dark)"
                if whole
                else "of crops"
            ),
            "backbone": f"SyncNet, syncnet_v2.model, sha256 {lookup('syncnet').sha256[:8]}, "
            "float32: five frames BGR 0..255 and 20 columns of MFCC (python_speech_features 0.6, "
            "defaults) give 1024 features each, not normalised",
            "windows": f"min(frames, floor(samples / 640)) - 5 of a {of_what}, one a frame",
            "distance": "Euclidean, 1e-6 added to each difference, from every window's lips to the "
            "sound of the 31 windows around it (-15 to 15), zero vectors beyond the sound's ends; "
            "mean over windows for each of the 31 shifts",
            f"per {of_what}": family.per_track,
            **({} if whole else {"tracks": _RULES[self.rule]}),
            "pooling": "mean of the clips: a long clip weighs no more",
            "useless": family.useless,
            "failure": ("no value: " if whole else "no value: no track that counts; ")
            + f"no sound; no window in the {of_what}'s frames or its sound",
            "traps": f"{self.traps}. {_TRAPS}",
        }


_OFFICIAL = SpeakerTracks("s3fd", "all", 100)
_SHORTER = SpeakerTracks("s3fd", "all", 50)
_SAME_NUMBERS = (
    "Same arithmetic (its own values on formula weights within 1e-3 of 670); JPEG copies at a "
    "constant quantiser, and no video files in between"
)

_VARIANTS = (
    Variant(
        "syncnet-python",
        "",
        _OFFICIAL,
        "mean",
        f"{_CODE}, run_pipeline.py and run_syncnet.py, which print a line a track and leave the "
        f"rest to the reader; so does Wav2Lip @ 5c90fa9, calculate_scores_real_videos.sh. "
        f"{_SAME_NUMBERS}",
        f"{_PIPELINE_TRAP}. Papers average, take the last or the best track, and do not say so",
    ),
    Variant(
        "syncnet-python@last",
        "last track",
        _OFFICIAL,
        "last",
        "dc3ea9f/vico_challenge_baseline @ a282472, lip_sync/compute_lipsync.py, which muxes the "
        f"true sound in as AAC and prints offset and confidence of the last track. {_SAME_NUMBERS}",
        f"{_PIPELINE_TRAP}. Which track is last is an accident of who is seen",
    ),
    Variant(
        "syncnet-python@max",
        "best track",
        _OFFICIAL,
        "best",
        f"{_CODE} with the rule of MoChaBench @ 043908d. {_SAME_NUMBERS}",
        f"{_PIPELINE_TRAP}. More faces in a clip make it better",
    ),
    Variant(
        "wav2lip-lrs",
        "whole frame",
        None,
        "mean",
        "Rudrabha/Wav2Lip @ 5c90fa9, evaluation/scores_LSE/calculate_scores_LRS.py. "
        f"{_SAME_NUMBERS}: on the official example, formula weights, the 31 means are within 0.8 "
        "of 664 of the official path's (9.3 without JPEG copies)",
        "meant for LRS, whose frames are face crops: a face elsewhere in the frame has any value. "
        f"{_JPEG_TRAP.format(what='clip')}. On frames below 160x160 ffmpeg's JPEGs stay finer",
    ),
    Variant(
        "latentsync",
        "LatentSync",
        _SHORTER,
        "mean offset",
        "bytedance/LatentSync @ a229c39, eval/eval_sync_conf.py, which prints confidence and "
        "offset, not the distance. It goes through H.264 and AAC, its crops through MPEG-4 and "
        "AAC, which shifts nothing. "
        f"{_SAME_NUMBERS}",
        f"{_TRACK_TRAP}. The official script prints videos without a track and leaves them out of "
        "its mean",
    ),
    Variant(
        "mochabench",
        "MoChaBench",
        _SHORTER,
        "best",
        "congwei1230/MoChaBench @ 043908d, eval-lipsync, which takes the sound from a file of "
        "clean speech of its own; here it is the video's. Its tracker looks at no more faces of a "
        "frame behind one that does not go on the track, ours does; shots are found at full size "
        f"there. {_SAME_NUMBERS}",
        f"{_TRACK_TRAP}. More faces in a clip make it better. The official script's pictures come "
        "1 or 2 repeated frames late (its AVI has MP3 sound), its speech does not: its offsets are "
        "as much higher (a comment there has 5 for 3). It leaves clips without a track out of its "
        "means",
    ),
    Variant(
        "yunet",
        "YuNet",
        SpeakerTracks("yunet", "largest", 100),
        "mean",
        f"{_CODE} with another detector, whose weights the package index ships, and the largest "
        "face for all. Not comparable with it digit for digit: boxes differ, and so do crops",
        f"{_PIPELINE_TRAP}. The largest face need not be the one that talks",
    ),
    Variant(
        "yunet@talking",
        "YuNet, talking face",
        SpeakerTracks("yunet", "talking", 100),
        "mean",
        f"{_CODE} with another detector and the face whose mouth moves most",
        f"{_PIPELINE_TRAP}. Where nobody talks it is whoever chews",
    ),
    Variant(
        "yunet@all",
        "YuNet, all faces",
        SpeakerTracks("yunet", "all", 100),
        "mean",
        f"{_CODE} with another detector",
        f"{_PIPELINE_TRAP}. Silent bystanders count",
    ),
)


def _cards(family: Family) -> tuple[LipSync, ...]:
    return tuple(
        LipSync(
            MetricSpec(
                name=f"{family.name}@{variant.name}",
                version="1",
                title=f"{family.title} ({variant.title})" if variant.title else family.title,
                direction=family.direction,
                unit=family.unit,
                bounds=family.bounds,
                needs_reference=False,
                paired=False,
                fps=FPS,
                needs_frames=False,
                needs=("face", "sound"),
                protocol=variant.protocol(family),
                source=f"Chung, Zisserman, ACCV workshops 2016; {variant.source}",
                assets=variant.assets,
            ),
            family.reads,
            variant.lips,
            variant.rule,
            variant.tracks.min_track if variant.tracks else 0,
        )
        for variant in _VARIANTS
    )


LSE_D = _cards(_LSE_D)
LSE_C = _cards(_LSE_C)
AV_OFFSET = _cards(_AV_OFFSET)
