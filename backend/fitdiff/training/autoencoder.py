"""Training of the branched VQGAN, with VQGAN's reconstruction, perceptual, adversarial and codebook losses."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..diffusion.weights import load_autoencoder, save_autoencoder
from ..networks import Autoencoder, AutoencoderConfig, Discriminator, DiscriminatorConfig
from ..perception.types import PerceptualNetwork
from ..skin_maps import LEARNED
from . import losses, mosaic
from .loop import rate_at
from .machine import Average, Machine, fused

MEAN_AT_ONCE = 4
SPREAD_OVER = 16

MapSource = Callable[[int, int], Tensor]
"""(step, count) -> maps (count, 9, S, S); the same for the same step."""


@dataclass(frozen=True)
class AutoencoderTraining:
    """The losses' weights are VQGAN's, with its adaptive weight of the adversarial one."""

    network: AutoencoderConfig
    discriminator: DiscriminatorConfig
    batch: int = 16
    rate: float = 7.2e-5  # latent diffusion's 4.5e-6 per picture
    betas: tuple[float, float] = (0.5, 0.9)
    perceptual: float = 1.0
    adversarial: float = 0.75
    adversarial_from: float = 0.3  # share of the steps after which the discriminator joins
    codebook: float = 1.0
    crop: int = 512  # texels a side for the perceptual and the adversarial loss
    perceptual_every: int = 1
    shares: tuple[float, float, float] = (
        1.0,
        1.0,
        1.0,
    )  # weights of diffuse, specular and normal in the plain difference
    edges: float = 0.0  # weight of the difference of slopes, for brows and lips, which are few texels
    noise: float = 0.0  # added to codes, so that the decoder tolerates inexact latents
    small: float = 0.0  # weight of latents' squares, which keeps latents from growing until the noise has no effect
    accumulate: int = 1
    average: float = 0.999
    revive_every: int = 250
    fitted_over: int = 512  # people for fitting mean maps and the mosaic
    near_over: int = 1040  # people for fitting the tiles' small maps
    settle: int = 0  # people to whose latents the codes are fitted at the end; until then nothing is quantised

    @staticmethod
    def paper() -> AutoencoderTraining:
        return AutoencoderTraining(AutoencoderConfig.paper(), DiscriminatorConfig.paper(), accumulate=4)

    @staticmethod
    def lite() -> AutoencoderTraining:
        return AutoencoderTraining(
            AutoencoderConfig.lite(),
            DiscriminatorConfig.lite(),
            rate=1e-3,
            betas=(0.9, 0.99),
            perceptual=0.1,
            perceptual_every=8,
            adversarial=0.02,
            adversarial_from=0.6,
            crop=256,
            shares=(1.0, 0.7, 3.0),
            edges=3.0,
            noise=0.03,
            small=0.0003,
            settle=64,
        )


class AutoencoderTask:
    name = "autoencoder"

    def __init__(
        self,
        settings: AutoencoderTraining,
        source: MapSource,
        perceptual: PerceptualNetwork,
        machine: Machine,
        trained_on: str,
        seed: int = 0,
        start: Path | None = None,
        resumed: bool = False,  # closed-form fits are in the run's state
    ) -> None:
        torch.manual_seed(seed)
        self.settings, self.source, self.machine, self.trained_on, self.seed = (
            settings,
            source,
            machine,
            trained_on,
            seed,
        )
        network, judge = Autoencoder(settings.network), Discriminator(settings.discriminator)
        if start is not None:
            network.load_state_dict(load_autoencoder(start)[0].state_dict())
        elif not resumed:
            network.to(machine.device)
            if settings.network.mean:
                mosaic.fit(network, source, settings.fitted_over, settings.near_over)
            if not settings.network.mosaic:
                count = SPREAD_OVER // MEAN_AT_ONCE
                spread_latents(network, torch.cat([source(k, MEAN_AT_ONCE) for k in range(count)]))
        self.perceptual = perceptual
        self.network, self.judge = machine.spread(network), machine.spread(judge)
        self.plain, self.plain_judge = network, judge
        self.average = Average(network, settings.average)
        self.usage = Usage(settings.network.codes).to(machine.device)
        codes = [network.codebook.weight]
        others = [p for name, p in network.named_parameters() if name != "codebook.weight"]
        groups = [{"params": others, "share": 1.0}, {"params": codes, "share": 0.1, "weight_decay": 0.0}]
        options = {"betas": settings.betas, "weight_decay": 0.0}
        self.optimizer = fused(groups, machine.device, settings.rate, **options)
        self.judge_optimizer = fused(judge.parameters(), machine.device, settings.rate, **options)
        self.modules: dict[str, nn.Module] = {
            "network": network,
            "judge": judge,
            "average": self.average,
            "usage": self.usage,
        }
        self.optimizers = {"network": self.optimizer, "judge": self.judge_optimizer}
        self.last: Tensor | None = None

    def facts(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self.settings), "seed": self.seed, "trained_on": self.trained_on}

    def step(self, step: int, total: int) -> dict[str, Tensor]:
        s = self.settings
        for group in (*self.optimizer.param_groups, *self.judge_optimizer.param_groups):
            group["lr"] = s.rate * group.get("share", 1.0) * rate_at(step, total)
        maps = self.source(step * self.machine.world + self.machine.rank, s.batch)
        found: dict[str, Tensor] = {}
        self.optimizer.zero_grad(set_to_none=True)
        pairs = []
        for part in maps.chunk(s.accumulate):
            made, parts = self._generator(part, step, total)
            pairs.append((part, made))
            for name, value in parts.items():
                found[name] = found.get(name, torch.zeros_like(value)) + value / s.accumulate
        nn.utils.clip_grad_norm_(self.plain.parameters(), 1.0)
        self.optimizer.step()
        self.average.follow(self.plain, step)
        if self._plays(step, total):
            self.judge_optimizer.zero_grad(set_to_none=True)
            found["judge"] = torch.stack([self._judge(real, made, step) for real, made in pairs]).mean()
            self.judge_optimizer.step()
        if not s.settle and (step + 1) % s.revive_every == 0 and step < 0.8 * total:
            found["revived"] = self._revive(step)
        self.last = torch.cat([torch.stack([real[0], made[0].float()]) for real, made in pairs])[:8].detach()
        return found

    def _plays(self, step: int, total: int) -> bool:
        return self.settings.adversarial > 0 and step >= self.settings.adversarial_from * total

    def _generator(self, maps: Tensor, step: int, total: int) -> tuple[Tensor, dict[str, Tensor]]:
        s = self.settings
        with self.machine.mixed():
            result = self.network(maps, self._noise(maps, step), quantize=not s.settle)
            made = result.maps.float()
            apart = (made - maps).abs().mean((0, 2, 3)).view(3, 3).mean(1)
            window = self._window(step)
            found = {"plain": apart.mean(), "codebook": result.quantized.loss}
            others = (apart * apart.new_tensor(s.shares)).mean()
            if s.edges > 0:
                found["edges"] = losses.edges(made, maps, s.shares)
                others = others + s.edges * found["edges"]
            if s.perceptual > 0 and step % s.perceptual_every == 0:
                found["perceptual"] = losses.perceptual(self.perceptual, made[window], maps[window])
                others = others + s.perceptual * found["perceptual"]
            found["spread"] = result.latent.square().mean()
            loss = others + s.small * found["spread"]
            if not s.settle:
                loss = loss + s.codebook * result.quantized.loss
            if self._plays(step, total):
                self.plain_judge.requires_grad_(False)
                fooling = losses.fooling(self.judge(made[window]))
                weight = losses.balance(others, fooling, self.plain.last_layer)
                loss = loss + s.adversarial * weight * fooling
                self.plain_judge.requires_grad_(True)
                found |= {"fooling": fooling, "balance": weight}
        (loss / s.accumulate).backward()
        with torch.no_grad():
            error = (0.5 * (made - maps)).square().mean((0, 2, 3)).view(3, 3).mean(1)
            for name, value in zip(LEARNED, error, strict=True):
                found[f"psnr_{name}"] = -10 * value.clamp(min=1e-10).log10()
            self.usage.note(result.quantized.chosen)
            found["codes"] = self.usage.share()
            self._vectors = (
                result.latent.float().permute(0, 2, 3, 1).reshape(-1, s.network.embedding)
                if (step + 1) % s.revive_every == 0
                else None
            )
        return made.detach(), {name: value.detach() for name, value in found.items()}

    def _judge(self, real: Tensor, made: Tensor, step: int) -> Tensor:
        window = self._window(step)
        with self.machine.mixed():
            loss = losses.telling(self.judge(real[window].contiguous()), self.judge(made[window].contiguous()))
        (loss / self.settings.accumulate).backward()
        return loss.detach()

    def _noise(self, maps: Tensor, step: int) -> Tensor | None:
        s = self.settings
        if s.noise <= 0:
            return None
        side = maps.shape[-1] * s.network.latent_side // s.network.size
        generator = torch.Generator().manual_seed(
            self.seed * 15_485_863 + step * self.machine.world + self.machine.rank
        )
        drawn = torch.randn(len(maps), s.network.embedding, side, side, generator=generator)
        return s.noise * drawn.to(maps.device)

    def _window(self, step: int) -> tuple[slice, slice, slice, slice]:
        """The square for the expensive losses, a different one each step."""
        side, crop = self.settings.network.size, min(self.settings.crop, self.settings.network.size)
        generator = torch.Generator().manual_seed(self.seed * 7919 + step)
        top, left = torch.randint(0, side - crop + 1, (2,), generator=generator).tolist()
        every = slice(None)
        return every, every, slice(top, top + crop), slice(left, left + crop)

    def _revive(self, step: int) -> Tensor:
        assert self._vectors is not None
        generator = torch.Generator().manual_seed(self.seed + step)
        moved = self.plain.codebook.revive(self._vectors, self.usage.unused(), generator)
        self.machine.same(self.plain.codebook.weight.data)
        self.usage.forget()
        return torch.tensor(float(moved))

    @torch.no_grad()
    def sheet(self) -> Tensor:
        """Rows of truth and reconstruction: diffuse, specular, normal."""
        if self.last is None:
            return torch.zeros(3, 8, 8)
        truth = self.last[::2][:4]
        with self.machine.mixed():
            made = self.average.network(truth).maps.float()
        rows = []
        for real, again in zip(truth, made, strict=True):
            row = [part for pair in zip(real.split(3), again.split(3), strict=True) for part in pair]
            rows.append(torch.cat(row, 2))
        picture = 0.5 + 0.5 * torch.cat(rows, 1)
        return F.interpolate(picture[None], scale_factor=0.5, mode="area")[0]

    def export(self, folder: Path, steps: int, losses: dict[str, float]) -> list[Path]:
        path = folder / "autoencoder.safetensors"
        details = {"losses": losses, "settings": dataclasses.asdict(self.settings)}
        network = copy.deepcopy(self.average.network)
        assert isinstance(network, Autoencoder)
        if self.settings.settle:
            settle_codes(network, self.source, self.settings.settle)
        save_autoencoder(path, network, self.trained_on, steps, details)
        return [path]


@torch.no_grad()
def spread_latents(network: Autoencoder, maps: Tensor) -> None:
    """Scale the encoder's last layer so that these maps' latents spread as the codes do. Otherwise all start near one code,
    and the decoder learns to ignore them."""
    latent = network.encode(maps)
    mean, scale = latent.mean((0, 2, 3)), latent.std((0, 2, 3)).clamp(min=1e-6)
    layer = network.to_code
    assert layer.bias is not None
    layer.weight.div_(scale[:, None, None, None])
    layer.bias.sub_(mean).div_(scale)


@torch.no_grad()
def settle_codes(network: Autoencoder, source: MapSource, people: int) -> None:
    """Set scalar codes to the quantiles of these people's latents."""
    found = torch.cat([network.encode(source(step, 1)).flatten() for step in range(people)]).sort().values
    codes = network.codebook.weight
    share = (torch.arange(len(codes), device=found.device) + 0.5) / len(codes)
    codes.copy_(found[(share * len(found)).long()][:, None])


class Usage(nn.Module):
    """Counts which codes have been used since the last reading."""

    chosen: Tensor

    def __init__(self, codes: int) -> None:
        super().__init__()
        self.register_buffer("chosen", torch.zeros(codes, dtype=torch.bool))

    def note(self, index: Tensor) -> None:
        self.chosen[index.flatten()] = True

    def share(self) -> Tensor:
        return self.chosen.float().mean()

    def unused(self) -> Tensor:
        return ~self.chosen

    def forget(self) -> None:
        self.chosen.zero_()
