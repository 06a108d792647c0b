"""Training of the denoiser on the noise, and on its predicted z0 decoded and rendered (supplement, section 2)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..diffusion import LENGTH, Schedule, ScheduleConfig, Statistics, draw_noise, predictor, sample_dpm_solver, split
from ..diffusion.conditioning import as_condition, empty_condition
from ..diffusion.latent import places
from ..diffusion.weights import load_denoiser, save_denoiser
from ..face.appearance import Paint, head_maps
from ..face.brow_rule import BrowRule
from ..face.model import MorphableModel
from ..face.skin import unstacked
from ..networks import Autoencoder, Denoiser, DenoiserConfig
from ..networks.denoiser import STEPS, Condition
from ..networks.prior import Prior
from ..perception.types import IdentityFeatures, IdentityNetwork
from ..render import Camera, Renderer
from ..render.colour import to_srgb
from . import losses, moments
from .latents import Rows
from .loop import rate_at
from .machine import Average, Machine, fused

BANDS = 4  # the noise loss is also reported by quarters of the schedule
SAMPLES = 24
SAMPLE_STEPS = 25


@dataclass(frozen=True)
class DenoiserTraining:
    network: DenoiserConfig
    schedule: ScheduleConfig
    batch: int = 16
    rate: float = 3.2e-5
    unconditional: float = 0.1  # share of samples conditioned on an empty picture
    identity: float = 1.0
    identity_perceptual: float = 1.0
    vertices: float = 1.0
    rendered: int = 16  # number of a batch's samples, those with the least noise, that are decoded and rendered
    rendered_every: int = 1
    rendered_side: int = 208
    by_signal: bool = False  # weight the losses on z0 by the step's alpha_bar
    accumulate: int = 1
    average: float = 0.9999
    alike: int = 1  # samples of a batch that share a step, since the Gaussian inverts a matrix for each step
    folds: int = 0  # Gaussians each fitted without a part of the people, which the UNet is trained with
    decay: float = 1e-4  # of the weights

    @staticmethod
    def paper() -> DenoiserTraining:
        return DenoiserTraining(DenoiserConfig.paper(), ScheduleConfig.paper(), accumulate=8)

    @staticmethod
    def lite() -> DenoiserTraining:
        return DenoiserTraining(
            DenoiserConfig.lite(),
            ScheduleConfig.lite(),
            batch=256,
            rate=1e-3,
            identity=0.05,
            identity_perceptual=0.05,
            vertices=0.02,
            rendered=8,
            rendered_every=4,
            by_signal=True,
            average=0.998,
            alike=4,
            folds=4,
            decay=0.05,
        )


class Scene:
    """z0 to a picture, differentiable: decoder, face model, renderer; and the recogniser's features of it."""

    def __init__(
        self,
        model: MorphableModel,
        autoencoder: Autoencoder,
        recogniser: IdentityNetwork,
        side: int,
        device: torch.device,
    ) -> None:
        self.model, self.side = model.to(device), side
        self.autoencoder = autoencoder.to(device).eval().requires_grad_(False)
        self.recogniser = recogniser
        self.renderer = Renderer(model.topology).to(device)
        self.brows = BrowRule(model.topology, autoencoder.config.size).to(device)

    def vertices(self, z: Tensor) -> Tensor:
        parts = split(z)
        return self.model.vertices(parts.identity, parts.expression)

    def picture(self, z: Tensor, camera: Camera, finished: bool = False) -> Tensor:
        """z (B, 4288) natural -> (B, 3, side, side) sRGB; finished: with brows corrected as for sampled people."""
        parts = split(z)
        # Half precision in the decoder only: it would move vertices by pixels.
        with torch.autocast(z.device.type, torch.bfloat16, enabled=z.is_cuda):
            maps = self.autoencoder.decode(parts.texture)
        skin = unstacked(maps.float())
        diffuse = self.brows(skin.diffuse) if finished else skin.diffuse
        painted = head_maps(self.model, diffuse, Paint(specular=skin.specular, normal=skin.normal), eye_size=64)
        light = torch.cat([parts.light[:, :6].clamp(min=0), parts.light[:, 6:]], 1)
        return to_srgb(self.renderer(self.vertices(z), painted, camera, light).image)

    def features(self, pictures: Tensor, points: Tensor) -> IdentityFeatures:
        """points (B, 5, 2) pixels."""
        return self.recogniser.features(self.recogniser.crop_to(pictures, points))  # type: ignore[attr-defined]

    def camera(self, packed: Tensor) -> Camera:
        """(B, 15) as in latents.Rows."""
        side = self.side
        return Camera(
            packed[:, :9].view(-1, 3, 3), packed[:, 9:12], packed[:, 12] * side, packed[:, 13:15] * side, (side, side)
        )


