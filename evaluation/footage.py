"""Decoded frames, kept while they fit: passes, metrics and systems share one decoding.

A run reads a video several times: once to find the face, again to cut it out, and the reference
anew for every system. Short clips stay in memory between these; of long ones every reading decodes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from evaluation.video import FrameReader
from metrics import Frames

KEPT_BYTES = 256 << 20
"""All kept frames of a process stay below this."""


@dataclass(frozen=True)
class _Kept:
    pieces: tuple[Frames, ...]
    frames: int | None

    @property
    def size(self) -> int:
        return sum(p.nbytes for p in self.pieces)


class Shelf:
    """Frames of the last videos that were read to their end.

    Args:
        limit: Bytes; what does not fit is not kept, and the least recently read goes first.
    """

    def __init__(self, limit: int = KEPT_BYTES) -> None:
        self._limit = limit
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def take(self, key: str) -> _Kept | None:
        """What is kept under a key, now the most recently read."""
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def put(self, key: str, kept: _Kept) -> None:
        """Keep, and let others go until all fit."""
        self._kept[key] = kept
        while sum(k.size for k in self._kept.values()) > self._limit:
            self._kept.popitem(last=False)

    def fits(self, size: int) -> bool:
        """Whether so many bytes could be kept at all."""
        return size <= self._limit


_SHELF = Shelf()


class Footage:
    """Frames of one video, from the shelf or decoded.

    Iterate it for pieces, uint8 RGB [n, H, W, 3]; afterwards ``frames`` is the number of frames in
    the file. Pieces may be shared with other readers: nobody writes into them.

    Args:
        key: Which frames: the file's content, which of its frames, how many a piece.
        decode: Makes the reader; not called where the frames are kept.
        shelf: Where they are kept.
    """

    def __init__(
        self, key: str, decode: Callable[[], FrameReader], shelf: Shelf | None = None
    ) -> None:
        self.frames: int | None = None
        self._key = key
        self._decode = decode
        self._shelf = _SHELF if shelf is None else shelf

    def __iter__(self) -> Iterator[Frames]:
        """Pieces in order.

        Raises:
            VideoError: The stream is damaged or ends early; nothing is kept.
        """
        kept = self._shelf.take(self._key)
        if kept is not None:
            yield from kept.pieces
            self.frames = kept.frames
            return
        reader = self._decode()
        pieces: list[Frames] = []
        size = 0
        for piece in reader:
            size += piece.nbytes
            if self._shelf.fits(size):
                pieces.append(piece)
            else:
                pieces.clear()
            yield piece
        self.frames = reader.frames
        if self._shelf.fits(size):
            self._shelf.put(self._key, _Kept(tuple(pieces), reader.frames))
