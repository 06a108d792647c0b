"""A generator's latents held against a photo: drawn, and compared as the paper does (its equation 2), or as the direct fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..diffusion import split
from ..face.appearance import Paint, head_maps
from ..face.skin import HAEMOGLOBIN, MELANIN
from ..fitting import terms
from ..fitting.energy import Drawn, Weights, drawn_over, picture_energy, prior_energy
from ..fitting.evidence import Evidence
from ..fitting.initial_light import initial_light
from ..render.atlas import Atlas
from ..render.colour import to_linear
from ..render.preview import to_bytes
from ..render.renderer import Renderer
from ..render.shadows import SIZE, Shaded, Shadows
from .generator import Generator, Skin

EYE_SIZE = 64  # texels, while sampling
EDGE = 9  # pixels: the photo is compared this far (half of it) within the mask's outline


@dataclass(frozen=True)
class PaperWeights:
    """Lambda 1 to 4 of the supplement's section 3; the cosine counts as one."""

    identity_maps: float = 50.0
    photo: float = 10.0
    landmarks: float = 200.0
    perceptual: float = 1.0


class DrawnLatent(NamedTuple):
    """A z0 as it looks in the photo's window, and what it says beside its texture."""

    head: Drawn
    identity: Tensor  # (1, 158)
    expression: Tensor  # (1, 25)
    light: Tensor  # (1, 9)


class PhotoEnergy:
    """Draws z0 in the photo's window and compares it with the evidence, which is Algorithm 1's alignment step."""

    def __init__(self, evidence: Evidence, generator: Generator) -> None:
        self.evidence, self.generator = evidence, generator
        self.inner = -F.max_pool2d(-evidence.skin, EDGE, 1, EDGE // 2)
        self.renderer = Renderer(evidence.model.topology).to(evidence.device)
        self.shade: Shaded | None = None
        self._atlas = Atlas(evidence.model.topology, SIZE)
        self._shown: Tensor | None = None  # what was drawn last

    def draw(self, z: Tensor, skin: Skin | None = None) -> DrawnLatent:
        """z (1, 4288), standardised. A skin that is given is not decoded again."""
        evidence, z = self.evidence, self.generator.statistics.restore(z)
        parts = split(z)
        skin = skin or self.generator.decoded(z)
        light = usable(parts.light)
        vertices = evidence.model.vertices(parts.identity, parts.expression, evidence.gaze)
        paint = Paint(specular=skin.specular, normal=skin.normal)
        maps = head_maps(evidence.model, skin.diffuse, paint, EYE_SIZE)
        rendering = self.renderer(vertices, maps, evidence.camera, light, self.shade)
        head = drawn_over(evidence, rendering, vertices, evidence.camera)
        self._shown = head.picture.detach()
        return DrawnLatent(head, parts.identity, parts.expression, light)

    @torch.no_grad()
    def initial_light(self, z: Tensor) -> tuple[Tensor, Skin]:
        """z (1, 4288) in natural units -> the light (1, 9) that the photo shows it in, and its skin in the tone that goes
        with that light."""
        skin = self.generator.decoded(z)
        rendering = self.draw(self.generator.statistics.standardise(z), skin).head.rendering
        evidence = self.evidence
        guess = initial_light(rendering, evidence.photo, evidence.bare, evidence.hints)
        light, own = guess.shared(evidence.hints)
        tone = torch.from_numpy(guess.melanin * MELANIN + guess.haemoglobin * HAEMOGLOBIN + np.log(own)).to(z)
        return z.new_tensor([light.numbers]), skin._replace(diffuse=skin.diffuse * tone.exp()[None, :, None, None])

    @torch.no_grad()
    def look_at_shadows(self, z: Tensor) -> None:
        """The head's own occlusion and cast shadow as it lies now."""
        model, parts = self.evidence.model, split(self.generator.statistics.restore(z))
        vertices = model.vertices(parts.identity, parts.expression, self.evidence.gaze)[0]
        shadows = Shadows(model.topology, vertices, self.renderer.mesh, self._atlas)
        self.shade = shadows.under(usable(parts.light))

    def paper_energy(self, drawn: DrawnLatent, weights: PaperWeights | None = None) -> Tensor:
        """Equation 2. Lengths of landmark and picture differences are means, landmarks in units of the picture's side:
        the paper gives neither. The mask keeps away from the silhouette, where a picture has no gradient of use."""
        weights, evidence, head = weights or PaperWeights(), self.evidence, drawn.head
        seen, found = evidence.whole, evidence.recogniser.embed(head.picture, evidence.mesh_points)
        identity = terms.cosine(found.embedding, seen.embedding)
        maps = sum((one - other).norm() / one.numel() for one, other in zip(found.maps, seen.maps, strict=True))
        inner = self.inner * head.rendering.alpha.detach()
        photo = ((head.picture - evidence.photo).square() * inner).sum() / (3 * inner.sum() + 1)
        name, wanted = next(iter(evidence.landmarks.items()))
        landmarks = ((head.landmarks[name] - wanted) / evidence.photo.shape[-1]).square().sum(1).mean()
        perceptual = evidence.analysis.perception.perceptual.distance(head.picture, evidence.photo).mean()
        return (
            identity
            + weights.identity_maps * maps
            + weights.photo * photo
            + weights.landmarks * landmarks
            + weights.perceptual * perceptual
        )

    def fit_energy(self, drawn: DrawnLatent, weights: Weights | None = None) -> Tensor:
        """The direct fit's energy of the same head."""
        weights = weights or Weights()
        priors = prior_energy(drawn.identity, drawn.expression, drawn.light, self.evidence, weights)
        return picture_energy(drawn.head, self.evidence, weights) + priors

    @torch.no_grad()
    def preview(self, z: Tensor) -> np.ndarray:
        """(H, W, 3) uint8 sRGB: z, or a moment before it, where guidance has just drawn that."""
        shown = self.draw(z).head.picture if self._shown is None else self._shown
        self._shown = None
        return to_bytes(to_linear(shown))[0]


def usable(light: Tensor) -> Tensor:
    """light (B, 9) with positive strengths and colours."""
    return torch.cat([light[:, :6].clamp(min=0.02), light[:, 6:]], 1)
