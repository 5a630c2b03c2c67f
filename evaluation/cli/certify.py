"""``talkbench certify``: what the cards make of changes that nobody sees, and of those all see."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from evaluation.certificate import INVISIBLE, TRUTH, VISIBLE, plan_certificate
from evaluation.certificate import certify as read_facts
from evaluation.cli import options
from evaluation.cli.console import check_device, console, ended_as_interrupted, step, unit_bar
from evaluation.cli.log import log_json, logged
from evaluation.cli.run import plan_of
from evaluation.floors import CERTIFICATE
from evaluation.plan import UnusableInputError
from evaluation.report import FORMATS, write_report
from evaluation.report.certified import certificate_markdown, print_certificate
from evaluation.results import build, write_results
from evaluation.run import execute
from evaluation.store import write_atomically, write_json


@click.command(short_help="Noise floor of every card, and which damages it sees.")
@click.option("--suite", "suite_name", required=True, metavar="SUITE", help="Whose ground truth.")
@options.metrics
@click.option(
    "--data",
    type=options.Folder(),
    help="Folder of the dataset, where the suite needs one.",
)
@click.option(
    "--every",
    type=click.IntRange(1),
    help="Score frames 0, N, 2N, ... instead of the suite's choice, as the runs do to whose "
    "tables the certificate is to apply.",
)
@options.limit
@options.workers
@options.retry
@options.download
@log_json
@options.output
def certify(
    suite_name: str,
    metric_names: tuple[str, ...],
    data: Path | None,
    every: int | None,
    limit: int | None,
    workers: int,
    retry_failed: bool,
    download: bool,
    root: Path,
) -> None:
    """Perturb the ground truth of a suite and say what each card makes of it.

    In ways that nobody sees or hears (fine codec, AAC, another container, a crop of 1 px): the
    largest change is the card's noise floor on these data. And in ways that everybody does
    (shift, blurred mouth, coarse codec, each in three grades; a frozen mouth, another face,
    another voice): does the card see them, and does it order the grades?

    Writes RUN/certificate.json and RUN/certificate.md. Tables of a run grey out gaps below the
    floor where its folder holds the certificate: copy it there, or give it to
    talkbench report --certificate.

    \b
    Examples:
      talkbench certify --suite sample -o runs/certificate
      talkbench certify --suite folder --data gt --every 5 -m ssim -m lpips -o runs/certificate
    """
    if data is not None and root.resolve() == data.resolve():
        raise UnusableInputError(f"{root} holds the data; choose another folder with -o")
    rows = (TRUTH, *INVISIBLE, *VISIBLE)
    plan = plan_of(suite_name, rows, metric_names, data, limit, download=download)
    plan = plan_certificate(plan if every is None else replace(plan, every=every))
    check_device()
    with unit_bar() as told, ended_as_interrupted():
        added = execute(
            plan, root, workers=workers, retry_failed=retry_failed, told=told, log=logged()
        )
    certificate = read_facts(root)
    write_json(root / CERTIFICATE, certificate.as_json())
    text = certificate_markdown(certificate).encode("utf-8", "replace")
    write_atomically((root / CERTIFICATE).with_suffix(".md"), lambda file: file.write(text))
    results = build(root, TRUTH)
    write_results(root, results)
    with step("report") as told:
        write_report(root, results, root / "report", FORMATS, told=told)
    print_certificate(certificate, console)
    kept = len(results.records) - len({r.cell for r in added})
    console.print(
        f"{len(added)} records computed, {kept} were there already. Certificate: "
        f"{root / CERTIFICATE}. Report: {root / 'report' / 'index.html'}",
        soft_wrap=True,
        highlight=False,
    )
    raise click.exceptions.Exit(1 if results.failures else 0)
