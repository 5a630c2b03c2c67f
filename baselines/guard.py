"""Ends a process group when the harness is gone, however it went: run as a program of its own.

A harness that is killed with -9 ends nothing itself. This waits at a pipe whose other end only the
harness holds; at its end of file the group has nobody left who would stop it.
"""

import contextlib
import os
import signal
import sys
import time

GRACE_S = 5.0


def main(group: int) -> None:
    """Wait for the end of standard input, then end the group."""
    while os.read(0, 1):
        continue
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGTERM)
        time.sleep(GRACE_S)
        os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main(int(sys.argv[1]))
