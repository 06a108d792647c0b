"""The denoiser: a one-dimensional UNet over the latent vector whose norms are steered by what a recogniser saw (SPADE).

The recogniser's maps and its spatially expanded embedding lie over the texture's own square, so that the condition at a
place of the face meets the texture of about that place; the coefficients behind the texture see the condition's mean.
`paper` is Table 2 of the supplement. `lite` adds what a Gaussian's exact denoiser (prior.py) misses. It reads the texture
in squares of 4 x 4 (the Morton order makes every run of 16 such a square) and knows where each lies, which leaves 268
places instead of 4288.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .prior import Prior

ARCFACE: tuple[tuple[int, int, int], ...] = ((128, 28, 28), (256, 14, 14), (512, 7, 7))
DLIB: tuple[tuple[int, int, int], ...] = ((64, 17, 17), (128, 8, 8), (256, 4, 4))


STEPS = 1000  # of every schedule


class Condition(NamedTuple):
    """What a recogniser says of a face."""

    embedding: Tensor  # (B, D)
    maps: tuple[Tensor, ...]  # (B, C, h, w) each


@dataclass(frozen=True)
class DenoiserConfig:
    """heads * head_channels is the width of attention at every level that attends."""

    channels: int = 192  # 0: no UNet, the prior alone
    multipliers: tuple[int, ...] = (1, 2, 4, 8)
    depth: int = 2  # residual blocks per level; the way up has one more
    heads: int = 4
    head_channels: int = 32
    spade: int = 128
    attention: tuple[int, ...] = (2, 4, 8)  # levels that attend, by how much shorter they are than the first
    maps: tuple[tuple[int, int, int], ...] = ARCFACE
    embedding: int = 512
    side: int = 64  # of the texture
    coefficients: int = 192  # identity, expression and light, behind it
    patch: int = 1  # sides of the squares of texture that make one place
    places: bool = False  # a learnt vector for every place; coefficients enter and leave by layers of their own
    predicts: Literal["noise", "velocity"] = "noise"
    prior: int = 0  # directions of the texture in the Gaussian that the UNet starts from; 0 has none
    known: tuple[int, int] = (0, 0)  # people whom the Gaussian knows one by one, and in how many directions
    informed: bool = False  # the UNet reads what the Gaussian takes for z0 and for noise, instead of their sum
    forgets: float = 0.0  # dropout while it trains, of the condition's channels and in the blocks

    @staticmethod
    def paper() -> DenoiserConfig:
        return DenoiserConfig()

    @staticmethod
    def lite() -> DenoiserConfig:
        return DenoiserConfig(
            channels=64,
            multipliers=(1, 2, 2),
            depth=1,
            heads=4,
            head_channels=32,
            spade=32,
            attention=(4,),
            maps=DLIB,
            embedding=128,
            patch=4,
            places=True,
            predicts="velocity",
            prior=256,
            known=(2080, 8),
            informed=True,
            forgets=0.2,
        )

    @property
    def length(self) -> int:
        return self.side**2 + self.coefficients

    @property
    def condition_channels(self) -> int:
        """1408 for ArcFace's maps; the supplement's "1048" has two digits changed over."""
        return self.embedding + sum(channels for channels, _, _ in self.maps)

    @property
    def prior_features(self) -> int:
        return self.embedding + 4 * sum(channels for channels, _, _ in self.maps)


Modulation = list[tuple[Tensor, Tensor]]
"""Per SPADE norm, what the condition multiplies by and adds: (B, C, L) each; last, what it tells the prior. The same for all
steps of a sampling."""


class Denoiser(nn.Module):
    """z (B, 4288), t (B,) in [0, 1000), a condition -> what the schedule calls the prediction, (B, 4288)."""

    condition_mean: Tensor
    condition_scale: Tensor

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        self.config = config
        if config.prior:
            texture = config.side**2
            self.prior = Prior(config.prior, texture, config.coefficients, config.prior_features, STEPS, config.known)
        self.register_buffer("condition_mean", torch.zeros(config.condition_channels))
        self.register_buffer("condition_scale", torch.ones(config.condition_channels))
        if config.channels:
            self._build(config)

    def _build(self, config: DenoiserConfig) -> None:
        widths = [config.channels * m for m in config.multipliers]
        timing = 4 * config.channels
        self.timing = nn.Sequential(nn.Linear(config.channels, timing), nn.SiLU(), nn.Linear(timing, timing))
        self.doors = Doors(config)

        def block(entering: int, leaving: int, level: int) -> Stage:
            return Stage(config, entering, leaving, timing, 2**level in config.attention)

        self.down, self.middle, self.up = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        skips, width = [config.channels], config.channels
        for level, wanted in enumerate(widths):
            for _ in range(config.depth):
                self.down.append(block(width, wanted, level))
                width = wanted
                skips.append(width)
            if level < len(widths) - 1:
                self.down.append(nn.Conv1d(width, width, 3, 2, 1))
                skips.append(width)
        self.middle.extend([Stage(config, width, width, timing, True), Stage(config, width, width, timing, False)])
        for level in range(len(widths) - 1, -1, -1):
            for _ in range(config.depth + 1):
                self.up.append(block(width + skips.pop(), widths[level], level))
                width = widths[level]
            if level:
                self.up.append(Up(width))
        self.norm = nn.GroupNorm(32, width)

    def spread(self, condition: Condition) -> list[Tensor]:
        """A recogniser's features over the places of each level: (B, C, L), (B, C, L / 2), ..."""
        side = self.config.side // self.config.patch
        embedding = condition.embedding[:, :, None, None].expand(-1, -1, side, side)
        maps = [F.interpolate(m, (side, side), mode="bilinear", align_corners=False) for m in condition.maps]
        x = torch.cat([*maps, embedding], 1)
        x = (x - self.condition_mean[:, None, None]) / self.condition_scale[:, None, None]
        x = F.dropout2d(x, self.config.forgets, self.training)
        x = x.flatten(2)[..., self.doors.order_of_places]
        behind = self.config.coefficients // self.config.patch**2
        levels = [torch.cat([x, x.mean(2, keepdim=True).expand(-1, -1, behind)], 2)]
        for _ in self.config.multipliers[1:]:
            levels.append(F.avg_pool1d(levels[-1], 2))
        return levels

    def prepare(self, condition: Condition) -> Modulation:
        """What the condition does to every norm; work this out once and use it for all steps of a sampling."""
        found = self._norms(condition) if self.config.channels else []
        return [*found, self.prior.given(*condition)] if self.config.prior else found

    def _norms(self, condition: Condition) -> Modulation:
        levels = {x.shape[2]: x for x in self.spread(condition)}
        length, found = max(levels), []
        for layer in (*self.down, *self.middle, *self.up):
            if isinstance(layer, Stage):
                found.append(layer.spade(levels[length]))
            else:
                length = length * 2 if isinstance(layer, Up) else length // 2
        return found

    def forward(self, z: Tensor, t: Tensor, condition: Condition | Modulation, prior: Prior | None = None) -> Tensor:
        """prior: a Gaussian to add to instead of the own one, while training (training/denoiser.py)."""
        modulation = self.prepare(condition) if isinstance(condition, Condition) else condition
        if not self.config.prior:
            return self._network([z], t, modulation)
        if prior is not None and isinstance(condition, Condition):
            modulation = [*modulation[:-1], prior.given(*condition)]
        known = self.prior if prior is None else prior
        parts = known.resolved(z, t, *modulation[-1])
        said = known.put(*parts, t, self.config.predicts)
        if not self.config.channels:
            return said
        return said + self._network(parts if self.config.informed else [z], t, modulation[:-1])

    def _network(self, read: Sequence[Tensor], t: Tensor, modulation: Modulation) -> Tensor:
        given = iter(modulation)
        timing = self.timing(sinusoids(t, self.config.channels).to(self.norm.weight))
        x = self.doors.enter(read)
        skips = [x]
        for layer in self.down:
            x = layer(x, timing, next(given)) if isinstance(layer, Stage) else layer(x)
            skips.append(x)
        for layer in self.middle:
            x = layer(x, timing, next(given))
        for layer in self.up:
            x = layer(torch.cat([x, skips.pop()], 1), timing, next(given)) if isinstance(layer, Stage) else layer(x)
        return self.doors.leave(F.silu(self.norm(x)))


