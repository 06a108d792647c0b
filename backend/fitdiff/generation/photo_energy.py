"""What a photo wants of a head, as one number that falls as they come to agree: the paper's equation 2, and ours."""

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
from ..fitting.evidence import trust
from ..fitting.expected_shape import expected_shape
from ..fitting.head import model_on
from ..fitting.initial_light import initial_light
from ..fitting.light_hints import light_hints
from ..fitting.loss import Weights
from ..perception.analyse import Analysis, crop_camera
from ..perception.gaze import gaze_of
from ..render.atlas import Atlas
from ..render.camera import Camera
from ..render.colour import to_linear, to_srgb
from ..render.preview import to_bytes
from ..render.renderer import Renderer, Rendering
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


class Drawn(NamedTuple):
    """A z0 as it looks in the photo's crop."""

    rendering: Rendering
    picture: Tensor  # (1, 3, H, W) sRGB, over the photo
    landmarks: Tensor  # (N, 2) pixels
    identity: Tensor  # (1, 158)
    expression: Tensor  # (1, 25)
    light: Tensor  # (1, 9)


class PhotoEnergy:
    """The alignment step of Algorithm 1 done once (crop, camera, landmarks, what the recogniser says of the photo), and
    then every z0 held against it."""

    def __init__(self, analysis: Analysis, generator: Generator) -> None:
        self.analysis, self.generator = analysis, generator
        self.model = model_on(analysis.model, analysis.perception.device)
        mask, perception, device = analysis.mask, analysis.perception, analysis.perception.device
        self.crop = mask.crop
        self.photo = torch.from_numpy(self.crop.read(analysis.photo.pixels)).permute(2, 0, 1)[None].float().to(device)
        self.mask = torch.from_numpy(mask.face)[None, None].to(device)
        self.eyes = torch.from_numpy(mask.eyes)[None, None].to(device)
        self.bare = torch.from_numpy(mask.skin)[None, None].to(device)
        self.inner = -F.max_pool2d(-self.mask, EDGE, 1, EDGE // 2)
        name, wanted = next(iter(analysis.landmarks.items()))
        self.landmark_set = name
        self.wanted = torch.from_numpy(self.crop.inside(wanted)).float().to(device)
        self.trust = trust(name, self.wanted)
        self.points = torch.from_numpy(self.crop.inside(analysis.face.landmarks468)).float().to(device)[None, :, :2]
        self.unit = analysis.pose.interocular / self.crop.step
        self.camera: Camera = crop_camera(analysis.pose.camera().to(device), self.crop)
        self.gaze = torch.as_tensor(gaze_of(analysis.face, analysis.pose, analysis.model)).float()[None].to(device)
        self.hints, self.expected = light_hints(analysis), expected_shape(analysis)
        self.renderer = Renderer(self.model.topology).to(device)
        self.recogniser, self.perceptual = perception.identity, perception.perceptual
        with torch.no_grad():
            self.seen = self.recogniser.embed(self.photo, self.points)
            self.alone = self.recogniser.embed(self._on_grey(self.photo, self.mask), self.points).embedding
        self._atlas = Atlas(self.model.topology, SIZE)
        self.shade: Shaded | None = None
        self._shown: Tensor | None = None  # what was drawn last

    def draw(self, z: Tensor, skin: Skin | None = None) -> Drawn:
        """z (1, 4288), standardised. A skin that is given is not decoded again."""
        z = self.generator.statistics.restore(z)
        parts = split(z)
        skin = skin or self.generator.decoded(z)
        light = usable(parts.light)
        vertices = self.model.vertices(parts.identity, parts.expression, self.gaze)
        paint = Paint(specular=skin.specular, normal=skin.normal)
        maps = head_maps(self.model, skin.diffuse, paint, EYE_SIZE)
        rendering = self.renderer(vertices, maps, self.camera, light, self.shade)
        picture = to_srgb(rendering.over(to_linear(self.photo)))
        points = self.camera.project(self.model.landmarks(vertices, self.landmark_set)).screen[0]
        self._shown = picture.detach()
        return Drawn(rendering, picture, points, parts.identity, parts.expression, light)

    @torch.no_grad()
    def initial_light(self, z: Tensor) -> tuple[Tensor, Skin]:
        """z (1, 4288) in natural units -> the light (1, 9) that the photo shows it in, and its skin in the tone that goes
        with that light."""
        skin = self.generator.decoded(z)
        rendering = self.draw(self.generator.statistics.standardise(z), skin).rendering
        guess = initial_light(rendering, self.photo, self.bare, self.hints)
        tone = torch.from_numpy(guess.melanin * MELANIN + guess.haemoglobin * HAEMOGLOBIN).to(z)
        return z.new_tensor([guess.numbers]), skin._replace(diffuse=skin.diffuse * tone.exp()[None, :, None, None])

    @torch.no_grad()
    def look_at_shadows(self, z: Tensor) -> None:
        """The head's own occlusion and cast shadow as it lies now."""
        parts = split(self.generator.statistics.restore(z))
        vertices = self.model.vertices(parts.identity, parts.expression, self.gaze)[0]
        shadows = Shadows(self.model.topology, vertices, self.renderer.mesh, self._atlas)
        self.shade = shadows.under(usable(parts.light))

    def paper(self, drawn: Drawn, weights: PaperWeights | None = None) -> Tensor:
        """Equation 2. Lengths of landmark and picture differences are means, landmarks in units of the picture's side:
        the paper gives neither. The mask keeps away from the silhouette, where a picture has no gradient of use."""
        weights = weights or PaperWeights()
        found = self.recogniser.embed(drawn.picture, self.points)
        identity = terms.cosine(found.embedding, self.seen.embedding)
        maps = sum((one - other).norm() / one.numel() for one, other in zip(found.maps, self.seen.maps, strict=True))
        inner = self.inner * drawn.rendering.alpha.detach()
        photo = ((drawn.picture - self.photo).square() * inner).sum() / (3 * inner.sum() + 1)
        apart = (drawn.landmarks - self.wanted) / self.photo.shape[-1]
        landmarks = apart.square().sum(1).mean()
        perceptual = self.perceptual.distance(drawn.picture, self.photo).mean()
        return (
            identity
            + weights.identity_maps * maps
            + weights.photo * photo
            + weights.landmarks * landmarks
            + weights.perceptual * perceptual
        )

    def ours(self, drawn: Drawn, weights: Weights | None = None, number: int = 0) -> Tensor:
        """What the direct fit pays for the same: robust photometric and landmark terms, the recogniser on the picture
        over the photo and on grey in turns, and a light that is no lamp's or room's of extraordinary strength."""
        weights = weights or Weights()
        seen = self._visible(drawn.rendering)
        loss = weights.photo * terms.photometric(drawn.picture, self.photo, seen)
        loss = loss + weights.landmarks * terms.landmarks(drawn.landmarks, self.wanted, self.trust, self.unit)
        mask = (self.mask + self.eyes).clamp(max=1) * drawn.rendering.alpha
        shown = self._on_grey(drawn.picture, mask) if number % 2 else drawn.picture * mask + self.photo * (1 - mask)
        wanted = self.alone if number % 2 else self.seen.embedding
        loss = loss + weights.identity * terms.cosine(self.recogniser.embed(shown, self.points).embedding, wanted)
        loss = (
            loss
            + weights.shape * self.expected.cost(drawn.identity)
            + weights.expression * terms.expression_prior(drawn.expression)
        )
        return loss + weights.light * terms.light_prior(drawn.light, self.hints)

    @torch.no_grad()
    def preview(self, z: Tensor) -> np.ndarray:
        """(H, W, 3) uint8 sRGB: z, or a moment before it, where guidance has just drawn that."""
        shown = self.draw(z).picture if self._shown is None else self._shown
        self._shown = None
        return to_bytes(to_linear(shown))[0]

    def _visible(self, rendering: Rendering) -> Tensor:
        surface = rendering.surface
        front = (surface.normal * surface.view).sum(1).detach()
        flat = self.mask.new_zeros(rendering.face.numel())
        flat[rendering.pixel] = ((front - 0.12) / 0.35).clamp(0, 1) * (surface.region == 0)
        return self.mask * flat.view(1, 1, *rendering.face.shape[1:])

    @staticmethod
    def _on_grey(picture: Tensor, mask: Tensor) -> Tensor:
        return picture * mask + 0.5 * (1 - mask)


def usable(light: Tensor) -> Tensor:
    """(B, 9): no lamp takes light away."""
    return torch.cat([light[:, :6].clamp(min=0.02), light[:, 6:]], 1)


@torch.no_grad()
def metrics(energy: PhotoEnergy, drawn: Drawn) -> dict[str, float]:
    mask = (energy.mask + energy.eyes).clamp(max=1) * drawn.rendering.alpha
    features = energy.recogniser.embed(energy._on_grey(drawn.picture, mask), energy.points).embedding
    missed = (drawn.landmarks - energy.wanted).norm(dim=1)[energy.trust >= 1]
    return {
        "identity_guide": 1 - float(terms.cosine(features, energy.alone)),
        "photometric": float(terms.photometric(drawn.picture, energy.photo, energy._visible(drawn.rendering))),
        "landmarks_mean_percent": 100 * float(missed.mean()) / energy.unit,
    }
