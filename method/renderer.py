"""Stage 2: from landmarks to a face: reference images are moved into place, then painted over.

Zhong et al., "Identity-Preserving Talking Face Generation with Landmark and Appearance Priors",
CVPR 2023, sections 3.2 and 3.3; Weizhi-Zhong/IP_LAP @ 9b9dc03. For every reference image the
alignment module predicts a motion field and a weight map under the sketches of five frames, warps
the image and its features by it, and adds up what the references show; the translation module
paints the lower half of the face from these, the sketches and the sound. Pictures are BGR, 0..1.

What is known of a reference alone (its features) is computed once per clip, and what is known of
the sketches alone (their modulations) once per frame: the official code computes both for every
reference of every frame.

On a CPU and without gradients some convolutions take shorter ways (``winograd``, ``composed``,
``few``) and references go side by side; with gradients, or elsewhere, all is torch's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from method.blocks import mel_encoder
from method.composed import Composed, pays
from method.few import ConvToFew
from method.side_by_side import shares, side_by_side
from method.winograd import Conv3x3

SIDE = 128  # of a face, px
SKETCHES = 5  # frames whose sketches say how to move
_AUDIO = 512
_LEAST_WEIGHT = 1e-5


@dataclass(frozen=True)
class Channels:
    """How wide the networks are; the authors' are the default.

    Attributes:
        fine: At full size.
        coarse: At half size; a quarter of them after upsampling.
        hidden: Of a modulation.
    """

    fine: int = 32
    coarse: int = 256
    hidden: int = 256


class Modulation(NamedTuple):
    """What a condition makes of normalised features."""

    scale: Tensor
    shift: Tensor


Modulations = tuple[Modulation, Modulation]  # of a Spade's two norms


@dataclass(frozen=True)
class References:
    """Reference images of B items with N each, and what the alignment module sees in them.

    Attributes:
        images: [B, N, 3, H, W].
        fine: [B, N, 32, H, W]; 32 and 256 stand for ``Channels``.
        coarse: [B, N, 256, H/2, W/2].
    """

    images: Tensor
    fine: Tensor
    coarse: Tensor

    def split(self, count: int) -> list[References]:
        """Some for each of so many, or of as many as there are references."""
        parts = (x.tensor_split(min(count, x.shape[1]), dim=1) for x in self._all())
        return [References(*part) for part in zip(*parts, strict=True)]

    def each(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """One reference of every item at a time: on a CPU more would leave its cache."""
        return zip(*(x.unbind(dim=1) for x in self._all()), strict=True)

    def _all(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.images, self.fine, self.coarse


def normalised(x: Tensor) -> Tensor:
    """Each channel of each picture with mean 0 and variance 1 (instance norm, eps 1e-5)."""
    if len(x) == 1:  # what the library does in three passes for a batch; not for an instance
        return F.batch_norm(x, None, None, training=True)
    # In two steps: torch.var_mean takes four times as long on channels_last.
    centred = x - x.mean(dim=(2, 3), keepdim=True)
    variance = centred.square().mean(dim=(2, 3), keepdim=True)
    return centred * torch.rsqrt(variance + 1e-5)


def activated(x: Tensor, by: Modulation) -> Tensor:
    """Normalised, modulated, and what is negative a fifth of it: the same shape."""
    return F.leaky_relu(torch.addcmul(by.shift, normalised(x), by.scale), 0.2, inplace=True)


class SpadeNorm(nn.Module):
    """Normalised features under a modulation per pixel (Park et al., CVPR 2019).

    Unlike the paper's there is no activation between the two convolutions of the condition.
    """

    def __init__(self, channels: int, condition: int, hidden: int) -> None:
        super().__init__()
        self.shared = Conv3x3(condition, hidden)
        self.gamma = Conv3x3(hidden, channels)
        self.beta = Conv3x3(hidden, channels)
        self._to_gamma, self._to_beta = Composed(), Composed()

    def modulation(self, condition: Tensor) -> Modulation:
        """[B, condition, H, W] -> twice [B, channels, H, W]."""
        if pays(self.shared, self.gamma, condition):
            gamma = self._to_gamma(self.shared, self.gamma, condition)
            beta = self._to_beta(self.shared, self.beta, condition)
        else:
            hidden = self.shared(condition)
            gamma, beta = self.gamma(hidden), self.beta(hidden)
        return Modulation(1 + gamma, beta)


class Spade(nn.Module):
    """Two modulated convolutions, one condition."""

    def __init__(self, channels: int, condition: int, hidden: int) -> None:
        super().__init__()
        self.norm_1 = SpadeNorm(channels, condition, hidden)
        self.norm_2 = SpadeNorm(channels, condition, hidden)
        self.conv_1 = Conv3x3(channels, channels)
        self.conv_2 = Conv3x3(channels, channels)

    def forward(self, x: Tensor, by: Modulations) -> Tensor:
        """[B, channels, H, W] -> the same shape."""
        for conv, modulation in zip((self.conv_1, self.conv_2), by, strict=True):
            x = conv(activated(x, modulation))
        return x


def modulations(*conditions: tuple[Spade, Tensor]) -> list[Modulations]:
    """What each Spade's condition says: of it alone, whatever is modulated."""
    norms = [(norm, x) for spade, x in conditions for norm in (spade.norm_1, spade.norm_2)]
    made = side_by_side(lambda each: each[0].modulation(each[1]), norms, on=conditions[0][1])
    return list(zip(made[::2], made[1::2], strict=True))


