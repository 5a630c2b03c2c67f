"""How fast IP-LAP is: ours against the official loop, on the same weights and inputs.

    git clone https://github.com/Weizhi-Zhong/IP_LAP && git -C IP_LAP checkout 9b9dc03
    python -m benchmarks.iplap --official IP_LAP --frames 3 -o bench/iplap.json

The official side is what inference_single.py does for a frame between its sketches and its face:
the landmark generator on one window, then the renderer on 25 references. Ours does the same as
``method.pipeline`` does it. Weights are random: no time depends on them.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import types
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import method
from evaluation.calibration.packages import need
from method import pipeline

REFERENCES, WINDOW = 25, 5


def main() -> None:
    """Parse, run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--official", type=Path, required=True, help="a clone of IP_LAP")
    parser.add_argument("--frames", type=int, default=3)
    parser.add_argument("-o", "--out", type=Path, help="JSON file")
    given = parser.parse_args()
    torch.manual_seed(0)
    generator, renderer = official_models(given.official)
    ours = pipeline.Models(
        method.load_landmark_generator(generator.state_dict()),
        method.load_renderer(renderer.state_dict()),
    )
    first, *inputs = made_up(1 + given.frames)
    references = ours.renderer.look(first["ref_images"], first["ref_sketches"])
    official_frame(generator, renderer, first)  # to warm up
    our_frame(ours, first, references)
    theirs, their_faces = spent(lambda: [official_frame(generator, renderer, x) for x in inputs])
    ours_spent, our_faces = spent(lambda: [our_frame(ours, x, references) for x in inputs])
    levels = [
        np.abs((a * 255).astype(np.uint8).astype(int) - (b * 255).astype(np.uint8)).max()
        for a, b in zip(their_faces, our_faces, strict=True)
    ]
    row = {
        "frames": given.frames,
        "official CPU s a frame": round(theirs[1] / given.frames, 2),
        "ours CPU s a frame": round(ours_spent[1] / given.frames, 2),
        "times less CPU": round(theirs[1] / ours_spent[1], 2),
        "official s a frame": round(theirs[0] / given.frames, 2),
        "ours s a frame": round(ours_spent[0] / given.frames, 2),
        "times faster": round(theirs[0] / ours_spent[0], 2),
        "largest difference, grey levels": int(max(levels)),
    }
    print("\n".join(f"{name}: {value}" for name, value in row.items()))
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(row, indent=2) + "\n")


def official_models(clone: Path) -> tuple[Any, Any]:
    """Both official networks in eval mode; their loss network gets random weights, too."""
    torchvision = need("torchvision")
    vgg19 = torchvision.models.vgg19
    torchvision.models.vgg19 = lambda **_: vgg19(weights=None)
    sys.modules.setdefault("lws", types.ModuleType("lws"))  # imported, never called
    sys.path.insert(0, str(clone))
    torch.Tensor.cuda = lambda self, *_, **__: self  # type: ignore[method-assign]
    from models import Landmark_generator, Renderer  # type: ignore[import-not-found]

    generator = Landmark_generator(
        T=WINDOW, d_model=512, nlayers=4, nhead=4, dim_feedforward=1024, dropout=0.1
    )
    return generator.eval(), Renderer().eval()


def made_up(count: int) -> list[dict[str, Tensor]]:
    """Inputs of the right shapes and ranges; references are those of one clip."""
    known = {
        "ref_images": torch.rand(1, REFERENCES, 3, 128, 128),
        "ref_sketches": torch.rand(1, REFERENCES, 3, 128, 128).round(),
        "ref_pose": torch.rand(1, 15, 2, 74),
        "ref_content": torch.rand(1, 15, 2, 57),
    }
    return [
        known
        | {
            "mels": 4 * torch.randn(1, WINDOW, 1, 80, 16).clamp(-1, 1),
            "pose": torch.rand(1, WINDOW, 2, 74),
            "face": torch.rand(1, 1, 3, 128, 128),
            "sketches": torch.rand(1, WINDOW, 3, 128, 128).round(),
        }
        for _ in range(count)
    ]


@torch.no_grad()
def official_frame(generator: Any, renderer: Any, given: dict[str, Tensor]) -> np.ndarray:
    """As inference_single.py calls its networks for one frame."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of grid_sample's and interpolate's old defaults
        generator(given["mels"], given["pose"], given["ref_pose"], given["ref_content"])
        face, *_ = renderer(
            given["face"],
            given["sketches"],
            given["ref_images"],
            given["ref_sketches"],
            given["mels"][:, 2].unsqueeze(0),
        )
    return face.numpy()


@torch.inference_mode()
def our_frame(models: pipeline.Models, given: dict[str, Tensor], references: Any) -> np.ndarray:
    """As the pipeline calls its networks for one frame."""
    models.landmarks(given["mels"], given["pose"], given["ref_pose"], given["ref_content"])
    face, _ = models.renderer.render(
        given["face"][:, 0], given["sketches"], references, given["mels"][:, 2]
    )
    return face.numpy()


def spent(call: Callable[[], Any]) -> tuple[tuple[float, float], Any]:
    """Seconds by the clock and of CPU, and the result."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = call()
    return (time.perf_counter() - wall, time.process_time() - cpu), result


if __name__ == "__main__":
    main()
