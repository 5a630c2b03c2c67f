"""``python -m benchmarks``: every figure of docs/PERFORMANCE.md."""

import os
import sys

if sys.platform != "linux":
    sys.exit("benchmarks ask the system what processes took, as Linux tells it: Linux alone")

# Before anything reads it: threads of this process and of those that it starts.
os.environ.setdefault("OMP_NUM_THREADS", str(len(os.sched_getaffinity(0))))

from benchmarks.cli import main

main(prog_name="python -m benchmarks")
