"""The branched VQGAN: three reflectance maps in one small latent and back.

The outermost level (FitDiff's supplement: the first down block and the last up block) exists three times, for diffuse,
specular and normal; what lies between is common. `paper` is Table 1 of the supplement, `lite` the same architecture with
its two finest levels folded into channels, so that nothing runs at full resolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..resize import enlarged
from ..skin_maps import CHANNELS, LEARNED
from .precision import full
from .quantizer import Codebook, Quantized

DARKEST = 0.05  # sRGB whose logarithm is still told from darker ones
ROUNDS = 2  # of going over what interpolation missed
TILE = (2, 4)  # numbers of the latent after which the mosaic begins again


@dataclass(frozen=True)
class AutoencoderConfig:
    """size / (patch * 2 ** (len(multipliers) - 1)) is the side of the latent."""

    channels: int = 128  # 0: no network, the mosaic alone
    multipliers: tuple[int, ...] = (1, 2, 2, 4)
    blocks: int = 2  # per level; the decoder has one more
    attention: tuple[int, ...] = (32,)  # sides at which levels attend
    middle_attention: bool = True
    latent_channels: int = 4  # "z channels"
    embedding: int = 1  # channels of the quantised latent
    codes: int = 16384
    size: int = 512
    patch: int = 1  # squares of texels that enter and leave as channels
    groups: int = 32  # of the norms; 0 leaves them out
    positions: bool = False  # learnt maps added at the latent's side: skin lies at the same place in every face
    mean: int = 0  # side of the stored mean maps, which the network neither sees nor makes; 0 stores none
    logarithms: bool = False  # of the diffuse map: pigments add up there, so that a mean of two skins is a skin
    mosaic: bool = False  # beside the network, what is smooth in the maps is laid into the latent directly
    detail: int = 0  # fine maps that follow from the latent linearly, beside the mosaic
    near: int = 0  # small ones for every tile of it, that follow from the numbers about the tile

    @staticmethod
    def paper() -> AutoencoderConfig:
        return AutoencoderConfig()

    @staticmethod
    def lite() -> AutoencoderConfig:
        return AutoencoderConfig(
            channels=32,
            multipliers=(1, 4),
            blocks=1,
            attention=(),
            middle_attention=False,
            patch=4,
            groups=0,
            positions=True,
            mean=256,
            logarithms=True,
            mosaic=True,
            detail=8,
            near=6,
        )

    @property
    def latent_side(self) -> int:
        return self.size // (self.patch * 2 ** (len(self.multipliers) - 1))


class Reconstruction(NamedTuple):
    maps: Tensor  # (B, 9, S, S)
    quantized: Quantized
    latent: Tensor  # (B, 1, h, w) before quantisation


class Autoencoder(nn.Module):
    """maps (B, 9, S, S) in [-1, 1]: diffuse sRGB, specular, normal as 2 x - 1 -> latent (B, 1, S/8, S/8) and back.

    `encode` gives the latent before quantisation, which is what the denoiser learns; `decode` quantises.
    """

    mean: Tensor  # (9, m, m) of many people's maps, as `inner` gives them
    spread: Tensor  # (9,) of what differs from it

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        if config.mean:
            self.register_buffer("mean", torch.zeros(CHANNELS, config.mean, config.mean))
            self.register_buffer("spread", torch.ones(CHANNELS))
            self._standing: tuple[Tensor, int, Tensor] | None = None
        self.codebook = Codebook(config.codes, config.embedding)
        if config.channels:
            self.encoder = Encoder(config)
            self.to_code = nn.Conv2d(config.latent_channels, config.embedding, 1)
            self.from_code = nn.Conv2d(config.embedding, config.latent_channels, 1)
            self.decoder = Decoder(config)
        if config.mosaic:
            self.mosaic = Mosaic(config.size, config.latent_side, config.detail, config.near)
        if config.mosaic and config.channels:
            with torch.no_grad():  # the network starts by adding little
                for layer in (self.to_code, *(branch.out for branch in self.decoder.branches)):
                    layer.weight.mul_(0.003)  # type: ignore[union-attr,operator]
                    layer.bias.zero_()  # type: ignore[union-attr,operator]

    def encode(self, maps: Tensor) -> Tensor:
        if self.config.mean:
            maps = (self.inner(maps) - self.standing()) / self.spread[:, None, None]
        with full(maps):  # under autocast: half precision has fewer values than there are codes
            smooth = self.mosaic.laid(maps.float()) if self.config.mosaic else None
        if not self.config.channels:
            assert smooth is not None
            return smooth
        features = self.encoder(maps)
        with full(features):
            latent = self.to_code(features.to(self.to_code.weight.dtype))
        return latent if smooth is None else latent + smooth

    def decode(self, latent: Tensor, quantize: bool = True) -> Tensor:
        """(B, 1, h, w) -> (B, 9, S, S), about [-1, 1]."""
        return self._maps(self.codebook(latent).latent if quantize else latent)

    def forward(self, maps: Tensor, noise: Tensor | None = None, quantize: bool = True) -> Reconstruction:
        """noise (B, 1, h, w) is added to the code, so that the decoder learns to bear latents that are a little off."""
        latent = self.encode(maps)
        quantized = self.codebook(latent)
        code = quantized.latent if quantize else latent
        return Reconstruction(self._maps(code if noise is None else code + noise), quantized, latent)

    def _maps(self, code: Tensor) -> Tensor:
        made = self.decoder(self.from_code(code)) if self.config.channels else None
        if self.config.mosaic:
            with full(code):
                smooth = self.mosaic.spread(code.float())
            made = smooth if made is None else made.float() + smooth
        assert made is not None
        if not self.config.mean:
            return made
        return self._outer(torch.addcmul(self.standing(), made.float(), self.spread[:, None, None]))

    def inner(self, maps: Tensor) -> Tensor:
        """Maps as the mean is stored and the network works on them."""
        if not self.config.logarithms:
            return maps
        return torch.cat([(0.5 + 0.5 * maps[:, :3]).clamp(min=DARKEST).log(), maps[:, 3:]], 1)

    def _outer(self, maps: Tensor) -> Tensor:
        return torch.cat([2 * maps[:, :3].exp() - 1, maps[:, 3:]], 1) if self.config.logarithms else maps

    def standing(self) -> Tensor:
        """(1, 9, S, S), the mean maps at full size; kept for as long as nobody changes them."""
        mean, version = self.mean, self.mean._version
        if self._standing is None or self._standing[0] is not mean or self._standing[1] != version:
            self._standing = mean, version, enlarged(mean[None], self.config.size, "bicubic")
        return self._standing[2]

    @property
    def last_layer(self) -> list[Tensor]:
        """The branches' last kernels: where VQGAN weighs the adversarial gradient against the others."""
        return [branch.out.weight for branch in self.decoder.branches]  # type: ignore[union-attr,misc]


