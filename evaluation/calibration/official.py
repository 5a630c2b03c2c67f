"""What the official packages say of the same frames.

Each entry calls a package as its own documentation does; nothing of ours is in between but the
weights, which come from the asset table instead of the package's download.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from evaluation.calibration.packages import installed_version, official
from metrics import Frames
from metrics.assets import locate
from metrics.backbones import lpips_nets

Computed = Callable[[Frames, Frames], float]
"""Generated and reference frames, uint8 RGB [n, H, W, 3] -> the number over all of them."""


class NotInstalledError(ImportError):
    """The official package is not here."""


@dataclass(frozen=True)
class Official:
    """One package's answer to one card.

    Attributes:
        card: Name of the card.
        package: Distribution on the package index.
        call: What is called, in words.
        tolerance: Largest difference that is still the same number, relative to the official
            value (absolute where that is 0).
        why: Where a difference comes from.
        compute: The call.
    """

    card: str
    package: str
    call: str
    tolerance: float
    why: str
    compute: Computed

    @property
    def version(self) -> str:
        """Package and version as installed; empty where it is not."""
        return installed_version(self.package)


def _need(name: str) -> Any:  # noqa: ANN401 - a foreign package
    module = official(name)
    if module is None:
        raise NotInstalledError(f"{name} is not installed: pip install 'talkbench[reference]'")
    return module


def _planes(frames: Frames) -> torch.Tensor:
    """float32 RGB 0..1, [n, 3, H, W]."""
    return torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float() / 255


def _skimage_psnr(a: Frames, b: Frames) -> float:
    psnr = _need("skimage.metrics").peak_signal_noise_ratio
    return float(np.mean([psnr(y, x, data_range=255) for x, y in zip(a, b, strict=True)]))


def _skimage_ssim(**settings: Any) -> Computed:  # noqa: ANN401 - the package's own arguments
    def compute(a: Frames, b: Frames) -> float:
        ssim = _need("skimage.metrics").structural_similarity
        values = [
            ssim(y, x, data_range=255, channel_axis=2, **settings)
            for x, y in zip(a, b, strict=True)
        ]
        return float(np.mean(values))

    return compute


def _piq(name: str) -> Computed:
    def compute(a: Frames, b: Frames) -> float:
        measure = getattr(_need("piq"), name)
        values = [
            float(measure(_planes(a[i : i + 1]), _planes(b[i : i + 1]), data_range=1.0))
            for i in range(len(a))
        ]
        return float(np.mean(values))

    return compute


def _torchmetrics_image(name: str) -> Computed:
    def compute(a: Frames, b: Frames) -> float:
        metric = getattr(_need("torchmetrics.image"), name)(data_range=1.0)
        return float(np.mean([_one(metric, a[i : i + 1], b[i : i + 1]) for i in range(len(a))]))

    def _one(metric: Any, x: Frames, y: Frames) -> float:  # noqa: ANN401 - a foreign module
        return float(metric(_planes(x), _planes(y)))

    return compute


def _lpips(net: str) -> Computed:
    def compute(a: Frames, b: Frames) -> float:
        model = _official_lpips(net)
        with torch.inference_mode():
            values = [
                float(model(_planes(a[i : i + 1]) * 2 - 1, _planes(b[i : i + 1]) * 2 - 1))
                for i in range(len(a))
            ]
        return float(np.mean(values))

    return compute


def _official_lpips(net: str) -> torch.nn.Module:
    """The package's code and heads; its backbone, a download, from our file."""
    package = _need("lpips")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model: torch.nn.Module = package.LPIPS(net=net, pnet_rand=True, verbose=False)
    tree = lpips_nets.read_arrays(locate(f"lpips-{net}").read_bytes())
    layers = tree[{"alex": "AlexNet_0", "vgg": "VGG16_0"}[net]]
    convolutions = [m for m in model.net.modules() if isinstance(m, torch.nn.Conv2d)]  # type: ignore[union-attr]
    for i, convolution in enumerate(convolutions):
        arrays = layers[f"Conv_{i}"]
        convolution.weight.data[:] = torch.tensor(arrays["kernel"].transpose(3, 2, 0, 1).copy())
        if convolution.bias is not None:
            convolution.bias.data[:] = torch.tensor(arrays["bias"])
    return model.eval()


