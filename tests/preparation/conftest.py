"""Source videos whose frames carry their number where no codec can wash it out."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest

WIDTH, HEIGHT = 160, 120
CROP = (40, 24, 64)
"""x, y, side of the window that the number fills: 4x4 black or white squares, a bit each."""

RATE = 16_000
CLOCK = Fraction(1, 90_000)


def picture(number: int, scale: int = 1) -> np.ndarray:
    """uint8 [H, W, 3]: the number in the crop, slanted stripes around it."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    frame = np.where((x + y) // 6 % 2, 200, 60).astype(np.uint8)
    left, top, side = CROP
    bits = np.array([number >> i & 1 for i in range(16)], np.uint8).reshape(4, 4) * 195 + 30
    frame[top : top + side, left : left + side] = bits.repeat(side // 4, 0).repeat(side // 4, 1)
    return np.stack([frame.repeat(scale, 0).repeat(scale, 1)] * 3, axis=-1)


def number_in(face: np.ndarray) -> int:
    """What ``picture`` wrote, from its crop at any size."""
    side = len(face) // 4
    greys = face[..., 1].reshape(4, side, 4, side)[
        :, side // 4 : -side // 4, :, side // 4 : -side // 4
    ]
    bits = greys.mean(axis=(1, 3)).ravel() > 128
    return int(sum(1 << i for i, bit in enumerate(bits) if bit))


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    """Bursts, float32 [N, 1], unlike themselves at any other time."""
    rng = np.random.default_rng(seed)
    loud = np.repeat(rng.random(int(seconds * 10) + 1), RATE // 10)[: int(seconds * RATE)]
    return (0.3 * loud * rng.standard_normal(len(loud))).astype(np.float32)[:, None]


def film(
    path: Path,
    times: Sequence[Fraction],
    *,
    sound: np.ndarray | None = None,
    sound_from: float = 0.0,
    scale: int = 1,
    crf: int = 23,
    gop: int = 40,
    pixels: str = "yuv420p",
    sar: Fraction | None = None,
    color_trc: int | None = None,
) -> None:
    """Write frame i at ``times[i]`` s, and ``sound`` [N, channels] at 16 kHz."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        web = path.suffix == ".webm"
        stream = container.add_stream("libvpx-vp9" if web else "libx264", rate=25)
        stream.width, stream.height = WIDTH * scale, HEIGHT * scale
        stream.pix_fmt = pixels
        stream.time_base = stream.codec_context.time_base = CLOCK
        stream.options = {"crf": str(crf), "g": str(gop), "threads": "1"}
        stream.options |= {"cpu-used": "8", "deadline": "good"} if web else {"preset": "veryfast"}
        if sar is not None:
            stream.codec_context.sample_aspect_ratio = sar
        if color_trc is not None:
            stream.codec_context.color_trc = color_trc
        if sound is not None:
            layout = {1: "mono", 2: "stereo", 6: "5.1"}[sound.shape[1]]
            codec = "aac" if path.suffix == ".mp4" else "pcm_s16le"
            voice = container.add_stream(codec, rate=RATE, layout=layout)
        for number, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(picture(number, scale), format="rgb24")
            frame = frame.reformat(format=pixels)
            frame.pts, frame.time_base = round(time / CLOCK), CLOCK
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            integers = np.rint(np.ascontiguousarray(sound.reshape(1, -1)) * 32767).astype(np.int16)
            block = av.AudioFrame.from_ndarray(integers, format="s16", layout=layout)
            block.sample_rate, block.time_base = RATE, Fraction(1, RATE)
            block.pts = round(sound_from * RATE)
            resampler = av.AudioResampler(
                format=voice.codec_context.format, layout=layout, frame_size=1024
            )
            for piece in [*resampler.resample(block), *resampler.resample(None)]:
                container.mux(voice.encode(piece))
            container.mux(voice.encode(None))


def even(fps: int | Fraction, seconds: float) -> list[Fraction]:
    """Times of a steady rate."""
    return [n / Fraction(fps) for n in range(round(seconds * Fraction(fps)))]


class Hdtf:
    """A folder of annotations and one of videos, each written as a test needs."""

    def __init__(self, root: Path) -> None:
        self.annotations, self.videos, self.out = root / "txt", root / "raw", root / "clips"
        self.annotations.mkdir()
        self.videos.mkdir()

    def annotate(
        self, name: str, *intervals: str, crops: bool = True, resolution: object = HEIGHT
    ) -> None:
        """One more video of RD, with the crop that ``picture`` fills."""
        x, y, side = CROP
        rows = {
            "video_url": f"{name} https://example.org/watch?v={name}\n",
            "annotion_time": f"{name}.mp4 {' '.join(intervals)}\n",
            "crop_wh": "".join(
                f"{name}_{i}.mp4 {x} {side} {y} {side}\n" for i in range(len(intervals)) if crops
            ),
            "resolution": f"{name}.mp4 {resolution}\n",
        }
        for kind, text in rows.items():
            with (self.annotations / f"RD_{kind}.txt").open("a") as file:
                file.write(text)


@pytest.fixture(scope="session")
def films() -> SimpleNamespace:
    """The functions above."""
    return SimpleNamespace(picture=picture, number_in=number_in, noise=noise, film=film, even=even)


@pytest.fixture
def hdtf(tmp_path: Path) -> Hdtf:
    return Hdtf(tmp_path)
