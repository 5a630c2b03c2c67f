"""What SyncNet is shown: crops around a face, and the coarse JPEG copies its code makes.

The crop of joonson/syncnet_python @ 6efbb1c (``run_pipeline.py``), and what its
``SyncNetInstance.py`` does to every picture before the network sees it: ``ffmpeg -f image2
%06d.jpg`` without a quality.
"""

from __future__ import annotations

from fractions import Fraction

import av
import cv2
import numpy as np
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray

from metrics.base import Frames, UnscorableError

SIDE = 224
CROP_SCALE = 0.40
PADDING = 110
QUANTISER = 25
LIFT = 1.25

CROP_IN_WORDS = (
    f"around centre x, y and half side s: from s above to {1 + 2 * CROP_SCALE:g} s below, "
    f"{1 + CROP_SCALE:g} s to either side, whole pixels, grey {PADDING} beyond the frame; "
    f"bilinear to {SIDE}x{SIDE} (OpenCV)"
)
JPEG_IN_WORDS = (
    f"a JPEG copy, 4:2:0, FFmpeg's quantiser {QUANTISER}, is what the network sees: ffmpeg's "
    "default quality once its rate control has settled"
)


def crop_face(frame: NDArray[np.uint8], x: float, y: float, s: float) -> NDArray[np.uint8]:
    """The part of a frame that shows a face and what is below it, for SyncNet.

    As the official code, which pads the whole frame first; the channels may be in any order.

    Args:
        frame: uint8 [H, W, 3].
        x: Centre of the face, px.
        y: Centre of the face, px.
        s: Half the larger side of its box, px.

    Returns:
        uint8 [224, 224, 3].

    Raises:
        UnscorableError: The face is too far outside the frame or smaller than a pixel; the
            official code ends there.
    """
    height, width = frame.shape[:2]
    margin = int(s * (1 + 2 * CROP_SCALE))
    down, right = y + margin, x + margin  # in the padded frame
    top, left = int(down - s), int(right - s * (1 + CROP_SCALE))
    bottom = min(int(down + s * (1 + 2 * CROP_SCALE)), height + 2 * margin)
    end = min(int(right + s * (1 + CROP_SCALE)), width + 2 * margin)
    if min(top, left) < 0 or top >= bottom or left >= end:
        raise UnscorableError(
            f"a face at ({x:.0f}, {y:.0f}) of half side {s:.1f} px leaves nothing to crop of a "
            f"frame of {width}x{height} px"
        )
    crop = np.full((bottom - top, end - left, 3), PADDING, dtype=np.uint8)
    top, bottom, left, end = (v - margin for v in (top, bottom, left, end))  # in the frame
    rows, columns = slice(max(0, top), min(height, bottom)), slice(max(0, left), min(width, end))
    if rows.start < rows.stop and columns.start < columns.stop:
        inside = crop[rows.start - top : rows.stop - top, columns.start - left :]
        inside[:, : columns.stop - columns.start] = frame[rows, columns]
    return np.asarray(cv2.resize(crop, (SIDE, SIDE)), dtype=np.uint8)


def jpeg_copies(frames: Frames, lift: float = 0.0) -> Frames:
    """Frames as they come back from FFmpeg's JPEG encoder at a constant quantiser.

    ``ffmpeg -f image2 %06d.jpg`` aims at 200 kbit/s. Pictures of 224x224 do not fit into that, so
    after 11 to 49 frames (on 26 clips) its rate control stands at the coarsest it may take for
    pictures of their own, 31 times 0.8, and stays there: quantiser 25. Before that it is finer,
    by what came earlier in the clip, and cannot be had frame by frame; here it is 25 from the
    first frame on. Pictures below about 160x160 fit, and ffmpeg keeps them finer for good.

    Args:
        frames: uint8 RGB [n, H, W, 3].
        lift: Added to the luma. Decoders' quick way from YUV to RGB comes out 1.25 grey levels
            dark (1.2 to 1.4 on 21 clips); the official path makes whole frames into JPEG without
            it.

    Returns:
        uint8 RGB, same shape.
    """
    if not len(frames):
        return frames
    height, width = frames.shape[1:3]
    encoder = av.CodecContext.create("mjpeg", "w")
    if not isinstance(encoder, VideoCodecContext):  # pragma: no cover - for the type checker
        raise TypeError("mjpeg is no video codec")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuvj420p"
    encoder.time_base = Fraction(1, 25)
    encoder.thread_count = 1  # a packet for a frame, at once
    encoder.options = {"qmin": str(QUANTISER), "qmax": str(QUANTISER)}
    copies = np.empty_like(frames)
    for i, frame in enumerate(frames):
        packets = encoder.encode(_full_range(frame, i, lift))
        data = np.frombuffer(b"".join(map(bytes, packets)), dtype=np.uint8)
        copies[i] = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR_RGB), dtype=np.uint8)
    return copies


def _full_range(frame: NDArray[np.uint8], number: int, lift: float) -> av.VideoFrame:
    """YUV 4:2:0 of ITU-R BT.601 at full range, chroma the mean of four pixels."""
    height, width = frame.shape[:2]
    even = cv2.copyMakeBorder(frame, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    # Rounded once: in bytes, luma would be rounded before it is lifted.
    ycc = cv2.cvtColor(even.astype(np.float32), cv2.COLOR_RGB2YCrCb)
    luma = ycc[:height, :width, 0] + np.float32(lift)
    # OpenCV centres the chroma of floats at 0.5.
    chroma = cv2.resize(
        ycc[..., 1:], (even.shape[1] // 2, even.shape[0] // 2), interpolation=cv2.INTER_AREA
    ) + np.float32(127.5)
    picture = av.VideoFrame(width, height, "yuvj420p")
    for plane, values in zip(picture.planes, (luma, chroma[..., 1], chroma[..., 0]), strict=True):
        rows = np.zeros((plane.height, plane.line_size), dtype=np.uint8)
        rows[:, : plane.width] = np.clip(np.rint(values), 0, 255)
        plane.update(rows.tobytes())
    picture.pts, picture.time_base = number, Fraction(1, 25)
    return picture