class DenoiserTask:
    name = "denoiser"

    def __init__(
        self,
        settings: DenoiserTraining,
        rows: Rows,
        scene: Scene,
        machine: Machine,
        trained_on: str,
        autoencoder: str,
        seed: int = 0,
        start: Path | None = None,
        resumed: bool = False,  # what is fitted comes with the run's state
    ) -> None:
        torch.manual_seed(seed)
        n = settings.network
        known = min(n.known[0], len(rows.latent)), min(n.known[1], n.prior)
        settings = dataclasses.replace(settings, network=dataclasses.replace(n, known=known))
        self.settings, self.rows, self.scene, self.machine = settings, rows, scene, machine
        self.trained_on, self.autoencoder, self.seed = trained_on, autoencoder, seed
        network = Denoiser(settings.network)
        if start is not None:
            before = load_denoiser(start)
            network.load_state_dict(before.network.state_dict())
            self.statistics = before.statistics.to(machine.device)
        else:
            self.statistics = Statistics.measured(rows.latent[:20000].flatten(0, 1))
            _standardise_condition(network, rows)
            if settings.network.prior and not resumed:
                empty = empty_condition(scene.recogniser, machine.device)
                network.to(machine.device)
                self.worth = moments.fit(network.prior, rows, self.statistics, Schedule(settings.schedule), empty)
        self.network, self.plain = machine.spread(network), network
        self.average = Average(network, settings.average)
        self.optimizers: dict[str, torch.optim.Optimizer] = {}
        if settings.network.channels:
            options = {"betas": (0.9, 0.99), "weight_decay": settings.decay}
            self.optimizers["network"] = fused(network.parameters(), machine.device, settings.rate, **options)
        n = settings.network
        self.folds = self._folds(resumed) if settings.folds and n.channels and n.prior else []
        self.numbers = Numbers(self.statistics)
        self.modules: dict[str, nn.Module] = {"network": network, "average": self.average, "statistics": self.numbers}
        self.modules |= {f"fold{number}": prior for number, prior in enumerate(self.folds)}
        self.schedule = Schedule(settings.schedule)
        self.empty = empty_condition(scene.recogniser, machine.device)

    def _folds(self, resumed: bool) -> list[Prior]:
        """Gaussians each fitted without one fold of the people. For people it was not fitted to, a Gaussian leaves as much to
        the UNet as the shipped one does for new people; for its own people a tenth less."""
        s, empty = self.settings, empty_condition(self.scene.recogniser, self.machine.device)
        found, people = [], torch.arange(len(self.rows.latent))
        for number in range(s.folds):
            n = s.network
            prior = Prior(n.prior, n.side**2, n.coefficients, n.prior_features, STEPS, n.known)
            prior.to(self.machine.device)
            if not resumed:
                others = self.rows.of((people % s.folds != number).to(self.rows.latent.device))
                moments.fit(prior, others, self.statistics, Schedule(s.schedule), empty)
            found.append(prior)
        return found

    def facts(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self.settings), "seed": self.seed, "autoencoder": self.autoencoder}

    def step(self, step: int, total: int) -> dict[str, Tensor]:
        s = self.settings
        optimizer = self.optimizers["network"]
        for group in optimizer.param_groups:
            group["lr"] = s.rate * rate_at(step, total)
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step * self.machine.world + self.machine.rank)
        optimizer.zero_grad(set_to_none=True)
        parts = [self._backward(s.batch // s.accumulate, step, generator) for _ in range(s.accumulate)]
        names = dict.fromkeys(name for part in parts for name in part)
        found = {name: torch.stack([part[name] for part in parts if name in part]).mean() for name in names}
        found["gradient"] = nn.utils.clip_grad_norm_(self.plain.parameters(), 1.0)
        optimizer.step()
        self.average.follow(self.plain, step)
        return found

    def _backward(self, count: int, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        s, device = self.settings, self.machine.device
        people, views = self.rows.latent.shape[:2]
        prior = self.folds[step % len(self.folds)] if self.folds else None
        if prior is None:
            row = torch.randint(people, (count,), generator=generator)
        else:
            own = torch.arange(step % len(self.folds), people, len(self.folds))
            row = own[torch.randint(len(own), (count,), generator=generator)]
        view = torch.randint(views, (count,), generator=generator)
        # Steps evenly over the schedule within each batch, for a less noisy loss; sorted, so that the first have least noise.
        drawn = -(-count // s.alike)
        t = ((torch.arange(drawn) + torch.rand(drawn, generator=generator)) / drawn * self.schedule.config.steps).long()
        t = t.repeat_interleave(s.alike)[:count]
        dropped = torch.rand(count, generator=generator) < s.unconditional
        # A million numbers a step: drawn on the device. Sampling draws on the CPU.
        here = torch.Generator(device).manual_seed(int(torch.randint(2**62, (1,), generator=generator)))
        noise = torch.randn(count, LENGTH, generator=here, device=device)
        torch.manual_seed(int(torch.randint(2**62, (1,), generator=generator)))  # for dropout
        row, view, dropped = row.to(device), view.to(device), dropped.to(device)
        z0 = self.statistics.standardise(self.rows.latent[row, view])
        condition = replaced(self.rows.condition(row, view), self.empty, dropped)
        z = self.schedule.noisy(z0, noise, t)
        with self.machine.mixed():
            output = self.network(z, t.to(device), condition, prior).float()
        target = self.schedule.target(z0, noise, t, s.network.predicts)
        each = (output - target).square()
        # Weight the vector's blocks equally: by count, the texture would outweigh the rest.
        loss = each.mean() + 0.1 * sum(each[:, place].mean() for name, place in places().items() if name != "texture")
        guess, guessed_noise = self.schedule.resolve(output, z, t, s.network.predicts)
        found = {"loss": each.mean(), **self._by_band(guessed_noise, noise, t)}
        for name, place in places().items():
            found[f"mse_{name}"] = each[:, place].mean()
        signal = self.schedule.rows(t, z0)[0][:, 0].square() if s.by_signal else torch.ones(count, device=device)
        if s.vertices > 0:
            made, true = (self.scene.vertices(self.statistics.restore(z)) for z in (guess, z0))
            apart = losses.vertices(made, true)
            loss = loss + s.vertices * (signal * apart).mean()
            found["vertices"] = apart[: max(1, count // BANDS)].mean()
        if s.rendered and step % s.rendered_every == 0:
            loss = loss + self._rendered(guess, row, view, dropped, signal, found)
        (loss / s.accumulate).backward()
        return {name: value.detach() for name, value in found.items()}

    def _rendered(
        self, guess: Tensor, row: Tensor, view: Tensor, dropped: Tensor, signal: Tensor, found: dict[str, Tensor]
    ) -> Tensor:
        """Identity and identity-perceptual loss of the predictions with the least noise."""
        s, count = self.settings, min(self.settings.rendered, len(guess))
        row, view = row[:count], view[:count]
        camera = self.scene.camera(self.rows.camera[row, view])
        points = self.rows.points[row, view] * self.scene.side
        picture = self.scene.picture(self.statistics.restore(guess[:count]), camera)
        made = as_condition(self.scene.recogniser, self.scene.features(picture, points))
        true = self.rows.condition(row, view)
        made_seen, true_seen = IdentityFeatures(made.embedding, made.maps), IdentityFeatures(true.embedding, true.maps)
        weight = signal[:count] * (~dropped[:count])
        identity, per = losses.identity(made_seen, true_seen), losses.identity_perceptual(made_seen, true_seen)
        found["identity"], found["identity_perceptual"] = identity.mean(), per.mean()
        return (weight * (s.identity * identity + s.identity_perceptual * per)).mean()

    def _by_band(self, predicted: Tensor, noise: Tensor, t: Tensor) -> dict[str, Tensor]:
        """The noise loss of Equation 1 by quarters of the schedule, for those with steps in this batch."""
        each = (predicted.detach() - noise).square().mean(1)
        band = t * BANDS // self.schedule.config.steps
        rows = {number: (band == number).nonzero()[:, 0] for number in range(BANDS)}
        return {f"noise_{number}": each[own.to(each.device)].mean() for number, own in rows.items() if len(own)}

    @torch.no_grad()
    def sheet(self) -> Tensor:
        """Two rows of people from pure noise, and one of people sampled for conditions of the data, as `pictures` draws."""
        network = self.average.network
        assert isinstance(network, Denoiser)
        generator = torch.Generator().manual_seed(self.seed)
        z = draw_noise(SAMPLES, generator).to(self.machine.device)
        rows = torch.arange(SAMPLES // 3, device=self.machine.device) % len(self.rows.latent)
        given = self.rows.condition(rows, torch.zeros_like(rows))
        drawn = []
        for part, condition in ((z[: SAMPLES * 2 // 3], self.empty), (z[: len(rows)], given)):
            with self.machine.mixed():
                latent = sample_dpm_solver(
                    predictor(network, self.schedule, condition), part, self.schedule, SAMPLE_STEPS
                )
            drawn.append(portraits(self.scene, self.statistics.restore(latent.float())))
        pictures = torch.cat(drawn)
        across = SAMPLES // 3
        return torch.cat([torch.cat(list(pictures[k : k + across]), 2) for k in range(0, len(pictures), across)], 1)

    def export(self, folder: Path, steps: int, losses: dict[str, float]) -> list[Path]:
        path = folder / "denoiser.safetensors"
        details = {"losses": losses, "settings": dataclasses.asdict(self.settings)}
        network = self.average.network
        assert isinstance(network, Denoiser)
        save_denoiser(
            path,
            network,
            self.settings.schedule,
            self.statistics,
            self.autoencoder,
            self.trained_on,
            steps,
            details,
            face=self.scene.model.name,
        )
        return [path]


class Numbers(nn.Module):
    """The statistics as buffers, so that a state file includes them."""

    mean: Tensor
    scale: Tensor

    def __init__(self, statistics: Statistics) -> None:
        super().__init__()
        self.register_buffer("mean", statistics.mean)
        self.register_buffer("scale", statistics.scale)


def replaced(condition: Condition, empty: Condition, dropped: Tensor) -> Condition:
    """The condition with the empty picture's features in the dropped rows (B,) bool."""
    embedding = torch.where(dropped[:, None], empty.embedding, condition.embedding)
    maps = [torch.where(dropped[:, None, None, None], e, m) for e, m in zip(empty.maps, condition.maps, strict=True)]
    return Condition(embedding, tuple(maps))


@torch.no_grad()
def portraits(scene: Scene, z: Tensor, at_once: int = 8) -> Tensor:
    """(B, 3, side, side) sRGB: every head from slightly to one side, in its latent's light, on grey."""
    drawn = []
    for part in z.split(at_once):
        middle = scene.model.mean.mean(0)
        camera = Camera.facing((scene.side,) * 2, 1.1, 20.0, yaw=14.0, target=middle, device=z.device)
        n = len(part)
        camera = Camera(
            camera.rotation.expand(n, -1, -1),
            camera.translation.expand(n, -1),
            camera.focal.expand(n),
            camera.principal.expand(n, -1),
            camera.size,
        )
        drawn.append(scene.picture(part, camera, finished=True))
    return torch.cat(drawn)


def _standardise_condition(network: Denoiser, rows: Rows) -> None:
    """Standardise the recogniser's channels to mean 0 and deviation 1, measured on the first people."""
    some = slice(0, 2000)
    maps = [m[some].float().flatten(0, 1) for m in rows.maps]
    means = [m.mean((0, 2, 3)) for m in maps] + [rows.embedding[some].flatten(0, 1).mean(0)]
    spreads = [m.std((0, 2, 3)) for m in maps] + [rows.embedding[some].flatten(0, 1).std(0)]
    network.condition_mean.copy_(torch.cat(means))
    network.condition_scale.copy_(torch.cat(spreads).clamp(min=1e-3))
