"""What a stranger writes: a metric, a generator, a suite and a command. Nothing is inherited."""

import click
import numpy as np

from evaluation.generator import GeneratorSpec
from evaluation.suite import Suite
from evaluation.video import FrameReader
from evaluation.video_writer import VideoWriter
from metrics import Measurement, MetricSpec, mean_of_clips


class Brightness:
    """Absolute difference of mean brightness."""

    spec = MetricSpec(
        name="brightness",
        version="1",
        title="Brightness",
        direction="lower",
        perfect=0.0,
        protocol={"rule": "|mean generated - mean reference|, grey levels"},
        source="stranger-bench",
    )
    extractors = ()

    def measure(self, inputs):
        generated, reference = inputs.pixels()
        axes = (1, 2, 3)
        return Measurement.of_frames(np.abs(generated.mean(axes) - reference.mean(axes)))

    def aggregate(self, measurements):
        return mean_of_clips(measurements)


class Mirror:
    """The video in a mirror, and darker."""

    spec = GeneratorSpec(name="mirror", version="1", kind="system", about="mirrored and darker")

    def generate(self, sample, out, seed):
        del seed
        reader = FrameReader(sample.video)
        info = reader.info
        with VideoWriter(out, width=info.width, height=info.height, fps=info.fps) as writer:
            for frames in reader:
                writer.add(frames[:, :, ::-1] // 2)
        return out


SUITE = Suite(
    name="stranger",
    version="1",
    dataset="folder",
    setting="reconstruction",
    metrics=("brightness", "psnr"),
    generators=("mirror",),
)


@click.command()
def hello():
    """Say hello."""
    click.echo("hello from a stranger")
