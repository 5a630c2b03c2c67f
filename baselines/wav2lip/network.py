"""Wav2Lip's network: the sound's code, laid out to a face along what was seen of it.

Prajwal et al., "A Lip Sync Expert Is All You Need for Speech to Lip Generation In the Wild", ACM
MM 2020; models/wav2lip.py of Rudrabha/Wav2Lip @ 5c90fa9. ``wav2lip.pth`` and ``wav2lip_gan.pth``
are of this one network: the second was trained with a discriminator of faces, too.

There the network takes sequences as well, frames as a further dimension, for its training; here
pictures only.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from method.blocks import Block, block_2d, mel_encoder
from method.checkpoints import BLOCKS, Source, filled

SIDE = 96  # px of the face
_RULES = (
    *BLOCKS,
    (r"^face_encoder_blocks\.", "face_encoder."),
    (r"^audio_encoder\.", "mel_encoder."),
    (r"^face_decoder_blocks\.", "face_decoder."),
    (r"^output_block\.", "to_picture."),
)


class Wav2Lip(nn.Module):
    """A face and its sound to a face that says it; 36.3 million parameters, made untrained."""

    def __init__(self) -> None:
        super().__init__()
        self.face_encoder = nn.ModuleList(
            [
                nn.Sequential(block_2d(6, 16, kernel=7, padding=3)),  # 96
                _smaller(16, 32, residuals=2),  # 48
                _smaller(32, 64, residuals=3),  # 24
                _smaller(64, 128, residuals=2),  # 12
                _smaller(128, 256, residuals=2),  # 6
                _smaller(256, 512, residuals=1),  # 3
                nn.Sequential(block_2d(512, 512, padding=0), _point(512)),  # 1
            ]
        )
        self.mel_encoder = mel_encoder(tanh=False)
        # Inputs are what came before and what the encoder saw at that size.
        self.face_decoder = nn.ModuleList(
            [
                nn.Sequential(_point(512)),  # 1
                nn.Sequential(_transposed(512 + 512, 512, 1, padding=0), *_residuals(512, 1)),  # 3
                _larger(512 + 512, 512),  # 6
                _larger(512 + 256, 384),  # 12
                _larger(384 + 128, 256),  # 24
                _larger(256 + 64, 128),  # 48
                _larger(128 + 32, 64),  # 96
            ]
        )
        self.to_picture = nn.Sequential(block_2d(64 + 16, 32), nn.Conv2d(32, 3, 1), nn.Sigmoid())

    def forward(self, windows: Tensor, faces: Tensor) -> Tensor:
        """Faces that say what is heard.

        Args:
            windows: float32 [B, 1, 80, 16], mel -4..4.
            faces: float32 [B, 6, 96, 96], BGR 0..1: the face with its lower half black, then a face
                to copy from; inference shows the same one, whole.

        Returns:
            [B, 3, 96, 96], BGR 0..1.
        """
        seen = []
        x = faces
        for stage in self.face_encoder:
            x = stage(x)
            seen.append(x)
        x = self.mel_encoder(windows)
        for stage in self.face_decoder:
            x = torch.cat([stage(x), seen.pop()], dim=1)
        out: Tensor = self.to_picture(x)
        return out


def load_wav2lip(source: Source) -> Wav2Lip:
    """The network with the weights of a checkpoint, ready for inference.

    Args:
        source: ``wav2lip.pth`` or ``wav2lip_gan.pth``, or a state dict by its names or ours.

    Raises:
        CheckpointError: Not readable, or of another network.
    """
    return filled(lambda sizes: Wav2Lip(**sizes), source, _RULES, title="Wav2Lip")


def _residuals(channels: int, count: int) -> list[Block]:
    return [block_2d(channels, channels, residual=True) for _ in range(count)]


def _point(channels: int) -> Block:
    return block_2d(channels, channels, kernel=1, padding=0)


def _smaller(inputs: int, outputs: int, residuals: int) -> nn.Sequential:
    """Half the side."""
    return nn.Sequential(block_2d(inputs, outputs, 2), *_residuals(outputs, residuals))


def _larger(inputs: int, outputs: int) -> nn.Sequential:
    """Twice the side."""
    return nn.Sequential(_transposed(inputs, outputs, 2, padding=1), *_residuals(outputs, 2))


def _transposed(inputs: int, outputs: int, stride: int, *, padding: int) -> Block:
    conv = nn.ConvTranspose2d(inputs, outputs, 3, stride, padding, output_padding=stride - 1)
    return Block(conv, nn.BatchNorm2d(outputs))
