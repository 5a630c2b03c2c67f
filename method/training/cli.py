"""``talkbench train``: IP-LAP from prepared clips."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, TypeVar

import click

from evaluation.cli import options
from evaluation.cli.console import (
    bring_what_is_needed,
    check_device,
    console,
    errors,
    step,
)
from evaluation.cli.log import log_json
from evaluation.plan import UnusableInputError

S = TypeVar("S")
_PRESETS = ("official", "tiny")


@click.group(short_help="Train IP-LAP on your clips.")
def train() -> None:
    """Train IP-LAP, both stages, on clips that are prepared once.

    \b
    In order:
      talkbench train prepare lrs2/main -o prepared --name lrs2 --workers 8
      talkbench train iplap-landmarks --data prepared -o trained
      talkbench train iplap-renderer  --data prepared -o trained
      TALKBENCH_ASSETS=trained talkbench run folder --data clips -g iplap -o runs/mine

    Several GPUs: torchrun --nproc_per_node 4 -m evaluation.cli train iplap-renderer ...
    """


@train.command(short_help="Faces, landmarks and sound of clips, once for all of training.")
@click.argument("videos", type=options.Folder())
@click.option("-o", "--out", type=options.Folder(), required=True, help="Folder to prepare into.")
@click.option(
    "--name",
    required=True,
    help="Of the data (lrs2, hdtf, ...); checkpoints trained on it state it, and tables mark "
    "generators that were trained on what they are measured on.",
)
@click.option(
    "--margin",
    type=click.IntRange(0),
    default=5,
    show_default=True,
    help="px around the landmarks: 5 as the authors cut LRS2's 160x160; about 25 for faces of "
    "300 px and more, as driving does.",
)
@options.workers
@log_json
@click.option("--retry-failed", is_flag=True, help="Try clips that failed before once more.")
@options.download
def prepare(
    videos: Path,
    out: Path,
    name: str,
    margin: int,
    workers: int,
    retry_failed: bool,
    download: bool,
) -> None:
    """Prepare all videos below VIDEOS for training.

    Any rate and size is read; LRS2's layout SPEAKER/CLIP.mp4 keeps speakers apart. A clip that
    cannot be used is a line in report.csv. Stopped at any moment, the same command goes on.

    \b
    Example:
      talkbench train prepare lrs2/main -o prepared --name lrs2 --workers 8
    """
    from method.training.prepare import prepare as prepare_clips
    from metrics.assets import locate

    if download:
        bring_what_is_needed(("yunet", "face-mesh"))
    for asset in ("yunet", "face-mesh"):
        locate(asset)
    with step("train prepare") as told:
        lines = prepare_clips(
            videos,
            out,
            name=name,
            margin=margin,
            workers=workers,
            retry_failed=retry_failed,
            told=told,
        )
    failed = [line for line in lines if line.status != "ok"]
    for line in failed[:5]:
        errors.print(line.reason, style="yellow", soft_wrap=True, highlight=False)
    frames = sum(line.seen for line in lines)
    console.print(
        f"{len(lines) - len(failed)} of {len(lines)} clips prepared, {frames} faces. "
        f"Report: {out / 'report.csv'}",
        soft_wrap=True,
        highlight=False,
    )
    raise click.exceptions.Exit(int(bool(failed)))


def _common(command: Any) -> Any:  # noqa: ANN401 - click's decorators
    for option in reversed(
        (
            click.option(
                "--data",
                type=options.Folder(),
                required=True,
                metavar="PREPARED",
                help="Made by: talkbench train prepare",
            ),
            click.option(
                "--train-list",
                type=options.Folder(),
                help="Ids to train on, one a line (LRS2's train.txt); all but the held-out ones "
                "if not given.",
            ),
            click.option(
                "--val-list",
                type=options.Folder(),
                help="Ids to validate on. Not given: every twentieth speaker, or the last fifth "
                "of every clip where there are fewer than ten speakers.",
            ),
            click.option(
                "--preset",
                type=click.Choice(_PRESETS),
                default="official",
                show_default=True,
                help="official: the authors' networks and numbers. tiny: minutes on two cores, to "
                "see that everything works.",
            ),
            click.option(
                "--set",
                "changes",
                multiple=True,
                metavar="NAME=VALUE",
                help="Change a number of the preset, batch=32 for one; repeat for more.",
            ),
            click.option("--steps", type=click.IntRange(1), help="Where training ends."),
            click.option("--seed", type=click.IntRange(0), default=0, show_default=True),
            click.option(
                "--precision",
                type=click.Choice(("float32", "bf16", "fp16")),
                default="float32",
                show_default=True,
                help="Of the forward pass; parameters stay float32.",
            ),
            click.option(
                "--readers",
                type=click.IntRange(0),
                default=0,
                show_default=True,
                help="Processes that read ahead; 4 or more beside a GPU.",
            ),
            log_json,
            options.download,
            click.option(
                "-o",
                "--out",
                type=options.Folder(),
                required=True,
                help="Folder of the run. One that holds this run already is gone on with.",
            ),
        )
    ):
        command = option(command)
    return command


@train.command("iplap-landmarks", short_help="Stage 1: sound to landmarks.")
@_common
def landmarks(**given: Any) -> None:  # noqa: ANN401 - click hands over what _common declares
    """Train the landmark generator: L1 and temporal continuity.

    Writes OUT/landmarkgenerator_checkpoint.pth and, into OUT/iplap-landmarks, curves (steps.csv,
    validations.csv, curves.png) and pictures. Stopped at any moment, the same command goes on from
    the last checkpoint; Ctrl-C writes one first.

    \b
    Examples:
      talkbench train iplap-landmarks --data prepared -o trained
      talkbench train iplap-landmarks --data prepared --preset tiny -o try
    """
    from method.training.landmark_stage import LandmarkStage
    from method.training.settings import LANDMARKS

    _train("iplap-landmarks", LandmarkStage, LANDMARKS, (), **given)


@train.command("iplap-renderer", short_help="Stage 2: landmarks to faces.")
@_common
def renderer(**given: Any) -> None:  # noqa: ANN401 - click hands over what _common declares
    """Train the renderer: perceptual, style, adversarial and feature matching losses.

    The alignment module learns alone for the first 26 epochs. Writes OUT/renderer_checkpoint.pth
    and, into OUT/iplap-renderer, curves (steps.csv, validations.csv, curves.png) and pictures.
    Stopped at any moment, the same command goes on from the last checkpoint; Ctrl-C writes one
    first.

    \b
    Examples:
      talkbench train iplap-renderer --data prepared --readers 8 --precision bf16 -o trained
      talkbench train iplap-renderer --data prepared --preset tiny -o try
    """
    from method.training.perceptual import ASSET
    from method.training.renderer_stage import RendererStage
    from method.training.settings import RENDERER

    preset = RENDERER[given["preset"]]
    vgg = changed(preset, given["changes"]).vgg
    _train("iplap-renderer", RendererStage, RENDERER, (ASSET[vgg],), **given)


def _train(
    name: str,
    make: Any,  # noqa: ANN401 - the class of a stage
    presets: Mapping[str, Any],
    assets: tuple[str, ...],
    *,
    data: Path,
    train_list: Path | None,
    val_list: Path | None,
    preset: str,
    changes: tuple[str, ...],
    steps: int | None,
    seed: int,
    precision: str,
    readers: int,
    download: bool,
    out: Path,
) -> None:
    import torch

    from method.training.loop import Run
    from method.training.loop import train as learn
    from method.training.prepared import open_prepared
    from method.training.processes import processes

    settings = changed(presets[preset], changes)
    if steps is not None:
        settings = dataclasses.replace(settings, steps=steps)
    prepared = open_prepared(data, train_list, val_list)
    if download:
        bring_what_is_needed(assets)
    check_device()
    with processes() as here, step(f"train {name}") if here.first else nullcontext() as told:
        torch.manual_seed(seed)
        about = {
            "stage": name,
            "data": str(data.resolve()),
            "training clips": len(prepared.training),
            "held out": "ends of clips" if prepared.ends else f"{len(prepared.held_out)} clips",
            "seed": seed,
            "precision": precision,
            "settings": dataclasses.asdict(settings),
        }
        stage = make(settings, here, precision)
        run = Run(
            stage=stage,
            settings=settings,
            prepared=prepared,
            folder=out / name,
            checkpoint=out / stage.file,
            about=about,
            seed=seed,
            readers=readers,
        )
        done = learn(run, here, told) if told else learn(run, here)
    if here.first:
        console.print(
            f"{done} steps done, {settings.steps} in all. Checkpoint: {run.checkpoint}\n"
            f"With both stages there: TALKBENCH_ASSETS={out} talkbench generate iplap ...",
            soft_wrap=True,
            highlight=False,
        )


def changed(settings: S, changes: tuple[str, ...]) -> S:
    """Settings with numbers of their own.

    Raises:
        UnusableInputError: No such name, or not a value of its kind.
    """
    fields = {
        f.name: type(getattr(settings, f.name))
        for f in dataclasses.fields(settings)  # type: ignore[arg-type]
        if isinstance(getattr(settings, f.name), bool | int | float | str)
    }
    values: dict[str, Any] = {}
    for change in changes:
        name, _, text = change.partition("=")
        if name not in fields:
            raise UnusableInputError(
                f"no setting is called {name!r}; there are {', '.join(fields)}"
            )
        kind = fields[name]
        try:
            values[name] = {"true": True, "false": False}[text] if kind is bool else kind(text)
        except (KeyError, ValueError) as error:
            raise UnusableInputError(
                f"{change}: {text!r} is not {'true or false' if kind is bool else kind.__name__}"
            ) from error
    return dataclasses.replace(settings, **values)  # type: ignore[type-var]
