"""The faces that SyncNet's pipeline follows, and which of them a clip is about.

Chung and Zisserman, "Out of time", ACCVW 2016; tracking rule of joonson/syncnet_python @ 6efbb1c
(``run_pipeline.py``): shots, faces linked by overlap, short and small tracks dropped, boxes
interpolated, centre and size smoothed by a running median.

Frames come at 25 a second: the rule counts them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from metrics.backbones import s3fd, yunet
from metrics.backbones.mouths import MOUTHS
from metrics.backbones.s3fd import MOST_FACES, S3FD
from metrics.backbones.shots import CONTENT, shots
from metrics.backbones.shots import IN_WORDS as SHOTS
from metrics.backbones.yunet import YUNET
from metrics.base import AnyExtractor, Track, UnscorableError

SAME_FACE_IOU = 0.5
LONGEST_STEP = 25  # frames from one detection to the next
LEAST_SIDE = 100.0
MEDIAN = 13

Detector = Literal["s3fd", "yunet"]
Choice = Literal["all", "largest", "talking"]

_CHOICES: Mapping[Choice, str] = {
    "all": "All tracks count",
    "largest": "Of tracks that share a frame, only that with the largest sum of box areas counts",
    "talking": "Of tracks that share a frame, only that whose mouth moves most counts (standard "
    "deviation of its opening)",
}

Boxes = NDArray[np.float64]
"""[faces, 4] px: x1, y1, x2, y2."""


@dataclass(frozen=True, eq=False)
class SpeakerTrack:
    """One face from its first to its last detection.

    Attributes:
        first: Its first frame.
        boxes: float64 [frames, 4] px, x1 y1 x2 y2; interpolated between detections.
        slots: int32 [frames], which of the detector's faces it is; -1 where interpolated.
    """

    first: int
    boxes: Boxes
    slots: NDArray[np.int32]

    @property
    def frames(self) -> slice:
        """The frames of the clip it spans."""
        return slice(self.first, self.first + len(self.boxes))

    @property
    def area(self) -> float:
        """The sum of its boxes' areas, px^2."""
        return float(((self.boxes[:, 2:] - self.boxes[:, :2]).prod(axis=1)).sum())

    def overlaps(self, other: SpeakerTrack) -> bool:
        """Whether a frame belongs to both."""
        ends = self.first + len(self.boxes), other.first + len(other.boxes)
        return max(self.first, other.first) < min(ends)

    def smoothed(self) -> NDArray[np.float64]:
        """float64 [frames, 3] px: centre x, y and half the larger side, median-filtered."""
        low, high = self.boxes[:, :2], self.boxes[:, 2:]
        half = (high - low).max(axis=1, keepdims=True) / 2
        return running_median(np.concatenate([(low + high) / 2, half], axis=1))


