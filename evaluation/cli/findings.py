"""Findings about clips, as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from evaluation.cli.console import console
from evaluation.submission import Finding

_SHOWN = 50


def print_findings(findings: Sequence[Finding]) -> None:
    """Problems red, warnings yellow; of many, the rest counted by kind."""
    if not findings:
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("clip", "what", "expected", "found"):
        table.add_column(head, overflow="fold")
    for finding in findings[:_SHOWN]:
        style = "red" if finding.weight == "problem" else "yellow"
        table.add_row(
            Text(finding.clip),
            Text(finding.what, style),
            Text(finding.expected),
            Text(finding.found),
        )
    console.print(table)
    if len(findings) > _SHOWN:
        kinds = Counter(f.what for f in findings[_SHOWN:])
        rest = ", ".join(f"{count} {what}" for what, count in kinds.most_common())
        console.print(f"… and {rest}; all with --format json", highlight=False)
