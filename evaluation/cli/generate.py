"""``talkbench generate``: one clip by one generator."""

from __future__ import annotations

from pathlib import Path

import click

from evaluation.cli import options
from evaluation.cli.console import bring_what_is_needed, check_device, console, step
from evaluation.cli.log import log_json
from evaluation.generator import GenerationError, lacking, made
from evaluation.plan import UnusableInputError
from evaluation.registry import load_generator
from evaluation.sample import Sample
from metrics.assets import AssetCorruptError, AssetMissingError, locate


@click.command(short_help="One clip by one generator.")
@click.argument("name", metavar="GENERATOR[:KEY=VALUE,...]|FILE.toml")
@click.option("--video", type=options.Folder(), required=True, help="The face to drive.")
@click.option(
    "--audio", type=options.Folder(), help="What it says; the video's own sound if not given."
)
@click.option("--seed", type=int, default=0, show_default=True, help="For its random choices.")
@log_json
@options.download
@click.option("-o", "--out", type=options.Folder(), required=True, help="The MP4 to write.")
def generate(
    name: str, video: Path, audio: Path | None, seed: int, download: bool, out: Path
) -> None:
    """Let GENERATOR make one clip, outside any suite.

    Arguments of a generator stand after a colon; a bare one means true. Which there are, with their
    defaults: talkbench list generators

    \b
    Examples:
      talkbench generate iplap --video speaker.mp4 --audio speech.wav -o out.mp4
      talkbench generate iplap:compat,mesh=plain --video speaker.mp4 -o out.mp4
      talkbench generate mouth-blur --video speaker.mp4 -o blurred.mp4
    """
    generator = load_generator(name)
    for path in (video, audio):
        if path is not None and not path.is_file():
            raise UnusableInputError(f"{path}: no such file")
        if path is not None and out.exists() and out.samefile(path):
            raise UnusableInputError(f"{out} is to be read; choose another file with -o")
    if download:
        bring_what_is_needed(generator.spec.assets)
    try:
        for asset in generator.spec.assets:
            locate(asset)
    except (AssetMissingError, AssetCorruptError) as error:
        raise UnusableInputError(str(error)) from error
    if missing := lacking(generator):
        raise UnusableInputError(f"generator {generator.spec.name} lacks {'; '.join(missing)}")
    check_device()
    out.parent.mkdir(parents=True, exist_ok=True)
    sample = Sample(id=out.stem, speaker="", video=video, audio=audio or video, reference=video)
    try:
        with step(f"generate {name}") as told:
            if hasattr(generator, "told"):
                generator.told = lambda done, total: told(done, total, f"{name}: frames")
            clip = made(generator.generate(sample, out, seed))
    except GenerationError as error:
        raise click.ClickException(str(error)) from error
    console.print(f"Written: {clip.video}", highlight=False, soft_wrap=True, markup=False)
    for what, value in clip.notes.items():
        console.print(f"{what}: {value}", highlight=False, soft_wrap=True, markup=False)
