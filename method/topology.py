"""The 131 landmarks that IP-LAP draws, of MediaPipe's face mesh, and the lines between them.

Order and lines are those of Weizhi-Zhong/IP_LAP @ 9b9dc03 (draw_landmark.py, inference_single.py).
The refined mesh (478 points) has the same points under the same numbers as the plain one (468).
"""

from __future__ import annotations

from itertools import pairwise

# From the person's right temple along the chin to the left one; the middle 17 are the jaw.
_JAW = (132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361)
_OVAL = (162, 127, 234, 93, *_JAW, 323, 454, 356, 389)
_BROWS = (
    (70, 63, 105, 66, 107),
    (55, 65, 52, 53, 46),
    (336, 296, 334, 293, 300),
    (276, 283, 282, 295, 285),
)
_BRIDGE = (168, 6, 197, 195, 5)
_NOSTRILS = (48, 115, 220, 45, 4, 275, 440, 344, 278)
_RIGHT_EYE = (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7)
_LEFT_EYE = (362, 398, 384, 385, 386, 387, 388, 466, 263, 249, 390, 373, 374, 380, 381, 382)
_UPPER, _LOWER = (
    (61, 185, 40, 39, 37, 0, 267, 269, 270, 409),
    (291, 375, 321, 405, 314, 17, 84, 181, 91, 146),
)
_INNER_UPPER, _INNER_LOWER = (
    (78, 191, 80, 81, 82, 13, 312, 311, 310, 415),
    (308, 324, 318, 402, 317, 14, 87, 178, 88, 95),
)
_OUTER_LIP, _INNER_LIP = (*_UPPER, *_LOWER), (*_INNER_UPPER, *_INNER_LOWER)
_CHEEKS = (*_OVAL[:4], *_OVAL[-4:])

POSE: tuple[int, ...] = (
    *_CHEEKS,
    *(i for brow in _BROWS for i in brow),
    *_BRIDGE,
    *_NOSTRILS,
    *_RIGHT_EYE,
    *_LEFT_EYE,
)
"""74 mesh points of the upper half of the face: what is given."""

CONTENT: tuple[int, ...] = (*_JAW, *_OUTER_LIP, *_INNER_LIP)
"""57 mesh points of jaw (17) and lips (40): what is inferred."""

LANDMARKS = (*POSE, *CONTENT)
"""All 131, in the order of the networks."""

UPPER_LIP, LOWER_LIP = 0, 17
"""Mesh points between which the opening of the mouth is measured."""

CONTOUR: tuple[int, ...] = (*_OVAL, *reversed(_BROWS[2]), *reversed(_BROWS[0]))
"""Mesh points around the face below the brows: the oval, then the brows from left to right."""


def _lines() -> tuple[tuple[int, int], ...]:
    rings = (_RIGHT_EYE, _LEFT_EYE, _OUTER_LIP, _INNER_LIP)
    chains = (_OVAL, *_BROWS, (*_BRIDGE, 4), _NOSTRILS, *((*ring, ring[0]) for ring in rings))
    place = {point: i for i, point in enumerate(LANDMARKS)}
    return tuple((place[a], place[b]) for chain in chains for a, b in pairwise(chain))


LINES = _lines()
"""125 lines, as places in ``LANDMARKS``."""
