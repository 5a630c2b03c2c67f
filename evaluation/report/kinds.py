"""Which question a card answers: columns of a paper's table stand in groups."""

from __future__ import annotations

from collections.abc import Iterable

QUALITY, IDENTITY, SYNC, OTHER = "Visual quality", "Identity", "Lip sync", "Other"

_FAMILIES = {
    QUALITY: (
        *("psnr", "ssim", "ms-ssim", "lpips", "fid", "kid", "fvd"),
        *("cpbd", "niqe", "sharpness"),
    ),
    IDENTITY: ("csim",),
    SYNC: ("lse-d", "lse-c", "av-offset", "av-lag", "lipsync", "lmd", "liplmd"),
}
_KINDS = {family: kind for kind, families in _FAMILIES.items() for family in families}


def kind_of(card: str) -> str:
    """The group of a card, by its family; ``Other`` for strangers' cards."""
    return _KINDS.get(card.split("@", 1)[0], OTHER)


def grouped(cards: Iterable[str]) -> list[tuple[str, list[str]]]:
    """Cards by group, groups and cards in order of first appearance.

    Returns:
        (group, its cards), no group empty.
    """
    found: dict[str, list[str]] = {}
    for card in cards:
        found.setdefault(kind_of(card), []).append(card)
    return list(found.items())
