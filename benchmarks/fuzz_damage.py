"""Ways to spoil a file: its bytes, or one value of the JSON in it."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Sequence
from typing import Any

EXTREMES = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFE)
_ODD_VALUES = (
    *(None, True, "", "x" * 5000, "../../etc/passwd", "=1+1", "\ud800", "<script>", "NaN", -1, 0),
    *(10**18, 10**400, 1e308, -1e308, 5e-324, [], {}, [[]], {"a": {}}, "1e999999999", "1/0"),
)
_ODD_TEXTS = ("NaN", "1e999", "-Infinity", "[" * 100_000, '"' + "\\u0000" * 9 + '"', "9" * 5000)


def spoil_bytes(whole: bytes, rng: random.Random, others: Sequence[bytes]) -> tuple[bytes, str]:
    """One to four damages: bits, bytes, words, cuts, splices, doubled and moved pieces."""
    data = bytearray(whole)
    ways = []
    for _ in range(rng.choice((1, 1, 2, 4))):
        way = rng.choice(_WAYS)
        ways.append(way.__name__.strip("_"))
        # Headers are small and at the ends; half of the damages go there.
        ends = (min(400, len(data)), max(0, len(data) - 2000))
        near = rng.choice((rng.randrange(max(1, ends[0])), rng.randrange(ends[1], len(data) + 1)))
        at = near if rng.random() < 0.5 else rng.randrange(len(data) + 1)
        way(data, min(at, max(0, len(data) - 1)), rng, others)
        if not data:
            break
    return bytes(data), " ".join(ways)


def _bit(data: bytearray, at: int, rng: random.Random, others: Sequence[bytes]) -> None:
    data[at] ^= 1 << rng.randrange(8)


def _noise(data: bytearray, at: int, rng: random.Random, others: Sequence[bytes]) -> None:
    piece = rng.randbytes(rng.choice((1, 4, 64, 1024)))
    data[at : at + len(piece)] = piece


def _word(data: bytearray, at: int, rng: random.Random, others: Sequence[bytes]) -> None:
    form = rng.choice((">I", "<I", ">H", "<H", ">Q"))
    size = struct.calcsize(form)
    data[at : at + size] = struct.pack(form, rng.choice(EXTREMES) % 256**size)


def _cut(data: bytearray, at: int, rng: random.Random, others: Sequence[bytes]) -> None:
    del data[at:]


def _without(data: bytearray, at: int, rng: random.Random, others: Sequence[bytes]) -> None:
    del data[at : at + rng.choice((1, 8, 200, 5000))]


def _doubled(data: bytearray, at: int, rng: random.Random, others: Sequence[bytes]) -> None:
    data[at:at] = data[at : at + rng.choice((8, 200, 5000))] * rng.choice((1, 3, 50))


def _zeros(data: bytearray, at: int, rng: random.Random, others: Sequence[bytes]) -> None:
    size = rng.choice((16, 512, 4096))
    data[at : at + size] = bytes(size)


def _spliced(data: bytearray, at: int, rng: random.Random, others: Sequence[bytes]) -> None:
    other = rng.choice(others)
    data[at:] = other[rng.randrange(len(other)) :]


def _atom(data: bytearray, at: int, rng: random.Random, others: Sequence[bytes]) -> None:
    """An MP4 atom's size or a field after its name, where there is one after ``at``."""
    names = [b"tkhd", b"mvhd", b"mdhd", b"stts", b"stsz", b"stsc", b"stco", b"ctts", b"elst"]
    names += [b"avc1", b"avcC", b"mp4a", b"esds", b"moov", b"trak", b"strf", b"strh", b"fmt "]
    found = [place for name in names if (place := data.find(name)) >= 4]
    if not found:
        return _word(data, at, rng, others)
    place = rng.choice(found) + rng.choice((-4, 4, 8, 12, 16, 20, 28, 32, 36))
    place = min(max(0, place), len(data) - 1)
    data[place : place + 4] = struct.pack(">I", rng.choice((*EXTREMES, rng.randrange(1 << 32))))
    return None


_WAYS = (_bit, _bit, _noise, _word, _word, _cut, _without, _doubled, _zeros, _spliced, _atom, _atom)


def spoil_json(text: str, rng: random.Random) -> tuple[str, str]:
    """One value, key or bracket of a JSON document."""
    content = json.loads(text)
    places: list[tuple[Any, Any]] = []
    stack: list[Any] = [content]
    while stack:
        here = stack.pop()
        keys = list(here) if isinstance(here, dict) else range(len(here))
        for key in keys:
            places.append((here, key))
            if isinstance(here[key], dict | list):
                stack.append(here[key])
    where, key = rng.choice(places)
    way = rng.choice(("value", "value", "gone", "raw"))
    if way == "gone":
        del where[key]
        return json.dumps(content), f"without {key!r}"
    if way == "raw":
        where[key] = "@@here@@"
        odd = rng.choice(_ODD_TEXTS)
        return json.dumps(content).replace('"@@here@@"', odd), f"{key!r} is {odd[:20]}"
    where[key] = odd_value = rng.choice(_ODD_VALUES)
    return json.dumps(content), f"{key!r} is {str(odd_value)[:20]!r}"


def spoil_text(whole: str, rng: random.Random, *, lines: bool) -> tuple[bytes, str]:
    """JSON (by lines or whole) by its structure; every third and all other text by its bytes."""
    if rng.random() < 0.3:
        return spoil_bytes(whole.encode(), rng, [whole.encode()])
    rows = whole.splitlines() if lines else [whole]
    number = rng.randrange(len(rows))
    if lines and rng.random() < 0.1:
        rows.insert(rng.randrange(len(rows) + 1), rows[number])
        return "\n".join([*rows, ""]).encode(), "a line twice"
    rows[number], how = spoil_json(rows[number], rng)
    return "\n".join([*rows, ""]).encode(errors="surrogatepass"), how
