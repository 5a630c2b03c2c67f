"""The command ``talkbench``: ends in words from its first moment on, whenever it is interrupted.

What the commands are made of takes a second to import; that second is within.
"""

from __future__ import annotations

import os
import signal
import sys


def main() -> None:
    """Run the command line; Ctrl-C, and SIGTERM likewise, end it with exit code 130."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        from evaluation.cli import main as commands

        commands(prog_name="talkbench")
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted before it began; nothing was written.\n")
        sys.stderr.flush()
        os._exit(130)  # of one that is caught inside exec(), Python would make a death by signal


def _interrupt(number: int, frame: object) -> None:
    del number, frame
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
