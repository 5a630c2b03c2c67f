"""How fast something goes, as progress bars say it."""

import io
import os
import subprocess
import sys

import pytest
from rich.console import Console
from rich.progress import Progress

from evaluation.cli.console import errors, unit_bar
from evaluation.cli.rates import Lines, RateColumn, duration


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


def test_a_log_file_gets_a_line_every_half_minute_and_no_bar():
    clock, text = [0.0], io.StringIO()
    told = Lines(Console(file=text, width=80), lambda: clock[0])
    for done in range(1, 91):
        clock[0] += 1
        told(done, 100, f"mine · [clip]{done}")
    lines = text.getvalue().splitlines()
    assert lines == [f"{n} of 100, 1.0/s, {100 - n} s left: mine · [clip]{n}" for n in (30, 60, 90)]


def test_nothing_is_drawn_where_nobody_watches(capsys):
    with unit_bar() as told:
        told(1, 2, "x")
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("seconds", "said"), [(42.4, "42 s"), (600, "10 min"), (12000, "3 h 20 min")]
)
def test_durations(seconds, said):
    assert duration(seconds) == said


def test_a_pipe_with_forced_colours_gets_lines_and_no_bars():
    """Notebooks force colours: every step of a bar would stay there as a line of its own."""
    told = (
        "from evaluation.cli.console import unit_bar\n"
        "with unit_bar() as told:\n"
        "    for n in range(50): told(n + 1, 50, 'a')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", told],
        env=os.environ | {"FORCE_COLOR": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "━" not in done.stderr
    assert len(done.stderr.splitlines()) <= 2
