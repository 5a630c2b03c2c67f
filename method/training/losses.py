"""What training minimises, but for the perceptual losses.

Zhong et al., CVPR 2023, sections 3.1 and 3.3; Weizhi-Zhong/IP_LAP @ 9b9dc03.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from method.training.discriminator import Judged


def velocity_loss(content: Tensor, truth: Tensor, window: int) -> Tensor:
    """Temporal continuity: how differently landmarks move from frame to frame.

    Args:
        content: float32 [B*T, 2, 57].
        truth: As ``content``.
        window: T.

    Returns:
        Mean over B*(T-1) steps of the Euclidean norm over all 114 coordinates at once.
    """
    moved = [x.view(-1, window, *x.shape[1:]).diff(dim=1).flatten(0, 1) for x in (content, truth)]
    return F.pairwise_distance(moved[0].flatten(1), moved[1].flatten(1)).mean()


def least_squares(judged: Judged, target: float) -> Tensor:
    """LSGAN: mean square of patch scores from a target, 1 real and 0 made, summed over scales."""
    return torch.stack([(layers[-1] - target).square().mean() for layers in judged]).sum()


def feature_matching(made: Judged, real: Judged) -> Tensor:
    """L1 between the discriminator's features, all layers but the last.

    Returns:
        Sum over scales and layers, each scale weighing 1 / scales and each layer 4 / layers
        (layers with the last one left out, so 1 for the authors' four).
    """
    terms = [
        F.l1_loss(a, b.detach()) * 4 / (len(made) * (len(ours) - 1))
        for ours, theirs in zip(made, real, strict=True)
        for a, b in zip(ours[:-1], theirs[:-1], strict=True)
    ]
    return torch.stack(terms).sum()
