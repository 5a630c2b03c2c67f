"""File names for names that strangers chose."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

_LONGEST = 60


def slugs(names: Iterable[str]) -> dict[str, str]:
    """A file name of lower-case letters, digits and hyphens for each name; no two alike.

    Of those that would collide the first, in alphabetical order, gets the plain one; the others
    get a hash of their name behind it.
    """
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in sorted(set(names)):
        plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:_LONGEST].strip("-")
        digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:8]
        slug = plain if plain and plain not in taken else f"{plain or 'name'}-{digest}"
        taken.add(slug)
        found[name] = slug
    return found
