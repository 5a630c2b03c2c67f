"""The method under test: IP-LAP (Zhong et al., CVPR 2023, arXiv 2305.08293)."""

from method.checkpoints import CheckpointError, load_landmark_generator, load_renderer

__all__ = ["CheckpointError", "load_landmark_generator", "load_renderer"]
