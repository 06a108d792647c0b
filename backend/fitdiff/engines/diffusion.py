"""The diffusion engine: FitDiff's Algorithm 1, and the likeness pass after it.

perception (the alignment step) -> condition -> guided sampling of z0 -> the head that z0 is -> what the photo shows
beyond it. Reads from top to bottom in that order.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field, replace
from typing import Literal

import torch
from msgspec.structs import replace as with_fields
from torch import Tensor

from ..avatar import Avatar
from ..diffusion import draw_noise, join, sample_ddim, split
from ..diffusion.completion import block, sample_near
from ..diffusion.guidance import Corrections, corrected, through_denoiser
from ..diffusion.latent import places
from ..diffusion.prediction import Predictor, displaced
from ..diffusion.samplers import Step
from ..errors import FitDiffError
from ..face.model import MorphableModel
from ..face.skin import SkinBasis, load_skin
from ..fitting.deshade import deshade
from ..fitting.evidence import read_evidence
from ..fitting.head import Start
from ..fitting.result import flattened
from ..fitting.settings import FitSettings
from ..fitting.solve import Fit
from ..generation.generator import Generator
from ..generation.photo_energy import PhotoEnergy, usable
from ..perception import Perception
from ..perception.analyse import Analysis
from ..perception.pose_fit import refuse_unclear
from ..progress import Progress, Report, silent

NAME = "diffusion"
DARKEST = 0.004
STRANGER = 1 << 31  # from a person's seed to that of whom nobody asks for; CPU generators read 32 bits

Guidance = Literal["default", "paper", "none"]


@dataclass(frozen=True)
class DiffusionSettings:
    """steps of the sampling; the paper's scale is 75; classifier_free 1 is the condition alone."""

    steps: int = 50
    guidance: Guidance = "default"
    scale: float = 75.0
    classifier_free: float = 1.0
    corrections: Corrections = field(default_factory=Corrections)
    likeness: float = 1.0
    likeness_steps: int = 90  # at most; a draft has two for each of its steps
    resolution: int = 512
    shadows_every: int = 10
    preview_every: int = 5  # steps that nobody draws for guidance's sake
    settling: float = 0.06  # share of the schedule from which the model tells the guided skin once more
    settling_alone: float = 0.005  # the same where no likeness pass brings back what that takes of the person
    warm: float = 0.7  # share of the schedule at which a sampling begins that has the landmarks' head to begin with
    parted: bool = False  # shape and reflectance from a sampling each, for comparison (the paper's Table 5)


def check(model: MorphableModel, perception: Perception) -> None:
    """Raises FitDiffError where the model's weights are missing, damaged, or of another face."""
    Generator.load(perception).refuse_other_faces(model)


def settings(
    steps: int, likeness: float, resolution: int, guidance: Guidance, guidance_scale: float
) -> DiffusionSettings:
    return DiffusionSettings(
        steps=steps, guidance=guidance, scale=guidance_scale, likeness=likeness, resolution=resolution
    )


def reconstruct(
    analysis: Analysis, settings: DiffusionSettings | None = None, seed: int = 0, report: Report = silent
) -> Avatar:
    """What perception saw -> an avatar. Deterministic for a seed."""
    settings = settings or DiffusionSettings()
    generator = Generator.load(analysis.perception)
    generator.refuse_other_faces(analysis.model)
    most = generator.schedule.config.steps
    if settings.steps > most:
        raise FitDiffError("usage-steps", f"The diffusion engine knows {most} steps at most: ask for fewer.")
    refuse_unclear(analysis.pose)
    started = time.perf_counter()
    energy = PhotoEnergy(read_evidence(analysis), generator)
    ready = time.perf_counter()
    z = (sample_parted if settings.parted else sample)(energy, generator, settings, seed, report)
    sampled = time.perf_counter()
    head = likeness_pass(energy, generator, z, settings, seed, report)
    alike = time.perf_counter()
    avatar = head.avatar(seed)
    timings = {
        "look": ready - started,
        "sampling": sampled - ready,
        "likeness": alike - sampled,
        "maps": time.perf_counter() - alike,
    }
    return _signed(avatar, generator, z, settings).with_timings(timings)


def sample(
    energy: PhotoEnergy,
    generator: Generator,
    settings: DiffusionSettings,
    seed: int,
    report: Report = silent,
    noise: Tensor | None = None,
) -> Tensor:
    """Algorithm 1: (1, 4288) in natural units. The condition is what the recogniser says of the photo (line 1)."""
    condition = generator.condition(energy.evidence.analysis.conditioning)
    plain = generator.predictor(condition, settings.classifier_free)
    noise = seeded(generator, seed) if noise is None else noise

    def watch(step: Step) -> None:
        if settings.guidance == "default" and (step.number + 1) % settings.shadows_every == 0:
            energy.look_at_shadows(step.clean)
        # Guidance has drawn every step anyway.
        shown = (
            settings.guidance != "none" or step.number % settings.preview_every == 0 or step.number + 1 == step.total
        )
        report(Progress("sampling", step.number + 1, step.total, energy.preview(step.clean) if shown else None))

    with torch.no_grad():
        if settings.guidance == "default" and settings.warm < 1:
            suggested, start = warm(energy, generator, plain)
            plain = displaced(plain, start - suggested, generator.schedule)
            predict = guided(plain, energy, generator, settings)
            z = sample_near(predict, start, lambda: noise, generator.schedule, settings.steps, settings.warm, watch)
            share = settings.settling if settings.likeness > 0 else settings.settling_alone
            z = settled(plain, z, generator, share)
        else:
            predict = guided(plain, energy, generator, settings)
            z = sample_ddim(predict, noise, generator.schedule, settings.steps, watch)
        return generator.statistics.restore(z)


