"""Numbers from arrays: protocol cards, the networks behind them, and the asset table.

This is the ground floor. It knows no files but weights, no datasets and no generators.
"""

from metrics.base import (
    Direction,
    Extractor,
    Frames,
    Inputs,
    Measurement,
    Metric,
    MetricSpec,
    Side,
    Track,
    UnscorableError,
    mean_of_clips,
)

__all__ = [
    "Direction",
    "Extractor",
    "Frames",
    "Inputs",
    "Measurement",
    "Metric",
    "MetricSpec",
    "Side",
    "Track",
    "UnscorableError",
    "mean_of_clips",
]