def running_median(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Median of 13 rows around each, zeros beyond the ends, as ``scipy.signal.medfilt``.

    The zeros are part of the rule: they pull the first and last six rows down to small values.

    Args:
        values: [n, columns].
    """
    around = np.pad(values, ((MEDIAN // 2, MEDIAN // 2), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(around, MEDIAN, axis=0)
    return np.asarray(np.partition(windows, MEDIAN // 2, axis=-1)[..., MEDIAN // 2])


def iou(a: Sequence[float], b: Sequence[float]) -> float:
    """Intersection over union of two boxes x1 y1 x2 y2."""
    wide = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    high = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    both = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return wide * high / (both - wide * high)


def tracks_in(faces: Sequence[Boxes], start: int, end: int, min_track: int) -> list[SpeakerTrack]:
    """The tracks of one shot, in the order in which the official code writes them.

    Again and again the first face left starts a track and takes along every face left that
    overlaps the track's last one by more than ``SAME_FACE_IOU``, at most ``LONGEST_STEP`` frames
    after it. A track is kept with more than ``min_track`` detections and a mean width or a mean
    height, interpolated boxes included, above ``LEAST_SIDE``.

    The official loop takes faces out of the list that it walks, and so never looks at the face
    behind one it took. Here as well; it changes nothing as long as a frame's faces overlap each
    other by less than ``SAME_FACE_IOU``, which both detectors see to.

    Args:
        faces: Of every frame of the clip.
        start: First frame of the shot.
        end: The frame after its last.
        min_track: Detections that are too few.
    """
    left = [[(slot, box.tolist()) for slot, box in enumerate(faces[t])] for t in range(start, end)]
    found = []
    for begin in range(len(left)):
        while left[begin]:
            taken = _take(left, begin)
            if len(taken) > min_track:
                track = _interpolated(taken, start)
                x1, y1, x2, y2 = track.boxes.T
                if max((x2 - x1).mean(), (y2 - y1).mean()) > LEAST_SIDE:
                    found.append(track)
    return found


_Seen = tuple[int, list[float]]  # slot and box of a face


def _take(left: Sequence[list[_Seen]], begin: int) -> list[tuple[int, _Seen]]:
    """Take the faces of one track, with their frames, out of those that are left."""
    taken: list[tuple[int, _Seen]] = []
    for frame in range(begin, len(left)):
        if taken and frame - taken[-1][0] > LONGEST_STEP:
            break
        here, position = left[frame], 0
        while position < len(here):
            if not taken or iou(here[position][1], taken[-1][1][1]) > SAME_FACE_IOU:
                taken.append((frame, here.pop(position)))
            position += 1  # past the next face where one was taken
    return taken


def _interpolated(taken: Sequence[tuple[int, _Seen]], start: int) -> SpeakerTrack:
    seen = np.array([frame for frame, _ in taken])
    corners = np.array([box for _, (_, box) in taken])
    frames = np.arange(seen[0], seen[-1] + 1)
    slots = np.full(len(frames), -1, dtype=np.int32)
    slots[seen - seen[0]] = [slot for _, (slot, _) in taken]
    boxes = np.stack([np.interp(frames, seen, column) for column in corners.T], axis=1)
    return SpeakerTrack(start + int(seen[0]), boxes, slots)


def follow(
    faces: Sequence[Boxes], content: NDArray[np.floating], min_track: int
) -> list[SpeakerTrack]:
    """The tracks of a clip, shot after shot; shots of fewer than ``min_track`` frames have none.

    Args:
        faces: Of every frame, in the detector's order.
        content: [T], see :func:`metrics.backbones.shots.content`.
        min_track: See :func:`tracks_in`.
    """
    return [
        track
        for start, end in shots(content)
        if end - start >= min_track
        for track in tracks_in(faces, start, end, min_track)
    ]


def most(
    tracks: Sequence[SpeakerTrack], weight: Callable[[SpeakerTrack], tuple[float, ...]]
) -> list[SpeakerTrack]:
    """At any time one track: the heaviest, then the next that shares no frame with those before.

    Returns:
        Some of ``tracks``, in their order.
    """
    chosen: list[SpeakerTrack] = []
    for track in sorted(tracks, key=weight, reverse=True):
        if not any(track.overlaps(other) for other in chosen):
            chosen.append(track)
    return [track for track in tracks if track in chosen]


def mouth_movement(track: SpeakerTrack, opening: NDArray[np.floating]) -> float:
    """Standard deviation of a track's mouth opening over its detections; 0 where none is known.

    Args:
        track: One face.
        opening: [T, 8], of every face of every frame; NaN where unknown.
    """
    seen = np.flatnonzero(track.slots >= 0)
    values = np.asarray(opening, dtype=np.float64)[track.first + seen, track.slots[seen]]
    values = values[np.isfinite(values)]
    return float(values.std()) if len(values) else 0.0


def rows(tracks: Sequence[SpeakerTrack], frames: int) -> Track:
    """Tracks side by side, see :class:`SpeakerTracks`; those that overlap in different lanes.

    Args:
        tracks: Numbered in this order.
        frames: Of the clip.
    """
    lanes: list[SpeakerTrack] = []  # the last of each
    lane_of = {}
    for number in sorted(range(len(tracks)), key=lambda k: tracks[k].first):
        track = tracks[number]
        free = [k for k, last in enumerate(lanes) if not track.overlaps(last)]
        lane = free[0] if free else len(lanes)
        lanes[lane : lane + 1] = [track]
        lane_of[number] = lane
    shape = (frames, max(1, len(lanes)))
    place = np.full((*shape, 3), np.nan)
    name, slots = np.full(shape, -1, dtype=np.int32), np.full(shape, -1, dtype=np.int32)
    for number, lane in lane_of.items():
        track = tracks[number]
        place[track.frames, lane] = track.smoothed()
        name[track.frames, lane] = number
        slots[track.frames, lane] = track.slots
    return {
        "x": place[..., 0],
        "y": place[..., 1],
        "s": place[..., 2],
        "track": name,
        "slot": slots,
    }


@dataclass(frozen=True)
class SpeakerTracks:
    """Faces followed by SyncNet's rule.

    Rows, for L lanes, as many as there are tracks at once and at least one: ``x``, ``y``, ``s``
    float64 [T, L] in px, centre and half the larger side of the smoothed box, NaN where the lane
    is empty; ``track`` int32 [T, L], the track's number in the clip, -1 where it is empty;
    ``slot`` int32 [T, L], which of the detector's faces of that frame it is, -1 where the box is
    interpolated.

    Doubles, because the crops of the official code begin at ``int()`` of sums of these.

    Attributes:
        detector: ``s3fd``, as the official code, or ``yunet``, whose 8 largest faces count.
        choice: ``all`` tracks; or at any time only the ``largest`` (sum of box areas) or the most
            ``talking`` (standard deviation of the mouth's opening, then area; YuNet only).
            Whole tracks win or lose, and the winners are numbered anew.
        min_track: 100 in ``run_pipeline.py``; others take 50.
    """

    detector: Detector = "s3fd"
    choice: Choice = "all"
    min_track: int = 100

    def __post_init__(self) -> None:
        if self.choice == "talking" and self.detector != "yunet":
            raise ValueError("mouths are known of YuNet's faces only")

    @property
    def id(self) -> str:
        """Name and version."""
        return f"speaker-tracks@{self.detector},{self.choice},{self.min_track}/1"

    @property
    def uses(self) -> tuple[AnyExtractor, ...]:
        """The detector, the cuts, and the mouths where they decide."""
        used: tuple[AnyExtractor, ...] = (S3FD if self.detector == "s3fd" else YUNET, CONTENT)
        return (*used, MOUTHS) if self.choice == "talking" else used

    @property
    def in_words(self) -> str:
        """For cards."""
        detector = s3fd.IN_WORDS if self.detector == "s3fd" else yunet.IN_WORDS
        return (
            f"{detector}. Shots by {SHOTS}; those of fewer than {self.min_track} frames are left "
            f"out. In a shot, faces are linked greedily (IOU > {SAME_FACE_IOU} with the track's "
            f"last face, at most {LONGEST_STEP} frames on); a track counts with more than "
            f"{self.min_track} detections and a mean width or height above {LEAST_SIDE:g} px; "
            "boxes between detections are interpolated, centre and size median-filtered over "
            f"{MEDIAN} frames with zeros beyond the track's ends. {_CHOICES[self.choice]}"
        )

    def follow(self, tracks: Mapping[str, Track]) -> Track:
        """Rows for all T frames, from the whole tracks of ``uses``.

        Raises:
            UnscorableError: S3FD saw more faces in a frame than its track holds.
        """
        faces = self._faces(tracks)
        content = np.asarray(tracks[CONTENT.id]["content"], dtype=np.float64)
        found = follow(faces, content, self.min_track)
        if self.choice == "largest":
            found = most(found, lambda track: (track.area,))
        elif self.choice == "talking":
            opening = np.asarray(tracks[MOUTHS.id]["opening"], dtype=np.float64)
            found = most(found, lambda track: (mouth_movement(track, opening), track.area))
        return rows(found, len(faces))

    def _faces(self, tracks: Mapping[str, Track]) -> list[Boxes]:
        seen = tracks[S3FD.id if self.detector == "s3fd" else YUNET.id]
        count = np.asarray(seen["count"], dtype=np.int64)
        boxes = np.asarray(seen["faces"], dtype=np.float64)[..., :4]
        if self.detector == "yunet":
            boxes = np.concatenate([boxes[..., :2], boxes[..., :2] + boxes[..., 2:]], axis=-1)
        elif (count > MOST_FACES).any():
            frame = int(np.flatnonzero(count > MOST_FACES)[0])
            raise UnscorableError(
                f"frame {frame} shows {count[frame]} faces; S3FD's track holds {MOST_FACES}, and "
                "the official code follows all"
            )
        return [row[:k] for row, k in zip(boxes, count, strict=True)]
