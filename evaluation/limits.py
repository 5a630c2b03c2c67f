"""How much a single file may ask for: files come from strangers, and a header may say anything.

Each limit is far above what talking-face clips need. A file beyond one is refused with the reason,
as any other damaged file is, and the machine goes on. Whoever has such clips raises the limit by
an environment variable; workers inherit it.
"""

from __future__ import annotations

import json
import math
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from evaluation.elsewhere.fetched import here, using
from evaluation.plan import UnusableInputError


@dataclass(frozen=True)
class Limit:
    """One limit.

    Attributes:
        variable: Environment variable that sets it.
        default: Where that is not set.
        what: Of what, in words: ``frames in a video``.
        why: What it keeps from happening.
    """

    variable: str
    default: int
    what: str
    why: str

    @property
    def value(self) -> int:
        """What holds now.

        Raises:
            UnusableInputError: The variable is no positive whole number.
        """
        text = os.environ.get(self.variable, "")
        if not text:
            return self.default
        if not (text.isascii() and text.isdecimal() and len(text) < 19 and int(text)):
            raise UnusableInputError(
                f"${self.variable} is {text!r}; expected a whole number above 0, the most "
                f"{self.what} (without it: {self.default:,})"
            )
        return int(text)

    def refusal(self, found: int) -> str:
        """Why so many are too many and how to raise the limit, or nothing."""
        most = self.value
        if found <= most:
            return ""
        return (
            f"{found:,} {self.what}, and {most:,} is the limit; if the file is meant to be so, "
            f"set {self.variable}={found} or more"
        )


PIXELS = Limit(
    "TALKBENCH_MAX_PIXELS",
    7680 * 4320,
    "pixels in a frame",
    "one frame that fills the memory",
)
FRAMES = Limit(
    "TALKBENCH_MAX_FRAMES",
    3 * 60 * 60 * 25,
    "frames in a video",
    "hours of video in a few kB, and one frame that is to be shown for years",
)
SAMPLES = Limit(
    "TALKBENCH_MAX_SAMPLES",
    1 << 28,
    "samples of sound, of all channels together",
    "sound that fills the memory, or is stretched until it does",
)
SAMPLE_RATE = Limit(
    "TALKBENCH_MAX_SAMPLE_RATE",
    768_000,
    "samples of sound a second",
    "arrays as long as a header says",
)
TEXT = Limit(
    "TALKBENCH_MAX_TEXT",
    256 << 20,
    "bytes in a list or manifest",
    "a text file that fills the memory",
)
ALL = (PIXELS, FRAMES, SAMPLES, SAMPLE_RATE, TEXT)


def text_of(path: Path, encoding: str = "utf-8", errors: str = "strict") -> str:
    """A whole text file, if it is not too long.

    Args:
        path: The file; fetched, if it lies elsewhere.
        encoding: Of its bytes.
        errors: ``replace`` takes what is none of this encoding for U+FFFD.

    Raises:
        OSError: It cannot be read, or is no plain file (a pipe would never end).
        ValueError: Too long; or no text in this encoding (``UnicodeDecodeError``).
    """
    # Opened once and asked then: notes beside videos are read by the thousand.
    with (
        using(),
        open(here(path), encoding=encoding, errors=errors, opener=_without_waiting) as file,
    ):
        known = os.fstat(file.fileno())
        if not stat.S_ISREG(known.st_mode):
            raise OSError(f"{path} is no plain file")
        refused = TEXT.refusal(known.st_size)
        if refused:
            raise ValueError(refused)
        return file.read()


LONGEST_LINE = 1 << 24
"""Bytes of one line of records or events; ours have hundreds."""


def lines_of(file: IO[bytes]) -> Iterator[bytes]:
    """Lines as they are, newlines and all, in pieces where one is longer than any of ours.

    One that is still being written is the last: its other half is no line of its own.
    """
    while line := file.readline(LONGEST_LINE):
        yield line
        if not line.endswith(b"\n") and len(line) < LONGEST_LINE:
            return


def _without_waiting(path: str, flags: int) -> int:
    """Opened at once, were it a pipe that nobody writes to."""
    return os.open(path, flags | os.O_NONBLOCK)


def parsed_json(text: str | bytes) -> Any:  # noqa: ANN401 - what JSON holds
    """Strict JSON: no NaN, no infinity (``1e999`` is one), not a thousand brackets deep.

    Raises:
        ValueError: It is none.
    """
    try:
        return json.loads(text, parse_constant=_no_number, parse_float=_finite)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_number(text)
