"""Addresses as the user gives them, and the folder of this machine that stands for each."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote, unquote

from evaluation.plan import UnusableInputError
from metrics.assets import cache_root

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://(.*)", re.DOTALL)
_LONGEST_PART = 255
_NOTHING = "%00"  # file:///clips begins with an empty part


def is_address(text: object) -> bool:
    """Whether a text names a place by protocol (``s3://bucket/clips``) and no path."""
    return _ADDRESS.fullmatch(str(text)) is not None


def checked(address: str) -> str:
    """The address without a slash at its end.

    Raises:
        UnusableInputError: It would put a secret into the run, or is none that a folder can hold.
    """
    match = _ADDRESS.fullmatch(address)
    if match is None:
        raise UnusableInputError(f"{address!r} is no address: PROTOCOL://PLACE")
    protocol, place = match[1].lower(), match[2].rstrip("/")
    if "::" in address:
        raise UnusableInputError(f"{address}: one address after another (::) is not taken")
    if "@" in place.split("/", 1)[0]:
        raise UnusableInputError(
            "an address with a user or password in it would stand in run.json and in every report; "
            "give them by the environment (docs/SCALE.md, Media elsewhere)"
        )
    if not place.strip("/") or not place.isprintable():
        raise UnusableInputError(f"{address!r} names no place after {protocol}://")
    if protocol.startswith("http") and ("?" in place or "#" in place):
        raise UnusableInputError(
            f"{protocol}://{place.split('?')[0].split('#')[0]}: an address with a query may hold a "
            "key, which would stand in every report; give one without"
        )
    parts = place.split("/")
    if {".", ".."} & set(parts) or "" in parts[1:]:
        raise UnusableInputError(f"{address} has an empty part, . or .. in it")
    if any(len(quote(part, safe="")) > _LONGEST_PART for part in parts):
        raise UnusableInputError(f"{address[:100]}...: a part of it is too long for a file name")
    return f"{protocol}://{place}"


def store_root() -> Path:
    """Where everything that was fetched lies: ``elsewhere`` in the cache folder."""
    return cache_root().absolute() / "elsewhere"


def home_of(address: str) -> Path:
    """The folder of an address that was checked; its listings lie in it, each beside its tree."""
    protocol, _, place = address.partition("://")
    parts = [quote(part, safe="") or _NOTHING for part in place.split("/")]
    return store_root().joinpath("trees", protocol, *parts)


TREES = "/elsewhere/trees/"
"""In every path that stands for something elsewhere."""

_TREE = r"/trees/([\w+.-]+)/((?:[\w.~%-]+/)+)@[0-9a-f]{16}"


def tell(text: object) -> str:
    """A text or path in which folders that stand for addresses are these addresses again."""
    said = str(text)
    if TREES not in said:
        return said
    return re.sub(re.escape(str(store_root())) + _TREE, _address, said)


def _address(match: re.Match[str]) -> str:
    parts = match[2].rstrip("/").split("/")
    return f"{match[1]}://" + "/".join("" if p == _NOTHING else unquote(p) for p in parts)
