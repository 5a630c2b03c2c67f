"""(f) IP-LAP against its official loop, on the same weights and inputs.

The official side is what inference_single.py does for a frame between its sketches and its face:
the landmark generator on one window, then the renderer on 25 references. Ours does the same as
``method.pipeline`` does it. Weights are random: no time depends on them.
"""

from __future__ import annotations

import contextlib
import io
import sys
import types
import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmarks import plots
from benchmarks.frame import kind, rounds
from benchmarks.spending import BenchmarkError, device, in_turn, timed, versus
from benchmarks.tables import Row

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

REFERENCES, WINDOW = 25, 5
CLONE = "git clone https://github.com/Weizhi-Zhong/IP_LAP && git -C IP_LAP checkout 9b9dc03"


@kind(
    "IP-LAP against its official loop",
    partial(plots.sides, name="part"),
    quick={"rounds": 1, "frames": 1},
    example="python -m benchmarks iplap --official IP_LAP --frames 3",
)
@click.option(
    "--official",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help=f"A clone: {CLONE}",
)
@click.option(
    "--frames", type=click.IntRange(1), default=1, show_default=True, help="A round, after warm-up."
)
@rounds(3)
def iplap(official: Path, frames: int, rounds: int) -> list[Row]:
    """Both networks of IP-LAP on a frame with 25 references, the official loop's and ours.

    Random weights, the same for both; one frame to warm up. The last column is how far the faces
    are apart, so that equal work is seen to be compared.
    """
    if not (official / "models" / "video_renderer.py").is_file():
        raise click.UsageError(f"--official {official}: no clone of IP_LAP; {CLONE}")
    import numpy as np
    import torch

    import method
    from method import pipeline

    torch.manual_seed(0)
    with contextlib.redirect_stdout(io.StringIO()):  # its loss says which network it is
        generator, renderer = _official_models(official)
    ours = pipeline.Models(
        method.load_landmark_generator(generator.state_dict()).to(device()),
        method.load_renderer(renderer.state_dict()).to(device()),
    )
    first, *inputs = _made_up(1 + frames)
    with torch.inference_mode():
        references = ours.renderer.look(first["ref_images"], first["ref_sketches"])
    _official_frame(generator, renderer, first)  # to warm up
    _our_frame(ours, first, references)
    faces: dict[str, list[np.ndarray]] = {}

    def side(name: str, frame: Any) -> Any:
        spent, faces[name] = timed(lambda: [frame(x) for x in inputs])
        return spent

    took = in_turn(
        {
            "official": lambda: side("official", lambda x: _official_frame(generator, renderer, x)),
            "ours": lambda: side("ours", lambda x: _our_frame(ours, x, references)),
        },
        rounds,
    )
    levels = [
        np.abs((a * 255).astype(np.uint8).astype(int) - (b * 255).astype(np.uint8)).max()
        for a, b in zip(faces["official"], faces["ours"], strict=True)
    ]
    row = {"part": f"{frames} frame{'s' if frames > 1 else ''}"} | versus(took)
    return [row | {"largest difference, grey levels": int(max(levels))}]


def _official_models(clone: Path) -> tuple[Any, Any]:
    """Both official networks in eval mode; their loss network gets random weights, too."""
    import torch

    from evaluation.calibration.packages import need

    torchvision = need("torchvision")
    vgg19 = torchvision.models.vgg19
    torchvision.models.vgg19 = lambda **_: vgg19(weights=None)
    sys.modules.setdefault("lws", types.ModuleType("lws"))  # imported, never called
    sys.path.append(str(clone))
    torch.Tensor.cuda = lambda self, *_, **__: self.to(device())  # type: ignore[method-assign]
    try:
        from models import Landmark_generator, Renderer  # type: ignore[import-not-found]
    except ImportError as error:
        raise BenchmarkError(f"{clone}: its models cannot be imported: {error}") from error

    generator = Landmark_generator(
        T=WINDOW, d_model=512, nlayers=4, nhead=4, dim_feedforward=1024, dropout=0.1
    )
    return generator.eval().to(device()), Renderer().eval().to(device())


def _made_up(count: int) -> list[dict[str, Tensor]]:
    """Inputs of the right shapes and ranges; references are those of one clip."""
    import torch

    known = {
        "ref_images": torch.rand(1, REFERENCES, 3, 128, 128),
        "ref_sketches": torch.rand(1, REFERENCES, 3, 128, 128).round(),
        "ref_pose": torch.rand(1, 15, 2, 74),
        "ref_content": torch.rand(1, 15, 2, 57),
    }
    frames = [
        known
        | {
            "mels": 4 * torch.randn(1, WINDOW, 1, 80, 16).clamp(-1, 1),
            "pose": torch.rand(1, WINDOW, 2, 74),
            "face": torch.rand(1, 1, 3, 128, 128),
            "sketches": torch.rand(1, WINDOW, 3, 128, 128).round(),
        }
        for _ in range(count)
    ]
    return [{name: value.to(device()) for name, value in frame.items()} for frame in frames]


def _official_frame(generator: Any, renderer: Any, given: dict[str, Tensor]) -> np.ndarray:
    """As inference_single.py calls its networks for one frame."""
    import torch

    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of grid_sample's and interpolate's old defaults
        generator(given["mels"], given["pose"], given["ref_pose"], given["ref_content"])
        face, *_ = renderer(
            given["face"],
            given["sketches"],
            given["ref_images"],
            given["ref_sketches"],
            given["mels"][:, 2].unsqueeze(0),
        )
    found: np.ndarray = face.cpu().numpy()
    return found


def _our_frame(models: Any, given: dict[str, Tensor], references: Any) -> np.ndarray:
    """As the pipeline calls its networks for one frame."""
    import torch

    with torch.inference_mode():
        models.landmarks(given["mels"], given["pose"], given["ref_pose"], given["ref_content"])
        face, _ = models.renderer.render(
            given["face"][:, 0], given["sketches"], references, given["mels"][:, 2]
        )
    found: np.ndarray = face.cpu().numpy()
    return found
