"""Numbers from arrays: protocol cards, the networks behind them, and the asset table.

This is the ground floor. It knows no files but weights, no datasets and no generators.
"""

from metrics.base import (
    AnyExtractor,
    AudioExtractor,
    Direction,
    Extractor,
    Frames,
    Inputs,
    LooksAhead,
    Measurement,
    Metric,
    MetricSpec,
    Side,
    Sound,
    Track,
    TrackExtractor,
    UnscorableError,
    clip_weight,
    mean_of_clips,
    mean_of_frames,
)

__all__ = [
    "AnyExtractor",
    "AudioExtractor",
    "Direction",
    "Extractor",
    "Frames",
    "Inputs",
    "LooksAhead",
    "Measurement",
    "Metric",
    "MetricSpec",
    "Side",
    "Sound",
    "Track",
    "TrackExtractor",
    "UnscorableError",
    "clip_weight",
    "mean_of_clips",
    "mean_of_frames",
]
