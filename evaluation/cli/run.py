"""``talkbench run``: generators on a suite."""

from __future__ import annotations

from pathlib import Path

import click

from evaluation.cli import options
from evaluation.cli.console import bring_what_is_needed, carry_out
from evaluation.cli.how import How
from evaluation.cli.how import how as with_how
from evaluation.elsewhere.mirror import local
from evaluation.plan import Plan, UnusableInputError
from evaluation.registry import load_dataset, load_generator, load_metrics, load_suite
from evaluation.split_manifest import settings_of


@click.command(short_help="Generators on a suite: generate, score, report.")
@click.argument("suite_name", metavar="SUITE")
@click.option(
    "-g",
    "--generator",
    "generator_names",
    multiple=True,
    metavar="NAME[:KEY=VALUE,...]|FILE.toml",
    help="Repeat for more; the suite's own choice if not given. Arguments make another row: "
    "iplap:mesh=plain,precision=bf16. NAME=DIR or NAME=ADDRESS are finished videos. "
    "A file declares somebody's program (docs/RUNNERS.md). See: talkbench list generators",
)
@options.metrics
@click.option(
    "--data",
    type=options.Folder(elsewhere=True),
    metavar="DIR|ADDRESS",
    help="Folder of the dataset, where the suite needs one; or an address, s3://bucket/hdtf, of "
    "which only what is needed is fetched (docs/SCALE.md).",
)
@options.limit
@with_how
@click.option("--seed", type=int, default=0, show_default=True, help="For generators.")
@options.retry
@options.baseline
@options.clips
@options.download
@options.output
def run(
    suite_name: str,
    generator_names: tuple[str, ...],
    metric_names: tuple[str, ...],
    data: Path | str | None,
    limit: int | None,
    how: How,
    seed: int,
    retry_failed: bool,
    baseline: str | None,
    clips: str,
    download: bool,
    root: Path,
) -> None:
    """Run generators on a SUITE, score their videos, write the report.

    Stopped at any moment, the same command goes on where it was. Generators, metrics and
    samples may be added to a run by naming more of them.

    \b
    Examples:
      talkbench run sample -g still -g reencoded -m psnr -m ssim -o runs/try
      talkbench run folder --data my_clips -g mouth-blur -g my_system.toml -o runs/mine
      talkbench run hdtf-51 --data HDTF -g mine.toml --workers 8 --clip-timeout 600 -o runs/hdtf
      talkbench run hdtf-51 --data s3://lab/hdtf -g mine=s3://lab/mine -o runs/hdtf
    docs/SCALE.md: GPUs, several machines, Slurm. talkbench status RUN: how far it is.
    """
    page = options.page_of(clips)
    plan = plan_of(suite_name, generator_names, metric_names, data, limit, seed, download=download)
    names = [g.spec.name for g in plan.generators]
    if baseline is not None and baseline not in names:
        raise UnusableInputError(f"baseline {baseline!r} is not run; -g {' -g '.join(names)}")
    if isinstance(data, Path) and root.resolve() == data.resolve():
        raise UnusableInputError(f"{root} holds the data; choose another folder with -o")
    code = carry_out(plan, root, how=how, retry_failed=retry_failed, baseline=baseline, page=page)
    raise click.exceptions.Exit(code)


def plan_of(
    suite_name: str,
    generator_names: tuple[str, ...] = (),
    metric_names: tuple[str, ...] = (),
    data: Path | str | None = None,
    limit: int | None = None,
    seed: int = 0,
    *,
    download: bool = False,
) -> Plan:
    """A plan from names; with ``download``, all it needs is brought first.

    Of an address as ``data`` the names are listed, and the lists that the dataset reads fetched.
    """
    suite = load_suite(suite_name)
    metrics = load_metrics(metric_names or suite.metrics)
    generators = [load_generator(n) for n in generator_names or suite.generators]
    dataset = load_dataset(suite.dataset)
    if download:
        needed = [*dataset.spec.assets]
        needed += [a for m in metrics for a in m.spec.assets]
        needed += [a for g in generators for a in g.spec.assets]
        bring_what_is_needed(needed)
    folder = local(data) if data is not None else None
    samples = dataset.samples(folder)
    return Plan(
        suite=suite,
        metrics=tuple(metrics),
        generators=tuple(generators),
        samples=tuple(samples if limit is None else samples[:limit]),
        every=suite.every,
        limit=limit if limit is not None and limit < len(samples) else None,
        whole=dataset.spec.clips,
        seed=seed,
        settings=settings_of("data", folder) if folder is not None else {},
    )