def pytorch_fid_weights(folder: Path) -> Path:
    """Our Inception file under the names and at the place where pytorch-fid keeps its download.

    Both list their layers in the order of the graph; neither the head (fc) nor batch norm's
    gamma and counter are in our file.
    """
    torchvision = _need("torchvision")
    url = str(_need("pytorch_fid.inception").FID_WEIGHTS_URL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        ours = torch.jit.load(locate("inception-fid")).state_dict()  # type: ignore[no-untyped-call]
        theirs = torchvision.models.inception_v3(
            num_classes=1008, aux_logits=False, init_weights=False
        ).state_dict()
    parts = {"conv.weight": "weight", "bn.bias": "beta", "bn.running_mean": "mean"}
    parts |= {"bn.running_var": "var"}
    for theirs_part, ours_part in parts.items():
        names = [n for n in theirs if n.endswith(theirs_part)]
        values = [v for n, v in ours.items() if n.endswith("." + ours_part)]
        if [theirs[n].shape for n in names] != [v.shape for v in values]:
            raise ValueError("the Inception file does not fit pytorch-fid's network")
        theirs |= zip(names, values, strict=True)
    theirs |= {n: torch.ones_like(v) for n, v in theirs.items() if n.endswith("bn.weight")}
    theirs |= {n: torch.zeros_like(v) for n, v in theirs.items() if n.startswith("fc.")}
    path = folder / "hub" / "checkpoints" / url.rpartition("/")[2]
    path.parent.mkdir(parents=True)
    torch.save(theirs, path)
    return path


def _pytorch_fid(width: int) -> Computed:
    def compute(a: Frames, b: Frames) -> float:
        fid = _need("pytorch_fid.fid_score")
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            pytorch_fid_weights(folder / "torch")
            before = os.environ.get("TORCH_HOME")
            os.environ["TORCH_HOME"] = str(folder / "torch")
            try:
                sides = [_dump(frames, folder / str(i)) for i, frames in enumerate((a, b))]
                with warnings.catch_warnings(), _quiet():
                    warnings.simplefilter("ignore")
                    return float(
                        fid.calculate_fid_given_paths(sides, 8, "cpu", width, num_workers=0)
                    )
            finally:
                os.environ.pop("TORCH_HOME")
                if before is not None:
                    os.environ["TORCH_HOME"] = before

    return compute


@contextmanager
def _quiet() -> Iterator[None]:
    """Its bars and remarks are not ours to show."""
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        yield


def _dump(frames: Frames, folder: Path) -> str:
    """Frames as PNG files, losslessly."""
    folder.mkdir()
    for i, frame in enumerate(frames):
        cv2.imwrite(str(folder / f"{i:06d}.png"), cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    return str(folder)


_FLOAT32 = "theirs is float32"

OFFICIALS: tuple[Official, ...] = (
    Official(
        "psnr", "scikit-image", "peak_signal_noise_ratio(data_range=255)", 1e-9, "", _skimage_psnr
    ),
    Official("psnr@vico", "piq", "piq.psnr(data_range=1.0)", 1e-5, _FLOAT32, _piq("psnr")),
    Official(
        "ssim@skimage-wang",
        "scikit-image",
        "structural_similarity(gaussian_weights=True, sigma=1.5, use_sample_covariance=False)",
        1e-9,
        "",
        _skimage_ssim(gaussian_weights=True, sigma=1.5, use_sample_covariance=False),
    ),
    Official(
        "ssim@skimage-uniform",
        "scikit-image",
        "structural_similarity()",
        1e-9,
        "",
        _skimage_ssim(),
    ),
    Official("ssim@piq", "piq", "piq.ssim(data_range=1.0)", 2e-5, _FLOAT32, _piq("ssim")),
    Official(
        "ssim@torchmetrics",
        "torchmetrics",
        "StructuralSimilarityIndexMeasure(data_range=1.0)",
        2e-5,
        _FLOAT32,
        _torchmetrics_image("StructuralSimilarityIndexMeasure"),
    ),
    Official(
        "lpips@alex-0.1",
        "lpips",
        "lpips.LPIPS(net='alex')",
        1e-4,
        "float32 on both sides, other order of sums",
        _lpips("alex"),
    ),
    Official(
        "lpips@vgg-0.1",
        "lpips",
        "lpips.LPIPS(net='vgg')",
        1e-4,
        "float32 on both sides, other order of sums",
        _lpips("vgg"),
    ),
    Official(
        "fid@pytorch-fid",
        "pytorch-fid",
        "calculate_fid_given_paths(dims=2048)",
        1e-3,
        "its matrix square root of a rank-deficient product",
        _pytorch_fid(2048),
    ),
)

BY_CARD: Mapping[str, Official] = {entry.card: entry for entry in OFFICIALS}