class Doors(nn.Module):
    """Between the vector (B, 4288) and places (B, C, L), there and back."""

    order: Tensor
    inverse: Tensor
    order_of_places: Tensor

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        self.config = config
        self.run = config.patch**2  # numbers per place
        side = config.side
        order = morton(side) if config.patch > 1 else torch.arange(side * side)
        coarse = morton(side // config.patch) if config.patch > 1 else order
        behind = torch.arange(side * side, config.length)
        self.register_buffer("order", torch.cat([order, behind]), persistent=False)
        self.register_buffer("inverse", self.order.argsort(), persistent=False)
        self.register_buffer("order_of_places", coarse, persistent=False)
        width, length = config.channels, config.length // self.run
        parts = 2 if config.informed and config.prior else 1
        self.inwards = nn.Conv1d(parts * self.run, width, 3, padding=1)
        self.outwards = _zero(nn.Conv1d(width, self.run, 3, padding=1))
        if config.places:
            tail = config.coefficients // self.run
            self.places = nn.Parameter(0.02 * torch.randn(width, length))
            self.coefficients_in = nn.Linear(parts * config.coefficients, tail * width)
            self.coefficients_out = _zero(nn.Linear(tail * width, config.coefficients))

    def enter(self, read: Sequence[Tensor]) -> Tensor:
        """Of one vector, or of the two parts that the Gaussian takes it for."""
        count = len(read[0])
        folded = [z[:, self.order].view(count, -1, self.run).transpose(1, 2) for z in read]
        x = self.inwards(torch.cat(folded, 1))
        if not self.config.places:
            return x
        behind = self.config.coefficients
        own = self.coefficients_in(torch.cat([z[:, -behind:] for z in read], 1)).view(count, self.config.channels, -1)
        return torch.cat([x[..., : -own.shape[2]], own], 2) + self.places

    def leave(self, x: Tensor) -> Tensor:
        z = self.outwards(x).transpose(1, 2).flatten(1)[:, self.inverse]
        if not self.config.places:
            return z
        behind = self.config.coefficients
        own = self.coefficients_out(x[..., -(behind // self.run) :].flatten(1))
        return torch.cat([z[:, :-behind], own], 1)


class Stage(nn.Module):
    """A residual block whose second norm is SPADE's, and attention where the level attends."""

    def __init__(self, config: DenoiserConfig, entering: int, leaving: int, timing: int, attends: bool) -> None:
        super().__init__()
        self.forgets = config.forgets
        self.first = nn.Sequential(nn.GroupNorm(32, entering), nn.SiLU(), nn.Conv1d(entering, leaving, 3, padding=1))
        self.timing = nn.Sequential(nn.SiLU(), nn.Linear(timing, leaving))
        self.plain = nn.GroupNorm(32, leaving, affine=False)
        self.spade = Spade(config.condition_channels, config.spade, leaving)
        self.second = _zero(nn.Conv1d(leaving, leaving, 3, padding=1))
        self.skip = nn.Identity() if entering == leaving else nn.Conv1d(entering, leaving, 1)
        self.attention = Attention(leaving, config.heads, config.head_channels) if attends else None

    def forward(self, x: Tensor, timing: Tensor, modulation: tuple[Tensor, Tensor]) -> Tensor:
        factor, shift = modulation
        y = self.plain(self.first(x) + self.timing(timing)[:, :, None])
        y = self.second(F.dropout(F.silu(torch.addcmul(shift, y, factor)), self.forgets, self.training))
        x = self.skip(x) + y
        return x if self.attention is None else self.attention(x)


class Spade(nn.Module):
    """The condition (B, C, L) -> factor and shift (B, width, L) of a norm, Park et al. 2019 in one dimension."""

    def __init__(self, channels: int, hidden: int, width: int) -> None:
        super().__init__()
        self.shared = nn.Conv1d(channels, hidden, 3, padding=1)
        self.own = nn.Conv1d(hidden, 2 * width, 3, padding=1)

    def forward(self, condition: Tensor) -> tuple[Tensor, Tensor]:
        factor, shift = self.own(F.relu(self.shared(condition))).chunk(2, 1)
        return 1 + factor, shift


class Attention(nn.Module):
    def __init__(self, width: int, heads: int, head_channels: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(32, width)
        self.qkv = nn.Conv1d(width, 3 * heads * head_channels, 1)
        self.out = _zero(nn.Conv1d(heads * head_channels, width, 1))

    def forward(self, x: Tensor) -> Tensor:
        batch, _, length = x.shape
        q, k, v = self.qkv(self.norm(x)).view(batch, 3, self.heads, -1, length).transpose(3, 4).unbind(1)
        attended = F.scaled_dot_product_attention(q, k, v)
        return x + self.out(attended.transpose(2, 3).reshape(batch, -1, length))


class Up(nn.Sequential):
    def __init__(self, width: int) -> None:
        super().__init__(nn.Upsample(scale_factor=2.0), nn.Conv1d(width, width, 3, padding=1))


def sinusoids(t: Tensor, width: int) -> Tensor:
    """(B,) -> (B, width) float32, as DDPM's: cosines, then sines, of periods up to 10,000."""
    half = width // 2
    rates = torch.exp(-math.log(10000) * torch.arange(half, device=t.device) / half)
    angle = t[:, None].float() * rates
    return torch.cat([angle.cos(), angle.sin()], 1)


def morton(side: int) -> Tensor:
    """(side * side,) int64 rows-first addresses in Z order: every aligned run of 4 ** k is a square of side 2 ** k."""
    if side & (side - 1):
        raise ValueError(f"Morton's order needs a power of two, not {side}")
    code = torch.arange(side * side)
    x, y = torch.zeros_like(code), torch.zeros_like(code)
    for bit in range(side.bit_length() - 1):
        x |= (code >> (2 * bit) & 1) << bit
        y |= (code >> (2 * bit + 1) & 1) << bit
    return y * side + x


def _zero(layer: nn.Module) -> nn.Module:
    """A layer that starts by saying nothing, so that the network starts as its skips."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer
