"""Stage 1: from sound, pose and reference landmarks to lip and jaw landmarks.

Zhong et al., "Identity-Preserving Talking Face Generation with Landmark and Appearance Priors",
CVPR 2023, section 3.1; Weizhi-Zhong/IP_LAP @ 9b9dc03. A Transformer reads N_l reference landmarks,
T = 5 windows of sound and T poses (the upper half of the face) as one sequence; the lips of each
frame are read from its audio token, the jaw from its pose token.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from method.blocks import block_1d, mel_encoder

WIDTH = 512
WINDOW = 5  # T
REFERENCES = 15  # N_l
POSE, CONTENT = 74, 57  # landmarks
JAW, LIPS = 17, 40  # of the content, in this order
_LONGEST = 512
_POSE, _AUDIO, _REFERENCE = 1, 2, 3  # rows of the modality table; row 0 is unused


class LandmarkGenerator(nn.Module):
    """13.7 million parameters.

    Args:
        layers: Of the Transformer.
        heads: Of its attention.
        hidden: Width of its feed-forward layers.
        dropout: Of its tokens and layers.
    """

    def __init__(
        self, layers: int = 4, heads: int = 4, hidden: int = 1024, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.mel_encoder = mel_encoder(tanh=True)
        self.reference_encoder = reference_encoder()
        self.pose_encoder = pose_encoder()
        self.norm = nn.LayerNorm(WIDTH)
        self.fusion = FusionTransformer(layers, heads, hidden, dropout)
        self.to_jaw = nn.Linear(WIDTH, 2 * JAW)
        self.to_lips = nn.Linear(WIDTH, 2 * LIPS)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_normal_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, mels: Tensor, pose: Tensor, ref_pose: Tensor, ref_content: Tensor) -> Tensor:
        """Landmarks of lips and jaw.

        Args:
            mels: float32 [B, T, 1, 80, 16], the sound around each of T frames.
            pose: float32 [B, T, 2, 74], x and y over the face box.
            ref_pose: float32 [B, N, 2, 74], of reference frames.
            ref_content: float32 [B, N, 2, 57], of the same frames.

        Returns:
            float32 [B*T, 2, 57]: jaw, then lips.
        """
        batch, frames = mels.shape[:2]
        references = torch.cat([ref_pose, ref_content], dim=3)  # [B, N, 2, 131]
        count = references.shape[1]
        # [B, n, ...] -> [B*n, 512], one LayerNorm for all three kinds -> [B, n, 512]
        audio_tokens = self.norm(self.mel_encoder(mels.flatten(0, 1)).flatten(1))
        pose_tokens = self.norm(self.pose_encoder(pose.flatten(0, 1)).flatten(1))
        reference_tokens = self.norm(self.reference_encoder(references.flatten(0, 1)).flatten(1))
        tokens = self.fusion(
            reference_tokens.view(batch, count, WIDTH),
            audio_tokens.view(batch, frames, WIDTH),
            pose_tokens.view(batch, frames, WIDTH),
        )  # [B, N + 2T, 512]
        lips = self.to_lips(tokens[:, count : count + frames])  # [B, T, 80]
        jaw = self.to_jaw(tokens[:, count + frames :])  # [B, T, 34]
        content = torch.cat([jaw, lips], dim=2)  # x0 y0 x1 y1 ...
        return content.view(batch * frames, CONTENT, 2).transpose(1, 2)


class FusionTransformer(nn.Module):
    """References, sound and pose as one sequence; references have no place in it."""

    def __init__(self, layers: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.modality = nn.Embedding(4, WIDTH, padding_idx=0)
        self.register_buffer("audio_positions", sinusoids())
        self.register_buffer("pose_positions", sinusoids())
        self.dropout = nn.Dropout(dropout)
        layer = nn.TransformerEncoderLayer(WIDTH, heads, hidden, dropout, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers)

    audio_positions: Tensor
    pose_positions: Tensor

    def forward(self, references: Tensor, audio: Tensor, pose: Tensor) -> Tensor:
        """[B, N, 512], [B, T, 512], [B, T, 512] -> [B, N + 2T, 512], in this order."""
        kinds = self.modality.weight
        frames = audio.shape[1]
        tokens = torch.cat(
            [
                references + kinds[_REFERENCE],
                audio + self.audio_positions[:, :frames] + kinds[_AUDIO],
                pose + self.pose_positions[:, :frames] + kinds[_POSE],
            ],
            dim=1,
        )
        out: Tensor = self.encoder(self.dropout(tokens))
        return out


def sinusoids() -> Tensor:
    """Positions as Vaswani et al. 2017 write them, float32 [1, 512, 512]."""
    places = torch.arange(_LONGEST).float()[:, None]
    rates = (torch.arange(0, WIDTH, 2).float() * -(math.log(10000.0) / WIDTH)).exp()
    table = torch.zeros(_LONGEST, WIDTH)
    table[:, 0::2] = torch.sin(places * rates)
    table[:, 1::2] = torch.cos(places * rates)
    return table[None]


def reference_encoder() -> nn.Sequential:
    """All landmarks of a reference frame as one token: [B, 2, 131] -> [B, 512, 1]."""
    same = {"residual": True}
    return nn.Sequential(
        block_1d(2, 4),  # 131
        block_1d(4, 8, 2),  # 66
        block_1d(8, 8, **same),
        block_1d(8, 8, **same),
        block_1d(8, 16, 2),  # 33
        block_1d(16, 16, **same),
        block_1d(16, 16, **same),
        block_1d(16, 32, 2),  # 17
        block_1d(32, 32, **same),
        block_1d(32, 32, **same),
        block_1d(32, 64, 2),  # 9
        block_1d(64, 64, **same),
        block_1d(64, 64, **same),
        block_1d(64, 128, 2),  # 5
        block_1d(128, 128, **same),
        block_1d(128, 128, **same),
        block_1d(128, 256, 2),  # 3
        block_1d(256, 256, **same),
        block_1d(256, 512, padding=0),  # 1
        block_1d(512, 512, kernel=1, padding=0, tanh=True),
    )


def pose_encoder() -> nn.Sequential:
    """The upper half of a face as one token: [B, 2, 74] -> [B, 512, 1]."""
    same = {"residual": True}
    return nn.Sequential(
        block_1d(2, 4),  # 74
        block_1d(4, 8),
        block_1d(8, 8, **same),
        block_1d(8, 8, **same),
        block_1d(8, 16, 2),  # 37
        block_1d(16, 16, **same),
        block_1d(16, 16, **same),
        block_1d(16, 32, 2),  # 19
        block_1d(32, 32, **same),
        block_1d(32, 32, **same),
        block_1d(32, 64, 2),  # 10
        block_1d(64, 64, **same),
        block_1d(64, 64, **same),
        block_1d(64, 128, 2),  # 5
        block_1d(128, 128, **same),
        block_1d(128, 128, **same),
        block_1d(128, 256, 2),  # 3
        block_1d(256, 256, **same),
        block_1d(256, 256, **same),
        block_1d(256, 512, padding=0),  # 1
        block_1d(512, 512, kernel=1, padding=0, residual=True, tanh=True),
    )
