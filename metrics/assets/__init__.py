"""Weights and sample media by name: one table, verified at every load.

``locate`` finds a file that is already here and never downloads. ``get`` brings one, trying
its sources in order. Nothing else in talkbench opens a weight file.
"""

from metrics.assets.asset import Asset
from metrics.assets.places import (
    AssetCorruptError,
    AssetMissingError,
    cache_root,
    find,
    locate,
    sha256_of,
)
from metrics.assets.sources import AssetUnreachableError, Progress, get, get_all
from metrics.assets.table import ARCHIVES, ASSETS, lookup

__all__ = [
    "ARCHIVES",
    "ASSETS",
    "Asset",
    "AssetCorruptError",
    "AssetMissingError",
    "AssetUnreachableError",
    "Progress",
    "cache_root",
    "find",
    "get",
    "get_all",
    "locate",
    "lookup",
    "sha256_of",
]
