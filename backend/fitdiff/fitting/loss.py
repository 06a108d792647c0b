"""The direct fit's loss: the shared energy of energy.py, the head looked at from elsewhere, and priors of what only a fit
solves for."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..face.appearance import SCLERA
from ..perception.facemesh import MIRROR
from ..render.camera import Camera
from ..render.colour import to_srgb
from ..render.maps import Maps
from . import terms
from .energy import Weights, drawn_over, picture_energy, prior_energy
from .evidence import Evidence, in_mirror
from .head import ORDINARY_HARDNESS, FitHead
from .parallel_loss import Begin, Part, at_once, together, worked_out
from .residual import residual_prior

OTHER_VIEW_SIZE = 192  # pixels of the turned head's picture: recognisers look at no more than 150
GREY = 0.21  # linear: behind the turned head


class OtherView(NamedTuple):
    """From where else the recogniser looks, and in what light."""

    yaw: float  # radians
    light: Tensor  # (1, 9)
    mirrored: bool


class FitLoss:
    """chance: a CPU generator that says from where else the recogniser looks.
    identity_from: the share of the steps after which it joins."""

    def __init__(
        self, evidence: Evidence, weights: Weights, chance: torch.Generator, identity_from: float = 0.0
    ) -> None:
        self.evidence, self.weights = evidence, weights
        self.chance, self.identity_from = chance, identity_from

    def __call__(self, head: FitHead, step: int, share: float, begin: Begin = at_once) -> tuple[Tensor, Tensor]:
        """step: its number; share: how far through the fit, 0 to 1 -> the loss, and the picture (1, 3, h, h) sRGB it
        was taken of. begin: runs the parts that do not need the photo's view."""
        camera, vertices, maps = head.window(), head.vertices(), head.maps(head.albedo())
        shared = [
            vertices,
            camera.rotation,
            camera.translation,
            *(x for own in maps.values() for x in own if x is not None),
        ]
        recognise = share >= self.identity_from and bool(self.weights.identity)
        # The recogniser's crop of a turned head needs the mesh landmarks.
        view = self.any_view(head.light) if recognise and "facemesh468" in self.evidence.landmarks else None

        def beside() -> list[Part]:
            parts = [worked_out(self._priors(head), head.numbers())]
            if view is not None:
                loss = self.weights.elsewhere * self.elsewhere(head, vertices, maps, camera, view)
                parts.append(worked_out(loss, shared))
            return parts

        others = begin(beside)
        rendering = head.renderer(vertices, maps, camera, head.light, head.shade)
        drawn = drawn_over(self.evidence, rendering, vertices, camera)
        loss = picture_energy(
            drawn,
            self.evidence,
            self.weights,
            landmarks_share=1 - (1 - self.weights.landmarks_end) * share,
            own_eyes=True,
            recognise=recognise,
            alone=bool(step % 2),
        )
        here = worked_out(loss, [*shared, head.light, head.uneven, head.hardness])
        return together([here, *others()]), drawn.picture.detach()

    def elsewhere(
        self, head: FitHead, vertices: Tensor, maps: dict[str, Maps], camera: Camera, view: OtherView
    ) -> Tensor:
        """The recogniser on the head alone, turned at random and lit at random: a likeness that holds only in the photo's
        own view is paint, not shape."""
        recogniser, wanted = self.evidence.recogniser, self.evidence.whole
        maps = maps | {"eyes": maps["eyes"].detached()}  # it would recolour the irises
        camera = camera.turned(view.yaw, vertices[0].detach()).resized((OTHER_VIEW_SIZE,) * 2)
        rendering = head.renderer(vertices, maps, camera, view.light)
        points = camera.project(head.model.landmarks(vertices, "facemesh468")).screen.detach()
        picture = to_srgb(rendering.over(vertices.new_full((1, 3, 1, 1), GREY)))
        if view.mirrored:  # the mirror image is as much this person
            picture, wanted = picture.flip(3), self.evidence.mirrored
            points = in_mirror(points, OTHER_VIEW_SIZE)[:, MIRROR]
        return terms.cosine(recogniser.embed(picture, points).embedding, wanted.embedding)

    def any_view(self, like: Tensor) -> OtherView:
        yaw, light = self._between(-0.6, 0.6), self._any_light(like)
        return OtherView(yaw, light, mirrored=bool(torch.rand((), generator=self.chance) < 0.5))

    def _any_light(self, like: Tensor) -> Tensor:
        """(1, 9): from a hard lamp to none at all, from anywhere in front."""
        side, up, strength = (self._between(-1, 1) for _ in range(3))
        ambient = min(1.0, 0.55 + 0.6 * strength) if strength > 0 else 0.55 + 0.4 * strength  # often no lamp at all
        return like.new_tensor([[ambient, 1.1 - ambient, 1.1 - ambient, 1, 1, 1, 1.2 * side, 0.3 + 0.4 * up, 0.8]])

    def _between(self, low: float, high: float) -> float:
        return float(torch.empty(()).uniform_(low, high, generator=self.chance))

    def _priors(self, head: FitHead) -> Tensor:
        """Priors of everything that is solved for."""
        weights = self.weights
        white = (head.sclera.clamp(min=0.02) / head.sclera.new_tensor([SCLERA])).log()
        iris = (head.iris.clamp(min=0.004) / head.iris_start).log()
        return (
            prior_energy(head.identity, head.expression, head.light, self.evidence, weights)
            + weights.skin * head.skin.square().sum()
            + residual_prior(head.residual.coarse(), weights.residual, head.unsure)
            + terms.uneven_prior(head.uneven, weights.uneven, weights.uneven_tint)
            + weights.shine * (head.shine.square().sum() + head.oil.square().sum())
            + weights.hardness * (head.hardness - ORDINARY_HARDNESS).square().sum()
            + weights.gaze * (head.gaze - self.evidence.gaze).square().sum()
            + weights.sclera * (white - white.mean()).square().sum()
            + weights.sclera_level * white.mean().square()
            + weights.iris_tint * (iris - iris.mean()).square().sum()
            + weights.iris * iris.mean().square()
        )
