"""The branched VQGAN: three reflectance maps in one small latent and back.

The outermost level (FitDiff's supplement: the first down block and the last up block) exists three times, for diffuse,
specular and normal; what lies between is common. `paper` is Table 1 of the supplement, `lite` the same architecture with
its two finest levels folded into channels, so that nothing runs at full resolution.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .quantizer import Codebook, Quantized

MAPS = ("diffuse", "specular", "normal")


@dataclass(frozen=True)
class AutoencoderConfig:
    """size / (patch * 2 ** (len(multipliers) - 1)) is the side of the latent."""

    channels: int = 128
    multipliers: tuple[int, ...] = (1, 2, 2, 4)
    blocks: int = 2  # per level; the decoder has one more
    attention: tuple[int, ...] = (32,)  # sides at which levels attend
    middle_attention: bool = True
    latent_channels: int = 4  # "z channels"
    embedding: int = 1  # channels of the quantised latent
    codes: int = 16384
    size: int = 512
    patch: int = 1  # squares of texels that enter and leave as channels
    groups: int = 32  # of the norms; few keep what is constant over a map, such as its tone
    positions: bool = False  # a learnt map added to the latent: skin lies at the same place in every face

    @staticmethod
    def paper() -> AutoencoderConfig:
        return AutoencoderConfig()

    @staticmethod
    def lite() -> AutoencoderConfig:
        return AutoencoderConfig(
            channels=64,
            multipliers=(1, 2),
            blocks=1,
            attention=(),
            middle_attention=False,
            patch=4,
            groups=8,
            positions=True,
        )

    @property
    def latent_side(self) -> int:
        return self.size // (self.patch * 2 ** (len(self.multipliers) - 1))


class Reconstruction(NamedTuple):
    maps: Tensor  # (B, 9, S, S)
    quantized: Quantized


class Autoencoder(nn.Module):
    """maps (B, 9, S, S) in [-1, 1]: diffuse sRGB, specular, normal as 2 x - 1 -> latent (B, 1, S/8, S/8) and back.

    `encode` gives the latent before quantisation, which is what the denoiser learns; `decode` quantises.
    """

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.to_code = nn.Conv2d(config.latent_channels, config.embedding, 1)
        self.codebook = Codebook(config.codes, config.embedding)
        self.from_code = nn.Conv2d(config.embedding, config.latent_channels, 1)
        self.decoder = Decoder(config)

    def encode(self, maps: Tensor) -> Tensor:
        features = self.encoder(maps)
        if features.dtype == self.to_code.weight.dtype:
            return self.to_code(features)
        # Under autocast: half precision has fewer values than there are codes.
        with torch.autocast(features.device.type, enabled=False):
            return self.to_code(features.to(self.to_code.weight.dtype))

    def decode(self, latent: Tensor, quantize: bool = True) -> Tensor:
        """(B, 1, h, w) -> (B, 9, S, S), about [-1, 1]."""
        code = self.codebook(latent).latent if quantize else latent
        return self.decoder(self.from_code(code))

    def forward(self, maps: Tensor) -> Reconstruction:
        quantized = self.codebook(self.encode(maps))
        return Reconstruction(self.decoder(self.from_code(quantized.latent)), quantized)

    @property
    def last_layer(self) -> list[Tensor]:
        """The branches' last kernels: where VQGAN weighs the adversarial gradient against the others."""
        return [branch.out.weight for branch in self.decoder.branches]  # type: ignore[union-attr,misc]


class Encoder(nn.Module):
    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        widths = [config.channels * m for m in config.multipliers]
        side = config.size // config.patch
        self.branches = nn.ModuleList(EncoderBranch(config, widths[0], side) for _ in MAPS)
        self.merge = nn.Conv2d(len(MAPS) * widths[0], widths[0], 1)
        layers: list[nn.Module] = []
        width = widths[0]
        for level, wanted in enumerate(widths[1:], 1):
            layers += _level(config.groups, width, wanted, config.blocks, side >> level in config.attention)
            width = wanted
            if level < len(widths) - 1:
                layers.append(Down(width))
        layers += [*_middle(config.groups, width, config.middle_attention), _norm(config.groups, width), nn.SiLU()]
        self.trunk = nn.Sequential(*layers, nn.Conv2d(width, config.latent_channels, 3, padding=1))

    def forward(self, maps: Tensor) -> Tensor:
        parts = [branch(part) for branch, part in zip(self.branches, maps.split(3, 1), strict=True)]
        return self.trunk(self.merge(torch.cat(parts, 1)))


