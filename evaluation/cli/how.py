"""By whom a run is done: the options of ``run`` and ``score`` about engines, shards and logs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click

from evaluation.cli.log import log_json
from evaluation.elsewhere.addresses import is_address
from evaluation.engines.base import Asked, Engine
from evaluation.engines.shards import Shard, parse
from evaluation.registry import load


@dataclass(frozen=True, kw_only=True)
class How:
    """What the options say.

    Attributes:
        name: Of the engine.
        workers: Units at a time.
        isolate: One worker is a process of its own, too.
        clip_timeout: Seconds that a unit may take.
        address: Of a Ray cluster.
        gpus_per_worker: Share of a GPU.
        shard: The part to do.
        tracks: Folder or address of tracks that runs share.
    """

    name: str = "local"
    workers: int = 1
    isolate: bool = False
    clip_timeout: float | None = None
    address: str | None = None
    gpus_per_worker: float = 0.0
    shard: Shard | None = None
    tracks: str | None = None

    def engine(self) -> Engine:
        """The engine of that name.

        Raises:
            UnknownNameError: There is none.
            UnusableInputError: It cannot do what is asked.
        """
        asked = Asked(
            workers=self.workers,
            isolate=self.isolate,
            clip_timeout=self.clip_timeout,
            address=self.address,
            gpus_per_worker=self.gpus_per_worker,
        )
        engine: Engine = load("engines", self.name)(asked)
        return engine


_OPTIONS = (
    click.option("--workers", type=click.IntRange(1), default=1, show_default=True,
        help="Processes. GPUs of CUDA_VISIBLE_DEVICES are taken in turn."),
    click.option("--engine", default="local", show_default=True, metavar="local|ray",
        help="Who works: processes here, or actors of a Ray cluster (talkbench[ray]). The numbers "
        "are the same."),
    click.option("--clip-timeout", type=click.FloatRange(0, min_open=True), metavar="SECONDS",
        help="A clip that takes longer is ended and recorded as failed."),
    click.option("--isolate", is_flag=True,
        help="With one worker, too: a crash costs the clip and not the run."),
    click.option("--address", metavar="HOST:PORT|auto",
        help="A Ray cluster that is there; else one on this machine, for this run."),
    click.option("--gpus-per-worker", type=click.FloatRange(0), default=0.0, metavar="SHARE",
        help="Of Ray's GPUs: 0.5 puts two workers on one."),
    click.option("--shard", metavar="I/N|slurm",
        help="Do the I-th of N parts, each in a folder of its own; then talkbench merge."),
    click.option("--tracks", envvar="TALKBENCH_TRACKS", metavar="DIR|ADDRESS",
        help="Tracks (boxes, landmarks, features) that runs and machines share, beside the run's "
        "own: a folder, or s3://bucket/tracks. Only for places that you trust; also "
        "$TALKBENCH_TRACKS."),
    log_json,
)  # fmt: skip


def how(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options; the command is given ``how``."""

    @wraps(command)
    def with_how(**given: Any) -> Any:  # noqa: ANN401 - click's own signature
        shard = given.pop("shard")
        if given["tracks"] and not is_address(given["tracks"]):
            given["tracks"] = str(Path(given["tracks"]).absolute())
        asked = How(
            name=given.pop("engine"),
            shard=None if shard is None else parse(shard),
            **{
                name: given.pop(name)
                for name in (
                    *("workers", "isolate", "clip_timeout", "address", "gpus_per_worker"),
                    "tracks",
                )
            },
        )
        return command(how=asked, **given)

    found: Callable[..., Any] = with_how
    for option in reversed(_OPTIONS):
        found = option(found)
    return found
