"""A module as a process that says what it took of the GPU.

    python -m benchmarks.watched FILE MODULE WORDS...

does what ``python -m MODULE WORDS...`` does, and writes the peak of its tensors in MB to FILE if it
has used CUDA.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path


def main() -> None:
    """Run the module; its exit code is ours."""
    told, module, *words = sys.argv[1:]
    sys.argv = [module, *words]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_initialized():
            gpus = range(torch.cuda.device_count())
            peak = sum(torch.cuda.max_memory_allocated(number) for number in gpus)
            Path(told).write_text(str(peak / 2**20))


if __name__ == "__main__":
    main()
