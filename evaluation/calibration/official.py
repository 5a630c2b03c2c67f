"""What the official packages say of the same frames.

Each entry calls a package as its own documentation does; nothing of ours is in between but the
weights, which come from the asset table instead of the package's download. torch is imported by
those alone that need it: benchmarks time these calls from the start of a process.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from evaluation.calibration.packages import installed_version, need
from metrics import Frames
from metrics.assets import locate

if TYPE_CHECKING:
    import torch

Computed = Callable[[Frames, Frames], float]
"""Generated and reference frames, uint8 RGB [n, H, W, 3] -> the number over all of them."""


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


def _planes(frames: Frames, *, exact: bool = False) -> torch.Tensor:
    """RGB 0..1, [n, 3, H, W], float32 or float64."""
    import torch

    planes = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2)
    return (planes.double() if exact else planes.float()) / 255


def _exact(frames: Frames) -> torch.Tensor:
    """float64, as far as the package takes it: rounding is a difference of its own, up to 4e-5."""
    return _planes(frames, exact=not _FAST)


_FAST: list[bool] = []


def call_as_users_do() -> None:
    """From now on in this process float32 everywhere: for timing."""
    _FAST.append(True)


def _skimage_psnr(a: Frames, b: Frames) -> float:
    psnr = need("skimage.metrics").peak_signal_noise_ratio
    return float(np.mean([psnr(y, x, data_range=255) for x, y in zip(a, b, strict=True)]))


def _skimage_ssim(**settings: Any) -> Computed:  # noqa: ANN401 - the package's own arguments
    def compute(a: Frames, b: Frames) -> float:
        ssim = need("skimage.metrics").structural_similarity
        values = [
            ssim(y, x, data_range=255, channel_axis=2, **settings)
            for x, y in zip(a, b, strict=True)
        ]
        return float(np.mean(values))

    return compute


def _piq(name: str) -> Computed:
    def compute(a: Frames, b: Frames) -> float:
        measure = getattr(need("piq"), name)
        values = [
            float(measure(_exact(a[i : i + 1]), _exact(b[i : i + 1]), data_range=1.0))
            for i in range(len(a))
        ]
        return float(np.mean(values))

    return compute


def _pytorch_msssim(a: Frames, b: Frames) -> float:
    measure = need("pytorch_msssim").ms_ssim
    values = [
        float(measure(_exact(a[i : i + 1]), _exact(b[i : i + 1]), data_range=1))
        for i in range(len(a))
    ]
    return float(np.mean(values))


def _cpbd(a: Frames, b: Frames) -> float:
    del b  # needs no reference
    compute = need("cpbd").compute
    return float(np.mean([compute(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)) for frame in a]))


def _torchmetrics_image(name: str) -> Computed:
    def compute(a: Frames, b: Frames) -> float:
        metric = getattr(need("torchmetrics.image"), name)(data_range=1.0)
        metric = metric if _FAST else metric.double()
        return float(np.mean([_one(metric, a[i : i + 1], b[i : i + 1]) for i in range(len(a))]))

    def _one(metric: Any, x: Frames, y: Frames) -> float:  # noqa: ANN401 - a foreign module
        return float(metric(_exact(x), _exact(y)))

    return compute


def _lpips(net: str) -> Computed:
    def compute(a: Frames, b: Frames) -> float:
        import torch

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
    import torch

    from metrics.backbones import lpips_nets

    package = need("lpips")
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


def _fid(width: int) -> Computed:
    def compute(a: Frames, b: Frames) -> float:
        from evaluation.calibration import inception_sets

        return inception_sets.fid(a, b, width)

    return compute


def _piq_fid(a: Frames, b: Frames) -> float:
    from evaluation.calibration import inception_sets

    return inception_sets.piq_fid(a, b)


def _torchmetrics_kid(a: Frames, b: Frames) -> float:
    from evaluation.calibration import inception_sets

    return inception_sets.torchmetrics_kid(a, b)


_WINDOW = "its window is float32"

OFFICIALS: tuple[Official, ...] = (
    Official(
        "psnr", "scikit-image", "peak_signal_noise_ratio(data_range=255)", 1e-9, "", _skimage_psnr
    ),
    Official("psnr@vico", "piq", "piq.psnr(data_range=1.0) of float64", 1e-9, "", _piq("psnr")),
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
    Official("ssim@vico", "piq", "piq.ssim(data_range=1.0) of float64", 1e-9, "", _piq("ssim")),
    Official("ssim@piq", "piq", "piq.ssim(data_range=1.0) of float64", 1e-9, "", _piq("ssim")),
    Official(
        "ssim@torchmetrics",
        "torchmetrics",
        "StructuralSimilarityIndexMeasure(data_range=1.0) of float64",
        1e-7,
        _WINDOW,
        _torchmetrics_image("StructuralSimilarityIndexMeasure"),
    ),
    Official(
        "ms-ssim@pytorch-msssim",
        "pytorch-msssim",
        "ms_ssim(data_range=1) of float64",
        1e-6,
        _WINDOW,
        _pytorch_msssim,
    ),
    Official(
        "ms-ssim@piq",
        "piq",
        "piq.multi_scale_ssim(data_range=1.0) of float64",
        1e-9,
        "",
        _piq("multi_scale_ssim"),
    ),
    Official(
        "ms-ssim@torchmetrics",
        "torchmetrics",
        "MultiScaleStructuralSimilarityIndexMeasure(data_range=1.0) of float64",
        1e-7,
        "its window and its exponents are float32",
        _torchmetrics_image("MultiScaleStructuralSimilarityIndexMeasure"),
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
    Official("cpbd@vico", "cpbd", "cpbd.compute(OpenCV's grey)", 1e-9, "", _cpbd),
    *(
        Official(
            "fid@pytorch-fid" if width == 2048 else f"fid@pytorch-fid-{width}",
            "pytorch-fid",
            f"calculate_fid_given_paths(dims={width})",
            1e-3,
            "its matrix square root of a rank-deficient product",
            _fid(width),
        )
        for width in (2048, 768, 192, 64)
    ),
    Official(
        "fid@vico",
        "piq",
        "piq.FID().compute_metric, on pytorch-fid's features",
        1e-3,
        "an iteration that depends on rounding",
        _piq_fid,
    ),
    Official(
        "kid@all-frames",
        "torchmetrics",
        "KernelInceptionDistance(subsets=1, subset_size=N), on pytorch-fid's features",
        1e-3,
        "features are float32",
        _torchmetrics_kid,
    ),
)

BY_CARD: Mapping[str, Official] = {entry.card: entry for entry in OFFICIALS}