class EncoderBranch(nn.Sequential):
    def __init__(self, config: AutoencoderConfig, width: int, side: int) -> None:
        super().__init__(
            nn.PixelUnshuffle(config.patch),
            nn.Conv2d(3 * config.patch**2, width, 3, padding=1),
            *_level(config.groups, width, width, config.blocks, side in config.attention),
            Down(width),
        )


class Decoder(nn.Module):
    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        widths = [config.channels * m for m in config.multipliers]
        side, width = config.size // config.patch, widths[-1]
        self.enter = nn.Conv2d(config.latent_channels, width, 3, padding=1)
        places = torch.zeros(width, config.latent_side, config.latent_side) if config.positions else None
        self.positions = None if places is None else nn.Parameter(places)
        layers = _middle(config.groups, width, config.middle_attention)
        for level in range(len(widths) - 1, 0, -1):
            layers += _level(config.groups, width, widths[level], config.blocks + 1, side >> level in config.attention)
            width = widths[level]
            if level > 1:
                layers.append(Up(width))
        self.trunk = nn.Sequential(*layers)
        self.branches = nn.ModuleList(DecoderBranch(config, width, widths[0], side) for _ in MAPS)

    def forward(self, code: Tensor) -> Tensor:
        x = self.enter(code)
        x = self.trunk(x if self.positions is None else x + self.positions)
        return torch.cat([branch(x) for branch in self.branches], 1)


class DecoderBranch(nn.Module):
    def __init__(self, config: AutoencoderConfig, entering: int, width: int, side: int) -> None:
        super().__init__()
        folded = config.patch > 1
        self.up = Shuffle(entering, width) if folded else Up(entering)
        after = width if folded else entering
        self.level = nn.Sequential(*_level(config.groups, after, width, config.blocks + 1, side in config.attention))
        self.norm = _norm(config.groups, width)
        self.out = nn.Conv2d(width, 3 * config.patch**2, 3, padding=1)
        self.unfold = nn.PixelShuffle(config.patch)

    def forward(self, x: Tensor) -> Tensor:
        return self.unfold(self.out(F.silu(self.norm(self.level(self.up(x))))))


class Block(nn.Module):
    def __init__(self, groups: int, entering: int, leaving: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _norm(groups, entering),
            nn.SiLU(),
            nn.Conv2d(entering, leaving, 3, padding=1),
            _norm(groups, leaving),
            nn.SiLU(),
            nn.Conv2d(leaving, leaving, 3, padding=1),
        )
        self.skip = nn.Identity() if entering == leaving else nn.Conv2d(entering, leaving, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.skip(x) + self.body(x)


class Attention(nn.Module):
    """Every place attends to every other, one head, as VQGAN's."""

    def __init__(self, groups: int, width: int) -> None:
        super().__init__()
        self.norm = _norm(groups, width)
        self.qkv = nn.Conv2d(width, 3 * width, 1)
        self.out = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (part.flatten(2).transpose(1, 2) for part in self.qkv(self.norm(x)).chunk(3, 1))
        attended = F.scaled_dot_product_attention(q, k, v)
        return x + self.out(attended.transpose(1, 2).reshape(x.shape))


class Down(nn.Module):
    """Half the side; VQGAN pads below and to the right only."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class Up(nn.Sequential):
    def __init__(self, width: int) -> None:
        super().__init__(nn.Upsample(scale_factor=2.0), nn.Conv2d(width, width, 3, padding=1))


class Shuffle(nn.Sequential):
    """Twice the side by a convolution at the small one: a quarter of what Up costs."""

    def __init__(self, entering: int, leaving: int) -> None:
        super().__init__(nn.Conv2d(entering, 4 * leaving, 3, padding=1), nn.PixelShuffle(2))


def _level(groups: int, entering: int, leaving: int, blocks: int, attends: bool) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for index in range(blocks):
        layers.append(Block(groups, leaving if index else entering, leaving))
        if attends:
            layers.append(Attention(groups, leaving))
    return layers


def _middle(groups: int, width: int, attends: bool) -> list[nn.Module]:
    attention = [Attention(groups, width)] if attends else []
    return [Block(groups, width, width), *attention, Block(groups, width, width)]


def _norm(groups: int, width: int) -> nn.GroupNorm:
    return nn.GroupNorm(min(groups, width), width, eps=1e-6)
