"""Complete a partial diffuse map with the diffusion model, and add the specular and normal maps that go with it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..diffusion.completion import cells, each_its_own, sample_known
from ..diffusion.latent import LENGTH
from ..diffusion.samplers import Step
from ..face.skin import MEAN_SIZE, load_skin, relief
from ..networks.denoiser import Condition
from ..progress import Progress, Report, silent
from ..render.filters import smoothed
from ..render.spread import spread
from ..resize import resized
from .generator import Generator, Skin

SOFT = 3  # texels of 512 over which what is drawn goes over into what is known
DARKEST = 0.004


@torch.no_grad()
def complete(
    generator: Generator,
    diffuse: Tensor,
    known: Tensor,
    seed: int,
    steps: int,
    condition: Condition | None = None,
    report: Report = silent,
) -> Skin:
    """diffuse (1, 3, S, S) linear, known (1, 1, S, S) with 1 where it counts -> all three maps, S texels a side.

    Known texels come back as they are. The latent numbers that they decide stay as encoded while the others are drawn
    (RePaint); a remaining difference in tone is spread inwards from the border.
    """
    side, size = generator.texture_side, diffuse.shape[-1]
    small, there = resized(diffuse, side), resized(known, side)
    there = (there > 0.999).float()
    filled = _filled(small, there)
    neutral = generator.skin(generator.statistics.mean[None])
    own = Skin(filled, neutral.specular, relief(filled))
    latent = torch.zeros(1, LENGTH, device=generator.device)
    latent[:, : generator.autoencoder.config.latent_side**2] = generator.autoencoder.encode(own.stacked()).flatten(1)

    def watch(step: Step) -> None:
        report(Progress("completing", step.number + 1, step.total))

    z = sample_known(
        generator.predictor(condition),
        generator.statistics.standardise(latent),
        cells(there),
        each_its_own([seed], generator.device),
        generator.schedule,
        steps,
        callback=watch,
    )
    drawn = generator.skin(generator.statistics.restore(z))
    apart = (filled.clamp(min=DARKEST) / drawn.diffuse.clamp(min=DARKEST)).log()
    toned = drawn.diffuse * smoothed(spread(apart * there, there), 4 * SOFT).exp()
    whole = resized(toned.clamp(0, 1), size)
    # From the border inwards, so that every known texel stays and no edge shows.
    share = resized(smoothed(there, SOFT), size)
    whole = torch.where(known > 0.999, diffuse, whole + share * (resized(filled, size) - whole))
    return Skin(whole, resized(drawn.specular, size), F.normalize(resized(drawn.normal, size), dim=1))


def _filled(diffuse: Tensor, there: Tensor) -> Tensor:
    """The mean skin where nothing is known, in the tone of what is."""
    basis = load_skin()
    mean = resized(basis.albedo(torch.zeros(1, basis.count), MEAN_SIZE), diffuse.shape[-1]).to(diffuse)
    apart = (diffuse.clamp(min=DARKEST) / mean).log() * there
    return torch.where(there > 0, diffuse, mean * spread(apart, there).exp())
