"""The method under test: IP-LAP (Zhong et al., CVPR 2023, arXiv 2305.08293)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from method.checkpoints import CheckpointError, load_landmark_generator, load_renderer

__all__ = ["CheckpointError", "load_landmark_generator", "load_renderer"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - what the names above are
    """Torch takes seconds to come, and ``talkbench --help`` looks in here too."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from method import checkpoints

    return getattr(checkpoints, name)
