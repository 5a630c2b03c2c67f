"""Official checkpoints under our names: every key used, or an error that says which are not.

``landmarkgenerator_checkpoint.pth`` and ``renderer_checkpoint.pth`` of Weizhi-Zhong/IP_LAP hold
``{"state_dict", "optimizer", "global_step", "global_epoch"}``; keys may begin with ``module.``.
Those that are trained here hold our keys and, beside them, what the network measures and what it
was trained on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from evaluation.store import write_atomically
from method.landmark_generator import LandmarkGenerator
from method.renderer import Channels, Renderer

M = TypeVar("M", bound=nn.Module)

Source = Path | str | Mapping[str, Any]
"""A checkpoint file, or its content: a state dict, wrapped or not."""


class CheckpointError(ValueError):
    """A file is no checkpoint of this network; says what was expected."""


Rules = tuple[tuple[str, str], ...]

# Official name -> ours, tried in order. What none matches keeps its name.
BLOCKS: Rules = ((r"conv_block\.0\.", "conv."), (r"conv_block\.1\.", "norm."))
_LANDMARKS = (
    *BLOCKS,
    (r"^ref_encoder\.", "reference_encoder."),
    (r"^Norm\.", "norm."),
    (r"^mouse_keypoint_map\.", "to_lips."),
    (r"^jaw_keypoint_map\.", "to_jaw."),
    (r"^fusion_transformer\.position_v\.pe$", "fusion.pose_positions"),
    (r"^fusion_transformer\.position_a\.pe$", "fusion.audio_positions"),
    (r"^fusion_transformer\.transformer_encoder\.", "fusion.encoder."),
    (r"^fusion_transformer\.", "fusion."),
)
_SPADES = (
    (r"(?<=\.)(spade|adain)_layer_([12])\.(conv1|mlp_shared\.0)\.", r"norm_\2.shared."),
    (r"(?<=\.)(spade|adain)_layer_([12])\.(?:mlp_)?(gamma|beta)\.", r"norm_\2.\3."),
)
_RENDERER = (
    *BLOCKS,
    # Inside a block first: the alignment module's own blocks are called spade_layer_N, too.
    *_SPADES,
    (r"^flow_module\.spade_layer_4\.", "alignment.spade_3."),
    (r"^flow_module\.spade_layer_", "alignment.spade_"),
    (r"^flow_module\.conv_4\.", "alignment.to_flow."),
    (r"^flow_module\.conv_5\.", "alignment.to_weight."),
    (r"^flow_module\.", "alignment."),
    (r"^translation\.spade_4\.", "translation.spade_3."),
    (r"^translation\.conv_last\.", "translation.to_picture."),
    (r"(?<=\.)conv1(_bn)?\.(?=\w+$)", r"fine\1."),
    (r"(?<=\.)conv2(_bn)?\.(?=\w+$)", r"coarse\1."),
    (r"(?<=fine)_bn\.|(?<=coarse)_bn\.", "_norm."),
)
_SIZES, _TRAINED_ON = "network", "trained_on"
_LARGEST = 4096
_LOSS = "perceptual."  # VGG-19, of the training loss; the renderer's checkpoint carries it along


def load_landmark_generator(source: Source) -> LandmarkGenerator:
    """Stage 1 with the weights of a checkpoint, ready for inference.

    Args:
        source: A file of the authors or of ours, or a state dict.

    Raises:
        CheckpointError: Not readable, or of another network.
    """
    return filled(lambda sizes: LandmarkGenerator(**sizes), source, _LANDMARKS)


def load_renderer(source: Source) -> Renderer:
    """Stage 2 with the weights of a checkpoint, ready for inference; loss networks are left out.

    Args:
        source: A file of the authors or of ours, or a state dict.

    Raises:
        CheckpointError: Not readable, or of another network.
    """
    return filled(lambda sizes: Renderer(Channels(**sizes)), source, _RENDERER, without=_LOSS)


def renamed(key: str, rules: Rules) -> str:
    """An official key as ours; ours stay as they are."""
    for pattern, name in rules:
        key = re.sub(pattern, name, key)
    return key


def write(
    path: Path,
    network: nn.Module,
    sizes: Mapping[str, int],
    *,
    step: int,
    trained_on: Sequence[str],
) -> None:
    """Write a checkpoint that the loaders above read.

    Args:
        path: The file.
        network: Of it.
        sizes: Arguments that make a network of these measures.
        step: Of training.
        trained_on: Names of data sets.
    """
    content = {
        "state_dict": network.state_dict(),
        _SIZES: dict(sizes),
        "global_step": step,
        _TRAINED_ON: list(trained_on),
    }
    write_atomically(path, lambda file: torch.save(content, file))


def trained_on(path: Path) -> tuple[str, ...] | None:
    """Names of the data sets that a checkpoint says it was trained on; None if it does not.

    Raises:
        CheckpointError: Not a file of tensors, or no names.
    """
    names = _read(path, str(path)).get(_TRAINED_ON)
    if names is None:
        return None
    if not isinstance(names, list):
        raise CheckpointError(f"{path}: {_TRAINED_ON} is no list of names, but {names!r}")
    return tuple(map(str, names))


def filled(
    build: Callable[[dict[str, int]], M],
    source: Source,
    rules: Rules,
    *,
    title: str = "",
    without: str | tuple[str, ...] = (),
) -> M:
    """A network with the weights of a checkpoint, every tensor used, ready for inference.

    Args:
        build: Makes the network of the measures that the checkpoint states; of none, the authors'.
        source: A file, or a state dict.
        rules: Official names as ours.
        title: What the network is called in messages; by default IP-LAP's and its class.
        without: What the names of tensors that nobody needs here begin with.

    Raises:
        CheckpointError: Not readable, or of another network.
    """
    name = "the state dict" if isinstance(source, Mapping) else str(source)
    content = source if isinstance(source, Mapping) else _read(Path(source), name)
    weights = _state_dict(content, name)
    network = _built(build, content.get(_SIZES, {}), name)
    ours = set(network.state_dict())
    weights = {renamed(k, rules): v for k, v in weights.items() if not k.startswith(without)}
    missing, extra = sorted(ours - set(weights)), sorted(set(weights) - ours)
    title = title or f"IP-LAP's {type(network).__name__}"
    what = f"{name}: not a checkpoint of {title}"
    if missing or extra:
        raise CheckpointError(
            f"{what}: {len(missing)} of {len(ours)} tensors missing{_first(missing)}, "
            f"{len(extra)} unknown{_first(extra)}"
        )
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        lines = str(error).strip().splitlines()
        raise CheckpointError(f"{what}: {lines[-1].strip()}") from error
    for kernel in (p for p in network.parameters() if p.ndim == 4):
        kernel.data = kernel.data.contiguous(memory_format=torch.channels_last)  # faster on a CPU
    return network.eval()


def _built(build: Callable[[dict[str, int]], M], sizes: object, name: str) -> M:
    """A network of these measures, the authors' where none are given."""
    if not isinstance(sizes, Mapping) or not all(
        isinstance(v, int) and 1 <= v <= _LARGEST for v in sizes.values()
    ):
        raise CheckpointError(f"{name}: the network's measures are no numbers from 1 to {_LARGEST}")
    try:
        return build({str(k): v for k, v in sizes.items()})
    except (TypeError, ValueError, AssertionError) as error:
        raise CheckpointError(f"{name}: no network of the measures {sizes!r} ({error})") from error


def _first(keys: list[str]) -> str:
    return f" ({keys[0]}, ...)" if keys else ""


def _state_dict(content: Mapping[str, Any], name: str) -> dict[str, Tensor]:
    inside = content.get("state_dict", content)
    if not isinstance(inside, Mapping) or not all(isinstance(v, Tensor) for v in inside.values()):
        raise CheckpointError(
            f"{name}: no state dict in it; expected a mapping of names to tensors"
        )
    return {str(k).removeprefix("module."): v for k, v in inside.items()}


def _read(path: Path, name: str) -> Mapping[str, Any]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise CheckpointError(f"{name}: {error.strerror or error}") from error
    except Exception as error:  # torch raises whatever a damaged pickle makes it stumble over
        line = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise CheckpointError(f"{name}: not a file of tensors ({line})") from error
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{name}: no state dict in it, but a {type(content).__name__}")
    return content
