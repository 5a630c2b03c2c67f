"""Convolution, batch norm, activation: what the encoders of both stages are made of."""

from __future__ import annotations

from torch import Tensor, nn


class Block(nn.Module):
    """A convolution and its batch norm, then the activation; what goes round them joins before it.

    Args:
        conv: The convolution.
        norm: Its batch norm.
        residual: Add the input.
        tanh: End in tanh instead of ReLU.
    """

    def __init__(
        self, conv: nn.Module, norm: nn.Module, *, residual: bool = False, tanh: bool = False
    ) -> None:
        super().__init__()
        self.conv, self.norm, self.residual = conv, norm, residual
        self.activation = nn.Tanh() if tanh else nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, ...] -> [B, outputs, ...]."""
        y = self.norm(self.conv(x))
        out: Tensor = self.activation(y + x if self.residual else y)
        return out


def block_1d(
    inputs: int,
    outputs: int,
    stride: int = 1,
    *,
    kernel: int = 3,
    padding: int = 1,
    residual: bool = False,
    tanh: bool = False,
) -> Block:
    """Along a row of landmarks."""
    conv = nn.Conv1d(inputs, outputs, kernel, stride, padding)
    return Block(conv, nn.BatchNorm1d(outputs), residual=residual, tanh=tanh)


def block_2d(
    inputs: int,
    outputs: int,
    stride: int | tuple[int, int] = 1,
    *,
    kernel: int = 3,
    padding: int = 1,
    residual: bool = False,
    tanh: bool = False,
) -> Block:
    """Over a spectrogram."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding)
    return Block(conv, nn.BatchNorm2d(outputs), residual=residual, tanh=tanh)


def mel_encoder(*, tanh: bool) -> nn.Sequential:
    """0.2 s of sound as 512 numbers: [B, 1, 80, 16] -> [B, 512, 1, 1].

    Wav2Lip's audio encoder; the stages train one each.

    Args:
        tanh: End in tanh (stage 1) instead of ReLU (stage 2).
    """
    same = {"residual": True}
    return nn.Sequential(
        block_2d(1, 32),  # 80 x 16
        block_2d(32, 32, **same),
        block_2d(32, 32, **same),
        block_2d(32, 64, (3, 1)),  # 27 x 16
        block_2d(64, 64, **same),
        block_2d(64, 64, **same),
        block_2d(64, 128, 3),  # 9 x 6
        block_2d(128, 128, **same),
        block_2d(128, 128, **same),
        block_2d(128, 256, (3, 2)),  # 3 x 3
        block_2d(256, 256, **same),
        block_2d(256, 512, padding=0),  # 1 x 1
        block_2d(512, 512, kernel=1, padding=0, tanh=tanh),
    )
