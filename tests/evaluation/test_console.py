"""How fast something goes, as progress bars say it."""

import pytest
from rich.progress import Progress

from evaluation.cli.console import RateColumn, errors


@pytest.mark.parametrize(
    ("done", "seconds", "said"), [(50, 4, "12.5/s"), (2, 8, "4.0 s each"), (0, 8, "")]
)
def test_rates(done, seconds, said):
    clock = [0.0]
    progress = Progress(console=errors, get_time=lambda: clock[0], speed_estimate_period=100)
    bar = progress.add_task("x", total=100)
    progress.update(bar, completed=1)
    clock[0] = seconds
    progress.update(bar, completed=1 + done)
    assert RateColumn().render(progress.tasks[0]).plain == said
