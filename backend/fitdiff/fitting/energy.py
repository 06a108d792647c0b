"""How far a head and a photo disagree, as one number: the terms of terms.py with their weights.

Shared by the direct fit, which solves for everything, and by guidance, which moves a generator's latent. A new term is a
function in terms.py, and a weight and a line here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from ..render.camera import Camera
from ..render.colour import to_linear, to_srgb
from ..render.renderer import Rendering
from . import terms
from .evidence import Evidence, on_grey
from .residual import ResidualPriors

EYES = 0.5  # weight of an eye's pixel beside a skin's, where the irises' colour is solved for


@dataclass(frozen=True)
class Weights:
    photo: float = 5000.0
    landmarks: float = 60 / 0.02**2
    landmarks_end: float = 0.3  # the share of it in the last step
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
    iris: float = 0.5  # on its log brightness's distance from what was first read, and
    iris_tint: float = 5.0  # on its colour's
    sclera: float = 100.0  # on its tint
    sclera_level: float = 4.0
    residual: ResidualPriors = field(default_factory=ResidualPriors)


class Drawn(NamedTuple):
    """A head as it was drawn into the window."""

    rendering: Rendering
    picture: Tensor  # (1, 3, h, h) sRGB, over the photo
    landmarks: dict[str, Tensor]  # name -> (N, 2) pixels


def drawn_over(evidence: Evidence, rendering: Rendering, vertices: Tensor, camera: Camera) -> Drawn:
    """vertices (1, V, 3), and the window's camera that the rendering is of."""
    picture = to_srgb(rendering.over(to_linear(evidence.photo)))
    marks = {name: camera.project(evidence.model.landmarks(vertices, name)).screen[0] for name in evidence.landmarks}
    return Drawn(rendering, picture, marks)


def picture_energy(
    drawn: Drawn,
    evidence: Evidence,
    weights: Weights,
    landmarks_share: float = 1.0,
    own_eyes: bool = False,
    recognise: bool = True,
    alone: bool = False,
) -> Tensor:
    """What the photo's view shows. landmarks_share: of their weight; own_eyes: whether the irises' colour is solved for;
    recognise: whether the recogniser is asked; alone: of the face on grey instead of over the photo."""
    seen = terms.visible_mask(evidence, drawn.rendering)
    if own_eyes:
        seen = torch.maximum(seen, EYES * evidence.eyes * drawn.rendering.alpha.detach())
    energy = weights.photo * terms.photometric(drawn.picture, evidence.photo, seen)
    missed = [
        terms.landmarks(drawn.landmarks[name], wanted, evidence.trust(name), evidence.unit)
        for name, wanted in evidence.landmarks.items()
    ]
    energy = energy + weights.landmarks * landmarks_share * torch.stack(missed).mean()
    if recognise:
        like = terms.likeness(drawn.picture, drawn.rendering, evidence, alone, spare_eyes=own_eyes)
        energy = energy + weights.identity * like
    return energy


def prior_energy(identity: Tensor, expression: Tensor, light: Tensor, evidence: Evidence, weights: Weights) -> Tensor:
    """Priors of shape (1, I), expression (1, E) and light (1, 9)."""
    return (
        weights.shape * evidence.expected.cost(identity)
        + weights.expression * terms.expression_prior(expression)
        + weights.light * terms.light_prior(light, evidence.hints)
    )


@torch.no_grad()
def metrics(drawn: Drawn, evidence: Evidence) -> dict[str, float]:
    """How well head and photo agree, for avatar.json."""
    shown = on_grey(drawn.picture, terms.face_mask(evidence, drawn.rendering))
    features = evidence.recogniser.embed(shown, evidence.mesh_points).embedding
    name, wanted = next(iter(evidence.landmarks.items()))
    missed = (drawn.landmarks[name] - wanted).norm(dim=1)[evidence.trust(name) >= 1]
    seen = terms.visible_mask(evidence, drawn.rendering)
    return {
        "identity_guide": 1 - float(terms.cosine(features, evidence.alone.embedding)),
        "photometric": float(terms.photometric(drawn.picture, evidence.photo, seen)),
        "landmarks_mean_percent": 100 * float(missed.mean()) / evidence.unit,
    }
