"""Make an avatar from a face model's coefficients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .. import __version__
from ..face.embedded import EmbeddedFace
from ..face.model import MorphableModel
from ..face.surface import surface_maps
from .convert import stored_traced
from .groom import Groom
from .images import stored
from .manifest import Camera, FaceModel, Hair, Latent, Light, Manifest
from .mesh import AvatarMesh
from .result import Avatar


def avatar_from_model(
    model: MorphableModel,
    *,
    identity: Tensor,
    expression: Tensor,
    gaze: Tensor | None = None,
    arkit: Mapping[str, float] | None = None,
    texture: Tensor | None = None,
    light: Light,
    camera: Camera,
    maps: Mapping[str, np.ndarray],
    hair: Hair | None = None,
    brows: Hair | None = None,
    groom: Groom | None = None,
    engine: str,
    seed: int,
    settings: Mapping[str, Any] | None = None,
    metrics: Mapping[str, float] | None = None,
    timings: Mapping[str, float] | None = None,
    licences: Mapping[str, str] | None = None,
    preview: np.ndarray | None = None,
    photo: np.ndarray | None = None,
) -> Avatar:
    """identity (I,), expression (E,), gaze (2, 2) radians, texture any shape -> the neutral head, its ARKit shapes and
    the sliders' starting weights.

    `arkit` holds starting weights by name (face.arkit.to_arkit). The rest of the fit, that is the gaze and the part of the
    expression that no slider reaches, becomes one more shape, so that the imported head lies exactly on the photo. maps,
    preview and photo are as in Avatar; `hair` and `brows` need maps of the same names. Those that follow from
    the shape or the face model are added where they are missing.
    """
    shapes = _shapes(model, identity)
    start = {name: float(np.clip(weight, 0, 1)) for name, weight in (arkit or {}).items() if name in model.arkit_names}
    neutral, fitted = _vertices(model, identity, None, None), _vertices(model, identity, expression, gaze)
    weights = np.array([start.get(name, 0.0) for name in model.arkit_names])
    residual = fitted - neutral - np.einsum("k,kvc->vc", weights, shapes.astype(np.float64))
    topology = model.topology
    mesh = AvatarMesh(
        vertices=neutral.astype(np.float32),
        quads=topology.quads.astype(np.int32),
        uv=topology.uv.astype(np.float32),
        uv_quads=topology.uv_quads.astype(np.int32),
        quad_region=topology.quad_region.astype(np.uint8),
        shape_key_names=tuple(model.arkit_names),
        shape_keys=shapes,
        fit_residual=residual.astype(np.float32),
        eye_pivots=_eye_pivots(model, neutral),
    )
    ambient, diffuse, specular = light.ambient, light.diffuse, light.specular
    about = Manifest(
        fitdiff_version=__version__,
        engine=engine,
        seed=seed,
        settings=dict(settings or {}),
        face_model=FaceModel(name=model.name, licence=model.licence),
        latent=Latent(
            identity=_numbers(identity),
            expression=_numbers(expression),
            light=[ambient, diffuse, specular, *light.colour, *light.direction],
            texture=None if texture is None else _numbers(texture),
        ),
        gaze=((0.0, 0.0), (0.0, 0.0)) if gaze is None else _pairs(gaze),
        light=light,
        camera=camera,
        hair=hair,
        brows=brows,
        arkit=start,
        metrics={name: float(value) for name, value in (metrics or {}).items()},
        timings={name: float(value) for name, value in (timings or {}).items()},
        licences={f"face model {model.name}": model.licence, **(licences or {})},
    )
    if not {"occlusion", "translucency"} <= set(maps):
        maps = {**stored_traced(topology, torch.from_numpy(mesh.vertices)), **maps}
    maps = {**{name: stored(values) for name, values in surface_maps(topology).items()}, **maps}
    return Avatar(about, mesh, dict(maps), preview, photo, groom)


@torch.no_grad()
def _shapes(model: MorphableModel, identity: Tensor) -> np.ndarray:
    """This person's ARKit shapes, (K, V, 3) float16 metres: the rounding is at most 8 micrometres in a motion of 3 cm."""
    shapes = model.shapes_on(identity.detach().to(model.mean))
    if shapes is None:
        return np.zeros((0, len(model.mean), 3), np.float16)
    return shapes.detach().cpu().numpy().astype(np.float16)


@torch.no_grad()
def _vertices(model: MorphableModel, identity: Tensor, expression: Tensor | None, gaze: Tensor | None) -> np.ndarray:
    def batched(x: Tensor | None) -> Tensor | None:
        return None if x is None else x.detach().to(model.mean)[None]

    vertices = model.vertices(identity.detach().to(model.mean)[None], batched(expression), batched(gaze))
    return vertices[0].cpu().numpy().astype(np.float64)


def _eye_pivots(model: MorphableModel, neutral: np.ndarray) -> np.ndarray | None:
    """(2, 3) float32 metres, left eye first; None for models without eyeballs."""
    if not isinstance(model, EmbeddedFace):
        return None
    return model.eye_centres(torch.from_numpy(neutral).to(model.mean)[None])[0].cpu().numpy().astype(np.float32)


def _numbers(x: Tensor) -> list[float]:
    return [float(value) for value in x.detach().flatten().cpu()]


def _pairs(x: Tensor) -> tuple[tuple[float, float], tuple[float, float]]:
    left, right = x.detach().cpu().tolist()
    return _pair(left), _pair(right)


def _pair(x: Sequence[float]) -> tuple[float, float]:
    return float(x[0]), float(x[1])
