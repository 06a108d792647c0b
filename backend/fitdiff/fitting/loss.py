"""What a fit pays, as one number that falls as head and photo come to agree. terms.py has the single terms."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..face.appearance import SCLERA
from ..perception.facemesh import MIRROR
from ..render.camera import Camera
from ..render.colour import to_linear, to_srgb
from ..render.maps import Maps
from ..render.renderer import Rendering
from ..topology import REGIONS
from . import terms
from .evidence import Evidence, in_mirror, on_grey
from .expected_shape import ExpectedShape
from .head import ORDINARY_HARDNESS, FitHead
from .parallel_loss import Begin, Part, at_once, together, worked_out
from .residual import ResidualPriors, residual_prior

ELSEWHERE_SIZE = 192  # pixels of the turned head's picture: recognisers look at no more than 150
GREY = 0.21  # linear: behind the turned head


@dataclass(frozen=True)
class Weights:
    photo: float = 5000.0
    landmarks: float = 60 / 0.02**2
    landmarks_end: float = 0.3  # what is left of it in the last step
    identity: float = 60.0
    elsewhere: float = 300.0  # the same recogniser, on the head turned and relit
    shape: float = 0.4
    expression: float = 2.0
    skin: float = 2.0
    light: float = 20.0
    uneven: float = 30.0  # on a room that is brighter from one side than from another
    uneven_tint: float = 300.0
    shine: float = 20.0
    hardness: float = 20.0  # of the lamp's shadow
    gaze: float = 200.0
    iris: float = 0.5  # on how far its brightness, in logs, and
    iris_tint: float = 5.0  # its colour leave what was seen at first
    sclera: float = 100.0  # on its tint
    sclera_level: float = 4.0
    residual: ResidualPriors = field(default_factory=ResidualPriors)


class View(NamedTuple):
    """From where else the recogniser looks, and in what light."""

    yaw: float  # radians
    light: Tensor  # (1, 9)
    mirrored: bool


class FitLoss:
    """chance: a CPU generator that says from where else the recogniser looks.
    identity_from: the share of the steps after which it joins."""

    def __init__(
        self,
        evidence: Evidence,
        expected: ExpectedShape,
        weights: Weights,
        chance: torch.Generator,
        identity_from: float = 0.0,
    ) -> None:
        self.evidence, self.expected, self.weights = evidence, expected, weights
        self.chance, self.identity_from = chance, identity_from

    def __call__(self, head: FitHead, step: int, share: float, begin: Begin = at_once) -> tuple[Tensor, Tensor]:
        """At this step, which is this share of all -> the sum, and the picture (1, 3, h, h) sRGB that it was taken of.
        begin: who works out what is not of the photo's view."""
        camera, vertices, maps = head.window(), head.vertices(), head.maps(head.albedo())
        shared = [
            vertices,
            camera.rotation,
            camera.translation,
            *(x for own in maps.values() for x in own if x is not None),
        ]
        known = share >= self.identity_from and bool(self.weights.identity)
        # Without a mesh nobody knows where the turned face has its eyes.
        view = self.any_view(head.light) if known and "facemesh468" in self.evidence.landmarks else None

        def beside() -> list[Part]:
            parts = [worked_out(self._priors(head), head.numbers())]
            if view is not None:
                loss = self.weights.elsewhere * self.elsewhere(head, vertices, maps, camera, view)
                parts.append(worked_out(loss, shared))
            return parts

        others = begin(beside)
        rendering = head.renderer(vertices, maps, camera, head.light, head.shade)
        rendered = to_srgb(rendering.over(to_linear(self.evidence.photo)))
        loss = self._photometric(rendering, rendered) + self._landmarks(head, vertices, camera, share)
        if known:
            loss = loss + self.weights.identity * self._likeness(rendering, rendered, alone=bool(step % 2))
        here = worked_out(loss, [*shared, head.light, head.uneven, head.hardness])
        return together([here, *others()]), rendered.detach()

    def _photometric(self, rendering: Rendering, rendered: Tensor) -> Tensor:
        evidence = self.evidence
        seen = torch.maximum(visible_mask(evidence, rendering), 0.5 * evidence.eyes * rendering.alpha.detach())
        return self.weights.photo * terms.photometric(rendered, evidence.photo, seen)

    def _landmarks(self, head: FitHead, vertices: Tensor, camera: Camera, share: float) -> Tensor:
        evidence = self.evidence
        decay = 1 - (1 - self.weights.landmarks_end) * share
        each = [
            terms.landmarks(
                camera.project(head.model.landmarks(vertices, name)).screen[0],
                wanted,
                evidence.trust(name),
                evidence.unit,
            )
            for name, wanted in evidence.landmarks.items()
        ]
        return self.weights.landmarks * decay * torch.stack(each).mean()

    def _likeness(self, rendering: Rendering, rendered: Tensor, alone: bool) -> Tensor:
        """The recogniser on the head in the photo's view, over the photo or on grey."""
        evidence = self.evidence
        mask = (evidence.skin + evidence.eyes).clamp(max=1) * rendering.alpha
        # It would colour the iris to be pleased. Outlines mix: with the pixels beside them no gradient is left.
        eyes = F.max_pool2d((rendering.buffer("region") == REGIONS.index("eyes")).float(), 3, 1, 1) > 0
        rendered = torch.where(eyes, rendered.detach(), rendered)
        shown = rendered * mask + (0.5 if alone else evidence.photo) * (1 - mask)
        features = evidence.recogniser.embed(shown, evidence.mesh_points).embedding
        return terms.cosine(features, evidence.known.alone if alone else evidence.known.whole)

    def elsewhere(self, head: FitHead, vertices: Tensor, maps: dict[str, Maps], camera: Camera, view: View) -> Tensor:
        """The recogniser on the head alone, turned at random and lit at random: a likeness that only holds in the photo's
        own view is paint."""
        known, recogniser = self.evidence.known, self.evidence.recogniser
        maps = maps | {"eyes": maps["eyes"].detached()}  # as above
        camera = camera.turned(view.yaw, vertices[0].detach()).resized((ELSEWHERE_SIZE,) * 2)
        rendering = head.renderer(vertices, maps, camera, view.light)
        points = camera.project(head.model.landmarks(vertices, "facemesh468")).screen.detach()
        picture = to_srgb(rendering.over(vertices.new_full((1, 3, 1, 1), GREY)))
        if view.mirrored:  # the mirror image is as much this person
            picture, points = picture.flip(3), in_mirror(points, ELSEWHERE_SIZE)
            return terms.cosine(recogniser.embed(picture, points[:, MIRROR]).embedding, known.mirrored)
        return terms.cosine(recogniser.embed(picture, points).embedding, known.whole)

    def any_view(self, like: Tensor) -> View:
        yaw, light = self._between(-0.6, 0.6), self._any_light(like)
        return View(yaw, light, mirrored=bool(torch.rand((), generator=self.chance) < 0.5))

    def _any_light(self, like: Tensor) -> Tensor:
        """(1, 9): from a hard lamp to none at all, from anywhere in front."""
        side, up, strength = (self._between(-1, 1) for _ in range(3))
        ambient = min(1.0, 0.55 + 0.6 * strength) if strength > 0 else 0.55 + 0.4 * strength  # often no lamp at all
        return like.new_tensor([[ambient, 1.1 - ambient, 1.1 - ambient, 1, 1, 1, 1.2 * side, 0.3 + 0.4 * up, 0.8]])

    def _between(self, low: float, high: float) -> float:
        return float(torch.empty(()).uniform_(low, high, generator=self.chance))

    def _priors(self, head: FitHead) -> Tensor:
        """What each number costs by itself."""
        weights = self.weights
        white = (head.sclera.clamp(min=0.02) / head.sclera.new_tensor([SCLERA])).log()
        iris = (head.iris.clamp(min=0.004) / head.iris_start).log()
        return (
            weights.shape * self.expected.cost(head.identity)
            + weights.expression * terms.expression_prior(head.expression)
            + weights.skin * head.skin.square().sum()
            + weights.light * terms.light_prior(head.light, self.evidence.hints)
            + residual_prior(head.residual.coarse(), weights.residual, head.unsure)
            + terms.uneven_prior(head.uneven, weights.uneven, weights.uneven_tint)
            + weights.shine * (head.shine.square().sum() + head.oil.square().sum())
            + weights.hardness * (head.hardness - ORDINARY_HARDNESS).square().sum()
            + weights.gaze * (head.gaze - head.gaze_start).square().sum()
            + weights.sclera * (white - white.mean()).square().sum()
            + weights.sclera_level * white.mean().square()
            + weights.iris_tint * (iris - iris.mean()).square().sum()
            + weights.iris * iris.mean().square()
        )


