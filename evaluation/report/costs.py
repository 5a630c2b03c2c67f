"""What generators cost, as rows of text."""

from __future__ import annotations

from evaluation.cost import Cost
from evaluation.report.words import count, printable
from evaluation.results import Results

HEADS = ("Generator", "s a frame", "memory, MB", "GPU memory, MB", "device", "clips")
SAID = (
    "Median over clips of seconds a frame, by the clock and with whatever else the machine did; "
    "the most memory of any clip. Measured while generating, so not for finished videos."
)


def cost_rows(results: Results) -> list[tuple[str, ...]]:
    """A row for every generator whose clips were made in the run, in the order of the table."""
    return [
        (printable(name), *_cells(results.costs[name]))
        for name in results.generators
        if name in results.costs
    ]


def cost_lines(results: Results) -> list[str]:
    """The systems' rows as sentences."""
    kinds = results.manifest["generators"]
    lines = []
    for name, cost in results.costs.items():
        if kinds.get(name, {}).get("kind") != "system":
            continue
        rate, memory, gpu, device, _ = _cells(cost)
        parts = [f"{rate} s a frame"] if rate else []
        parts += [f"{memory} MB"] if memory else []
        parts += [f"{gpu} MB of GPU"] if gpu else []
        parts += [device, count(cost.clips, "clip")]
        lines.append(f"Cost of {printable(name)}: {', '.join(filter(None, parts))}")
    return lines


def _cells(cost: Cost) -> tuple[str, str, str, str, str]:
    rate = cost.seconds_per_frame
    return (
        "" if rate is None else f"{rate:.3g}",
        "" if cost.peak_mb is None else f"{cost.peak_mb:.0f}",
        "" if cost.gpu_mb is None else f"{cost.gpu_mb:.0f}",
        printable(", ".join(cost.devices)),
        str(cost.clips),
    )
