"""Wav2Lip's weights by formula, under the names of its authors."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import pytest
import torch

from baselines.wav2lip.network import Wav2Lip


@pytest.fixture(scope="session")
def renamed() -> Callable[..., dict[str, torch.Tensor]]:
    """A state dict with its keys changed by rules (pattern, replacement), all in turn."""

    def rename(state: Mapping[str, torch.Tensor], rules: tuple[tuple[str, str], ...]):
        found = {}
        for key, value in state.items():
            for pattern, name in rules:
                key = re.sub(pattern, name, key)
            found[key] = value
        return found

    return rename


@pytest.fixture(scope="session")
def wav2lip_weights(formula_weights, renamed) -> dict[str, torch.Tensor]:
    """As the official class has them: the formula goes by the order of the names."""
    names = (
        (r"^(face_encoder|face_decoder)\.", r"\1_blocks."),
        (r"^mel_encoder\.", "audio_encoder."),
        (r"^to_picture\.", "output_block."),
        (r"(?<=\.)conv\.(?=\w+$)", "conv_block.0."),
        (r"(?<=\.)norm\.(?=\w+$)", "conv_block.1."),
    )
    with torch.device("meta"):
        shapes = renamed(Wav2Lip().state_dict(), names)
    return formula_weights(shapes)