def visible_mask(evidence: Evidence, rendering: Rendering) -> Tensor:
    """(1, 1, h, h): skin in the photo and on the head, which does not merely graze the line of sight."""
    surface = rendering.surface
    front = (surface.normal * surface.view).sum(1).detach()
    flat = evidence.skin.new_zeros(rendering.face.numel())
    flat[rendering.pixel] = ((front - 0.12) / 0.35).clamp(0, 1) * (surface.region == 0)
    return evidence.skin * flat.view(1, 1, *rendering.face.shape[1:])


@torch.no_grad()
def metrics(head: FitHead, evidence: Evidence) -> dict[str, float]:
    """How far they agree, as an avatar tells."""
    rendering = head.rendered()
    rendered = to_srgb(rendering.over(to_linear(evidence.photo)))
    mask = (evidence.skin + evidence.eyes).clamp(max=1) * rendering.alpha
    features = evidence.recogniser.embed(on_grey(rendered, mask), evidence.mesh_points).embedding
    name, wanted = next(iter(evidence.landmarks.items()))
    projected = head.window().project(head.model.landmarks(head.vertices(), name)).screen[0]
    missed = (projected - wanted).norm(dim=1)[evidence.trust(name) >= 1]
    return {
        "identity_guide": 1 - float(terms.cosine(features, evidence.known.alone)),
        "photometric": float(terms.photometric(rendered, evidence.photo, visible_mask(evidence, rendering))),
        "landmarks_mean_percent": 100 * float(missed.mean()) / evidence.unit,
    }