class Adain(nn.Module):
    """Two convolutions modulated by the sound, the same at every pixel (Huang, Belongie, 2017)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm_1 = AdainNorm(channels)
        self.norm_2 = AdainNorm(channels)
        self.conv_1 = Conv3x3(channels, channels)
        self.conv_2 = Conv3x3(channels, channels)

    def forward(self, x: Tensor, sound: Tensor) -> Tensor:
        """[B, channels, H, W], [B, 512] -> [B, channels, H, W]."""
        for conv, norm in ((self.conv_1, self.norm_1), (self.conv_2, self.norm_2)):
            x = conv(activated(x, norm(sound)))
        return x


class AdainNorm(nn.Module):
    """How what is heard scales and shifts normalised features, channel by channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.shared = nn.Linear(_AUDIO, 128)
        self.gamma = nn.Linear(128, channels)
        self.beta = nn.Linear(128, channels)

    def forward(self, sound: Tensor) -> Modulation:
        """[B, 512] -> twice [B, channels, 1, 1]."""
        heard = F.relu(self.shared(sound))
        gamma, beta = (part(heard)[:, :, None, None] for part in (self.gamma, self.beta))
        return Modulation(1 + gamma, beta)


class AlignmentModule(nn.Module):
    """Moves reference images, and their features, to the pose and expression of the sketches."""

    def __init__(self, channels: Channels) -> None:
        super().__init__()
        fine, coarse, hidden = channels.fine, channels.coarse, channels.hidden
        self.fine = nn.Conv2d(3 + 3, fine, 7, padding=3)
        self.fine_norm = nn.BatchNorm2d(fine)
        self.coarse = nn.Conv2d(fine, coarse, 3, stride=2, padding=1)
        self.coarse_norm = nn.BatchNorm2d(coarse)
        self.spade_1 = Spade(coarse, 3 * SKETCHES, hidden)
        self.spade_2 = Spade(coarse, 3 * SKETCHES, hidden)
        self.spade_3 = Spade(coarse // 4, 3 * SKETCHES, hidden)
        self.to_flow = ConvToFew(coarse // 4, 2, 7)
        self.to_weight = nn.Sequential(
            nn.Conv2d(coarse // 4, fine, 7, padding=3),
            nn.ReLU(),
            ConvToFew(fine, 1, 7),
            nn.Sigmoid(),
        )

    def look(self, images: Tensor, sketches: Tensor) -> References:
        """Features of reference images: of them alone, whatever they will be moved to.

        Args:
            images: float32 [B, N, 3, H, W].
            sketches: float32 [B, N, 3, H, W], theirs.
        """
        batch, count = images.shape[:2]
        seen = torch.cat([images, sketches], dim=2).flatten(0, 1)  # [B*N, 6, H, W]
        fine = F.relu(self.fine_norm(self.fine(seen)))
        coarse = F.relu(self.coarse_norm(self.coarse(fine)))
        fine, coarse = (x.view(batch, count, *x.shape[1:]) for x in (fine, coarse))
        return References(images, fine, coarse)

    def forward(self, references: References, sketches: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What all references show, each where its motion field takes it.

        Args:
            references: Of B items with N each.
            sketches: float32 [B, 5 * 3, H, W], of five frames around the one to draw.

        Returns:
            The picture [B, 3, H, W], fine features [B, 32, H, W] and coarse ones
            [B, 256, H/2, W/2]: means over the references, weighted pixel by pixel.
        """
        small = F.interpolate(sketches, size=references.coarse.shape[3:], mode="nearest")
        by = modulations((self.spade_1, small), (self.spade_2, small), (self.spade_3, sketches))
        parts = references.split(shares(sketches))
        sums = side_by_side(lambda some: self._shown(some, by), parts, on=sketches)
        picture, fine, coarse, weight, coarse_weight = (
            torch.stack(parts).sum(dim=0) for parts in zip(*sums, strict=True)
        )
        weight, coarse_weight = weight + _LEAST_WEIGHT, coarse_weight + _LEAST_WEIGHT
        return picture / weight, fine / weight, coarse / coarse_weight

    def _shown(self, references: References, by: list[Modulations]) -> list[Tensor]:
        """Weighted sums of pictures and features, fine and coarse, and of the weights of both."""
        half = references.coarse.shape[3:]
        sums: list[Tensor] = []
        for image, fine, coarse in references.each():
            x = self.spade_2(self.spade_1(coarse, by[0]), by[1])
            x = self.spade_3(F.pixel_shuffle(x, 2), by[2])  # [B, 64, H, W]
            moved_to = places(self.to_flow(x))
            weight = self.to_weight(x)  # [B, 1, H, W]
            coarse_places = F.interpolate(
                moved_to.permute(0, 3, 1, 2), size=half, mode="bilinear"
            ).permute(0, 2, 3, 1)
            coarse_weight = F.interpolate(weight, size=half, mode="nearest")
            shown = [
                warped(image, moved_to) * weight,
                warped(fine, moved_to) * weight,
                warped(coarse, coarse_places) * coarse_weight,
                weight,
                coarse_weight,
            ]
            sums = [a + b for a, b in zip(sums, shown, strict=True)] if sums else shown
        return sums


def places(flow: Tensor) -> Tensor:
    """Where each pixel comes from, [B, 2, H, W] px -> [B, H, W, 2], -1..1.

    As the official code writes it, for corners at -1 and 1; :func:`warped` reads it for edges
    there, as the weights were trained: no motion is not the identity.
    """
    height, width = flow.shape[2:]
    x = 2 * torch.arange(width).to(flow) / (width - 1) - 1
    y = 2 * torch.arange(height).to(flow) / (height - 1) - 1
    by = torch.stack([2 * flow[:, 0] / (width - 1), 2 * flow[:, 1] / (height - 1)], dim=3)
    return by + torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=2)


def warped(x: Tensor, moved_to: Tensor) -> Tensor:
    """[B, C, H, W] fetched from places [B, H, W, 2]: bilinear, 0 beyond the edges."""
    return F.grid_sample(x, moved_to, align_corners=False)


class TranslationModule(nn.Module):
    """Paints the face: upper half and sketches in, moved references and sound as conditions."""

    def __init__(self, channels: Channels) -> None:
        super().__init__()
        fine, coarse, hidden = channels.fine, channels.coarse, channels.hidden
        self.audio_encoder = mel_encoder(tanh=False)
        self.fine = nn.Conv2d(3 + 3 * SKETCHES, fine, 7, padding=3, bias=False)
        self.fine_norm = nn.BatchNorm2d(fine)
        self.coarse = nn.Conv2d(fine, coarse, 3, stride=2, padding=1, bias=False)
        self.coarse_norm = nn.BatchNorm2d(coarse)
        self.spade_1 = Spade(coarse, coarse, hidden)
        self.adain_1 = Adain(coarse)
        self.spade_2 = Spade(coarse // 4, fine, hidden)
        self.adain_2 = Adain(coarse // 4)
        self.spade_3 = Spade(coarse // 4, 3, hidden)
        self.to_picture = ConvToFew(coarse // 4, 3, 7, bias=False)

    def forward(
        self, seen: Tensor, picture: Tensor, fine: Tensor, coarse: Tensor, mels: Tensor
    ) -> Tensor:
        """The face.

        Args:
            seen: float32 [B, 3 + 15, H, W], its upper half and five sketches.
            picture: float32 [B, 3, H, W], the moved references.
            fine: float32 [B, 32, H, W], their features.
            coarse: float32 [B, 256, H/2, W/2].
            mels: float32 [B, 1, 80, 16].

        Returns:
            float32 [B, 3, H, W], 0..1.
        """
        by = modulations((self.spade_1, coarse), (self.spade_2, fine), (self.spade_3, picture))
        (face,) = side_by_side(lambda heard: self._paint(seen, by, heard), [mels], on=seen)
        return face

    def _paint(self, seen: Tensor, by: list[Modulations], mels: Tensor) -> Tensor:
        sound = self.audio_encoder(mels).flatten(1)
        x = F.relu(self.fine_norm(self.fine(seen)))
        x = F.relu(self.coarse_norm(self.coarse(x)))  # [B, 256, H/2, W/2]
        x = self.adain_1(self.spade_1(x, by[0]), sound)
        x = F.pixel_shuffle(x, 2)  # [B, 64, H, W]
        x = self.adain_2(self.spade_2(x, by[1]), sound)
        x = self.spade_3(x, by[2])
        return torch.sigmoid(self.to_picture(F.leaky_relu(x, 0.01)))


class Renderer(nn.Module):
    """19.0 million parameters: alignment and translation.

    Args:
        channels: Narrower networks than the authors' are for trying things out.
    """

    def __init__(self, channels: Channels = Channels()) -> None:
        super().__init__()
        self.alignment = AlignmentModule(channels)
        self.translation = TranslationModule(channels)

    def look(self, images: Tensor, sketches: Tensor) -> References:
        """What :meth:`render` needs of reference images [B, N, 3, H, W] and their sketches."""
        return self.alignment.look(images, sketches)

    def forward(
        self, face: Tensor, sketches: Tensor, ref_images: Tensor, ref_sketches: Tensor, mels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """One face each.

        Args:
            face: float32 [B, 1, 3, H, W], BGR 0..1; its lower half is not looked at.
            sketches: float32 [B, 5, 3, H, W], of two frames before, this one, two after.
            ref_images: float32 [B, N, 3, H, W].
            ref_sketches: float32 [B, N, 3, H, W].
            mels: float32 [B, 1, 1, 80, 16].

        Returns:
            The face and the moved references, float32 [B, 3, H, W] each.
        """
        return self.render(face[:, 0], sketches, self.look(ref_images, ref_sketches), mels[:, 0])

    def render(
        self, face: Tensor, sketches: Tensor, references: References, mels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """As :meth:`forward`, the references looked at before.

        ``face`` is [B, 3, H, W], ``mels`` [B, 1, 80, 16].
        """
        # Channels last, as Winograd's convolutions want them: all that follows inherits it.
        drawn = sketches.flatten(1, 2).contiguous(
            memory_format=torch.channels_last
        )  # [B, 15, H, W]
        picture, fine, coarse = self.alignment(references, drawn)
        upper = face.clone()
        upper[:, :, face.shape[2] // 2 :] = 0
        seen = torch.cat([upper, drawn], dim=1)
        return self.translation(seen, picture, fine, coarse, mels), picture
