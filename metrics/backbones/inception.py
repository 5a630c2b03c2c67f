"""Inception-v3 of 2015-12-05 as FID uses it, in plain torch.

Szegedy et al., CVPR 2016; TensorFlow's ImageNet graph of 2015-12-05, which the FID of Heusel et
al. 2017 is defined on. Modules carry the names of that graph, as the weight file does. Beside its
weights it differs from torchvision's Inception-v3 in its pools: averages leave the padding out,
and the last block takes a maximum where an average is meant.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from metrics.assets import locate, lookup
from metrics.backbones.device import device, exact, pieces, to_tensor
from metrics.base import AnyExtractor, Frames, Track
from metrics.crops import Region

ASSET = "inception-fid"
SIDE = 299
TAPS: dict[int, str] = {64: "pool0", 192: "pool1", 768: "mixed_7", 2048: "mixed_10"}
"""Width of a tap -> the module it comes after; as the ``--dims`` of pytorch-fid."""

RESIZE_IN_WORDS = (
    "RGB / 255, bilinear to 299x299 (align_corners=False, no antialiasing, aspect not kept), then "
    "2x - 1"
)

_BATCH_PIXELS = 1 << 24


class Unit(nn.Conv2d):
    """Convolution and ReLU. The batch norm of the file is folded into weight and bias."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int | tuple[int, int],
        *,
        stride: int = 1,
        same: bool = True,
    ) -> None:
        high, wide = kernel if isinstance(kernel, tuple) else (kernel, kernel)
        padding = (high // 2, wide // 2) if same else (0, 0)
        super().__init__(channels_in, channels_out, (high, wide), stride, padding)

    def forward(self, x: Tensor) -> Tensor:
        """[n, channels_in, H, W] -> [n, channels_out, H', W']."""
        return F.relu_(super().forward(x))


class Mixed(nn.Module):
    """Branches side by side, stacked along the channels in the order given."""

    def __init__(self, **branches: nn.Module) -> None:
        super().__init__()
        for name, branch in branches.items():
            self.add_module(name, branch)

    def forward(self, x: Tensor) -> Tensor:
        """All branches see the same ``x``."""
        return torch.cat([branch(x) for branch in self.children()], dim=1)


class MixedE(nn.Module):
    """The 8x8 block: two of its towers end in a fork of a flat and a tall convolution."""

    def __init__(self, channels_in: int, pool: nn.Module) -> None:
        super().__init__()
        self.conv = Unit(channels_in, 320, 1)
        self.tower_conv = Unit(channels_in, 384, 1)
        self.tower_mixed_conv = Unit(384, 384, (1, 3))
        self.tower_mixed_conv_1 = Unit(384, 384, (3, 1))
        self.tower_1_conv = Unit(channels_in, 448, 1)
        self.tower_1_conv_1 = Unit(448, 384, 3)
        self.tower_1_mixed_conv = Unit(384, 384, (1, 3))
        self.tower_1_mixed_conv_1 = Unit(384, 384, (3, 1))
        self.tower_2_pool = pool
        self.tower_2_conv = Unit(channels_in, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[n, channels_in, 8, 8] -> [n, 2048, 8, 8]."""
        tower = self.tower_conv(x)
        tower_1 = self.tower_1_conv_1(self.tower_1_conv(x))
        branches = [
            self.conv(x),
            self.tower_mixed_conv(tower),
            self.tower_mixed_conv_1(tower),
            self.tower_1_mixed_conv(tower_1),
            self.tower_1_mixed_conv_1(tower_1),
            self.tower_2_conv(self.tower_2_pool(x)),
        ]
        return torch.cat(branches, dim=1)


def _tower(*units: Unit) -> nn.Sequential:
    tower = nn.Sequential()
    for i, unit in enumerate(units):
        tower.add_module(f"conv_{i}" if i else "conv", unit)
    return tower


def _average() -> nn.Module:
    return nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)


def _pooled(channels_in: int, channels_out: int) -> nn.Sequential:
    tower = nn.Sequential()
    tower.add_module("pool", _average())
    tower.add_module("conv", Unit(channels_in, channels_out, 1))
    return tower


def _mixed_a(c: int, pooled: int) -> Mixed:
    return Mixed(
        conv=Unit(c, 64, 1),
        tower=_tower(Unit(c, 48, 1), Unit(48, 64, 5)),
        tower_1=_tower(Unit(c, 64, 1), Unit(64, 96, 3), Unit(96, 96, 3)),
        tower_2=_pooled(c, pooled),
    )


def _mixed_b(c: int) -> Mixed:
    last = Unit(96, 96, 3, stride=2, same=False)
    return Mixed(
        conv=Unit(c, 384, 3, stride=2, same=False),
        tower=_tower(Unit(c, 64, 1), Unit(64, 96, 3), last),
        pool=nn.MaxPool2d(3, stride=2),
    )


def _mixed_c(c: int, d: int) -> Mixed:
    flat, tall = (1, 7), (7, 1)
    return Mixed(
        conv=Unit(c, 192, 1),
        tower=_tower(Unit(c, d, 1), Unit(d, d, flat), Unit(d, 192, tall)),
        tower_1=_tower(
            Unit(c, d, 1), Unit(d, d, tall), Unit(d, d, flat), Unit(d, d, tall), Unit(d, 192, flat)
        ),
        tower_2=_pooled(c, 192),
    )


def _mixed_d(c: int) -> Mixed:
    down, down_1 = (Unit(192, out, 3, stride=2, same=False) for out in (320, 192))
    return Mixed(
        tower=_tower(Unit(c, 192, 1), down),
        tower_1=_tower(Unit(c, 192, 1), Unit(192, 192, (1, 7)), Unit(192, 192, (7, 1)), down_1),
        pool=nn.MaxPool2d(3, stride=2),
    )


class Inception(nn.Module):
    """The trunk, up to the last mixed block; made empty, see ``load``."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = Unit(3, 32, 3, stride=2, same=False)  # [n, 32, 149, 149]
        self.conv_1 = Unit(32, 32, 3, same=False)
        self.conv_2 = Unit(32, 64, 3)
        self.pool0 = nn.MaxPool2d(3, stride=2)  # [n, 64, 73, 73]
        self.conv_3 = Unit(64, 80, 1)
        self.conv_4 = Unit(80, 192, 3, same=False)
        self.pool1 = nn.MaxPool2d(3, stride=2)  # [n, 192, 35, 35]
        self.mixed = _mixed_a(192, pooled=32)
        self.mixed_1 = _mixed_a(256, pooled=64)
        self.mixed_2 = _mixed_a(288, pooled=64)
        self.mixed_3 = _mixed_b(288)  # [n, 768, 17, 17]
        self.mixed_4 = _mixed_c(768, 128)
        self.mixed_5 = _mixed_c(768, 160)
        self.mixed_6 = _mixed_c(768, 160)
        self.mixed_7 = _mixed_c(768, 192)
        self.mixed_8 = _mixed_d(768)  # [n, 1280, 8, 8]
        self.mixed_9 = MixedE(1280, _average())
        # An average is meant; the graph that FID is defined on has a maximum.
        self.mixed_10 = MixedE(2048, nn.MaxPool2d(3, stride=1, padding=1))

    def forward(self, x: Tensor, taps: Collection[int] = (2048,)) -> dict[int, Tensor]:
        """Spatial means at the taps asked for; nothing beyond the last of them is computed.

        Args:
            x: float32 [n, 3, 299, 299], RGB, -1..1.
            taps: Keys of ``TAPS``.

        Returns:
            Tap -> float32 [n, tap].
        """
        wanted = {TAPS[tap]: tap for tap in taps}
        found: dict[int, Tensor] = {}
        for name, block in self.named_children():
            x = block(x)
            if name in wanted:
                found[wanted[name]] = x.mean(dim=(2, 3))
            if len(found) == len(wanted):
                break
        return found


def load(path: Path) -> Inception:
    """The network with the weights of a TorchScript file, batch norm folded in float64.

    Raises:
        RuntimeError: The file's parameters are not exactly those of ``Inception``.
    """
    with warnings.catch_warnings():
        # torch 2.13 would rather have a torch.export file, but this is the one that was published.
        warnings.filterwarnings("ignore", "`torch.jit.load`", DeprecationWarning)
        file = torch.jit.load(path, map_location="cpu").state_dict()  # type: ignore[no-untyped-call]
    folded: dict[str, Tensor] = {}
    for key in file:
        name, _, part = key.removeprefix("net.layers.").rpartition(".")
        if part == "weight":
            weight, beta, mean, var = (
                file[key.removesuffix("weight") + p].double() for p in (part, "beta", "mean", "var")
            )
            scale = (var + 1e-3).rsqrt()
            folded[f"{name}.weight"] = (weight * scale[:, None, None, None]).float()
            folded[f"{name}.bias"] = (beta - mean * scale).float()
    with torch.device("meta"):  # no random numbers drawn only to be overwritten
        network = Inception()
    network.load_state_dict(folded, strict=True, assign=True)
    return network.eval().requires_grad_(False)


@functools.cache
def _network(on: torch.device) -> Inception:
    network: Inception = load(locate(ASSET)).to(on, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def prepare(picture: Tensor) -> Tensor:
    """float32 RGB [n, 3, H, W], 0..255 -> [n, 3, 299, 299], -1..1, as pytorch-fid and piq do.

    RGB / 255, bilinear (``align_corners=False``, no antialiasing, aspect not kept), then 2x - 1.
    """
    x = F.interpolate(picture, (SIDE, SIDE), mode="bilinear", align_corners=False)
    # Scaled after the resize, which is linear: there are fewer pixels then.
    return x * (2 / 255) - 1


def features(
    frames: Frames,
    taps: Collection[int] = (2048,),
    windows: Sequence[tuple[slice, slice]] | None = None,
) -> dict[int, NDArray[np.float32]]:
    """Inception features under the input rule of pytorch-fid (``prepare``).

    Args:
        frames: uint8 RGB [n, H, W, 3].
        taps: Keys of ``TAPS``.
        windows: Rows and columns of each frame that are looked at; None for whole frames.

    Returns:
        Tap -> float32 [n, tap].

    Raises:
        AssetMissingError: The weights are not on this machine.
    """
    on = device()
    network = _network(on)
    batch = 8 if on.type == "cpu" else 64  # what fits the caches; what fills a GPU
    rows: dict[int, list[NDArray[np.float32]]] = {tap: [] for tap in taps}
    with exact():
        for piece in pieces(frames, _BATCH_PIXELS, batch):
            if windows is None:
                x = prepare(to_tensor(frames[piece], on))
            else:
                cut = zip(frames[piece], windows[piece], strict=True)
                x = torch.cat([prepare(to_tensor(f[None, r, c], on)) for f, (r, c) in cut])
            for tap, values in network(x, taps).items():
                rows[tap].append(values.cpu().numpy())
    return {
        tap: np.concatenate([np.empty((0, tap), np.float32), *found]) for tap, found in rows.items()
    }


@dataclass(frozen=True)
class InceptionFeatures:
    """Extractor of spatial means at some taps, one row per frame.

    Rows: ``features`` float32 [n, 2048] for pool3, ``features-64`` and so on for the others. With a
    region, only that part of the frame is looked at; NaN where it is not seen.

    Attributes:
        taps: Keys of ``TAPS``.
        region: The part of the frame, None for all of it.
    """

    taps: tuple[int, ...] = (2048,)
    region: Region | None = None

    @property
    def id(self) -> str:
        """Name and version."""
        taps = "" if self.taps == (2048,) else f"-{'-'.join(map(str, self.taps))}"
        return f"inception-fid{taps}{f'@{self.region.name}' if self.region else ''}/1"

    @property
    def uses(self) -> tuple[AnyExtractor, ...]:
        """Who says where the part is."""
        return (self.region.extractor,) if self.region else ()

    def extract(self, frames: Frames, tracks: Mapping[str, Track]) -> Track:
        """One row per frame of uint8 RGB [n, H, W, 3]."""
        if self.region is None:
            return {row_name(tap): rows for tap, rows in features(frames, self.taps).items()}
        track = tracks[self.region.extractor.id]
        windows = self.region.windows(track, *frames.shape[1:3])
        seen = np.array([w is not None for w in windows], dtype=np.bool_)
        found = features(frames[seen], self.taps, [w for w in windows if w is not None])
        rows = {tap: np.full((len(frames), tap), np.nan, np.float32) for tap in self.taps}
        for tap, values in found.items():
            rows[tap][seen] = values
        return {row_name(tap): values for tap, values in rows.items()}


def row_name(tap: int) -> str:
    """What a tap's rows are called in the track."""
    return "features" if tap == 2048 else f"features-{tap}"


def in_words(tap: int) -> str:
    """A tap, for cards."""
    levels = {64: "first max pooling", 192: "second max pooling", 768: "Mixed_6e", 2048: "pool3"}
    return (
        f"Inception-v3 of TensorFlow 2015-12-05, {levels[tap]}, spatial mean, {tap}-d; float32, "
        f"batch norm folded; {ASSET}, sha256 {lookup(ASSET).sha256[:8]}"
    )