def seeded(generator: Generator, seed: int) -> Tensor:
    """(1, 4288), drawn on the CPU, so that all devices begin alike."""
    return draw_noise(1, torch.Generator().manual_seed(seed), generator.statistics.mean)


def sample_parted(
    energy: PhotoEnergy, generator: Generator, settings: DiffusionSettings, seed: int, report: Report = silent
) -> Tensor:
    """As if two models were asked: shape comes from one sampling and reflectance, with the light it is seen in, from
    another. Each begins at the noise that `sample` gives it, and beside a stranger's other half, which is left away."""
    shape = block("identity", "expression")
    own, stranger = seeded(generator, seed), seeded(generator, seed + STRANGER)
    shaped = sample(energy, generator, settings, seed, report, torch.where(shape, own, stranger))
    anew = PhotoEnergy(energy.evidence, generator)  # shadows are the other head's
    skinned = sample(anew, generator, settings, seed, report, torch.where(shape, stranger, own))
    return torch.where(shape, shaped, skinned)


def settled(plain: Predictor, z: Tensor, generator: Generator, share: float) -> Tensor:
    """Guidance's last steps go where no noise is left for the model to object: its skin is told once more from a little
    of it, which takes away what no person has. Shape and light stay as the photo wanted them."""
    if not share:
        return z
    step = round(share * generator.schedule.config.steps)
    texture = places()["texture"]
    z = z.clone()
    z[:, texture] = plain(generator.schedule.kept(step) ** 0.5 * z, step).clean[:, texture]
    return z


def suggested(plain: Predictor, generator: Generator) -> Tensor:
    """(1, 4288) standardised: whom the condition alone suggests."""
    return plain(torch.zeros_like(generator.statistics.mean)[None], generator.schedule.config.steps - 1).clean


def warm(energy: PhotoEnergy, generator: Generator, plain: Predictor) -> tuple[Tensor, Tensor]:
    """(1, 4288) standardised, twice: whom the condition alone suggests, and the same person as the photo has them at first
    sight: the landmarks' shape and expression, and light and tone of skin that together give the photo's colours."""
    guess = suggested(plain, generator)
    whole = generator.statistics.restore(guess)
    pose = energy.evidence.analysis.pose
    shape, expression = (torch.as_tensor(values).to(whole)[None] for values in (pose.identity, pose.expression))
    seen = join(split(whole)._replace(identity=shape, expression=expression))
    light, skin = energy.initial_light(seen)
    texture = split(whole).texture + generator.texture(skin) - generator.texture(generator.decoded(whole))
    seen = join(split(seen)._replace(texture=texture, light=light))
    return guess, generator.statistics.standardise(seen)


def guided(predict: Predictor, energy: PhotoEnergy, generator: Generator, settings: DiffusionSettings) -> Predictor:
    if settings.guidance == "paper":
        return through_denoiser(
            predict, generator.schedule, lambda clean: energy.paper_energy(energy.draw(clean)), settings.scale
        )
    if settings.guidance == "default":
        return corrected(
            predict, generator.schedule, lambda clean: energy.fit_energy(energy.draw(clean)), settings.corrections
        )
    return predict


def likeness_pass(
    energy: PhotoEnergy, generator: Generator, z: Tensor, settings: DiffusionSettings, seed: int, report: Report
) -> Fit:
    """The direct engine's own stages from the sampled head on; with likeness 0 it is left as it is."""
    parts, evidence = split(z), energy.evidence
    with torch.no_grad():
        skin = generator.skin(z)
        if settings.likeness > 0:
            plain = generator.predictor(generator.condition(evidence.analysis.conditioning))
            usual = generator.decoded(generator.statistics.restore(suggested(plain, generator)))
            skin = skin._replace(diffuse=deshade(skin.diffuse, usual.diffuse, evidence.model, energy.renderer.mesh))
    basis = load_skin()
    start = Start(
        identity=parts.identity,
        expression=parts.expression,
        light=usable(parts.light),
        skin=SkinBasis(skin.diffuse[0].clamp(min=DARKEST).log(), basis.components),
        gloss=skin.specular,
        normal=skin.normal,
    )
    steps = min(settings.likeness_steps, 2 * settings.steps)
    own = FitSettings(steps=steps, resolution=settings.resolution, likeness=settings.likeness)
    head = Fit(evidence, own, start)
    if settings.likeness > 0:
        head.solve(seed, report)
    return head


def _signed(avatar: Avatar, generator: Generator, z: Tensor, settings: DiffusionSettings) -> Avatar:
    """The fit's result under this engine's name, with the texture code that it began with."""
    about = avatar.manifest
    latent = with_fields(about.latent, texture=[float(value) for value in split(z).texture.flatten()])
    told = flattened(asdict(settings))
    licences = {**about.licences, **generator.licences}
    signed = with_fields(about, engine=NAME, latent=latent, settings=told, licences=licences)
    return replace(avatar, manifest=signed)
