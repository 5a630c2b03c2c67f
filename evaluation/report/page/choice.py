"""What the user wants of the page."""

from __future__ import annotations

import re
from dataclasses import dataclass

LISTED, ALL, NONE = "listed", "all", "none"

SELF_CONTAINED_MB = 150
"""Videos that one file holds at most. In base64 they take a third more, and browsers keep all of
it in memory."""


@dataclass(frozen=True, kw_only=True)
class PageChoice:
    """How the page is made.

    Attributes:
        clips: Which clips get players and values per frame: ``listed`` (those that the page's own
            lists show: worst, most disagreeing, first few), ``all``, a number (so many, in the
            order of the lists, then of the split), or ``none`` (values per frame of the listed
            ones, and no players).
        self_contained: One HTML file with the videos in it, instead of a folder.
    """

    clips: str = LISTED
    self_contained: bool = False

    def __post_init__(self) -> None:
        if self.clips not in (LISTED, ALL, NONE) and not re.fullmatch(r"[1-9]\d{0,6}", self.clips):
            raise ValueError(f"{self.clips!r} is none of {LISTED}, {ALL}, {NONE}, and no number")


LISTED_CLIPS = PageChoice()
