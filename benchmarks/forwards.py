"""The networks behind cards, alone: on inputs that lie ready, in the batches of the card."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import cv2
import numpy as np

from benchmarks.spending import device
from metrics import Frames

Bare = Callable[[], None]
"""Runs a network on all frames of one side."""


def lpips_alex(frames: Frames) -> Bare:
    """AlexNet up to its last tap."""
    from metrics.backbones import lpips_nets

    return _lpips(frames, lpips_nets.ALEX)


def lpips_vgg(frames: Frames) -> Bare:
    """VGG-16 up to its last tap."""
    from metrics.backbones import lpips_nets

    return _lpips(frames, lpips_nets.VGG)


def _lpips(frames: Frames, net: Any) -> Bare:
    import torch

    from metrics.backbones import lpips_nets
    from metrics.backbones.device import exact, pieces

    on = torch.device(device())
    kept = lpips_nets.weights(net, on)
    sizes = [len(frames[p]) for p in pieces(frames, net.batch_pixels, most=64)]
    planes = _planes(max(sizes), *frames.shape[1:3])

    def run() -> None:
        with exact():
            for size in sizes:
                for _ in net.taps(planes[:size], kept.conv):
                    pass

    return run


def inception(frames: Frames) -> Bare:
    """Inception up to pool3, on pictures of 299x299."""
    import torch

    from metrics.backbones import inception as backbone
    from metrics.backbones.device import exact, pieces

    on = torch.device(device())
    network = backbone._network(on)
    batch = 8 if on.type == "cpu" else 64
    sizes = [len(frames[p]) for p in pieces(frames, backbone._BATCH_PIXELS, batch)]
    planes = _planes(max(sizes), backbone.SIDE, backbone.SIDE)

    def run() -> None:
        with exact():
            for size in sizes:
                network(planes[:size])

    return run


def _planes(count: int, height: int, width: int) -> Any:
    import torch

    planes = torch.rand(count, 3, height, width, device=device())
    return planes.contiguous(memory_format=torch.channels_last)


def yunet(frames: Frames) -> Bare:
    """OpenCV's detector on frames of their own size."""
    from metrics.assets import locate
    from metrics.backbones import yunet as backbone

    detector = backbone._detector(locate("yunet"))
    ready = [cv2.cvtColor(f, cv2.COLOR_RGB2BGR) for f in frames]

    def run() -> None:
        detector.setInputSize((frames.shape[2], frames.shape[1]))
        for frame in ready:
            detector.detect(frame)

    return run


def sface(frames: Frames) -> Bare:
    """One face of 112x112 a frame."""
    from metrics.assets import locate
    from metrics.backbones import onnx_session
    from metrics.backbones import sface as backbone

    session = onnx_session.session(locate("sface"))
    binding = session.io_binding()
    planes = np.random.default_rng(0).uniform(0, 255, (1, 3, backbone.SIZE, backbone.SIZE))
    binding.bind_cpu_input("data", planes.astype(np.float32))
    binding.bind_output("fc1")

    def run() -> None:
        for _ in frames:
            session.run_with_iobinding(binding)

    return run


def mesh(frames: Frames) -> Bare:
    """Two looks a frame, 192x192."""
    from metrics.assets import locate
    from metrics.backbones import mesh as backbone

    network = backbone._interpreter(locate("face-mesh"))
    (image,) = network.get_input_details()
    crop = np.random.default_rng(0).uniform(0, 1, (1, backbone.SIZE, backbone.SIZE, 3))

    def run() -> None:
        for _ in range(2 * len(frames)):
            network.set_tensor(image["index"], crop.astype(np.float32))
            network.invoke()

    return run


NETWORKS: Mapping[str, tuple[Callable[[Frames], Bare], ...]] = {
    "lpips@alex-0.1": (lpips_alex,),
    "lpips@vgg-0.1": (lpips_vgg,),
    "fid@pytorch-fid": (inception,),
    "csim@sface": (yunet, sface),
    "lmd@vico": (yunet, mesh),
}
"""Card -> the networks that see both its sides. A card that is not here has none of its own."""

WITHOUT = ("psnr", "ssim@skimage-wang", "ssim@piq", "ms-ssim@pytorch-msssim", "cpbd@vico")
"""Cards that are arithmetic alone."""
