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
STRANGER = 1 << 31  # added to a seed, for a half that is thrown away; CPU generators read 32 bits

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
    likeness_steps: int = 90  # at most; and at most twice the sampling's steps
    resolution: int = 512
    shadows_every: int = 10
    preview_every: int = 5  # in steps, where guidance does not draw each of them
    redenoise: float = 0.06  # share of the schedule whose noise is put on the guided texture before the last denoising
    redenoise_alone: float = 0.005  # the same without a likeness pass, which would bring back what that takes away
    landmarks_start: float = (
        0.7  # share of the schedule at which sampling begins from the landmarks' head; 1: from noise
    )
    separate: bool = False  # shape and reflectance from a sampling each, for comparison (the paper's Table 5)


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
    z = (sample_separately if settings.separate else sample)(energy, generator, settings, seed, report)
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
            energy.look_at_shadows(step.denoised)
        # Guidance has drawn every step anyway.
        shown = (
            settings.guidance != "none" or step.number % settings.preview_every == 0 or step.number + 1 == step.total
        )
        report(Progress("sampling", step.number + 1, step.total, energy.preview(step.denoised) if shown else None))

    with torch.no_grad():
        if settings.guidance == "default" and settings.landmarks_start < 1:
            guess, start = start_from_landmarks(energy, generator, plain)
            plain = displaced(plain, start - guess, generator.schedule)
            predict = guided(plain, energy, generator, settings)
            z = sample_near(
                predict, start, lambda: noise, generator.schedule, settings.steps, settings.landmarks_start, watch
            )
            share = settings.redenoise if settings.likeness > 0 else settings.redenoise_alone
            z = redenoise_texture(plain, z, generator, share)
        else:
            predict = guided(plain, energy, generator, settings)
            z = sample_ddim(predict, noise, generator.schedule, settings.steps, watch)
        return generator.statistics.restore(z)


def seeded(generator: Generator, seed: int) -> Tensor:
    """(1, 4288), drawn on the CPU, so that all devices begin alike."""
    return draw_noise(1, torch.Generator().manual_seed(seed), generator.statistics.mean)


def sample_separately(
    energy: PhotoEnergy, generator: Generator, settings: DiffusionSettings, seed: int, report: Report = silent
) -> Tensor:
    """As two models would: shape from one sampling, reflectance and light from another. Each begins at the noise that
    `sample` gives it; the other half of each is a stranger's, and thrown away."""
    shape = block("identity", "expression")
    own, stranger = seeded(generator, seed), seeded(generator, seed + STRANGER)
    shaped = sample(energy, generator, settings, seed, report, torch.where(shape, own, stranger))
    anew = PhotoEnergy(energy.evidence, generator)  # shadows are the other head's
    skinned = sample(anew, generator, settings, seed, report, torch.where(shape, stranger, own))
    return torch.where(shape, shaped, skinned)


def redenoise_texture(plain: Predictor, z: Tensor, generator: Generator, share: float) -> Tensor:
    """Re-noise the texture slightly and denoise it once, which removes what guidance has painted and no person has. Shape
    and light stay as the photo wanted them. share: of the schedule, how much noise; 0 leaves z as it is."""
    if not share:
        return z
    step = round(share * generator.schedule.config.steps)
    texture = places()["texture"]
    z = z.clone()
    z[:, texture] = plain(generator.schedule.alpha_bar(step) ** 0.5 * z, step).denoised[:, texture]
    return z


def condition_mean(plain: Predictor, generator: Generator) -> Tensor:
    """(1, 4288) standardised: the mean of the people whom the condition alone describes."""
    return plain(torch.zeros_like(generator.statistics.mean)[None], generator.schedule.config.steps - 1).denoised


def start_from_landmarks(energy: PhotoEnergy, generator: Generator, plain: Predictor) -> tuple[Tensor, Tensor]:
    """(1, 4288) standardised, twice: the condition's mean, and the same with what the photo shows at first sight: shape and
    expression from landmarks, and the light and tone of skin that together give the photo's colours."""
    guess = condition_mean(plain, generator)
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
            predict, generator.schedule, lambda denoised: energy.paper_energy(energy.draw(denoised)), settings.scale
        )
    if settings.guidance == "default":
        return corrected(
            predict, generator.schedule, lambda denoised: energy.fit_energy(energy.draw(denoised)), settings.corrections
        )
    return predict


def likeness_pass(
    energy: PhotoEnergy, generator: Generator, z: Tensor, settings: DiffusionSettings, seed: int, report: Report
) -> Fit:
    """The direct fit, begun at the sampled head; with likeness 0 the head stays as it is."""
    parts, evidence = split(z), energy.evidence
    with torch.no_grad():
        skin = generator.skin(z)
        if settings.likeness > 0:
            plain = generator.predictor(generator.condition(evidence.analysis.conditioning))
            usual = generator.decoded(generator.statistics.restore(condition_mean(plain, generator)))
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
