"""FID and KID of the official packages, their network's weights taken from our file."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from evaluation.calibration.packages import need
from metrics import Frames
from metrics.assets import locate


def pytorch_fid_weights(folder: Path) -> Path:
    """Our Inception file under the names and at the place where pytorch-fid keeps its download.

    Both list their layers in the order of the graph; neither the head (fc) nor batch norm's
    gamma and counter are in our file.

    Args:
        folder: What ``TORCH_HOME`` is to name.
    """
    torchvision = need("torchvision")
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
    path = _kept_at(folder)
    path.parent.mkdir(parents=True)
    torch.save(theirs, path)
    return path


def fid(a: Frames, b: Frames, width: int) -> float:
    """``pytorch_fid.fid_score.calculate_fid_given_paths`` on folders of PNG files."""
    with _weights() as folder:
        sides = [_dump(frames, folder / str(i)) for i, frames in enumerate((a, b))]
        score = need("pytorch_fid.fid_score").calculate_fid_given_paths
        return float(score(sides, 8, "cpu", width, num_workers=0))


def piq_fid(a: Frames, b: Frames) -> float:
    """Piq's distance, with its own square root, of pytorch-fid's features."""
    with _weights():
        x, y = (_features(frames) for frames in (a, b))
    return float(need("piq").FID().compute_metric(x, y))


def torchmetrics_kid(a: Frames, b: Frames) -> float:
    """Torchmetrics' KID over all frames at once, of pytorch-fid's features."""

    class Ready(nn.Module):
        """Hands features through: the metric insists on a network."""

        num_features = 2048

        def forward(self, features: Tensor) -> Tensor:
            return features

    with _weights():
        x, y = (_features(frames) for frames in (a, b))
    if len(x) != len(y):
        raise ValueError("torchmetrics' KID takes equal numbers of frames")
    kid = need("torchmetrics.image.kid").KernelInceptionDistance(
        feature=Ready(), subsets=1, subset_size=len(x)
    )
    kid.set_dtype(torch.float64)
    kid.update(y, real=True)
    kid.update(x, real=False)
    return float(kid.compute()[0])


def _features(frames: Frames) -> Tensor:
    """float64 [n, 2048] of pytorch-fid's own network; its weights must be in place."""
    network: Any = need("pytorch_fid.inception").InceptionV3([3]).eval()
    rows: list[NDArray[np.float32]] = []
    with torch.inference_mode():
        for start in range(0, len(frames), 8):
            piece = np.ascontiguousarray(frames[start : start + 8])
            planes = torch.from_numpy(piece).permute(0, 3, 1, 2).float() / 255
            rows.append(network(planes)[0].flatten(1).numpy())
    return torch.from_numpy(np.concatenate(rows)).double()


@contextmanager
def _weights() -> Iterator[Path]:
    """A scratch folder, and the network's file in place: the user's own, or else ours."""
    before = os.environ.get("TORCH_HOME")
    with (
        tempfile.TemporaryDirectory() as name,
        Path(os.devnull).open("w") as nowhere,
        redirect_stdout(nowhere),
        redirect_stderr(nowhere),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        try:
            if not before or not _kept_at(Path(before)).exists():
                pytorch_fid_weights(Path(name) / "torch")
                os.environ["TORCH_HOME"] = str(Path(name) / "torch")
            yield Path(name)
        finally:
            os.environ.pop("TORCH_HOME", None)
            if before is not None:
                os.environ["TORCH_HOME"] = before


def _kept_at(torch_home: Path) -> Path:
    """Where pytorch-fid keeps its download."""
    url = str(need("pytorch_fid.inception").FID_WEIGHTS_URL)
    return torch_home / "hub" / "checkpoints" / url.rpartition("/")[2]


def _dump(frames: Frames, folder: Path) -> str:
    """Frames as PNG files, losslessly."""
    folder.mkdir()
    for i, frame in enumerate(frames):
        cv2.imwrite(str(folder / f"{i:06d}.png"), cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    return str(folder)