class Mosaic(nn.Module):
    """What is smooth in the maps, without any network: as behind a camera's sensor, neighbouring numbers of the latent are
    of different channels, and between those of one channel the map is interpolated. Fitted, not trained
    (training/mosaic.py).

        light  gloss  light  gloss     light: how light the skin is, one for 8 x 16 texels, for brows, lids and lips lie across
        light  first  light  second    gloss: one for 16 x 16; first and second: the colour, one each for 16 x 32

    What one mean map cannot say follows from it linearly: `detail` are fine maps that belong to directions of the latent,
    such as a hairline, which is only there where the scalp is not bare.

    What is finer than the mosaic but hangs together with it, such as brows in the gloss and how deep a fold is, follows from
    what lies about it: every tile (2 x 4 numbers, 16 x 32 texels) has `near` small maps of its own.
    """

    weights: Tensor  # (4, 9): channels from standardised maps
    back: Tensor  # (9, 4)
    reading: Tensor  # (detail, latent): how much of each fine map a latent asks for
    detail: Tensor  # (detail, 4, S / 2, S / 2): diffuse and specular, standardised
    near_reading: Tensor  # (tiles, near, 6 x 12 + 1): how much of each a tile, its neighbours and 1 ask for
    near: Tensor  # (tiles, near, 5 x 16 x 32): light, gloss, normal, standardised

    def __init__(self, size: int, latent_side: int, detail: int, near: int) -> None:
        super().__init__()
        self.step, self.size = size // latent_side, size
        self.register_buffer("weights", torch.zeros(4, CHANNELS))
        self.register_buffer("back", torch.zeros(CHANNELS, 4))
        self.register_buffer("reading", torch.zeros(detail, latent_side**2))
        self.register_buffer("detail", torch.zeros(detail, 4, size // 2, size // 2))
        self.has_near, self.tile = near > 0, [number * self.step for number in TILE]
        if near:
            tiles = latent_side**2 // (TILE[0] * TILE[1])
            self.register_buffer("near_reading", torch.zeros(tiles, near, CHANNELS * TILE[0] * TILE[1] + 1))
            self.register_buffer("near", torch.zeros(tiles, near, 5 * self.tile[0] * self.tile[1]))

    def laid(self, maps: Tensor) -> Tensor:
        """(B, 9, S, S) -> (B, 1, S / 8, S / 8), such that interpolation comes back to the maps' means."""
        latent = self._sampled(maps)
        for _ in range(ROUNDS):
            latent = latent + self._sampled(maps - self.smooth(latent))
        return latent

    def spread(self, latent: Tensor) -> Tensor:
        made = self.smooth(latent)
        if self.has_near:
            made = made + self._near(latent)
        if not len(self.reading):
            return made
        fine = torch.einsum("bd,dchw->bchw", latent.flatten(1) @ self.reading.T, self.detail)
        fine = enlarged(fine, self.size)
        return made + torch.cat([fine, fine[:, 3:], fine[:, 3:], torch.zeros_like(fine[:, :3])], 1)

    def about(self, latent: Tensor) -> Tensor:
        """(B, 1, h, w) -> (tiles, B, 73): every tile's numbers, its neighbours', and 1."""
        high, wide = TILE
        padded = F.pad(latent, (wide, wide, high, high), mode="replicate")
        seen = F.unfold(padded, (3 * high, 3 * wide), stride=TILE).permute(2, 0, 1)
        return torch.cat([seen, torch.ones_like(seen[..., :1])], 2)

    def _near(self, latent: Tensor) -> Tensor:
        """(B, 9, S, S)."""
        asked = self.about(latent) @ self.near_reading.transpose(1, 2)
        made = untiled(asked @ self.near, (5, *self.tile), self.size)
        light, gloss, normal = made.split((1, 1, 3), 1)
        return torch.cat([light * self.back[:3, 0, None, None], gloss.expand(-1, 3, -1, -1), normal], 1)

    def smooth(self, latent: Tensor) -> Tensor:
        light, gloss = latent[..., ::2], latent[..., ::2, 1::2]
        first, second = latent[..., 1::2, 1::4], latent[..., 1::2, 3::4]
        whole = [enlarged(part, self.size, "bicubic") for part in (light, gloss, torch.cat([first, second], 1))]
        return torch.einsum("oc,bchw->bohw", self.back, torch.cat(whole, 1))

    def _sampled(self, maps: Tensor) -> Tensor:
        small = torch.einsum("oc,bchw->bohw", self.weights, F.avg_pool2d(maps, (self.step, 2 * self.step)))
        gloss, colours = F.avg_pool2d(small[:, 1:2], (2, 1)), F.avg_pool2d(small[:, 2:], 2)
        right = torch.stack([gloss[:, 0], colours.permute(0, 2, 3, 1).flatten(2)], 2).flatten(1, 2)
        return torch.stack([small[:, 0], right], 3).flatten(2)[:, None]


def tiled(maps: Tensor, high: int, wide: int) -> Tensor:
    """(B, C, S, S) -> (tiles, B, C x high x wide)."""
    rows = maps.unflatten(3, (-1, wide)).unflatten(2, (-1, high))  # (B, C, down, high, across, wide)
    return rows.permute(2, 4, 0, 1, 3, 5).flatten(3).flatten(0, 1)


def untiled(tiles: Tensor, shape: Sequence[int], size: int) -> Tensor:
    """The other way round; shape (C, high, wide)."""
    channels, high, wide = shape
    rows = tiles.unflatten(2, (channels, high, wide)).unflatten(0, (size // high, size // wide))
    return rows.permute(2, 3, 0, 4, 1, 5).reshape(-1, channels, size, size)


class Encoder(nn.Module):
    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        widths = [config.channels * m for m in config.multipliers]
        side = config.size // config.patch
        self.branches = nn.ModuleList(EncoderBranch(config, widths[0], side) for _ in LEARNED)
        self.merge = nn.Conv2d(len(LEARNED) * widths[0], widths[0], 1)
        self.positions = _places(config, widths[0]) if len(widths) == 2 else None
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
        x = self.merge(torch.cat(parts, 1))
        return self.trunk(x if self.positions is None else x + self.positions)


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
        self.positions = _places(config, width)
        layers = _middle(config.groups, width, config.middle_attention)
        for level in range(len(widths) - 1, 0, -1):
            layers += _level(config.groups, width, widths[level], config.blocks + 1, side >> level in config.attention)
            width = widths[level]
            if level > 1:
                layers.append(Up(width))
        self.trunk = nn.Sequential(*layers)
        self.branches = nn.ModuleList(DecoderBranch(config, width, widths[0], side) for _ in LEARNED)

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


def _places(config: AutoencoderConfig, width: int) -> nn.Parameter | None:
    side = config.latent_side
    return nn.Parameter(torch.zeros(width, side, side)) if config.positions else None


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


def _norm(groups: int, width: int) -> nn.Module:
    return nn.GroupNorm(min(groups, width), width, eps=1e-6) if groups else nn.Identity()
