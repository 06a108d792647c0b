"""Pictures of a face model, for people who want to see what it can do: people, components, units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from ..errors import FitDiffError
from ..face.looks import Look, look_maps, random_look
from ..face.model import MorphableModel
from ..face.people import random_identity
from ..face.skin import load_skin
from ..render.camera import Camera
from ..render.preview import BACKGROUND, CLAY_LIGHT, clay, to_bytes
from ..render.renderer import Renderer
from .contact_sheet import Row

SLIGHT, TURN, SIDE = -12.0, -22.0, -65.0  # degrees towards the light: both eyes seen well, three-quarter, profile
SIGMA = 2.0
PORTRAIT = (0.08, 0.82)  # of a picture's width, where a slightly turned head stands
FEW = 6  # units up to this number are shown on several people, more of them on the mean only


def rows_of_people(
    model: MorphableModel,
    count: int,
    seed: int,
    size: int,
    columns: int = 6,
    textured: bool = False,
    sliders: Mapping[str, float] | None = None,
) -> list[Row]:
    """`count` random people, `columns` in a row, numbered from 1; in clay, or with skins, eyes and brows of their own.

    sliders: ARKit units by name that all of them show.
    """
    if count == 0:
        return []
    generator = torch.Generator().manual_seed(seed)
    identity, renderer = random_identity(model, count, generator), Renderer(model.topology)
    _refuse_unknown(model, list(sliders or {}))
    with torch.no_grad():
        vertices = model.vertices(identity)
        if sliders:
            rows = [model.arkit_names.index(name) for name in sliders]
            weights = identity.new_tensor(list(sliders.values()))
            moved = [torch.tensordot(weights, model.shapes_on(one)[rows], 1) for one in identity]  # type: ignore[index]
            vertices = vertices + torch.stack(moved)
    if textured:
        looks = [random_look(generator, load_skin().count) for _ in range(count)]
        pictures = [_painted(model, renderer, size, *person) for person in zip(vertices, looks, strict=True)]
    else:
        pictures = [_clay(model, renderer, size, points, TURN) for points in vertices]
    return _grid(pictures, [str(number + 1) for number in range(count)], columns)


def rows_of_components(model: MorphableModel, kind: str, count: int, size: int) -> list[Row]:
    """The first components of `kind` ("identity" or "expression") at plus and minus two sigma, front and side."""
    basis = model.identity_basis if kind == "identity" else model.expression_basis
    draw = partial(_clay, model, Renderer(model.topology), size, close=kind == "expression")
    rows = []
    for index, component in enumerate(basis[:count].detach()):
        low, high = model.mean - SIGMA * component, model.mean + SIGMA * component
        views = [(low, 0.0), (model.mean, 0.0), (high, 0.0), (low, SIDE), (high, SIDE)]
        captions = ["-2 sigma", "mean", "+2 sigma", "-2 sigma", "+2 sigma"] if index == 0 else []
        rows.append(Row([draw(*view) for view in views], f"{kind}\n{index + 1}", captions))
    return rows


def rows_of_units(model: MorphableModel, names: str, seed: int, size: int, columns: int = 6) -> list[Row]:
    """ARKit units by name, comma-separated, or "all". A few: half and full weight, on the mean and on two people."""
    wanted = list(model.arkit_names) if names == "all" else [name.strip() for name in names.split(",") if name.strip()]
    _refuse_unknown(model, wanted)
    if not wanted or model.arkit_shapes is None:
        return []
    draw = partial(_clay, model, Renderer(model.topology), size, close=True)
    unit = dict(zip(model.arkit_names, model.arkit_shapes.detach(), strict=True))
    # mouthClose is defined over an open jaw; alone it would push the lips through each other.
    if "mouthClose" in wanted and "jawOpen" in unit:
        unit["mouthClose + jawOpen"] = unit["mouthClose"] + unit["jawOpen"]
        wanted[wanted.index("mouthClose")] = "mouthClose + jawOpen"
    shapes = [unit[name] for name in wanted]
    if len(wanted) > FEW:
        return _grid([draw(model.mean + shape, SLIGHT) for shape in shapes], wanted, columns)
    one, two = model.vertices(random_identity(model, 2, torch.Generator().manual_seed(seed)))
    rows = []
    for index, (name, shape) in enumerate(zip(wanted, shapes, strict=True)):
        views = [(model.mean, 0.5, 0.0), (model.mean, 1.0, 0.0), (one, 1.0, TURN), (two, 1.0, TURN), (two, 1.0, SIDE)]
        captions = ["0.5", "1", "1", "1", "1"] if index == 0 else []
        rows.append(Row([draw(base + weight * shape, yaw) for base, weight, yaw in views], name, captions))
    return rows


def _refuse_unknown(model: MorphableModel, units: Sequence[str]) -> None:
    unknown = [name for name in units if name not in model.arkit_names]
    if unknown:
        raise FitDiffError(
            "usage-arkit",
            f"The face model {model.name} has no ARKit unit called {unknown[0]!r}; "
            + ("it has none at all." if not model.arkit_names else f"it has {', '.join(model.arkit_names)}."),
        )


def portrait_camera(
    model: MorphableModel, size: tuple[int, int], yaw: float = 0.0, pitch: float = 0.0, close: bool = False
) -> Camera:
    """A camera (height, width of the picture) that frames the mean head, or the face if close, the same for everybody.

    The head is found from the landmarks, so that a bust is not shown whole; a model without them is.
    """
    mean = model.mean.detach()
    if "ibug68" in model.topology.landmarks:
        marks = model.landmarks(mean[None])[0]
        bridge, chin = marks[27], marks[8]
        face = (bridge - chin).norm()
        ears = marks[[0, 16]].mean(0)
        # Turn about the middle of the head; it reaches about as far above the bridge of the nose as the chin below.
        lift, forward, reach = (-0.3, 0.7, 0.95) if close else (0.02, 0.35, 1.45)
        middle = torch.stack([ears[0], bridge[1] + lift * face, ears[2] + forward * (bridge[2] - ears[2])])
        reach *= float(face)
    else:
        middle = 0.5 * (mean.amin(0) + mean.amax(0))
        reach = 1.15 * float((mean - middle).abs()[:, :2].max())
    distance = 8.0 * reach
    angle = float(2.0 * np.degrees(np.arctan(reach / distance))) * max(1.0, size[0] / size[1])
    return Camera.facing(size, distance, angle, yaw, pitch, target=middle)


def _clay(
    model: MorphableModel, renderer: Renderer, size: int, vertices: Tensor, yaw: float, close: bool = False
) -> np.ndarray:
    camera = portrait_camera(model, (size, size), yaw, close=close)
    return clay(vertices.detach(), model.topology, size, camera=camera, renderer=renderer)


@torch.no_grad()
def _painted(model: MorphableModel, renderer: Renderer, size: int, vertices: Tensor, look: Look) -> np.ndarray:
    camera = portrait_camera(model, (2 * size, 2 * size), SLIGHT)
    rendering = renderer(vertices[None], look_maps(model, [look]), camera, vertices.new_tensor([CLAY_LIGHT]))
    picture = rendering.over(vertices.new_tensor(BACKGROUND).view(1, 3, 1, 1))
    # A portrait: what stands beside a head is left away.
    left, right = round(PORTRAIT[0] * size), round(PORTRAIT[1] * size)
    return to_bytes(torch.nn.functional.avg_pool2d(picture, 2))[0, :, left:right]


def _grid(pictures: Sequence[np.ndarray], captions: Sequence[str], columns: int) -> list[Row]:
    return [
        Row(pictures[start : start + columns], captions=captions[start : start + columns])
        for start in range(0, len(pictures), columns)
    ]
