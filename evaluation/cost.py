"""What making a clip costs, measured by the harness around the generator."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from evaluation.video import VideoError, probe

_CLEAR, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")


@dataclass
class Spent:
    """What went into one clip.

    Attributes:
        seconds: By the clock.
        peak_mb: Most memory at a time, of this process or of the one that the generator started;
            None where the system does not tell.
        gpu_mb: Most of a GPU's that torch in this process took; None without one.
        device: Where networks run in this process.
        made: Whether there is a video to keep this beside; of one that was there already nobody
            asks for the memory.
    """

    seconds: float = 0.0
    peak_mb: float | None = None
    gpu_mb: float | None = None
    device: str = ""
    made: bool = True

    def note(self, video: Path) -> dict[str, Any]:
        """As it is kept beside the video, with the video's number of frames."""
        kept: dict[str, Any] = {"seconds": round(self.seconds, 3), "device": self.device}
        frames = _frames(video)
        if frames:
            kept["frames"] = frames
        for name, value in (("peak_mb", self.peak_mb), ("gpu_mb", self.gpu_mb)):
            if value is not None:
                kept[name] = round(value, 1)
        return kept


@dataclass(frozen=True)
class Cost:
    """What a generator's clips cost.

    Attributes:
        clips: That were measured.
        seconds_per_frame: Median over them; a first clip's includes loading weights.
        peak_mb: Most over them; None where none was measured.
        gpu_mb: Likewise.
        devices: Where networks ran.
    """

    clips: int
    seconds_per_frame: float | None
    peak_mb: float | None = None
    gpu_mb: float | None = None
    devices: tuple[str, ...] = field(default=())


@contextmanager
def watched() -> Iterator[Spent]:
    """Measure what happens inside; the numbers are there afterwards."""
    spent = Spent(device=_device())
    start = time.perf_counter()
    cleared = _clear_peak()
    torch = _torch_on_gpu()
    if torch:
        torch.cuda.reset_peak_memory_stats()
    try:
        yield spent
    finally:
        spent.seconds = time.perf_counter() - start
        spent.peak_mb = _peak_mb() if cleared and spent.made else None
        torch = _torch_on_gpu()
        if torch:
            spent.gpu_mb = torch.cuda.max_memory_allocated() / 1e6


def cost_of(notes: list[Mapping[str, Any]]) -> Cost | None:
    """Sum up what was kept beside a generator's videos; None where nothing was."""
    measured = [n for n in notes if "seconds" in n and "device" in n]
    if not measured:
        return None
    rates = [n["seconds"] / n["frames"] for n in measured if n.get("frames")]
    peaks, gpu = ([n[k] for n in measured if k in n] for k in ("peak_mb", "gpu_mb"))
    return Cost(
        clips=len(measured),
        seconds_per_frame=median(rates) if rates else None,
        peak_mb=max(peaks, default=None),
        gpu_mb=max(gpu, default=None),
        devices=tuple(sorted({n["device"] for n in measured if n["device"]})),
    )


def _frames(video: Path) -> int | None:
    try:
        return probe(video).declared_frames
    except VideoError:
        return None


def _device() -> str:
    """Only where torch is loaded: who asks must not load it."""
    if "torch" not in sys.modules:
        return "cpu"
    from metrics.backbones.device import device

    return str(device())


def _torch_on_gpu() -> Any:  # noqa: ANN401 - the module, or None
    torch = sys.modules.get("torch")
    return torch if torch is not None and torch.cuda.is_initialized() else None


def _clear_peak() -> bool:
    """Linux forgets the peak when told to; elsewhere an earlier clip's would be taken for this."""
    try:
        _CLEAR.write_text("5")
    except OSError:
        return False
    return True


def _peak_mb() -> float | None:
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(found[0]) * 1024 / 1e6 if found else None
